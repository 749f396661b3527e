"""A worker that is told to stop finishes the running call and gives back the rest, at once and untouched."""

from __future__ import annotations

import signal

import pytest

from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(120)


def test_the_running_call_is_finished_and_the_others_go_to_another_worker(stage: Stage) -> None:
    part = stage.processor("hold", "echo")
    long = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    held = stage.submit(part, "hold", long)
    others = stage.submit(part, "echo", *range(100))
    first = stage.worker(part)
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    first.signal(signal.SIGTERM)
    second = stage.worker(part)
    assert [outcome.result for outcome in stage.outcomes(others)] == list(range(100))
    assert stage.states([*held, others[0]]) == [("running", 0, 0), ("done", 1, 0)]
    stage.touch("go")
    assert first.ended() == 0
    assert stage.states(held) == [("done", 1, 0)]
    assert stage.states(others) == [("done", 1, 0)] * 100
    assert second.stop() == 0


def test_a_call_that_does_not_end_in_time_runs_elsewhere(stage: Stage) -> None:
    """That is an attempt, since it began, and no loss: who stops a worker parks nothing by it."""
    part = stage.processor("hold")
    long = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    held = stage.submit(part, "hold", long)
    first = stage.worker(part, drain_seconds=0.3)
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    assert first.stop() == 0
    assert stage.states(held) == [("queued", 1, 0)]
    stage.touch("go")
    stage.worker(part)
    (outcome,) = stage.outcomes(held)
    assert (outcome.state, outcome.attempt) == ("done", 2)


def test_an_idle_worker_ends_at_once(stage: Stage) -> None:
    part = stage.processor("echo")
    worker = stage.worker(part, drain_seconds=600.0)
    assert stage.run(part, "echo", 1)[0].result == 1
    assert worker.stop() == 0


def test_a_worker_that_the_ledger_does_not_know_any_more_ends(stage: Stage) -> None:
    """Another incarnation of the same key took its place: it is refused, ends, and the call runs again."""
    part = stage.processor("hold")
    long = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    held = stage.submit(part, "hold", long)
    first = stage.worker(part, drain_seconds=600.0)
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    stage.scene.superuser.ask("delete from pyfi.worker where id = %s", first.id)
    stage.touch("go")
    assert first.ended() == 70
    assert '"action": "refused"' in first.log.strip().splitlines()[-1]
    assert stage.states(held)[0][0] != "done"
