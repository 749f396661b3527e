"""The audit log: every change once, nothing that was rolled back, nothing that can be rewritten unseen."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pyfi.errors import ForbiddenError
from tests.integration.db.scene import Scene, add_part, add_plug, add_processor, fresh_verifier, network_of
from tests.integration.db.workers import start_worker, submit


def entries(scene: Scene) -> list[tuple[Any, ...]]:
    """What was written since the test began, in order."""
    return scene.superuser.ask("select login, verb, kind, name, before, after from pyfi.audit order by number")


def clean(scene: Scene) -> None:
    """Forget what the test's stage needed."""
    scene.superuser.ask(
        "do $$ begin set local session_replication_role = replica;"
        " delete from pyfi.audit; delete from pyfi.audit_head; end $$"
    )


def whole(scene: Scene) -> tuple[int, int | None]:
    """How many entries, and the first that is wrong."""
    ((count, broken),) = scene.admin.ask("select entries, broken from access.verify_audit()")
    return int(count), broken


def test_each_change_is_one_entry_with_what_changed(scene: Scene) -> None:
    """Who, from which program, before and after; what did not change is not told."""
    clean(scene)
    id_ = scene.ann.one(
        "insert into pyfi.queue (name, network_id) values ('q', %s) returning id", network_of(scene.ann)
    )
    scene.ann.ask("update pyfi.queue set max_length = 5 where id = %s", id_)
    scene.ann.ask("update pyfi.queue set max_length = 5 where id = %s", id_)
    scene.ann.ask("delete from pyfi.queue where id = %s", id_)
    added, changed, removed = entries(scene)
    login = f"{scene.roles.prefix}.ann"
    assert added[:4] == (login, "insert", "queue", "q")
    assert added[4] is None and added[5]["name"] == "q"
    assert changed == (login, "update", "queue", "q", {"max_length": None}, {"max_length": 5})
    assert removed[1] == "delete" and removed[4]["max_length"] == 5 and removed[5] is None
    assert whole(scene) == (3, None)


def test_what_is_rolled_back_leaves_nothing(scene: Scene) -> None:
    """Not a gap either."""
    clean(scene)
    network = network_of(scene.ann)
    for end in ("rollback", "commit"):
        scene.ann.ask("begin")
        scene.ann.ask("insert into pyfi.queue (name, network_id) values ('q', %s)", network)
        scene.ann.ask(end)
    assert [entry[1] for entry in entries(scene)] == ["insert"]
    assert whole(scene) == (1, None)


def test_what_agents_observe_is_no_change(scene: Scene) -> None:
    """A hundred heartbeats and calls are none of the model's history."""
    part = add_part(scene.ann, "p", "one")
    worker = start_worker(scene, part.processor)
    clean(scene)
    scene.agent().ask("select agent.heartbeat(1, '{}')")
    (id_,) = submit(scene.ann, part.sockets["one"], '{"args":[],"kwargs":{}}')
    worker.finish(worker.claim_one(id_))
    assert entries(scene) == []


def test_secrets_are_told_of_and_not_told(scene: Scene) -> None:
    """That one changed is seen, its ciphertext is not."""
    clean(scene)
    scene.ann.ask(
        "insert into pyfi.secret (name, network_id, key_id, ciphertext) values ('s', %s, 'k', 'canary')",
        network_of(scene.ann),
    )
    scene.ann.ask("update pyfi.secret set ciphertext = 'another'")
    assert [entry[1] for entry in entries(scene)] == ["insert", "update"]
    everything = str(entries(scene))
    assert "canary" not in everything and "63616e617279" not in everything and "another" not in everything


def test_each_reads_his_own(scene: Scene) -> None:
    """What he did, and what others did to what is his."""
    clean(scene)
    part = add_part(scene.ann, "p", "one", "two")
    add_plug(scene.ann, "e", part.sockets["one"], part.sockets["two"], part.queue)
    scene.admin.ask("update pyfi.processor set description = 'seen' where id = %s", part.processor)
    assert scene.bob.ask("select 1 from pyfi.audit") == []
    assert scene.ann.one("select count(*) from pyfi.audit where kind = 'processor'") == 2
    assert scene.admin.one("select count(*) from pyfi.audit") == len(entries(scene))


def test_nobody_rewrites_it(scene: Scene) -> None:
    """Not the user, not an administrator; a superuser only past the triggers."""
    add_part(scene.ann, "p", "one")
    for statement in ("delete from pyfi.audit", "update pyfi.audit set login = 'x'", "truncate pyfi.audit"):
        for login in (scene.ann, scene.admin, scene.superuser):
            with pytest.raises(ForbiddenError):
                login.ask(statement)
    with pytest.raises(ForbiddenError):
        scene.ann.ask(
            "insert into pyfi.audit (login, program, client, verb, kind, name) values ('', '', '', '', '', '')"
        )
    with pytest.raises(ForbiddenError):
        scene.ann.ask("select * from access.verify_audit()")


@pytest.mark.parametrize(
    ("harm", "first"),
    [
        ("update pyfi.audit set login = 'somebody' where number = 3", 3),
        ("delete from pyfi.audit where number = 2", 2),
        ("delete from pyfi.audit where number >= 4", None),
        ("update pyfi.audit set at = at + interval '1 second' where number = 1", 1),
        ("update pyfi.audit set hash = 'x' where number = 5", 5),
    ],
)
def test_who_does_it_past_the_triggers_is_seen(scene: Scene, harm: str, first: int | None) -> None:
    """The chain tells where; a cut end is told by the head."""
    clean(scene)
    for number in range(5):
        scene.admin.ask("select access.create_user(%s, null, %s, false)", f"u{number}", fresh_verifier())
    assert whole(scene) == (5, None)
    scene.superuser.ask(f"do $$ begin set local session_replication_role = replica; {harm}; end $$")
    assert whole(scene)[1] == (first or 5)


def test_many_at_once_make_one_chain(scene: Scene) -> None:
    """Commits in any order."""
    clean(scene)
    network = network_of(scene.ann)

    def add(person: str) -> None:
        login = getattr(scene, person)
        for number in range(25):
            login.ask("insert into pyfi.queue (name, network_id) values (%s, %s)", f"{person}{number}", network)

    threads = [threading.Thread(target=add, args=(person,)) for person in ("ann", "bob", "admin")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert whole(scene) == (75, None)


def test_code_and_configuration_are_veiled_from_who_may_not_see_them(scene: Scene) -> None:
    """Who deleted a processor, and its owner too: that it changed is told; the values are not, nor to be guessed."""
    clean(scene)
    scene.admin.ask("select access.create_user('joe', null, %s, false)", fresh_verifier())
    scene.admin.ask("select access.grant_right('joe', null, 'DELETE_PROCESSOR', 'all', false)")
    processor = add_processor(scene.ann, "p", retries=7)
    scene.ann.ask("update pyfi.processor set gitrepo = 'https://example.org/moved', description = 'seen'")
    joe = scene.login(".joe")
    joe.ask("delete from pyfi.processor where id = %s", processor)
    look = (
        "select d.before, d.after, d.hash is null from pyfi.audit a, access.audit_detail(a.id) d"
        " where a.kind = 'processor' order by a.number"
    )
    ((before, after, unguessable),) = joe.ask(look)
    assert before["gitrepo"] == "***" and before["name"] == "p" and after is None and unguessable
    assert before["retries"] == "***"
    for word in ("example.org", "moved"):
        assert word not in str(joe.ask(look))
    for column in ("before", "after", "hash", "*"):
        with pytest.raises(ForbiddenError, match="permission denied"):
            joe.ask(f"select {column} from pyfi.audit")
    assert joe.ask("select access.audit_detail(id) from pyfi.audit where kind = 'queue'") == []
    hers = scene.superuser.one("select max(id) from pyfi.audit where login not like '%%joe'")
    assert joe.ask("select * from access.audit_detail(%s)", hers) == []
    _, changed, gone = scene.ann.ask(look)
    assert changed[1] == {"gitrepo": "https://example.org/moved", "description": "seen"} and not changed[2]
    for right in ("VIEW_PROCESSOR_CODE", "VIEW_PROCESSOR_CONFIG"):
        scene.admin.ask("select access.grant_right('ann', null, %s, 'own', true)", right)
    _, changed, gone = scene.ann.ask(look)
    assert changed[1] == {"gitrepo": "***", "description": "seen"}
    assert gone[0]["retries"] == "***" and gone[0]["requirements"] == "***" and gone[0]["module"] == "code"
    assert whole(scene)[1] is None
