"""The laws of the ledger: a sound one breaks none, and each is broken by a row that should not be."""

from __future__ import annotations

import json

import pytest

from pyfi.core.ids import uuid7
from pyfi.errors import ForbiddenError
from tests.architecture import project
from tests.integration.db.scene import Scene, add_part, add_plug, arguments
from tests.integration.db.workers import Told, start_worker, submit

# Law -> what a bug, or somebody with a superuser's login, could do to the story below.
CRIMES = {
    "a held call has a claim, a worker and a lease, no other call has a lease": (
        "update pyfi.call set lease_until = now() where name = 'b'"
    ),
    "a call has an end if it is done, failed or cancelled, and else none": (
        "update pyfi.call set finished = null where state = 'done'"
    ),
    "a failed or parked call says why, a done one has no error": "update pyfi.call set error = '{}' where name = 'a'",
    "an attempt succeeded, failed or was lost": "update pyfi.call set attempt = 0 where name = 'a'",
    "a first call has no parent, is its own root and came by no plug": (
        "update pyfi.call set root_id = gen_random_uuid() where name = 'a'"
    ),
    "a child has a parent, of the same flow and owner, fewer hops from the first call": (
        "delete from pyfi.call where name = 'a' and result::text = '[7,8]'"
    ),
    "a child by a plug has a parent that is done, or failed if it is an ERROR plug": (
        "update pyfi.call set state = 'queued', finished = null, worker_id = null where name = 'a' and state = 'done'"
    ),
    "a child came by a plug of its parent, one that the parent named if it named any": (
        "update pyfi.call set plugs = '{other}' where name = 'a'"
    ),
    "a call that ended has the children that its plugs make": (
        "delete from pyfi.call where name = 'b' and args::text like '%1%'"
    ),
    "a parent has at most one child for each plug, socket and item": (
        "insert into pyfi.call select (jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid()))).*"
        " from pyfi.call c where name = 'b' and args::text like '%1%'"
    ),
    "a call that ended has filled the slots that its plugs lead to": (
        "delete from pyfi.slot where argument = 'x'; delete from pyfi.call where name = 'join'"
    ),
    "a join has made its one call if it has all its parts, and else none": "delete from pyfi.call where name = 'join'",
    "a slot was filled by a call of the same flow that has ended": "update pyfi.slot set source_id = gen_random_uuid()",
    "a member has a frame, and a slot of its own in it": "update pyfi.call set slot = 7 where slot = 1",
    "a frame has entered its steps, and counts who came back": "update pyfi.frame set have = have + 1",
    "a parked call has an event that says so": "delete from pyfi.event where name = 'parked'",
    "an event tells of a call that is there": (
        "insert into pyfi.event (call_id, name) values (gen_random_uuid(), 'lost')"
    ),
    "the outbox names calls that are there, of the socket at that address": (
        "update pyfi.outbox set ids = ids || gen_random_uuid()"
    ),
    "no wake-up waits in the outbox for more than a minute": "update pyfi.outbox set due = now() - interval '1 h'",
    "no lease is long past": (
        "update pyfi.call set state = 'claimed', claim = 9, worker_id = id, lease_until = now() - interval '1 h'"
        " where state = 'queued'"
    ),
    "no call waits longer than it may": "update pyfi.call set expires = now() - interval '1 h' where state = 'queued'",
}


@pytest.fixture
def story(scene: Scene) -> Scene:
    """Results, a generator's items, an empty generator, a named plug, a failure, a parked call; joins; compositions."""
    part = add_part(scene.ann, "p", "a", "b", "c", "fork", "join")
    a, b, c, fork, join = part.sockets.values()
    add_plug(scene.ann, "on", a, b, part.queue)
    add_plug(scene.ann, "other", a, c, part.queue)
    add_plug(scene.ann, "wrong", a, c, part.queue, "ERROR")
    add_plug(scene.ann, "x", fork, join, part.queue, argument="x")
    add_plug(scene.ann, "y", fork, join, part.queue, argument="y")
    scene.setting("max_losses", "1")
    worker = start_worker(scene, part.processor)
    ids = submit(scene.ann, a, *[arguments(n) for n in range(6)])
    calls = {call.id: call for call in worker.claim(*ids)}
    plain, many, none, naming, failing, lost = (calls[each] for each in ids)
    worker.turn(
        items=[(many, 1, "7"), (many, 2, "8")],
        finish=[
            Told(call=plain, value="1"),
            Told(call=many, outcome="each", value="[7,8]"),
            Told(call=none, outcome="each", value="[]"),
            Told(call=naming, value="1", plugs={"on": "5"}),
            Told(call=failing, outcome="failed", value='{"message":"no"}'),
            Told(call=lost, outcome="lost", value='{"message":"gone"}'),
        ],
    )
    forks = submit(scene.ann, fork, arguments(), arguments())
    whole, half = worker.claim(*forks)
    worker.turn(finish=[Told(call=whole), Told(call=half, plugs={"x": "1"})])
    step = {"call": str(c)}
    for number, composition in enumerate(({"pipeline": [step, step]}, {"parallel": [step, step, step]})):
        steps = json.dumps(composition)
        ((_, _, entered),) = scene.ann.ask("select * from ledger.compose(%s, %s, true)", uuid7(number, 1), steps)
        claimed = worker.claim(*entered)
        worker.finish(claimed[0])
    return scene


def broken(scene: Scene) -> dict[str, int]:
    """The laws that do not hold, and how often."""
    return {law: count for law, count, _ in scene.admin.ask("select * from ledger.laws()") if count}


def test_a_sound_ledger_breaks_no_law(story: Scene) -> None:
    """Whatever a call may do."""
    assert story.superuser.one("select count(*) from pyfi.call") == (6 + 2 + 4 + 1 + 1) + (2 + 1) + (1 + 2) + (1 + 3)
    assert broken(story) == {}


def test_each_law_has_a_crime_and_a_line_in_the_docs(scene: Scene) -> None:
    """No law is there that nothing can break, or that nobody can read of."""
    laws = {law for law, _, _ in scene.admin.ask("select * from ledger.laws()")}
    assert laws == set(CRIMES)
    assert laws == {row[0] for row in project.table("docs/reference/ledger.md") if row[0] in laws}


@pytest.mark.parametrize("law", CRIMES)
def test_a_broken_law_is_found(story: Scene, law: str) -> None:
    """With examples; the server is up for longer than the grace after its start."""
    story.superuser.ask(
        f"set session_replication_role = replica; {CRIMES[law]}; set session_replication_role = default"
    )
    story.setting("lease", "-2 minutes")
    ((count, examples),) = story.admin.ask("select violations, examples from ledger.laws() where law = %s", law)
    assert count > 0
    assert 0 < len(examples) <= 3


def test_only_an_administrator_may_ask(scene: Scene) -> None:
    """Others would not see the whole of a flow."""
    with pytest.raises(ForbiddenError):
        scene.ann.ask("select * from ledger.laws()")
