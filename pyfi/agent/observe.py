"""Looking at what is there: processes, environments, histories. Changes nothing but what the agent remembers."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

from pyfi import logs
from pyfi.agent.builds import Builds
from pyfi.agent.folders import NodeFolder, WorkerFolder, is_held
from pyfi.agent.state import WorkerState, boot_id, read_past
from pyfi.agent.watched import Watched
from pyfi.core.backoff import NEVER
from pyfi.core.model import (
    DeploymentId,
    Environment,
    EnvironmentKey,
    EnvironmentStatus,
    Observed,
    Past,
    Presence,
    Worker,
    WorkerId,
    WorkerKey,
)
from pyfi.runner import environment
from pyfi.system.processes import ProcessIdentity, find_processes, is_alive

log = logs.get(__name__)


class Observer:
    """Looks at one node's folder. `states` holds, after a look, what is written of each worker that is there."""

    def __init__(self, folder: NodeFolder, builds: Builds, watched: Watched, own: ProcessIdentity | None) -> None:
        """`own`: this process, to know which boot and pid namespace numbers are read in."""
        self._folder, self._builds, self._watched, self._own = folder, builds, watched, own
        self._idle_since: dict[EnvironmentKey, float] = {}
        self.states: dict[WorkerKey, tuple[WorkerFolder, WorkerState]] = {}

    def look(self, now: float) -> Observed:
        """All that is there. now: monotonic seconds."""
        workers: list[Worker] = []
        pasts: list[Past] = []
        self.states = {}
        for folder in self._folder.all_workers():
            if past := read_past(folder.past):
                pasts.append(past)
            if worker := self._worker(folder):
                workers.append(worker)
        self._builds.look(now)
        used = {worker.environment for worker in workers if worker.presence is not Presence.GONE}
        return Observed(workers=tuple(workers), pasts=tuple(pasts), environments=tuple(self._environments(used, now)))

    def _worker(self, folder: WorkerFolder) -> Worker | None:
        try:
            state = WorkerState.read(folder.state)
        except (OSError, ValueError, TypeError) as error:
            return _unreadable(folder, error)
        if state is None:
            return None
        presence, state = self._presence(folder, state)
        self.states[state.key] = (folder, state)
        return Worker(
            key=state.key,
            id=state.id,
            deployment_id=state.deployment_id,
            ordinal=state.ordinal,
            generation=state.generation,
            revision=state.revision,
            environment=state.environment,
            presence=presence,
            drain_seconds=state.drain_seconds,
            draining_until=state.draining_until,
            cpu=state.cpu,
            pid=state.identity.pid if state.identity else None,
            is_serving=folder.guest.exists(),
        )

    def _presence(self, folder: WorkerFolder, state: WorkerState) -> tuple[Presence, WorkerState]:
        if state.boot != boot_id():
            return Presence.GONE, state
        if state.identity is None:
            return self._search(folder, state)
        if self._own is None or state.identity.pid_namespace != self._own.pid_namespace:
            # Another container's: its number says nothing here, its lock does.
            return (Presence.UNKNOWN if is_held(folder.alive) else Presence.GONE), state
        if not is_alive(state.identity):
            return Presence.GONE, state
        if self._watched.adopt(state.identity):
            log.info("worker adopted", extra={"worker": state.key, "pid": state.identity.pid})
        return Presence.ALIVE, state

    def _search(self, folder: WorkerFolder, state: WorkerState) -> tuple[Presence, WorkerState]:
        """An agent died between starting the worker and writing down who it is."""
        if not is_held(folder.alive):
            return Presence.GONE, state
        found = find_processes(programs={Path(sys.executable).resolve().name}, folder=folder.path)
        if not found:
            return Presence.UNKNOWN, state
        # Whatever the worker started itself is younger.
        identity = min(found, key=lambda each: (each.started, each.pid))
        state = replace(state, identity=identity)
        state.write(folder.state)
        self._watched.adopt(identity)
        log.info("worker found and adopted", extra={"worker": state.key, "pid": identity.pid})
        return Presence.ALIVE, state

    def _environments(self, used: set[EnvironmentKey], now: float) -> list[Environment]:
        root = self._folder.environments
        keys = {EnvironmentKey(path.name) for path in root.iterdir() if path.is_dir()} if root.is_dir() else set()
        keys = {key for key in keys if not key.startswith(".")}
        keys |= self._builds.running | self._builds.failed.keys()
        return [self._environment(key, key in used, now) for key in sorted(keys)]

    def _environment(self, key: EnvironmentKey, is_used: bool, now: float) -> Environment:
        if is_used or key not in self._idle_since:
            self._idle_since[key] = now
        failed = self._builds.failed.get(key)
        return Environment(
            key=key,
            status=self._environment_status(key),
            crashes=failed.crashes if failed else NEVER,
            token=failed.token if failed else 0,
            idle_seconds=now - self._idle_since[key],
        )

    def _environment_status(self, key: EnvironmentKey) -> EnvironmentStatus:
        if key in self._builds.running:
            return EnvironmentStatus.BUILDING
        try:
            (self._folder.environments / key).stat()
        except FileNotFoundError:
            return EnvironmentStatus.FAILED
        except OSError:
            return EnvironmentStatus.UNKNOWN
        # What a killed build left counts as failed: it is built again when needed, else deleted.
        ready = environment.find(self._folder.environments, key)
        return EnvironmentStatus.READY if ready else EnvironmentStatus.FAILED

    def needed(self, keys: set[EnvironmentKey], now: float) -> None:
        """Those are wanted now: they are idle from now at the earliest."""
        self._idle_since.update(dict.fromkeys(keys, now))


def _unreadable(folder: WorkerFolder, error: Exception) -> Worker | None:
    """State that cannot be read is not a dead worker: while its lock is held it is left alone."""
    if not is_held(folder.alive):
        log.warning("worker state dropped", extra={"worker": folder.path.name, "reason": str(error)})
        with contextlib.suppress(OSError):
            folder.state.unlink()
        return None
    return Worker(
        key=WorkerKey(folder.path.name),
        id=WorkerId(""),
        deployment_id=DeploymentId(""),
        ordinal=0,
        generation=0,
        revision="",
        environment=EnvironmentKey(""),
        presence=Presence.UNKNOWN,
        drain_seconds=0.0,
    )
