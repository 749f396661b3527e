"""Delays, deadlines, soft limits, cancels and stops, with real workers, relay and sweeper."""

from __future__ import annotations

import itertools
import os
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from pyfi.clock import wait_until
from pyfi.ledger.options import CallOptions
from pyfi.system.processes import identify
from tests.integration.db.scene import Part
from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(180)


def holding(stage: Stage, name: str) -> dict[str, str]:
    """A message of a function that notes its start and waits for a file."""
    return {"file": stage.path("starts"), "name": name, "until": stage.path("go")}


def begun(stage: Stage, part: Part, task: str, name: str, options: CallOptions | None = None) -> UUID:
    """A call that holds."""
    (id_,) = stage.submit(part, task, holding(stage, name), options=options)
    stage.until(stage.has_noted("starts", name), f"{name} starts")
    return id_


def error_of(stage: Stage, id_: UUID) -> tuple[str, str | None]:
    """State and the error's code."""
    (outcome,) = stage.outcomes([id_])
    return outcome.state, outcome.error["error"] if outcome.error else None


def test_a_thousand_delayed_calls_run_in_the_order_of_their_times(stage: Stage) -> None:
    """All due within one second, entered in another order; none is early, none is lost."""
    part = stage.processor("note")
    due = datetime.now(UTC) + timedelta(seconds=20)
    names = [f"{number:04}" for number in range(1000)]
    ids = []
    for start in range(0, 1000, 10):
        for number in reversed(range(start, start + 10)):
            at = due + timedelta(milliseconds=number)
            (id_,) = stage.submit(
                part, "note", {"file": stage.path("starts"), "name": names[number]}, options=CallOptions(not_before=at)
            )
            ids.append(id_)
    assert datetime.now(UTC) < due, "this machine is too slow to enter a thousand calls in time"
    stage.worker(part)
    outcomes = stage.outcomes(ids)
    assert {outcome.state for outcome in outcomes} == {"done"}
    noted = stage.noted("starts")
    assert Counter(noted) == Counter(names)
    early = stage.scene.superuser.one("select count(*) from pyfi.call where id = any (%s) and claimed < %s", ids, due)
    assert early == 0
    # One relay brings them in their order; a second one, of another node, may overtake by its batch.
    assert sum(a > b for a, b in itertools.pairwise(noted)) < 100


def test_a_retry_runs_without_the_sweeper_when_it_is_due(stage: Stage) -> None:
    """By its own wake-up."""
    part = stage.processor("fail_until", retries=3)
    stage.scene.admin.ask("update pyfi.processor set backoff_seconds = 0.2 where id = %s", part.processor)
    stage.worker(part)
    (outcome,) = stage.run(part, "fail_until", {"attempt": 3})
    assert (outcome.state, outcome.result) == ("done", 3)
    rows = stage.scene.superuser.ask("select name, note from pyfi.event where call_id = %s order by id", outcome.id)
    assert [name for name, _ in rows] == ["retry", "retry"]
    assert all("tried again at 20" in note for _, note in rows)


def test_a_running_call_ends_at_its_deadline_and_a_waiting_one_never_starts(stage: Stage) -> None:
    """Whoever waits behind the first."""
    part = stage.processor("hold", "echo")
    stage.worker(part)
    id_ = begun(stage, part, "hold", "late", CallOptions(deadline=4.0))
    (waiting,) = stage.submit(part, "hold", holding(stage, "never"), options=CallOptions(expires=1.0))
    assert error_of(stage, waiting) == ("failed", "expired")
    assert error_of(stage, id_) == ("failed", "deadline")
    assert stage.run(part, "echo", 1)[0].result == 1
    assert stage.noted("starts") == ["late"]


def test_a_function_is_told_of_its_soft_limit(stage: Stage) -> None:
    """And may end in order before the hard one ends it."""
    part = stage.processor("dawdle", "hold")
    stage.worker(part, soft_time_limit_seconds=0.5, time_limit_seconds=30.0)
    (outcome,) = stage.run(part, "dawdle", holding(stage, "one"))
    assert (outcome.state, outcome.result) == ("done", "in order")
    (outcome,) = stage.run(part, "hold", holding(stage, "two"))
    assert outcome.error is not None
    assert (outcome.state, outcome.error["type"]) == ("failed", "SoftTimeLimit")


def test_a_time_limit_counts_as_a_failure_that_is_retried(stage: Stage) -> None:
    """By the same rules as an exception."""
    part = stage.processor("hold", retries=1)
    stage.scene.admin.ask("update pyfi.processor set retry_on = '{TimeoutError}' where id = %s", part.processor)
    stage.worker(part, time_limit_seconds=0.5)
    (outcome,) = stage.run(part, "hold", holding(stage, "long"))
    assert (outcome.state, outcome.attempt) == ("failed", 2)
    assert stage.states([outcome.id]) == [("failed", 2, 0)]


def test_a_running_call_is_cancelled_with_its_guest(stage: Stage) -> None:
    """At once, not at the next renewal; what waits behind it runs."""
    stage.scene.setting("lease", "10 minutes")
    part = stage.processor("hold", "echo")
    worker = stage.worker(part)
    id_ = begun(stage, part, "hold", "long")
    shown = "select state = 'running' from pyfi.call where id = %s"
    stage.until(lambda: bool(stage.scene.superuser.one(shown, id_)), "it is seen running")
    behind = stage.submit(part, "echo", 1)
    guest = worker.guest
    assert stage.calls.cancel([id_]) == [id_]
    assert wait_until(lambda: identify(guest) is None, timeout_seconds=10)
    assert [outcome.result for outcome in stage.outcomes(behind)] == [1]
    assert stage.states([id_]) == [("cancelled", 0, 0)]
    assert worker.stop() == 0


def test_a_young_call_is_cancelled_when_its_first_second_is_over(stage: Stage) -> None:
    """The worker does not listen yet, but looks before it does."""
    stage.scene.setting("lease", "10 minutes")
    part = stage.processor("hold")
    worker = stage.worker(part)
    id_ = begun(stage, part, "hold", "young")
    guest = worker.guest
    stage.calls.cancel([id_])
    assert wait_until(lambda: identify(guest) is None, timeout_seconds=10)
    assert stage.states([id_]) == [("cancelled", 0, 0)]


def test_stopping_a_worker_is_no_loss(stage: Stage) -> None:
    """A call that is longer than the drain runs again, however often it is deployed."""
    stage.scene.setting("max_losses", "1")
    part = stage.processor("hold")
    worker = stage.worker(part, drain_seconds=0.2)
    id_ = begun(stage, part, "hold", "long")
    assert worker.stop() == 0
    assert stage.states([id_]) == [("queued", 1, 0)]
    stage.touch("go")
    stage.worker(part)
    (outcome,) = stage.outcomes([id_])
    assert (outcome.state, outcome.attempt) == ("done", 2)
    events = stage.scene.superuser.ask("select name from pyfi.event where call_id = %s order by id", id_)
    assert events == [("stopped",)]


def test_every_loss_leaves_its_cause(stage: Stage) -> None:
    """Exit 0 is one too: nothing was said of the call."""
    stage.scene.setting("max_losses", "3")
    part = stage.processor("leave_quietly", "hold")
    worker = stage.worker(part)
    (id_,) = stage.submit(part, "leave_quietly", {"file": stage.path("starts"), "name": "q"})
    assert error_of(stage, id_) == ("parked", "lost")
    notes = "select name, note from pyfi.event where call_id = %s order by id"
    assert [name for name, _ in stage.scene.superuser.ask(notes, id_)] == ["lost", "lost", "parked"]
    assert all("exit 0" in note for _, note in stage.scene.superuser.ask(notes, id_))
    held = begun(stage, part, "hold", "killed")
    os.kill(worker.guest, signal.SIGKILL)
    stage.touch("go")
    assert error_of(stage, held) == ("done", None)
    assert "signal 9 (SIGKILL)" in stage.scene.superuser.ask(notes, held)[0][1]
