"""Which environments to build, keep or delete: the plan's other half."""

from __future__ import annotations

from pyfi.core.actions import Action, BuildEnvironment, CollectEnvironment, Keep, Reason, StopBuild, Wait
from pyfi.core.model import (
    Deployment,
    Desired,
    Environment,
    EnvironmentKey,
    EnvironmentStatus,
    Halt,
    Limits,
    Observed,
    Presence,
    Requested,
)


def needed(desired: Desired) -> dict[EnvironmentKey, Deployment]:
    """The environments that workers will run in, each with the deployment that asked last."""
    if desired.halt is not Halt.NO:
        return {}
    wants: dict[EnvironmentKey, Deployment] = {}
    for each in sorted(desired.deployments, key=lambda each: (each.restart_token, each.id)):
        if each.environment is not None and each.requested in {Requested.RUNNING, Requested.PAUSED}:
            wants[each.environment] = each
    return wants


def decide(desired: Desired, observed: Observed, now: float, limits: Limits) -> list[Action]:
    """One action for each environment that is needed or was seen; at most `limits.builds` builds at once."""
    wants = needed(desired)
    seen = {environment.key: environment for environment in observed.environments}
    used = {worker.environment for worker in observed.workers if worker.presence is not Presence.GONE}
    free = limits.builds - sum(each.status is EnvironmentStatus.BUILDING for each in observed.environments)
    actions: list[Action] = []
    for key in sorted(wants.keys() | seen.keys()):
        want, have = wants.get(key), seen.get(key)
        if have:
            action = _for_seen(have, want, is_used=key in used, now=now, limits=limits)
        else:
            # Not seen, so it is wanted: the union has no third source.
            action = _build(wants[key], key, Reason.WANTED)
        if isinstance(action, BuildEnvironment):
            free -= 1
            action = action if free >= 0 else Wait(key=key, reason=Reason.BUILDS_BUSY)
        actions.append(action)
    return actions


def _build(want: Deployment, key: EnvironmentKey, reason: Reason) -> BuildEnvironment:
    return BuildEnvironment(key=key, reason=reason, deployment_id=want.id, token=want.restart_token)


def _for_seen(have: Environment, want: Deployment | None, *, is_used: bool, now: float, limits: Limits) -> Action:
    match have.status:
        case EnvironmentStatus.UNKNOWN:
            return Wait(key=have.key, reason=Reason.UNKNOWN)
        case EnvironmentStatus.BUILDING:
            if want:
                return Wait(key=have.key, reason=Reason.BUILDING)
            return StopBuild(key=have.key, reason=Reason.UNNEEDED)
        case EnvironmentStatus.READY:
            if want or is_used:
                return Keep(key=have.key, reason=Reason.NEEDED)
            left = limits.keep_environment_seconds - have.idle_seconds
            if left <= 0:
                return CollectEnvironment(key=have.key, reason=Reason.UNNEEDED)
            return Wait(key=have.key, reason=Reason.IDLE, until=now + left)
        case EnvironmentStatus.FAILED:
            return _for_failed(have, want, is_used=is_used, now=now)


def _for_failed(have: Environment, want: Deployment | None, *, is_used: bool, now: float) -> Action:
    if want is None:
        if is_used:
            return Wait(key=have.key, reason=Reason.NEEDED)
        return CollectEnvironment(key=have.key, reason=Reason.UNNEEDED)
    if have.token != want.restart_token or now >= have.crashes.not_before:
        return _build(want, have.key, Reason.BUILD_AGAIN)
    return Wait(key=have.key, reason=Reason.BUILD_BACKOFF, until=have.crashes.not_before)
