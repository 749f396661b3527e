"""retry, replay, discard, purge: what becomes of each call, who may, and what two at once do."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from pyfi.clock import wait_until
from pyfi.errors import ForbiddenError, InvalidError, PyfiError
from tests.integration.db.scene import Login, Part, Scene, add_part, add_plug, arguments
from tests.integration.db.workers import Worker, start_worker, submit

# id, outcome, id of the replay, note, hint
Row = tuple[UUID, str, UUID | None, str | None, str | None]


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor of ann's with two sockets and a plug from the first to the second."""
    made = add_part(scene.ann, "p", "one", "two")
    add_plug(scene.ann, "edge", made.sockets["one"], made.sockets["two"], made.queue)
    return made


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """A worker of it."""
    return start_worker(scene, part.processor)


def enter(scene: Scene, part: Part, count: int = 1) -> list[UUID]:
    """Queued calls whose wake-ups are with the broker."""
    ids = submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(count)])
    scene.superuser.ask("delete from pyfi.outbox")
    return ids


def parked(scene: Scene, part: Part, worker: Worker, count: int = 1) -> list[UUID]:
    """Calls that were lost too often."""
    scene.setting("max_losses", "1")
    ids = enter(scene, part, count)
    for call in worker.claim(*ids):
        worker.fail(call, "lost")
    scene.setting("max_losses", "5")
    return ids


def failed(scene: Scene, part: Part, worker: Worker, count: int = 1) -> list[UUID]:
    """Calls that raised."""
    ids = enter(scene, part, count)
    for call in worker.claim(*ids):
        worker.fail(call)
    return ids


def retry(login: Login, *ids: UUID, again: bool = False, reason: str | None = None) -> list[Row]:
    """Their rows, in the order of `ids`."""
    new = [uuid4() for _ in ids]
    asked = "select * from ledger.retry(%s::uuid[], %s::uuid[], %s, %s)"
    return login.ask(asked, list(ids), new, again, reason)  # type: ignore[return-value]


def replay(login: Login, *ids: UUID, again: bool = False, commit: str | None = None, onward: bool = False) -> list[Row]:
    """Their rows, in the order of `ids`."""
    new = [uuid4() for _ in ids]
    asked = "select * from ledger.replay(%s::uuid[], %s::uuid[], %s, %s, %s, null)"
    return login.ask(asked, list(ids), new, again, commit, onward)  # type: ignore[return-value]


def give_up(login: Login, verb: str, *ids: UUID, reason: str | None = None) -> list[Row]:
    """Their rows, in the order of `ids`."""
    asked = "select * from ledger.give_up(%s::uuid[], %s, %s)"
    return login.ask(asked, list(ids), verb, reason)  # type: ignore[return-value]


def outcomes(rows: Sequence[Row]) -> list[str]:
    """What became of each."""
    return [row[1] for row in rows]


def events(scene: Scene, id_: UUID) -> list[tuple[str, str]]:
    """Name and note, in their order."""
    return [
        (n, t) for n, t in scene.superuser.ask("select name, note from pyfi.event where call_id = %s order by id", id_)
    ]


def woken(scene: Scene) -> list[UUID]:
    """Ids with a wake-up under way."""
    return [id_ for (ids,) in scene.superuser.ask("select ids from pyfi.outbox order by id") for id_ in ids]


def test_a_parked_call_waits_again(scene: Scene, part: Part, worker: Worker) -> None:
    """The same call, with no losses, its wake-up, and an event that says who and why; then it can be claimed."""
    (id_,) = parked(scene, part, worker)
    scene.superuser.ask("update pyfi.call set deadline = now() - interval '1 s', expires = now() + interval '1 hour'")
    assert retry(scene.ann, id_, reason="the disk was full") == [(id_, "queued", None, None, None)]
    row = scene.call(id_)
    assert (row["state"], row["losses"], row["attempt"], row["error"]) == ("queued", 0, 1, None)
    assert (row["deadline"], row["expires"] is None) == (None, False), "a time that is over would end it at once"
    assert events(scene, id_)[-1] == ("retried", "by ann: the disk was full")
    assert woken(scene) == [id_]
    assert worker.finish(worker.claim_one(id_)).finished == [id_]
    ((_, outcome, _, note, hint),) = retry(scene.ann, id_)
    assert (outcome, note, hint) == (
        "refused",
        f"call {id_} is done",
        f"flow call replay {id_} runs it again",
    )


def test_a_failed_call_is_made_anew_once(scene: Scene, part: Part, worker: Worker) -> None:
    """Final is final: a new first call with the same arguments and owner; again only who says so."""
    (id_,) = failed(scene, part, worker)
    before = scene.call(id_)
    ((_, outcome, made, _, _),) = retry(scene.ann, id_, reason="fixed")
    assert outcome == "replayed" and made is not None
    row = scene.call(made)
    assert (row["replay_of"], row["root_id"], row["parent_id"], row["state"]) == (str(id_), str(made), None, "queued")
    assert (row["args"], row["owner_id"]) == (before["args"], before["owner_id"])
    assert scene.call(id_) == before
    assert events(scene, made) == [("replayed", f"{id_} by ann: fixed")]
    assert woken(scene) == [made]
    ((_, outcome, none, note, _),) = retry(scene.ann, id_)
    assert (outcome, none, note) == ("refused", None, f"call {id_} was replayed as {made}")
    assert outcomes(retry(scene.ann, id_, again=True)) == ["replayed"]


def test_a_lost_answer_is_asked_for_again(scene: Scene, part: Part, worker: Worker) -> None:
    """The same ids give the same answer, and no second replay; large arguments are those of the old call."""
    large = submit(scene.ann, part.sockets["one"], arguments("x" * 70_000))
    worker.fail(worker.claim_one(large[0]))
    ids = failed(scene, part, worker, 3) + large
    new = [uuid4() for _ in ids]
    asked = "select id, outcome, made from ledger.retry(%s::uuid[], %s::uuid[], %s, null)"
    first = scene.ann.ask(asked, ids, new, True)
    assert first == [(id_, "replayed", made) for id_, made in zip(ids, new, strict=True)]
    assert scene.ann.ask(asked, ids, new, True) == scene.ann.ask(asked, ids, new, False) == first
    assert scene.superuser.one("select count(*) from pyfi.call where replay_of is not null") == 4
    sizes = scene.ann.ask("select arguments_bytes from ledger.payload_sizes(%s)", [large[0], new[3]])
    assert len(sizes) == 2
    assert sizes[0] == sizes[1]


def test_a_step_in_the_middle_goes_on_along_its_plugs(scene: Scene, part: Part, worker: Worker) -> None:
    """As a first call: what it leads to has it as its root."""
    (root,) = enter(scene, part)
    worker.finish(worker.claim_one(root), "7")
    (middle,) = scene.children(root)
    worker.finish(worker.claim_one(UUID(middle["id"])))
    ((_, _, again_root, _, _), (_, _, again_middle, _, _)) = replay(scene.ann, root, UUID(middle["id"]))
    assert again_root is not None and again_middle is not None
    assert scene.call(again_middle)["root_id"] == str(again_middle)
    assert scene.call(again_middle)["args"] == middle["args"]
    worker.finish(worker.claim_one(again_root), "8")
    (child,) = scene.children(again_root)
    assert (child["root_id"], child["args"]) == (str(again_root), '{"args":[8],"kwargs":{}}')


def test_a_commit_is_kept_to_or_refused(scene: Scene, part: Part, worker: Worker) -> None:
    """Both commits are named, and the command that brings the old one back."""
    (id_,) = failed(scene, part, worker)
    assert outcomes(replay(scene.ann, id_, commit="same")) == ["replayed"]
    scene.ann.ask('update pyfi.processor set "commit" = %s', "1" * 40)
    ((_, outcome, _, note, hint),) = replay(scene.ann, id_, again=True, commit="same")
    assert (outcome, note) == ("refused", f"call {id_} ran at commit {'0' * 40}, processor p is at {'1' * 40}")
    assert hint == f"flow update processor -n p --commit {'0' * 40}"
    assert outcomes(replay(scene.ann, id_, again=True, commit="1111")) == ["replayed"]
    ((_, outcome, _, note, _),) = replay(scene.ann, id_, again=True, commit="0000")
    assert (outcome, note) == ("refused", f"processor p is at commit {'1' * 40}, not at 0000")
    assert outcomes(replay(scene.ann, id_, again=True)) == ["replayed"]


def test_a_parked_call_is_given_up(scene: Scene, part: Part, worker: Worker) -> None:
    """It ends as cancelled, keeps its cause, and says who gave it up; whoever waits for it is told."""
    (id_,) = parked(scene, part, worker)
    scene.ann.ask("listen pyfi_call")
    assert outcomes(give_up(scene.ann, "discard", id_, reason="too old")) == ["cancelled"]
    row = scene.call(id_)
    assert (row["state"], row["finished"] is None) == ("cancelled", False)
    assert "signal 9" in row["error"]
    assert events(scene, id_)[-1] == ("discarded", "by ann: too old")
    scene.ann.ask("select 1")
    assert f"d:{id_}" in [each.payload for each in scene.ann.connection.notifies]
    assert worker.claim(id_) == []
    assert outcomes(give_up(scene.ann, "discard", id_)) == ["refused"]


def test_only_what_waits_is_purged(scene: Scene, part: Part, worker: Worker) -> None:
    """What a worker holds runs on."""
    waits, held = enter(scene, part, 2)
    call = worker.claim_one(held)
    assert outcomes(give_up(scene.ann, "purge", waits, held)) == ["cancelled", "refused"]
    assert worker.claim(waits) == []
    assert worker.finish(call).finished == [held]
    assert events(scene, waits) == [("purged", "by ann")]


def test_a_member_that_is_purged_ends_its_composition(scene: Scene, part: Part, worker: Worker) -> None:
    """As any other end does: nobody waits for ever, and its siblings need not run."""
    steps = {"parallel": [{"call": str(part.sockets[name]), "args": [], "kwargs": {}} for name in ("one", "two")]}
    frame = uuid4()
    scene.ann.ask("select * from ledger.compose(%s, %s, false)", frame, json.dumps(steps))
    first, second = scene.children(frame)
    assert outcomes(give_up(scene.ann, "purge", UUID(first["id"]))) == ["cancelled"]
    assert scene.call(frame)["state"] == "failed"
    assert "purged by ann" in scene.call(frame)["error"]
    assert scene.call(UUID(second["id"]))["state"] == "cancelled"


def test_who_may(scene: Scene, part: Part, worker: Worker) -> None:
    """To another user there is no such call; an administrator's replay still belongs to the call's owner."""
    (id_,) = failed(scene, part, worker)
    (lost,) = parked(scene, part, worker)
    unknown = uuid4()
    for rows in (
        retry(scene.bob, id_, lost, unknown),
        replay(scene.bob, id_, lost, unknown),
        give_up(scene.bob, "discard", id_, lost, unknown),
    ):
        assert [row[3] for row in rows] == [f"there is no call {each}" for each in (id_, lost, unknown)]
    assert scene.superuser.one("select count(*) from pyfi.call") == 2
    ((_, _, made, _, _),) = retry(scene.admin, id_)
    assert made is not None
    assert scene.call(made)["owner_id"] == scene.call(id_)["owner_id"]
    assert events(scene, made)[0][1].endswith("by admin")
    for login in (scene.worker(), scene.agent()):
        with pytest.raises(ForbiddenError):
            retry(login, id_)


def test_what_cannot_run_is_refused(scene: Scene, part: Part, worker: Worker) -> None:
    """A removed processor, a deleted socket, a call that has not ended; odd arguments."""
    (id_,) = failed(scene, part, worker)
    (lost,) = parked(scene, part, worker)
    (open_,) = enter(scene, part)
    assert replay(scene.ann, open_)[0][3] == f"call {open_} is queued: it has not ended"
    assert replay(scene.ann, lost)[0][4] == f"flow call retry {lost}, or flow call discard {lost}"
    scene.ann.ask("update pyfi.processor set requested_status = 'removed'")
    assert [row[3] for row in retry(scene.ann, id_, lost)] == ["processor p is removed"] * 2
    scene.ann.ask("delete from pyfi.plug")
    scene.ann.ask("delete from pyfi.socket")
    assert [row[3] for row in retry(scene.ann, id_, lost)] == [
        f"the socket one of call {each} is gone" for each in (id_, lost)
    ]
    assert outcomes(give_up(scene.ann, "discard", lost)) == ["cancelled"]
    many = "select ledger.retry(array_fill(%s::uuid, array[1001]), '{}', false, null)"
    with pytest.raises(InvalidError, match="at most 1000"):
        scene.ann.ask(many, id_)
    with pytest.raises(InvalidError, match="not of version 8"):
        scene.ann.ask("select ledger.retry(array[%s], array[%s]::uuid[], true, null)", id_, "0" * 12 + "8" + "0" * 19)
    with pytest.raises(InvalidError, match="and once"):
        scene.ann.ask("select ledger.retry(array[%s, %s], array[%s, %s], true, null)", id_, id_, uuid4(), uuid4())
    with pytest.raises(InvalidError, match="not of version 8"):
        scene.ann.ask("select ledger.retry(array[%s], '{}', true, null)", id_)


def test_two_at_once_make_one_replay(scene: Scene, part: Part, worker: Worker) -> None:
    """The second waits for the first, and then finds what it did."""
    ids = failed(scene, part, worker, 50)
    first, second = scene.ann.another(), scene.ann.another()
    first.connection.autocommit = False
    assert set(outcomes(retry(first, *ids))) == {"replayed"}
    found: list[str] = []
    other = threading.Thread(target=lambda: found.extend(outcomes(retry(second, *reversed(ids)))))
    other.start()
    waits = (
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"
    )
    assert wait_until(lambda: bool(scene.superuser.one(waits)), timeout_seconds=20)
    first.connection.commit()
    other.join(20)
    first.close()
    second.close()
    assert found == ["refused"] * 50
    assert scene.superuser.one("select count(*) from pyfi.call where replay_of is not null") == 50


def test_an_error_is_told_whatever_it_holds(scene: Scene) -> None:
    """Type and message; a text that jsonb would refuse is shown as it stands."""

    def told(error: str | None) -> str | None:
        text: str | None = scene.ann.one("select ledger.error_told(%s::json)", error)
        return text

    assert told('{"error": "raised", "type": "ValueError", "message": "no"}') == "ValueError: no"
    assert told('"odd"') == '"odd"'
    assert told(None) is None
    assert told(r'{"message": "\u0000"}') == r'{"message": "\u0000"}'
    says = "select ledger.error_says(%s::json, %s)"
    for text, is_said in (("valueERROR: n", True), ("raised", True), ("trace", False)):
        error = '{"error": "raised", "type": "ValueError", "message": "no", "traceback": "trace"}'
        assert scene.ann.one(says, error, text) is is_said
    assert scene.ann.one(says, r'{"message": "\u0000 abc"}', "ABC") is True


def test_a_full_queue_refuses_replays_too(scene: Scene, part: Part, worker: Worker) -> None:
    """The whole step, which may be asked for again. A queue's time to live begins anew; the priority stays."""
    ids = failed(scene, part, worker, 3)
    scene.superuser.ask("alter table pyfi.call disable trigger call_terminal")
    scene.superuser.ask("update pyfi.call set priority = 4")
    scene.superuser.ask("alter table pyfi.call enable trigger call_terminal")
    scene.ann.ask("update pyfi.queue set max_length = 2, message_ttl = 60000")
    with pytest.raises(PyfiError, match="is full"):
        retry(scene.ann, *ids)
    assert scene.superuser.one("select count(*) from pyfi.call where replay_of is not null") == 0
    ((_, outcome, made, _, _),) = retry(scene.ann, ids[0])
    assert outcome == "replayed" and made is not None
    row = scene.call(made)
    assert (row["priority"], row["expires"] is None) == (4, False)


def compose(scene: Scene, steps: object) -> UUID:
    """A composition of ann's."""
    id_ = uuid4()
    scene.ann.ask("select * from ledger.compose(%s, %s, false)", id_, json.dumps(steps))
    return id_


def step(part: Part, task: str, *args: object) -> dict[str, object]:
    """A step that is a call."""
    return {"call": str(part.sockets[task]), "args": args, "kwargs": {}}


def next_of(scene: Scene, frame: UUID) -> UUID:
    """The member that waits."""
    (found,) = [row for row in scene.children(frame) if row["state"] == "queued"]
    return UUID(found["id"])


def test_a_failed_composition_is_composed_anew(scene: Scene, part: Part, worker: Worker) -> None:
    """The whole, once, for its owner; an inner one is refused, and so is one whose socket is gone."""
    frame = compose(scene, {"pipeline": [step(part, "one", 1), {"pipeline": [step(part, "two", 2)]}]})
    worker.finish(worker.claim_one(next_of(scene, frame)), '"x"')
    (inner,) = [UUID(row["id"]) for row in scene.children(frame) if row["frame"]]
    worker.fail(worker.claim_one(next_of(scene, inner)))
    assert scene.call(frame)["state"] == scene.call(inner)["state"] == "failed"
    ((_, _, _, note, hint),) = retry(scene.ann, inner)
    assert (note, hint) == (
        f"call {inner} is a composition inside another",
        f"flow call replay {frame} runs the whole again",
    )
    ((_, outcome, made, _, _),) = retry(scene.admin, frame)
    assert outcome == "replayed" and made is not None
    row = scene.call(made)
    assert (row["replay_of"], row["frame"], row["state"]) == (str(frame), "pipeline", "running")
    assert row["owner_id"] == scene.call(frame)["owner_id"]
    assert events(scene, made)[0][0] == "replayed"
    first = next_of(scene, made)
    assert woken(scene)[-1] == first
    worker.finish(worker.claim_one(first), '"y"')
    (inner,) = [UUID(row["id"]) for row in scene.children(made) if row["frame"]]
    last = worker.claim_one(next_of(scene, inner))
    assert json.loads(last.arguments)["args"] == ["y", 2]
    worker.finish(last, '"end"')
    assert (scene.call(made)["state"], scene.call(made)["result"]) == ("done", '"end"')
    assert retry(scene.ann, frame)[0][3] == f"call {frame} was replayed as {made}"
    assert "members have commits of their own" in str(replay(scene.ann, frame, commit="same")[0][3])
    scene.superuser.ask("delete from pyfi.plug")
    scene.ann.ask("delete from pyfi.socket where name = 'two'")
    ((_, outcome, _, note, _),) = replay(scene.ann, frame, again=True)
    assert (outcome, note) == ("refused", "there is no such socket")


def test_a_member_goes_on_with_what_is_left(scene: Scene, part: Part, worker: Worker) -> None:
    """With the arguments that it had, through all levels of pipelines; out of a parallel it cannot."""
    scene.ann.ask("delete from pyfi.plug")
    inner = {"pipeline": [step(part, "one", 1), step(part, "two", 2), step(part, "one", 3)]}
    frame = compose(scene, {"pipeline": [inner, step(part, "two", 4)]})
    (within,) = [UUID(row["id"]) for row in scene.children(frame) if row["frame"]]
    worker.finish(worker.claim_one(next_of(scene, within)), '"a"')
    member = next_of(scene, within)
    worker.fail(worker.claim_one(member))
    assert scene.call(frame)["state"] == "failed"
    ((_, outcome, made, _, _),) = replay(scene.ann, member, onward=True)
    assert outcome == "replayed" and made is not None
    assert scene.call(made)["replay_of"] == str(member)
    ran = []
    while waiting := scene.superuser.ask("select id from pyfi.call where state = 'queued'"):
        ((id_,),) = waiting
        held = worker.claim_one(id_)
        ran.append(json.loads(held.arguments)["args"])
        worker.finish(held, f'"r{len(ran)}"')
    assert ran == [["a", 2], ["r1", 3], ["r2", 4]]
    assert (scene.call(made)["state"], scene.call(made)["result"]) == ("done", '"r3"')

    (plain,) = failed(scene, part, worker)
    assert replay(scene.ann, plain, onward=True)[0][3] == f"call {plain} is no member of a composition"
    frame = compose(scene, {"parallel": [step(part, "one"), step(part, "two")]})
    member = UUID(scene.children(frame)[0]["id"])
    worker.fail(worker.claim_one(member))
    ((_, outcome, _, note, hint),) = replay(scene.ann, member, onward=True)
    assert (outcome, note) == ("refused", f"call {member} is one of a parallel, whose other results are needed")
    assert hint == f"flow call replay {frame} runs the whole composition again"
    assert outcomes(replay(scene.ann, member)) == ["replayed"], "alone it runs"
