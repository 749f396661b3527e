"""Rules of sockets and queues, with workers as processes, a real broker, relay and sweeper."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from pyfi.errors import QueueFullError
from tests.integration.db.scene import add_plug
from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(180)

HOLD_AFTER = 5


def named(stage: Stage, *names: str) -> list[dict[str, str]]:
    """Messages of functions that note their start."""
    return [{"file": stage.path("starts"), "name": name} for name in names]


def rule(stage: Stage, table: str, id_: object, **values: object) -> None:
    """Write a rule as the administrator."""
    for column, value in values.items():
        stage.scene.admin.ask(f"update pyfi.{table} set {column} = %s where id = %s", value, id_)


def test_a_cap_over_two_workers_and_none_is_lost(stage: Stage) -> None:
    part = stage.processor("hold", "echo")
    rule(stage, "socket", part.sockets["hold"], concurrency=1)
    first, second = stage.worker(part), stage.worker(part)
    waits = {"file": stage.path("starts"), "name": "x", "until": stage.path("go")}
    ids = stage.submit(part, "hold", *[waits] * 12)
    stage.until(lambda: len(stage.noted("starts")) == 1, "one runs")
    others = stage.submit(part, "echo", *range(20))
    assert [outcome.result for outcome in stage.outcomes(others)] == list(range(20)), "the other socket goes on"
    held = "select count(*) from pyfi.call where state in ('claimed', 'running')"
    assert stage.scene.superuser.one(held) == 1 and len(stage.noted("starts")) == 1
    stage.touch("go")
    assert {outcome.state for outcome in stage.outcomes(ids)} == {"done"}
    assert stage.states(ids) == [("done", 1, 0)] * 12
    assert (first.stop(), second.stop()) == (0, 0)


def test_a_worker_that_is_killed_gives_its_slot_back(stage: Stage) -> None:
    part = stage.processor("hold")
    rule(stage, "socket", part.sockets["hold"], concurrency=1)
    waits = {"file": stage.path("starts"), "name": "x", "until": stage.path("go")}
    victim = stage.worker(part)
    ids = stage.submit(part, "hold", *[waits] * 3)
    stage.until(lambda: len(stage.noted("starts")) == 1, "one runs")
    victim.signal(signal.SIGKILL)
    victim.ended()
    stage.scene.agent().ask("select agent.worker_exited(%s, %s, 'killed')", victim.id, victim.started)
    stage.touch("go")
    stage.worker(part)
    assert [outcome.state for outcome in stage.outcomes(ids)] == ["done"] * 3


def test_a_rate_is_kept_and_all_come_through(stage: Stage) -> None:
    """Of 14 a burst of 4 at once; the others as tokens come, by one delayed wake-up after the other."""
    part = stage.processor("note", "echo")
    rule(stage, "socket", part.sockets["note"], rate=10.0, burst=4)
    worker = stage.worker(part)
    ids = stage.submit(part, "note", *named(stage, *(f"n{number}" for number in range(14))))
    free = stage.submit(part, "echo", *range(10))
    assert [outcome.result for outcome in stage.outcomes(free)] == list(range(10))
    outcomes = stage.outcomes(ids)
    claimed = sorted(outcome.claimed for outcome in outcomes if outcome.claimed)
    # Ten tokens at ten a second: no window holds more than the burst and what its length brings.
    assert (claimed[-1] - claimed[0]).total_seconds() > 0.9
    assert stage.states(ids) == [("done", 1, 0)] * 14
    assert worker.stop() == 0


def test_urgent_calls_pass_those_that_wait(stage: Stage) -> None:
    part = stage.processor("note")
    ids = stage.submit(part, "note", *named(stage, *(f"low{number}" for number in range(60))))
    (urgent,) = stage.submit(part, "note", *named(stage, "urgent"))
    stage.scene.superuser.ask("update pyfi.call set priority = 9 where id = %s", urgent)
    stage.scene.superuser.ask("insert into pyfi.throttle (socket_id) values (%s)", part.sockets["note"])
    stage.worker(part)
    stage.outcomes([*ids, urgent])
    # Of the first batch a tenth is of the oldest.
    assert stage.noted("starts").index("urgent") <= 7


def test_a_full_queue_pauses_its_source_and_all_arrives(stage: Stage) -> None:
    source, target = stage.processor("echo"), stage.processor("hold")
    add_plug(stage.scene.admin, "on", source.sockets["echo"], target.sockets["hold"], target.queue)
    rule(stage, "queue", target.queue, max_length=3)
    stage.worker(source)
    waits = {"file": stage.path("starts"), "name": "x", "until": stage.path("go")}
    ids = stage.submit(source, "echo", *[waits] * 20)
    length = "select count(*) from pyfi.call where state = 'queued' and socket_id = %s"
    stage.until(lambda: stage.scene.superuser.one(length, target.sockets["hold"]) == 3, "it is full")
    with pytest.raises(QueueFullError):
        stage.calls.submit(target.sockets["hold"], ['{"args": [1], "kwargs": {}}'], room_seconds=0)
    done = "select count(*) from pyfi.call where state = 'done' and socket_id = %s"
    assert stage.scene.superuser.one(done, source.sockets["echo"]) == 3
    stage.touch("go")
    stage.worker(target)
    stage.outcomes(ids)
    made = "select id from pyfi.call where socket_id = %s"
    children = [child for (child,) in stage.scene.superuser.ask(made, target.sockets["hold"])]
    stage.outcomes(children)
    assert stage.states(children) == [("done", 1, 0)] * 20


def test_a_submission_waits_for_room(stage: Stage) -> None:
    """Twenty into a queue of three: each as soon as there is room, in their order, all in one call of submit."""
    part = stage.processor("note")
    rule(stage, "queue", part.queue, max_length=3)
    stage.worker(part)
    names = [f"n{number}" for number in range(20)]
    ids = stage.submit(part, "note", *named(stage, *names))
    stage.outcomes(ids)
    assert Counter(stage.noted("starts")) == Counter(names)


def test_a_bad_deploy_is_held_and_burns_no_attempts(stage: Stage) -> None:
    part = stage.processor("segfault")
    ids = stage.submit(part, "segfault", *range(50))
    worker = stage.worker(part)
    held = "select held_since is not null from pyfi.processor where id = %s"
    stage.until(lambda: bool(stage.scene.superuser.one(held, part.processor)), "it is held")
    stage.until(lambda: {state for state, _, _ in stage.states(ids)} == {"queued"}, "the rest went back")
    attempts = Counter(attempt for _, attempt, _ in stage.states(ids))
    # One more at most: it may have begun while the fifth was told.
    assert attempts[0] >= 50 - HOLD_AFTER - 1 and sum(attempts.values()) == 50 and max(attempts) <= 2
    reason = stage.scene.superuser.one("select held_reason from pyfi.processor where id = %s", part.processor)
    assert "5 calls one after the other crashed" in reason and "signal 11" in reason
    assert worker.stop() == 0


def test_a_poison_call_among_200_costs_them_nothing(stage: Stage) -> None:
    part = stage.processor("die_as_told")
    names = [f"good{number}" for number in range(200)]
    before = stage.submit(part, "die_as_told", *named(stage, *names[:100]))
    poison = stage.submit(part, "die_as_told", *named(stage, "poison"))
    after = stage.submit(part, "die_as_told", *named(stage, *names[100:]))
    worker = stage.worker(part)
    assert [outcome.result for outcome in stage.outcomes([*before, *after])] == names
    assert stage.states([*before, *after]) == [("done", 1, 0)] * 200
    assert stage.outcomes(poison)[0].state == "parked"
    held = "select held_since is null from pyfi.processor where id = %s"
    assert stage.scene.superuser.one(held, part.processor), "one call is no reason to hold the others"
    assert worker.stop() == 0
