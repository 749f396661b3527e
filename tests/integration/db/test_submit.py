"""S0: calls are entered once, by who may, or not at all."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest

from pyfi.core.ids import uuid7
from pyfi.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from tests.integration.db.scene import Part, Scene, add_part, arguments
from tests.integration.db.workers import submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor of ann's."""
    return add_part(scene.ann, "p", "one")


def waiting(scene: Scene) -> list[tuple[str, list[UUID]]]:
    """The outbox: address and ids."""
    return [
        (address, list(ids)) for address, ids in scene.superuser.ask("select address, ids from pyfi.outbox order by id")
    ]


def test_a_call_is_entered_with_its_wakeup(scene: Scene, part: Part) -> None:
    """Both in one transaction, as the submitter's own."""
    (id_,) = submit(scene.ann, part.sockets["one"], arguments("x"))
    call = scene.call(id_)
    ann = str(scene.ann.one("select access.me()"))
    assert (call["state"], call["attempt"], call["root_id"], call["args"]) == ("queued", 0, str(id_), arguments("x"))
    assert (call["owner_id"], call["socket_owner_id"], call["name"]) == (ann, ann, "one")
    assert waiting(scene) == [("ann:p.p.one", [id_])]


def test_the_same_id_again_is_the_first_call(scene: Scene, part: Part) -> None:
    """No second row, no second wake-up; NULL tells that nothing was entered."""
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    again = "select ledger.submit(%s::uuid[], %s, %s::text[], false)"
    assert scene.ann.one(again, [id_], part.sockets["one"], [arguments(1)]) is None
    assert waiting(scene) == [("ann:p.p.one", [id_])]
    assert scene.superuser.one("select count(*) from pyfi.call") == 1


def test_the_same_id_twice_in_one_batch_is_one_call(scene: Scene, part: Part) -> None:
    """With the same arguments."""
    id_ = uuid4()
    submit(scene.ann, part.sockets["one"], arguments(1), arguments(1), ids=[id_, id_])
    assert waiting(scene) == [("ann:p.p.one", [id_])]


def test_the_same_id_with_other_arguments_is_a_conflict(scene: Scene, part: Part) -> None:
    """Nothing of that batch is entered."""
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    with pytest.raises(ConflictError):
        submit(scene.ann, part.sockets["one"], arguments(2), arguments(3), ids=[id_, uuid4()])
    assert scene.superuser.one("select count(*) from pyfi.call") == 1


def test_the_id_of_another_tenants_call_is_a_conflict(scene: Scene, part: Part) -> None:
    """Even with equal arguments; the other's call stays as it is."""
    theirs = add_part(scene.bob, "p", "one")
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    with pytest.raises(ConflictError):
        submit(scene.bob, theirs.sockets["one"], arguments(1), ids=[id_])
    with pytest.raises(ConflictError):
        submit(scene.admin, part.sockets["one"], arguments(1), ids=[id_])
    assert scene.call(id_)["owner_id"] == str(scene.ann.one("select access.me()"))


def test_two_who_submit_one_id_at_once_enter_one_call(scene: Scene, part: Part) -> None:
    """Ten connections, one id."""
    id_ = uuid4()
    gate = threading.Barrier(10)

    def once() -> None:
        login = scene.ann.another()
        login.ask("select 1")
        gate.wait()
        submit(login, part.sockets["one"], arguments(1), ids=[id_])
        login.close()

    threads = [threading.Thread(target=once) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waiting(scene) == [("ann:p.p.one", [id_])]


@pytest.mark.parametrize("who", ["bob", "nobody"])
def test_another_tenants_socket_is_not_found(scene: Scene, part: Part, who: str) -> None:
    """The same answer as for a socket that does not exist."""
    target = part.sockets["one"] if who == "bob" else uuid4()
    with pytest.raises(NotFoundError, match="there is no such socket"):
        submit(scene.bob, target, arguments(1))


def test_an_administrator_may_call_anybodys_socket(scene: Scene, part: Part) -> None:
    """The call is his; the socket's owner sees it too."""
    (id_,) = submit(scene.admin, part.sockets["one"], arguments(1))
    assert scene.call(id_)["owner_id"] == str(scene.admin.one("select access.me()"))
    assert scene.ann.ask("select id from pyfi.call") == [(id_,)]


def test_a_removed_processor_takes_no_calls(scene: Scene, part: Part) -> None:
    """A paused one does: the calls wait."""
    change = "update pyfi.processor set requested_status = %s where id = %s"
    scene.ann.ask(change, "removed", part.processor)
    with pytest.raises(ConflictError, match="processor p is removed"):
        submit(scene.ann, part.sockets["one"], arguments(1))
    scene.ann.ask(change, "paused", part.processor)
    submit(scene.ann, part.sockets["one"], arguments(1))


@pytest.mark.parametrize("text", ["", "{", '{"args": [NaN]}', "{'args': []}", '{"args": []} x'])
def test_arguments_that_are_no_json_are_refused(scene: Scene, part: Part, text: str) -> None:
    """As the caller's error, and nothing of the batch is entered."""
    with pytest.raises(InvalidError):
        submit(scene.ann, part.sockets["one"], arguments(1), text)
    assert scene.superuser.one("select count(*) from pyfi.call") == 0


def test_arguments_keep_every_byte(scene: Scene, part: Part) -> None:
    """Spacing, order, doubled keys and escapes, the one for NUL too."""
    text = '{"kwargs" : {"b":1, "a":1.0, "a": 1e2}, "args":["\\u0000 \\ud800", "é"]}'
    (id_,) = submit(scene.ann, part.sockets["one"], text)
    assert scene.superuser.one("select args::text from pyfi.call where id = %s", id_) == text


@pytest.mark.parametrize(
    ("ids", "texts"),
    [([], []), ([uuid4()], []), ([uuid4()], [None]), ([None], ["{}"]), ([uuid4(), uuid4()], ["{}"]), (None, None)],
)
def test_a_batch_must_be_whole(scene: Scene, part: Part, ids: object, texts: object) -> None:
    """As many ids as arguments, none of them NULL."""
    with pytest.raises(InvalidError):
        scene.ann.ask("select ledger.submit(%s::uuid[], %s, %s::text[], false)", ids, part.sockets["one"], texts)


def test_ids_of_plugs_calls_cannot_be_taken_beforehand(scene: Scene, part: Part) -> None:
    """A child's id can be computed by who knows parent and plug; the child would never be made."""
    squatted = scene.superuser.one("select ledger.child_id(%s, %s, %s, 0)", uuid4(), uuid4(), uuid4())
    assert squatted.version == 8
    with pytest.raises(InvalidError, match="version 8"):
        submit(scene.ann, part.sockets["one"], arguments(1), ids=[squatted])


def test_a_thousand_calls_have_one_wakeup_row(scene: Scene, part: Part) -> None:
    """In the order of submission."""
    ids = [uuid7(n, n) for n in range(1000)]
    submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(1000)], ids=ids)
    assert waiting(scene) == [("ann:p.p.one", ids)]


def test_who_publishes_himself_has_two_seconds(scene: Scene, part: Part) -> None:
    """The relay waits for him; without that promise the row is due at once and the relay is woken."""
    late = "select due > now() + interval '1.5 seconds' from pyfi.outbox order by id desc limit 1"
    submit(scene.ann, part.sockets["one"], arguments(1), soon=True)
    assert scene.superuser.one(late)
    submit(scene.ann, part.sockets["one"], arguments(1), soon=False)
    assert not scene.superuser.one(late)


def test_published_deletes_only_ones_own_wakeups(scene: Scene, part: Part) -> None:
    """Of another's it deletes nothing, and says nothing."""
    submit(scene.ann, part.sockets["one"], arguments(1), soon=True)
    ids = [id_ for (id_,) in scene.superuser.ask("select id from pyfi.outbox")]
    scene.bob.ask("select ledger.published(%s::bigint[])", ids)
    assert len(waiting(scene)) == 1
    scene.ann.ask("select ledger.published(%s::bigint[])", ids)
    assert waiting(scene) == []


def test_published_does_not_wait_for_a_relay(scene: Scene, part: Part) -> None:
    """The relay holds the row while it speaks to the broker, and deletes it itself."""
    submit(scene.ann, part.sockets["one"], arguments(1))
    relay = scene.agent().another()
    relay.connection.autocommit = False
    ((row, _, _),) = relay.ask("select * from ledger.take_outbox(10)")
    scene.ann.ask("set lock_timeout = '2s'")
    scene.ann.ask("select ledger.published(%s::bigint[])", [row])
    relay.ask("select ledger.forget(%s::bigint[])", [row])
    relay.connection.commit()
    relay.close()
    assert waiting(scene) == []


def test_who_is_deactivated_submits_nothing(scene: Scene, part: Part) -> None:
    """He is nobody any more."""
    scene.superuser.ask("update pyfi.\"user\" set active = false where name = 'ann'")
    with pytest.raises(NotFoundError):
        submit(scene.ann, part.sockets["one"], arguments(1))
    assert scene.ann.ask("select id from pyfi.processor") == []


@pytest.mark.parametrize("role", [":node:n1", ":worker:n1"])
def test_a_nodes_logins_submit_nothing(scene: Scene, part: Part, role: str) -> None:
    """They are no users."""
    with pytest.raises(ForbiddenError):
        submit(scene.login(role), part.sockets["one"], arguments(1))
