"""Ending, mending and composing calls takes a right that reaches them."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from pyfi.core.ids import uuid7
from pyfi.errors import ConflictError, ForbiddenError, NotFoundError
from tests.integration.db.scene import Login, Part, Scene, add_part, arguments, fresh_verifier
from tests.integration.db.workers import submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """Ann's, in a network that joe is a member of."""
    scene.admin.ask("select access.create_user('joe', null, %s, false)", fresh_verifier())
    lab = scene.ann.one("insert into pyfi.network (name) values ('lab') returning id")
    scene.ann.ask("select access.share_network('lab', 'joe', true)")
    made = add_part(scene.ann, "p", "run")
    scene.superuser.ask("update pyfi.processor set network_id = %s", lab)
    return made


@pytest.fixture
def joe(scene: Scene, part: Part) -> Login:
    """A member of the network without rights."""
    return scene.login(".joe")


def give(scene: Scene, right: str, scope: str) -> None:
    """To joe."""
    scene.admin.ask("select access.grant_right('joe', null, %s, %s, false)", right, scope)


def composition(socket: UUID) -> str:
    """Of one call."""
    return json.dumps({"parallel": [{"call": str(socket), "args": [1], "kwargs": {}}]})


def new_id(number: int) -> UUID:
    """Of a composition."""
    return uuid7(1_700_000_000_000, number)


def test_cancelling_takes_cancel_task(scene: Scene, part: Part, joe: Login) -> None:
    """What he does not see is not there; what he sees and may not end is refused by name; with the right it ends."""
    (id_,) = submit(scene.ann, part.sockets["run"], arguments(1))
    with pytest.raises(NotFoundError):
        joe.ask("select ledger.cancel(array[%s])", id_)
    give(scene, "READ", "network")
    with pytest.raises(ForbiddenError, match=f"joe lacks the right CANCEL_TASK on call {id_}"):
        joe.ask("select ledger.cancel(array[%s])", id_)
    give(scene, "CANCEL_TASK", "own")
    with pytest.raises(ForbiddenError, match="CANCEL_TASK"):
        joe.ask("select ledger.cancel(array[%s])", id_)
    give(scene, "CANCEL_TASK", "network")
    joe.ask("select ledger.cancel(array[%s])", id_)
    assert scene.call(id_)["state"] == "cancelled"


def test_ones_own_call_takes_the_right_too(scene: Scene, part: Part, joe: Login) -> None:
    """He may start it, but not end it."""
    give(scene, "RUN_TASK", "network")
    (id_,) = submit(joe, part.sockets["run"], arguments(1))
    with pytest.raises(ForbiddenError, match="CANCEL_TASK"):
        joe.ask("select ledger.cancel(array[%s])", id_)
    with pytest.raises(ForbiddenError, match="CANCEL_TASK"):
        joe.ask("select * from ledger.give_up(array[%s], 'purge', null)", id_)
    assert scene.call(id_)["state"] == "queued"


def test_mending_takes_run_task(scene: Scene, part: Part, joe: Login) -> None:
    """Replaying is calling again."""
    (id_,) = submit(scene.ann, part.sockets["run"], arguments(1))
    scene.ann.ask("select ledger.cancel(array[%s])", id_)
    give(scene, "READ", "all")
    replay = "select outcome from ledger.replay(array[%s], array[%s], false, null, false, null)"
    with pytest.raises(ForbiddenError, match="RUN_TASK"):
        joe.ask(replay, id_, new_id(1))
    with pytest.raises(ForbiddenError, match="RUN_TASK"):
        joe.ask("select * from ledger.retry(array[%s], array[%s], false, null)", id_, new_id(1))
    give(scene, "RUN_TASK", "network")
    assert joe.ask(replay, id_, new_id(1)) == [("replayed",)]


def test_a_locked_processor_is_not_replayed(scene: Scene, part: Part) -> None:
    """It says why."""
    (id_,) = submit(scene.ann, part.sockets["run"], arguments(1))
    scene.ann.ask("select ledger.cancel(array[%s])", id_)
    scene.ann.ask("update pyfi.processor set locked = true")
    found = scene.ann.ask(
        "select outcome, note from ledger.replay(array[%s], array[%s], false, null, false, null)", id_, new_id(1)
    )
    assert found == [("refused", "processor p is locked")]


def test_composing_takes_run_task_on_every_step(scene: Scene, part: Part, joe: Login) -> None:
    """And none of the processors may be locked."""
    steps = composition(part.sockets["run"])
    compose = "select * from ledger.compose(%s, %s, false)"
    with pytest.raises(ForbiddenError, match="RUN_TASK"):
        joe.ask(compose, new_id(1), steps)
    give(scene, "RUN_TASK", "own")
    with pytest.raises(NotFoundError):
        joe.ask(compose, new_id(1), steps)
    give(scene, "RUN_TASK", "network")
    joe.ask(compose, new_id(1), steps)
    scene.ann.ask("update pyfi.processor set locked = true")
    with pytest.raises(ConflictError, match="processor p is locked"):
        joe.ask(compose, new_id(2), steps)


def test_who_lost_the_right_to_call_does_not_repeat_his_calls(scene: Scene, part: Part, joe: Login) -> None:
    """The call is his, the socket is not, and he is no member any more."""
    give(scene, "RUN_TASK", "network")
    (id_,) = submit(joe, part.sockets["run"], arguments(1))
    scene.ann.ask("select ledger.cancel(array[%s])", id_)
    scene.ann.ask("select access.share_network('lab', 'joe', false)")
    with pytest.raises(ForbiddenError, match="joe lacks the right RUN_TASK on call"):
        joe.ask("select outcome from ledger.replay(array[%s], array[%s], false, null, false, null)", id_, new_id(1))


def test_what_waits_at_anothers_socket_is_not_the_first_sockets_owners(scene: Scene, part: Part, joe: Login) -> None:
    """Her flow begins at his and joins at hers: bob sees the call of his socket, not what fills her arguments."""
    bobs = add_part(scene.bob, "first", "one")
    scene.admin.ask("select access.grant_right('ann', null, 'RUN_TASK', 'all', false)")
    (root,) = submit(scene.ann, bobs.sockets["one"], arguments(1))
    scene.superuser.ask(
        "do $$ begin set local session_replication_role = replica;"
        " insert into pyfi.slot (root_id, socket_id, argument, round, source_id, plug_id, seq, value)"
        f" values ('{root}', '{part.sockets['run']}', 'x', 1, '{root}', '{root}', 0, '1');"
        f" insert into pyfi.junction (root_id, socket_id) values ('{root}', '{part.sockets['run']}'); end $$"
    )
    assert scene.bob.one("select count(*) from pyfi.call") == 1
    for table in ("slot", "junction"):
        look = f"select count(*) from pyfi.{table}"
        assert (scene.bob.one(look), scene.ann.one(look), scene.admin.one(look)) == (0, 1, 1)
        assert joe.one(look) == 0
    give(scene, "READ", "network")
    assert joe.one("select count(*) from pyfi.slot") == 1
