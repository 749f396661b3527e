"""What a pass may do: a closed union. Each action names its key and its reason, and nothing is silently skipped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pyfi.core.model import DeploymentId, EnvironmentKey, WorkerKey


class Reason(StrEnum):
    """Why an action was chosen. The words are stable; docs/reference/decision-table.md shows where each occurs."""

    WANTED = "wanted"
    CURRENT = "current"
    NEEDED = "needed"
    EXITED = "exited"
    OUTDATED = "outdated"
    STOP_REQUESTED = "stop_requested"
    REMOVED = "removed"
    SCALED_DOWN = "scaled_down"
    NO_SOCKET = "no_socket"
    NO_CPU = "no_cpu"
    AGENT_STOPS = "agent_stops"
    DRAINING = "draining"
    DRAIN_OVERDUE = "drain_overdue"
    UNKNOWN = "unknown"
    BACKOFF = "backoff"
    CPU_BUSY = "cpu_busy"
    ENVIRONMENT_MISSING = "environment_missing"
    INVALID = "invalid"
    BUILDING = "building"
    BUILDS_BUSY = "builds_busy"
    BUILD_BACKOFF = "build_backoff"
    BUILD_AGAIN = "build_again"
    IDLE = "idle"
    UNNEEDED = "unneeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWorker:
    """Ask the worker to drain; it is killed when it still lives after `drain_seconds`."""

    key: WorkerKey
    reason: Reason
    drain_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KillWorker:
    """End the worker and all that it started, now."""

    key: WorkerKey
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapWorker:
    """The worker is gone: give back what it held and forget it."""

    key: WorkerKey
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBuild:
    """End a build that nobody waits for."""

    key: EnvironmentKey
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectEnvironment:
    """Delete an environment that nobody needs."""

    key: EnvironmentKey
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEnvironment:
    """Build beside the pass. deployment_id: one of those that need it. token: its restart token."""

    key: EnvironmentKey
    reason: Reason
    deployment_id: DeploymentId
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWorker:
    """Start a worker, pinned to `cpu` where the platform can."""

    key: WorkerKey
    reason: Reason
    deployment_id: DeploymentId
    ordinal: int
    cpu: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Do nothing yet. until: when to look again at the latest; None waits for an event."""

    key: WorkerKey | EnvironmentKey
    reason: Reason
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """All is as it should be."""

    key: WorkerKey | EnvironmentKey
    reason: Reason


Action = (
    StopWorker | KillWorker | ReapWorker | StopBuild | CollectEnvironment | BuildEnvironment | StartWorker | Wait | Keep
)

ORDER: tuple[type[Action], ...] = (
    StopWorker,
    KillWorker,
    ReapWorker,
    StopBuild,
    CollectEnvironment,
    BuildEnvironment,
    StartWorker,
    Wait,
    Keep,
)
"""In which order a pass applies them: what frees comes before what takes."""
