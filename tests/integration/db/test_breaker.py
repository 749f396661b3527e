"""Code that crashes again and again is held, before it has burnt the attempts of a whole queue."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.integration.db.scene import Part, Scene, add_part, arguments
from tests.integration.db.workers import LOST, Claimed, Told, Worker, start_worker, submit

HOLD_AFTER = 5


@pytest.fixture
def part(scene: Scene) -> Part:
    """One socket."""
    return add_part(scene.ann, "p", "one")


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """Of that processor."""
    return start_worker(scene, part.processor)


def enter(scene: Scene, part: Part, count: int) -> list[UUID]:
    """So many calls, in one submission."""
    return submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(count)])


def crash(worker: Worker, call: Claimed) -> bool:
    """Its guest died of it; whether the processor is held now."""
    return worker.turn(finish=[Told(call=call, outcome="crashed", value=LOST)]).held


def held(scene: Scene) -> str | None:
    """The reason of the hold."""
    return (
        scene.superuser.one("select held_reason from pyfi.processor where held_since is not null")
        if scene.superuser.ask("select 1 from pyfi.processor where held_since is not null")
        else None
    )


def hold(scene: Scene, part: Part, worker: Worker) -> list[UUID]:
    """Let as many crash as it takes; gives all ids."""
    ids = enter(scene, part, HOLD_AFTER + 3)
    for call in worker.claim(*ids[:HOLD_AFTER]):
        crash(worker, call)
    assert held(scene)
    return ids


def test_different_calls_that_crash_in_a_row_hold_the_processor(scene: Scene, part: Part, worker: Worker) -> None:
    ids = enter(scene, part, 10)
    calls = worker.claim(*ids[:HOLD_AFTER])
    assert [crash(worker, call) for call in calls] == [False] * (HOLD_AFTER - 1) + [True]
    assert held(scene) == "5 calls one after the other crashed, the last: signal 9"
    reply = worker.turn(claim=ids[5:])
    assert (reply.accepting, reply.claimed, reply.held) == (False, [], True)
    assert {scene.call(id_)["attempt"] for id_ in ids[5:]} == {0}


def test_one_call_that_crashes_again_and_again_is_that_calls_fault(scene: Scene, part: Part, worker: Worker) -> None:
    scene.setting("max_losses", "100")
    (id_,) = enter(scene, part, 1)
    for _ in range(HOLD_AFTER + 2):
        assert not crash(worker, worker.claim_one(id_))


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_a_call_that_comes_back_ends_the_row(scene: Scene, part: Part, worker: Worker, outcome: str) -> None:
    ids = enter(scene, part, 2 * HOLD_AFTER)
    calls = worker.claim(*ids)
    for call in calls[: HOLD_AFTER - 1]:
        crash(worker, call)
    worker.turn(finish=[Told(call=calls[HOLD_AFTER], outcome=outcome, value="{}")])
    assert not any(crash(worker, call) for call in calls[HOLD_AFTER + 1 :])


def test_what_others_end_is_no_crash(scene: Scene, part: Part, worker: Worker) -> None:
    calls = worker.claim(*enter(scene, part, HOLD_AFTER + 2))
    worker.turn(finish=[Told(call=call, outcome="lost", value=LOST) for call in calls])
    assert held(scene) is None


def test_crashes_of_the_former_commit_say_nothing_of_this_one(scene: Scene, part: Part, worker: Worker) -> None:
    calls = worker.claim(*enter(scene, part, HOLD_AFTER + 2))
    scene.ann.ask('update pyfi.processor set "commit" = %s', "1" * 40)
    assert not any(crash(worker, call) for call in calls)


def test_outcomes_that_the_fence_refuses_do_not_count(scene: Scene, part: Part, worker: Worker) -> None:
    calls = worker.claim(*enter(scene, part, HOLD_AFTER + 2))
    worker.turn(back=calls)
    worker.turn(finish=[Told(call=call, outcome="crashed", value=LOST) for call in calls])
    assert held(scene) is None


def test_a_new_commit_lifts_it_and_wakes_what_waits(scene: Scene, part: Part, worker: Worker) -> None:
    ids = hold(scene, part, worker)
    scene.superuser.ask("delete from pyfi.outbox")
    scene.ann.ask('update pyfi.processor set "commit" = %s', "1" * 40)
    assert held(scene) is None
    assert scene.superuser.one("select cardinality(ids) from pyfi.outbox") == len(ids)
    worker.enlist()
    assert len(worker.claim(*ids)) == len(ids)


def test_another_socket_does_not_lift_it(scene: Scene, part: Part, worker: Worker) -> None:
    hold(scene, part, worker)
    scene.ann.ask("update pyfi.processor set description = 'x', concurrency = 3")
    assert held(scene)


def test_calls_of_a_held_processor_are_not_stale(scene: Scene, part: Part, worker: Worker) -> None:
    hold(scene, part, worker)
    scene.superuser.ask("update pyfi.call set woken = now() - interval '1 hour'")
    assert scene.agent().ask("select * from ledger.stale(10)") == []


def test_two_workers_crash_at_once(scene: Scene, part: Part, worker: Worker) -> None:
    """Both see it, and nobody waits for ever."""
    other = start_worker(scene, part.processor, key="2")
    ids = enter(scene, part, 8)
    mine, yours = worker.claim(*ids[:4]), other.claim(*ids[4:])
    told = [
        crash(who, call)
        for pair in zip(mine, yours, strict=True)
        for who, call in zip((worker, other), pair, strict=True)
    ]
    assert told == [False] * 4 + [True] * 4
