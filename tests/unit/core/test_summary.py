"""How workers and deployments are told, from what was seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyfi.core import summary
from pyfi.core.backoff import NEVER, Crashes
from pyfi.core.model import (
    Deployment,
    Desired,
    Environment,
    EnvironmentStatus,
    Halt,
    Observed,
    Past,
    Presence,
    Requested,
    Worker,
)
from pyfi.core.plan import plan
from pyfi.core.status import WORKER_MOVES, DeploymentStatus, WorkerStatus, may_follow
from tests.unit.core.decision_table import BASE, ENV, NOW, PAST, WORKER

READY = Environment(key=ENV, status=EnvironmentStatus.READY)
BUILDING = Environment(key=ENV, status=EnvironmentStatus.BUILDING)
FAILED = Environment(
    key=ENV,
    status=EnvironmentStatus.FAILED,
    crashes=Crashes(in_a_row=1, not_before=NOW + 5, last_exit="no such commit"),
)
SERVING = replace(WORKER, is_serving=True, pid=7)
CRASHED = replace(PAST, crashes=Crashes(in_a_row=2, restarts=3, not_before=NOW + 2, last_exit="exit 1"))
HELD = replace(
    PAST, crashes=Crashes(in_a_row=8, restarts=8, not_before=NOW + 300, last_exit="exit 1", is_hopeless=True)
)


def told(
    deployment: Deployment,
    *,
    worker: Worker | None = None,
    past: Past | None = None,
    environment: Environment | None = READY,
    cpus: int = 1,
) -> tuple[tuple[summary.WorkerSummary, ...], summary.DeploymentSummary]:
    desired = Desired(node="node1", cpus=cpus, deployments=(deployment,))
    observed = Observed(
        workers=(worker,) if worker else (),
        pasts=(past,) if past else (),
        environments=(environment,) if environment else (),
    )
    rows = summary.workers(desired, observed, plan(desired, observed, NOW), NOW)
    (own,) = summary.deployments(desired, observed, rows)
    return rows, own


@pytest.mark.parametrize(
    ("deployment", "seen", "status", "reason"),
    [
        (BASE, {"worker": SERVING}, "running", ""),
        (replace(BASE, requested=Requested.PAUSED), {"worker": SERVING}, "paused", ""),
        (BASE, {"worker": WORKER}, "starting", "starting workers"),
        (BASE, {"environment": BUILDING}, "starting", "building environment"),
        (BASE, {"environment": None}, "starting", "building environment"),
        (BASE, {"environment": FAILED}, "failed", "environment: no such commit"),
        (BASE, {}, "starting", "waiting for a free CPU"),
        (replace(BASE, sockets=0), {}, "ready", "it has no socket yet"),
        (replace(BASE, sockets=0), {"environment": BUILDING}, "starting", "building environment"),
        (BASE, {"past": CRASHED}, "starting", "its worker crashed: exit 1"),
        (BASE, {"past": HELD}, "failed", "held: exit 1"),
        (replace(BASE, environment=None, invalid="no commit"), {}, "failed", "no commit"),
        (replace(BASE, revision="r3"), {"worker": SERVING}, "updating", "the former revision's workers drain"),
        (
            replace(BASE, revision="r3"),
            {"worker": SERVING, "environment": BUILDING},
            "updating",
            "building environment",
        ),
        (
            replace(BASE, revision="r3"),
            {"worker": SERVING, "environment": FAILED},
            "failed",
            "environment: no such commit (1 workers of the former revision serve)",
        ),
        (replace(BASE, requested=Requested.STOPPED), {"worker": SERVING}, "stopping", "1 running"),
        (replace(BASE, requested=Requested.STOPPED), {}, "stopped", ""),
        (replace(BASE, requested=Requested.REMOVED), {"worker": SERVING}, "stopping", "1 running"),
        (replace(BASE, requested=Requested.REMOVED), {}, "removed", ""),
        (
            replace(BASE, cpus=2),
            {"worker": SERVING},
            "running",
            "1 of 2 workers run: the others start or wait for a CPU",
        ),
    ],
)
def test_a_deployments_word_and_reason(
    deployment: Deployment, seen: dict[str, object], status: str, reason: str
) -> None:
    _, own = told(deployment, **seen)  # type: ignore[arg-type]
    assert (own.status, own.reason) == (DeploymentStatus(status), reason)
    assert own.observed_generation == deployment.generation


@pytest.mark.parametrize(
    ("worker", "status", "reason"),
    [
        (WORKER, "starting", "current"),
        (SERVING, "running", "current"),
        (replace(SERVING, draining_until=NOW + 1), "draining", "draining"),
        (replace(SERVING, presence=Presence.UNKNOWN), "lost", "unknown"),
        (replace(SERVING, presence=Presence.GONE), "exited", "exited"),
    ],
)
def test_a_seen_workers_word(worker: Worker, status: str, reason: str) -> None:
    (row,), _ = told(BASE, worker=worker, past=CRASHED)
    assert (row.status, row.reason, row.restarts, row.last_exit) == (WorkerStatus(status), reason, 3, "exit 1")


@pytest.mark.parametrize(
    ("past", "status", "left"),
    [
        (CRASHED, "backoff", 2.0),
        (replace(CRASHED, crashes=replace(CRASHED.crashes, not_before=NOW)), "exited", 0.0),
        (HELD, "failed", 300.0),
    ],
)
def test_a_crashed_worker_has_a_row_until_it_starts(past: Past, status: str, left: float) -> None:
    (row,), _ = told(BASE, past=past)
    assert (row.status, row.next_try_seconds, row.id, row.pid) == (WorkerStatus(status), left, "w0", None)


def test_when_the_agent_stops_its_deployments_say_so() -> None:
    desired = Desired(node="node1", cpus=1, deployments=(BASE,), halt=Halt.DRAIN)
    for workers, expected in (
        ((SERVING,), ("stopping", "1 running")),
        ((), ("stopped", "its node's agent was stopped")),
    ):
        observed = Observed(workers=workers, environments=(READY,))
        rows = summary.workers(desired, observed, plan(desired, observed, NOW), NOW)
        (own,) = summary.deployments(desired, observed, rows)
        assert (own.status.value, own.reason) == expected


def test_the_past_of_another_revision_is_not_told() -> None:
    assert told(replace(BASE, revision="r9"), past=CRASHED)[0] == ()
    (row,), _ = told(BASE, worker=SERVING, past=replace(CRASHED, revision="r1"))
    assert (row.restarts, row.last_exit) == (NEVER.restarts, NEVER.last_exit)


def test_nothing_comes_to_life_but_through_starting() -> None:
    gone = {WorkerStatus.EXITED, WorkerStatus.BACKOFF, WorkerStatus.FAILED}
    for before in gone:
        assert WORKER_MOVES[before] & {WorkerStatus.RUNNING, WorkerStatus.DRAINING} == set()
        assert may_follow(before, WorkerStatus.STARTING)
    assert set(WORKER_MOVES) == set(WorkerStatus)
    assert not may_follow(WorkerStatus.DRAINING, WorkerStatus.RUNNING)
    assert may_follow(WorkerStatus.RUNNING, WorkerStatus.RUNNING)
