"""Guests that die: who ran counts an attempt, nobody else notices."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from pyfi.system.processes import identify
from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(120)

MAX_LOSSES = 5
KILLS = 10


def named(stage: Stage, *names: str) -> list[dict[str, str]]:
    """Messages of functions that note their start."""
    return [{"file": stage.path("starts"), "name": name} for name in names]


def test_a_poison_call_costs_the_others_nothing_and_is_parked(stage: Stage) -> None:
    part = stage.processor("die_as_told")
    names = [f"good{number}" for number in range(50)]
    before = stage.submit(part, "die_as_told", *named(stage, *names[:25]))
    poison = stage.submit(part, "die_as_told", *named(stage, "poison"))
    after = stage.submit(part, "die_as_told", *named(stage, *names[25:]))
    worker = stage.worker(part)
    assert [outcome.result for outcome in stage.outcomes([*before, *after])] == names
    (parked,) = stage.outcomes(poison)
    assert (parked.state, parked.attempt) == ("parked", MAX_LOSSES)
    assert parked.error is not None and "exit 7" in parked.error["message"]
    assert Counter(stage.noted("starts")) == Counter(names) + Counter({"poison": MAX_LOSSES})
    assert stage.states([*before, *after]) == [("done", 1, 0)] * 50
    assert worker.stop() == 0


def test_a_crash_that_does_not_repeat_is_one_attempt_more(stage: Stage) -> None:
    part = stage.processor("crash_once")
    stage.worker(part)
    (outcome,) = stage.run(part, "crash_once", *named(stage, "once"))
    assert (outcome.state, outcome.result, outcome.attempt) == ("done", 2, 2)
    assert stage.noted("starts") == ["once", "once"]


def test_the_time_limit_ends_everything_that_the_function_started(stage: Stage) -> None:
    part = stage.processor("brood", "echo")
    worker = stage.worker(part, time_limit_seconds=1.5)
    ids = stage.submit(part, "brood", *({**each, "until": stage.path("never")} for each in named(stage, "brood")))
    behind = stage.submit(part, "echo", *range(5))
    (outcome,) = stage.outcomes(ids)
    assert (outcome.state, outcome.attempt) == ("failed", 1)
    assert outcome.error is not None and outcome.error["error"] == "timeout"
    assert [each.attempt for each in stage.outcomes(behind)] == [1] * 5
    guest, child = map(int, stage.noted("starts")[0].split())
    assert worker.guest != guest
    assert identify(guest) is None and identify(child) is None
    assert worker.stop() == 0


def test_a_function_that_closes_every_descriptor_is_lost_and_the_rest_goes_on(stage: Stage) -> None:
    part = stage.processor("close_all", "echo")
    stage.worker(part)
    ids = stage.submit(part, "close_all", 0)
    assert [each.result for each in stage.run(part, "echo", *range(20))] == list(range(20))
    (outcome,) = stage.outcomes(ids)
    assert (outcome.state, outcome.attempt) == ("parked", MAX_LOSSES)


@pytest.fixture
def many_losses(stage: Stage) -> Iterator[None]:
    """Nothing is parked."""
    stage.scene.setting("max_losses", "100")
    yield
    stage.scene.setting("max_losses", str(MAX_LOSSES))


@pytest.mark.usefixtures("many_losses")
def test_kills_between_calls_count_exactly_the_starts(stage: Stage) -> None:
    """Whatever the window held: each start is one attempt, each call is committed once."""
    part = stage.processor("note")
    worker = stage.worker(part)
    names = [f"call{number}" for number in range(400)]
    ids: list[UUID] = []
    for start in range(0, len(names), len(names) // KILLS):
        more = len(stage.noted("starts")) + 5
        ids += stage.submit(part, "note", *named(stage, *names[start : start + len(names) // KILLS]))
        stage.until(lambda most=more: len(stage.noted("starts")) >= most, "calls start")
        guest = worker.guest
        os.kill(guest, signal.SIGKILL)
        stage.until(lambda old=guest: worker.guest != old, "another guest")
    stage.outcomes(ids)
    rows = dict(zip(names, stage.states(ids), strict=True))
    assert {state for state, _, _ in rows.values()} == {"done"}
    starts = Counter(stage.noted("starts"))
    # Between the mark and the first thing that the function does there is a moment: one more, never one less.
    more = [attempt - starts[name] for name, (_, attempt, _) in rows.items()]
    assert min(more) == 0 and sum(more) <= KILLS / 2
    assert all(attempt == losses + 1 for _, attempt, losses in rows.values())
    assert worker.stop() == 0


def test_a_guest_that_cannot_be_started_again_ends_the_worker(stage: Stage, tmp_path: Path) -> None:
    """The virtualenv was deleted: the agent is told, instead of a worker that holds calls for ever."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nexec "$REAL" "$@"\n')
    python.chmod(0o700)
    part = stage.processor("die", "echo")
    worker = stage.worker(
        part,
        environment={"key": "k", "python": str(python), "checkout": str(Path(__file__).parent)},
        guest_environment={"REAL": sys.executable},
    )
    assert stage.run(part, "echo", 1)[0].result == 1
    python.unlink()
    ids = stage.submit(part, "die", 0)
    assert worker.ended() == 70
    assert '"action": "guest_not_started"' in worker.log.strip().splitlines()[-1]
    ((state, attempt, losses),) = stage.states(ids)
    assert (state, attempt, losses) == ("queued", 1, 1)
