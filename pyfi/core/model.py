"""What a node's agent desires and what it observes: frozen records, nothing else.

Times are seconds of one monotonic clock of this machine; durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from pyfi.core.backoff import NEVER, Crashes
from pyfi.core.names import worker_key

DeploymentId = NewType("DeploymentId", str)
WorkerId = NewType("WorkerId", str)
WorkerKey = NewType("WorkerKey", str)
EnvironmentKey = NewType("EnvironmentKey", str)


class Requested(StrEnum):
    """What a person asked of a deployment."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    REMOVED = "removed"


class Halt(StrEnum):
    """Whether the agent itself is going away, and how fast."""

    NO = "no"
    DRAIN = "drain"
    KILL = "kill"


class Presence(StrEnum):
    """What looking at a worker's process told. UNKNOWN is not GONE: it could not be looked at."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"


class EnvironmentStatus(StrEnum):
    """What looking at an environment told; one that is not there has no record."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A processor placed on this node.

    revision: hash of everything that a worker is started with; a worker of another revision is outdated. Counts and
    `requested` are not in it, so neither scaling nor pausing restarts a worker. generation: the row's, only reported
    back. environment: None when `invalid` says why none can be named. sockets: how many; without any there is nothing
    to serve. drain_seconds: how long a worker may take to finish its calls.
    """

    id: DeploymentId
    processor: str
    network: str
    requested: Requested
    cpus: int
    sockets: int
    generation: int
    revision: str
    environment: EnvironmentKey | None
    restart_token: int = 0
    drain_seconds: float = 30.0
    invalid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """All that this node should run. cpus: how many workers at most. cpu_ids: the processor numbers to pin them to."""

    node: str
    cpus: int
    cpu_ids: tuple[int, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    halt: Halt = Halt.NO

    def key(self, deployment: Deployment, ordinal: int) -> WorkerKey:
        """The deterministic name of one worker."""
        return WorkerKey(worker_key(deployment.network, deployment.processor, self.node, ordinal))


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker as it was seen.

    id: this incarnation's. draining_until: when it must have gone, None while nobody asked it to go.
    drain_seconds: how long this incarnation was promised.
    """

    key: WorkerKey
    id: WorkerId
    deployment_id: DeploymentId
    ordinal: int
    generation: int
    revision: str
    environment: EnvironmentKey
    presence: Presence
    drain_seconds: float
    draining_until: float | None = None
    cpu: int | None = None
    pid: int | None = None
    is_serving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What became of a key's last worker. It counts only for the revision that it tells of."""

    key: WorkerKey
    worker_id: WorkerId
    deployment_id: DeploymentId
    ordinal: int
    generation: int
    revision: str
    crashes: Crashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment as it was seen.

    crashes: of its builds. token: the restart token for which the last build failed. idle_seconds: how long nobody
    needed it.
    """

    key: EnvironmentKey
    status: EnvironmentStatus
    crashes: Crashes = NEVER
    token: int = 0
    idle_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All that was seen on this node."""

    workers: tuple[Worker, ...] = ()
    pasts: tuple[Past, ...] = ()
    environments: tuple[Environment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at once. keep_environment_seconds: an hour, so that a rollback need not build."""

    builds: int = 2
    keep_environment_seconds: float = 3600.0
