"""Calls that plugs make are claimed in the turn that makes them, where the worker says that it has room."""

from __future__ import annotations

import pytest

from tests.integration.db.scene import Part, Scene, add_part, add_plug, arguments
from tests.integration.db.workers import Claimed, Told, Turn, Worker, start_worker, submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor whose first socket leads to the second and the third."""
    made = add_part(scene.ann, "p", "one", "two", "three")
    for name in ("two", "three"):
        add_plug(scene.ann, f"to-{name}", made.sockets["one"], made.sockets[name], made.queue)
    return made


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """A worker of it."""
    return start_worker(scene, part.processor)


@pytest.fixture
def call(scene: Scene, part: Part, worker: Worker) -> Claimed:
    """A call of the first socket, held by the worker; its wake-up is gone."""
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    scene.superuser.ask("delete from pyfi.outbox")
    return worker.claim_one(id_)


def finish(worker: Worker, call: Claimed, room: int) -> Turn:
    """End it well."""
    return worker.turn(finish=[Told(call=call, value="[7]")], room=room)


def states(scene: Scene, call: Claimed) -> list[str]:
    """Of the children."""
    return sorted(child["state"] for child in scene.children(call.id))


@pytest.mark.parametrize(("room", "claimed"), [(0, 0), (1, 1), (2, 2), (9, 2)])
def test_as_many_as_there_is_room_for_need_no_wakeup(
    scene: Scene, worker: Worker, call: Claimed, room: int, claimed: int
) -> None:
    """The others are woken as ever."""
    turn = finish(worker, call, room)
    assert len(turn.claimed) == claimed
    assert sum(len(ids) for _, _, ids in turn.outbox) == 2 - claimed
    assert scene.superuser.one("select count(*) from pyfi.outbox") == len(turn.outbox) == 2 - claimed
    assert states(scene, call) == sorted(["claimed"] * claimed + ["queued"] * (2 - claimed))
    for child in turn.claimed:
        row = scene.call(child.id)
        assert (row["claim"], row["worker_id"], row["attempt"]) == (child.token, str(worker.id), 0)
        assert row["commit"] == worker.commit
        assert (child.attempt, child.root, child.parent) == (1, call.id, call.id)
        assert (child.arguments, row["name"]) == ('{"args":[[7]],"kwargs":{}}', scene.call(child.id)["name"])
        assert child.token > call.token and row["claimed"] is not None
    held = "select bool_and(lease_until > now()) from pyfi.call where state = 'claimed'"
    assert scene.superuser.one(held) in (True, None)


def test_they_finish_like_any_other(scene: Scene, worker: Worker, call: Claimed) -> None:
    first, second = finish(worker, call, 2).claimed
    worker.turn(finish=[Told(call=first), Told(call=second, outcome="failed", value='{"error": "x"}')])
    assert states(scene, call) == ["done", "failed"]
    assert scene.superuser.ask("select name, value from pyfi.counter") == []


def test_another_processors_socket_is_woken(scene: Scene, part: Part, worker: Worker, call: Claimed) -> None:
    other = add_part(scene.ann, "other", "far")
    add_plug(scene.ann, "far", part.sockets["one"], other.sockets["far"], other.queue)
    turn = finish(worker, call, 3)
    assert len(turn.claimed) == 2
    assert [address for _, address, _ in turn.outbox] == ["ann:other.other.far"]


@pytest.mark.parametrize("status", ["paused", "stopped"])
def test_a_processor_that_takes_no_calls_takes_none_so(
    scene: Scene, worker: Worker, call: Claimed, status: str
) -> None:
    scene.ann.ask("update pyfi.processor set requested_status = %s", status)
    assert finish(worker, call, 2).claimed == []
    assert states(scene, call) == ["queued", "queued"]


def test_beyond_the_hop_limit_nothing_is_claimed(scene: Scene, worker: Worker, call: Claimed) -> None:
    scene.setting("max_hops", "0")
    turn = finish(worker, call, 2)
    assert (turn.claimed, turn.outbox, states(scene, call)) == ([], [], ["parked", "parked"])


def test_said_again_it_claims_nothing_more(scene: Scene, worker: Worker, call: Claimed) -> None:
    """The children are there; who holds them does not change."""
    first = finish(worker, call, 1)
    again = finish(worker, call, 2)
    assert (again.finished, again.claimed, again.outbox) == ([call.id], [], [])
    assert [row["claim"] for row in scene.children(call.id) if row["claim"]] == [first.claimed[0].token]


def test_a_fenced_finish_claims_nothing(scene: Scene, worker: Worker, call: Claimed) -> None:
    worker.turn(back=[call])
    turn = finish(worker, call, 2)
    assert (turn.finished, turn.claimed, scene.children(call.id)) == ([], [], [])


def test_killed_at_that_very_moment_nothing_is_lost(scene: Scene, worker: Worker, call: Claimed) -> None:
    """The turn is committed, its answer heard by nobody: the agent gives both back, untouched."""
    finish(worker, call, 2)
    scene.agent().ask("select agent.worker_exited(%s, %s, 'signal 9')", worker.id, call.token)
    children = scene.children(call.id)
    assert [(row["state"], row["attempt"], row["losses"], row["claim"]) for row in children] == [
        ("queued", 0, 0, None)
    ] * 2
    assert scene.superuser.one("select sum(cardinality(ids)) from pyfi.outbox") == 2


def test_after_a_cut_connection_they_go_back(scene: Scene, worker: Worker, call: Claimed) -> None:
    """The worker never heard of them."""
    finish(worker, call, 2)
    assert worker.resync() == 2
    assert states(scene, call) == ["queued", "queued"]


def test_where_nobody_is_left_their_lease_ends(scene: Scene, worker: Worker, call: Claimed) -> None:
    scene.setting("lease", "0 seconds")
    finish(worker, call, 2)
    scene.agent("n2").ask("select ledger.sweep()")
    assert states(scene, call) == ["queued", "queued"]
