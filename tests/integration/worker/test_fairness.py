"""What a worker holds is never more than it does soon: the rest goes to whoever is idle."""

from __future__ import annotations

import sys
from uuid import UUID

import pytest

from pyfi.broker import wakeup
from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(120)


def test_calls_are_claimed_in_their_order(stage: Stage) -> None:
    part = stage.processor("note")
    names = [f"call{number}" for number in range(100)]
    ids = stage.submit(part, "note", *({"file": stage.path("starts"), "name": name} for name in names))
    stage.worker(part)
    stage.outcomes(ids)
    assert stage.noted("starts") == names


def test_nobody_waits_behind_a_long_call_while_another_worker_is_idle(stage: Stage) -> None:
    part = stage.processor("hold", "echo")
    long = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    (held,) = stage.submit(part, "hold", long)
    first = stage.worker(part)
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    others = stage.submit(part, "echo", *range(15))
    stage.until(lambda: {state for state, _, _ in stage.states(others)} == {"claimed"}, "the others are held behind it")
    second = stage.worker(part)
    assert [outcome.result for outcome in stage.outcomes(others)] == list(range(15))
    assert stage.states([held]) == [("running", 0, 0)]
    stage.touch("go")
    assert stage.outcomes([held])[0].attempt == 1
    assert (first.stop(), second.stop()) == (0, 0)
    assert stage.states(others) == [("done", 1, 0)] * 15


@pytest.mark.parametrize("first_is_long", [True, False], ids=["with it", "behind it"])
def test_calls_that_one_message_names_wait_for_no_long_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, first_is_long: bool
) -> None:
    """A list is given to one worker whole: what that does not start at once goes to the other."""
    monkeypatch.setattr(wakeup, "SHARES", 1)
    part = stage.processor("hold")
    stage.touch("go at once")
    quick = {"file": stage.path("starts"), "name": "quick", "until": stage.path("go at once")}
    long = quick | {"name": "long", "until": stage.path("go")}
    if first_is_long:
        (held, *others) = stage.submit(part, "hold", long, *[quick] * 15)
        assert stage.depth(part, "hold") == 1
        stage.worker(part)
    else:
        (held,) = stage.submit(part, "hold", long)
        stage.worker(part)
        stage.until(stage.has_noted("starts", "long"), "the long call runs")
        others = stage.submit(part, "hold", *[quick] * 15)
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    stage.worker(part)
    assert [outcome.result for outcome in stage.outcomes(others)] == ["quick"] * 15
    assert stage.states([held]) == [("running", 0, 0)]
    stage.touch("go")
    stage.outcomes([held])
    assert [worker.stop() for worker in stage.workers] == [0, 0]
    assert stage.states([held, *others]) == [("done", 1, 0)] * 16
    assert sorted(stage.noted("starts")) == ["long", *["quick"] * 15]


def test_what_was_sent_to_the_guest_is_taken_back_from_it(stage: Stage) -> None:
    """Quick calls were sent far ahead, and then one of them takes long."""
    part = stage.processor("hold", "echo")
    first = stage.worker(part)
    stage.run(part, "echo", *range(200))
    stage.touch("go at once")
    quick = {"file": stage.path("starts"), "name": "quick", "until": stage.path("go at once")}
    long = quick | {"name": "long", "until": stage.path("go")}
    ids = stage.submit(part, "hold", *[quick] * 20, long, *[quick] * 40)
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    second = stage.worker(part)
    others = [each for each in ids if each != ids[20]]
    assert [outcome.result for outcome in stage.outcomes(others)] == ["quick"] * 60
    assert stage.states([ids[20]]) == [("running", 0, 0)]
    stage.touch("go")
    assert stage.outcomes([ids[20]])[0].attempt == 1
    assert stage.states(ids) == [("done", 1, 0)] * 61
    assert sorted(stage.noted("starts")) == ["long", *["quick"] * 60]
    assert (first.stop(), second.stop()) == (0, 0)


def test_nobody_waits_for_a_guest_that_loads(stage: Stage) -> None:
    """A worker whose module takes long to import leaves the wake-ups to the other."""
    part = stage.processor("echo")
    (stage.folder / "slow.py").write_text(
        "import os, time\n"
        f"open({stage.path('loads')!r}, 'w').close()\n"
        f"while not os.path.exists({stage.path('go')!r}): time.sleep(0.01)\n"
        "def echo(message): return message\n"
    )
    slow = stage.worker(
        part, module="slow", environment={"key": "k", "python": sys.executable, "checkout": str(stage.folder)}
    )
    stage.until(lambda: (stage.folder / "loads").exists(), "the module is being imported")
    ids = stage.submit(part, "echo", *range(20))
    other = stage.worker(part)
    assert [outcome.result for outcome in stage.outcomes(ids)] == list(range(20))
    assert other.stop() == 0
    stage.touch("go")
    assert [outcome.result for outcome in stage.run(part, "echo", *range(5))] == list(range(5))
    assert slow.stop() == 0


def test_a_paused_processor_takes_nothing_and_goes_on(stage: Stage) -> None:
    part = stage.processor("echo")
    worker = stage.worker(part)
    assert stage.run(part, "echo", 1)[0].result == 1

    def request(status: str) -> None:
        stage.scene.admin.ask("update pyfi.processor set requested_status = %s where id = %s", status, part.processor)

    request("paused")
    ids = stage.submit(part, "echo", *range(10))
    stage.until(lambda: stage.depth(part, "echo") == 0, "the worker has refused the wake-ups")
    assert stage.states(ids) == [("queued", 0, 0)] * 10
    request("running")
    assert [outcome.result for outcome in stage.outcomes(ids)] == list(range(10))
    assert worker.stop() == 0


def test_what_was_given_back_is_not_starved_by_what_comes_later(stage: Stage) -> None:
    """Its worker is busy with a long call; the other has a stream of newer calls, which does not end before."""
    part = stage.processor("hold")
    stage.touch("now")
    quick = {"file": stage.path("starts"), "name": "x", "until": stage.path("now")}
    stage.worker(part)
    (long,) = stage.submit(part, "hold", quick | {"name": "long", "until": stage.path("go")})
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    older = stage.submit(part, "hold", *[quick | {"name": "older"}] * 20)
    stage.worker(part)
    newer: list[UUID] = []

    def is_over() -> bool:
        newer.extend(stage.submit(part, "hold", *[quick] * 5))
        return stage.states(older) == [("done", 1, 0)] * 20

    stage.until(is_over, "the older ones are done")
    stage.touch("go")
    assert {outcome.attempt for outcome in stage.outcomes([long, *newer])} == {1}
