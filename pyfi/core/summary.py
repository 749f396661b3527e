"""What a pass tells about each worker and each deployment, in the words of `status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pyfi.core.actions import Action
from pyfi.core.model import (
    Deployment,
    DeploymentId,
    Desired,
    Environment,
    EnvironmentStatus,
    Halt,
    Observed,
    Past,
    Presence,
    Requested,
    Worker,
    WorkerId,
    WorkerKey,
)
from pyfi.core.plan import wanted
from pyfi.core.status import DeploymentStatus, WorkerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSummary:
    """One worker's row. next_try_seconds: from now, None when nothing is due."""

    key: WorkerKey
    id: WorkerId
    deployment_id: DeploymentId
    ordinal: int
    generation: int
    revision: str
    status: WorkerStatus
    reason: str
    pid: int | None = None
    restarts: int = 0
    last_exit: str = ""
    next_try_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSummary:
    """One deployment's observed half."""

    id: DeploymentId
    status: DeploymentStatus
    reason: str
    observed_generation: int


def workers(desired: Desired, observed: Observed, actions: Sequence[Action], now: float) -> tuple[WorkerSummary, ...]:
    """Every worker that is there, and every wanted one that crashed and is not there."""
    reasons: dict[str, str] = {action.key: action.reason.value.replace("_", " ") for action in actions}
    pasts = {past.key: past for past in observed.pasts}
    rows = {worker.key: _seen(worker, pasts.get(worker.key), reasons) for worker in observed.workers}
    for key, want in wanted(desired).items():
        past = pasts.get(key)
        if key not in rows and past and past.revision == want.deployment.revision:
            rows[key] = _unseen(past, now)
    return tuple(rows[key] for key in sorted(rows))


def _seen(worker: Worker, past: Past | None, reasons: dict[str, str]) -> WorkerSummary:
    crashes = past.crashes if past and past.revision == worker.revision else None
    return WorkerSummary(
        key=worker.key,
        id=worker.id,
        deployment_id=worker.deployment_id,
        ordinal=worker.ordinal,
        generation=worker.generation,
        revision=worker.revision,
        status=_status_of_seen(worker),
        reason=reasons.get(worker.key, ""),
        pid=worker.pid,
        restarts=crashes.restarts if crashes else 0,
        last_exit=crashes.last_exit if crashes else "",
    )


def _status_of_seen(worker: Worker) -> WorkerStatus:
    match worker.presence:
        case Presence.UNKNOWN:
            return WorkerStatus.LOST
        case Presence.GONE:
            return WorkerStatus.EXITED
        case Presence.ALIVE:
            if worker.draining_until is not None:
                return WorkerStatus.DRAINING
            return WorkerStatus.RUNNING if worker.is_serving else WorkerStatus.STARTING


def _unseen(past: Past, now: float) -> WorkerSummary:
    crashes = past.crashes
    left = max(0.0, crashes.not_before - now)
    waiting = WorkerStatus.BACKOFF if left else WorkerStatus.EXITED
    return WorkerSummary(
        key=past.key,
        id=past.worker_id,
        deployment_id=past.deployment_id,
        ordinal=past.ordinal,
        generation=past.generation,
        revision=past.revision,
        status=WorkerStatus.FAILED if crashes.is_hopeless else waiting,
        reason=crashes.last_exit,
        restarts=crashes.restarts,
        last_exit=crashes.last_exit,
        next_try_seconds=left,
    )


def deployments(desired: Desired, observed: Observed, rows: Sequence[WorkerSummary]) -> tuple[DeploymentSummary, ...]:
    """How each deployment is, seen from its workers and its environment."""
    environments = {environment.key: environment for environment in observed.environments}
    own: dict[str, list[WorkerSummary]] = {}
    for row in rows:
        own.setdefault(row.deployment_id, []).append(row)
    summaries = []
    for each in desired.deployments:
        mine = own.get(each.id, [])
        if desired.halt is Halt.NO:
            status, reason = _deployment(each, mine, environments.get(each.environment) if each.environment else None)
        else:
            status, reason = _gone_or_going(_living(mine), DeploymentStatus.STOPPED)
            reason = reason or "its node's agent was stopped"
        summaries.append(
            DeploymentSummary(id=each.id, status=status, reason=reason, observed_generation=each.generation)
        )
    return tuple(summaries)


def _deployment(
    each: Deployment, rows: Sequence[WorkerSummary], environment: Environment | None
) -> tuple[DeploymentStatus, str]:
    living = _living(rows)
    match each.requested:
        case Requested.STOPPED:
            return _gone_or_going(living, DeploymentStatus.STOPPED)
        case Requested.REMOVED:
            return _gone_or_going(living, DeploymentStatus.REMOVED)
        case Requested.RUNNING | Requested.PAUSED:
            current = [row for row in rows if row.revision == each.revision]
            running = sum(row.status is WorkerStatus.RUNNING for row in current)
            if each.sockets and running >= each.cpus:
                return _up(each), ""
            return _not_yet(each, current, living, running, environment)


def _living(rows: Sequence[WorkerSummary]) -> list[WorkerSummary]:
    return [row for row in rows if row.status not in {WorkerStatus.BACKOFF, WorkerStatus.FAILED, WorkerStatus.EXITED}]


def _up(each: Deployment) -> DeploymentStatus:
    return DeploymentStatus.PAUSED if each.requested is Requested.PAUSED else DeploymentStatus.RUNNING


def _gone_or_going(living: Sequence[WorkerSummary], gone: DeploymentStatus) -> tuple[DeploymentStatus, str]:
    if not living:
        return gone, ""
    counts = Counter(row.status.value for row in living)
    return DeploymentStatus.STOPPING, ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))


def _not_yet(
    each: Deployment,
    current: Sequence[WorkerSummary],
    living: Sequence[WorkerSummary],
    running: int,
    environment: Environment | None,
) -> tuple[DeploymentStatus, str]:
    """Some of its workers lack: what stands in the way."""
    outdated = [row for row in living if row.revision != each.revision]
    failed = next((row for row in current if row.status is WorkerStatus.FAILED), None)
    crashed = next((row for row in current if row.status is WorkerStatus.BACKOFF), None)
    trouble = _trouble(each, environment) or (failed and _held(failed)) or ""
    if running:
        missing = trouble or (crashed and crashed.reason) or ("" if outdated else "the others start or wait for a CPU")
        return _up(each), f"{running} of {each.cpus} workers run" + (f": {missing}" if missing else "")
    if trouble:
        old = f" ({len(outdated)} workers of the former revision serve)" if outdated else ""
        return DeploymentStatus.FAILED, trouble + old
    if outdated:
        return DeploymentStatus.UPDATING, "the former revision's workers drain" if _is_ready(
            environment
        ) else "building environment"
    if not _is_ready(environment):
        return DeploymentStatus.STARTING, "building environment"
    if not each.sockets:
        return DeploymentStatus.READY, "it has no socket yet"
    if crashed:
        return DeploymentStatus.STARTING, f"its worker crashed: {crashed.reason}"
    return DeploymentStatus.STARTING, "starting workers" if current else "waiting for a free CPU"


def _is_ready(environment: Environment | None) -> bool:
    return environment is not None and environment.status is EnvironmentStatus.READY


def _trouble(each: Deployment, environment: Environment | None) -> str:
    if each.invalid:
        return each.invalid
    if environment and environment.crashes.in_a_row and environment.status is not EnvironmentStatus.READY:
        return f"environment: {environment.crashes.last_exit}"
    return ""


def _held(row: WorkerSummary) -> str:
    return f"held: {row.last_exit}"
