"""The words for how a worker and a deployment are, and which word may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class WorkerStatus(StrEnum):
    """How one worker is."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    EXITED = "exited"
    BACKOFF = "backoff"
    FAILED = "failed"
    LOST = "lost"


class DeploymentStatus(StrEnum):
    """How a processor is on one node, and, put together, how the processor is."""

    READY = "ready"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    UPDATING = "updating"
    FAILED = "failed"
    REMOVED = "removed"


_W = WorkerStatus

WORKER_MOVES: Mapping[WorkerStatus, frozenset[WorkerStatus]] = {
    _W.STARTING: frozenset({_W.RUNNING, _W.DRAINING, _W.EXITED, _W.BACKOFF, _W.FAILED, _W.LOST}),
    _W.RUNNING: frozenset({_W.DRAINING, _W.EXITED, _W.BACKOFF, _W.FAILED, _W.LOST}),
    _W.DRAINING: frozenset({_W.EXITED, _W.BACKOFF, _W.FAILED, _W.LOST}),
    _W.EXITED: frozenset({_W.STARTING, _W.BACKOFF, _W.FAILED}),
    _W.BACKOFF: frozenset({_W.STARTING, _W.EXITED}),
    _W.FAILED: frozenset({_W.STARTING, _W.EXITED}),
    _W.LOST: frozenset({_W.STARTING, _W.RUNNING, _W.DRAINING, _W.EXITED, _W.BACKOFF, _W.FAILED}),
}
"""A worker's key moves along these; nothing comes to life again but through `starting` (a lost one was only unseen)."""


def may_follow(before: WorkerStatus, after: WorkerStatus) -> bool:
    """Whether a key may go from one word to the other; staying is always allowed.

    >>> may_follow(WorkerStatus.DRAINING, WorkerStatus.RUNNING)
    False
    """
    return before is after or after in WORKER_MOVES[before]
