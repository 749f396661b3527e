"""The plan: what one pass of a node's agent does. One key, one action, one reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pyfi.core import environments
from pyfi.core.actions import ORDER, Action, Keep, KillWorker, ReapWorker, Reason, StartWorker, StopWorker, Wait
from pyfi.core.model import (
    Deployment,
    Desired,
    EnvironmentKey,
    EnvironmentStatus,
    Halt,
    Limits,
    Observed,
    Past,
    Presence,
    Requested,
    Worker,
    WorkerKey,
)

LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One worker that should run, as far as the node's CPUs go."""

    deployment: Deployment
    ordinal: int
    has_cpu: bool


def plan(desired: Desired, observed: Observed, now: float, *, limits: Limits = LIMITS) -> tuple[Action, ...]:
    """What to do, in the order of doing: what frees comes before what takes.

    Total and deterministic: every key that is wanted or was seen gets exactly one action, whatever the order of the
    records.

    Args: now: monotonic seconds, of the clock of the records.
    """
    wants = wanted(desired)
    workers = {worker.key: worker for worker in observed.workers}
    pasts = {past.key: past for past in observed.pasts}
    owners = {deployment.id: deployment for deployment in desired.deployments}
    status = {environment.key: environment.status for environment in observed.environments}
    actions: list[Action] = environments.decide(desired, observed, now, limits)
    begin: list[tuple[WorkerKey, Want]] = []
    for key in dict.fromkeys([*wants, *sorted(workers)]):
        want = wants.get(key)
        is_ready = want is not None and _status(want, status) is EnvironmentStatus.READY
        if worker := workers.get(key):
            actions.append(
                _for_seen(desired, worker, want, owners.get(worker.deployment_id), is_ready=is_ready, now=now)
            )
        elif want:
            wait = _before_start(key, want, pasts.get(key), is_ready=is_ready, now=now)
            begin += [] if wait else [(key, want)]
            actions += [wait] if wait else []
    actions += _starts(desired, observed, begin)
    return tuple(sorted(actions, key=lambda action: (ORDER.index(type(action)), action.key)))


def wanted(desired: Desired) -> dict[WorkerKey, Want]:
    """The workers that should run, most deserving first.

    Where the node has too few CPUs every deployment gets its first worker before any gets its second.
    """
    if desired.halt is not Halt.NO:
        return {}
    serving = [each for each in desired.deployments if _unwanted(each, 0) is None]
    ranked = sorted(
        ((ordinal, desired.key(each, ordinal), each) for each in serving for ordinal in _ordinals(each, desired)),
        key=lambda entry: (entry[0], entry[1], entry[2].id),
    )
    wants: dict[WorkerKey, Want] = {}
    for ordinal, key, each in ranked:
        wants.setdefault(key, Want(deployment=each, ordinal=ordinal, has_cpu=len(wants) < desired.cpus))
    return wants


def _ordinals(deployment: Deployment, desired: Desired) -> range:
    # A count beyond the node's own could never run: it makes no keys, however large somebody made it.
    return range(min(deployment.cpus, desired.cpus))


def _unwanted(deployment: Deployment, ordinal: int) -> Reason | None:
    match deployment.requested:
        case Requested.STOPPED:
            return Reason.STOP_REQUESTED
        case Requested.REMOVED:
            return Reason.REMOVED
        case Requested.RUNNING | Requested.PAUSED:
            if not deployment.sockets:
                return Reason.NO_SOCKET
            return Reason.SCALED_DOWN if ordinal >= deployment.cpus else None


def _status(want: Want, status: dict[EnvironmentKey, EnvironmentStatus]) -> EnvironmentStatus | None:
    return status.get(want.deployment.environment) if want.deployment.environment else None


def _for_seen(
    desired: Desired, worker: Worker, want: Want | None, owner: Deployment | None, *, is_ready: bool, now: float
) -> Action:
    match worker.presence:
        case Presence.GONE:
            return ReapWorker(key=worker.key, reason=Reason.EXITED)
        case Presence.UNKNOWN:
            return Wait(key=worker.key, reason=Reason.UNKNOWN)
        case Presence.ALIVE:
            return _for_living(desired, worker, want, owner, is_ready=is_ready, now=now)


def _for_living(
    desired: Desired, worker: Worker, want: Want | None, owner: Deployment | None, *, is_ready: bool, now: float
) -> Action:
    if desired.halt is Halt.KILL:
        return KillWorker(key=worker.key, reason=Reason.AGENT_STOPS)
    if worker.draining_until is not None:
        if now >= worker.draining_until:
            return KillWorker(key=worker.key, reason=Reason.DRAIN_OVERDUE)
        return Wait(key=worker.key, reason=Reason.DRAINING, until=worker.draining_until)
    if want is None:
        return _stop(worker, _why_unwanted(desired, worker, owner))
    if not want.has_cpu:
        return _stop(worker, Reason.NO_CPU)
    if worker.revision == want.deployment.revision:
        return Keep(key=worker.key, reason=Reason.CURRENT)
    if want.deployment.invalid:
        return Wait(key=worker.key, reason=Reason.INVALID)
    # The old code serves until the new environment stands: a failing build must not take a processor down.
    return _stop(worker, Reason.OUTDATED) if is_ready else Wait(key=worker.key, reason=Reason.ENVIRONMENT_MISSING)


def _stop(worker: Worker, reason: Reason) -> StopWorker:
    return StopWorker(key=worker.key, reason=reason, drain_seconds=worker.drain_seconds)


def _why_unwanted(desired: Desired, worker: Worker, owner: Deployment | None) -> Reason:
    if desired.halt is not Halt.NO:
        return Reason.AGENT_STOPS
    if owner is None:
        return Reason.REMOVED
    return _unwanted(owner, worker.ordinal) or Reason.NO_CPU


def _before_start(key: WorkerKey, want: Want, past: Past | None, *, is_ready: bool, now: float) -> Wait | None:
    deployment = want.deployment
    if not want.has_cpu:
        return Wait(key=key, reason=Reason.NO_CPU)
    if deployment.invalid:
        return Wait(key=key, reason=Reason.INVALID)
    if not is_ready:
        return Wait(key=key, reason=Reason.ENVIRONMENT_MISSING)
    if past and past.revision == deployment.revision and now < past.crashes.not_before:
        return Wait(key=key, reason=Reason.BACKOFF, until=past.crashes.not_before)
    return None


def _starts(desired: Desired, observed: Observed, begin: list[tuple[WorkerKey, Want]]) -> list[Action]:
    """As many as there are free CPUs; one that still drains, or could not be looked at, holds its CPU."""
    present = [worker for worker in observed.workers if worker.presence is not Presence.GONE]
    free = max(0, desired.cpus - len(present))
    load = Counter(worker.cpu for worker in present)
    actions: list[Action] = [Wait(key=key, reason=Reason.CPU_BUSY) for key, _ in begin[free:]]
    for key, want in begin[:free]:
        cpu = min(desired.cpu_ids, key=lambda number: (load[number], number), default=None)
        load[cpu] += 1
        actions.append(
            StartWorker(key=key, reason=Reason.WANTED, deployment_id=want.deployment.id, ordinal=want.ordinal, cpu=cpu)
        )
    return actions
