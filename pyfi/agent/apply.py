"""Doing what was planned, one action after the other; what fails is told and tried again by a later pass."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pyfi import logs
from pyfi.agent.builds import Builds
from pyfi.agent.ending import cause_of, end_sessions, remember, started_token
from pyfi.agent.folders import NodeFolder, WorkerFolder
from pyfi.agent.launch import Launcher
from pyfi.agent.records import Placed
from pyfi.agent.registry import Registry
from pyfi.agent.secrets import Secrets
from pyfi.agent.state import WorkerState, boot_id
from pyfi.agent.watched import Watched
from pyfi.core.actions import (
    Action,
    BuildEnvironment,
    CollectEnvironment,
    Keep,
    KillWorker,
    ReapWorker,
    StartWorker,
    StopBuild,
    StopWorker,
    Wait,
)
from pyfi.core.backoff import Backoff
from pyfi.core.model import DeploymentId, EnvironmentKey, WorkerKey
from pyfi.errors import PyfiError, UnavailableError
from pyfi.faultpoints import fault
from pyfi.runner import environment
from pyfi.system.processes import signal_process

log = logs.get(__name__)

Seen = Mapping[WorkerKey, tuple[WorkerFolder, WorkerState]]


class Applier:
    """Applies the actions of one node."""

    def __init__(
        self,
        folder: NodeFolder,
        registry: Registry,
        launcher: Launcher,
        builds: Builds,
        watched: Watched,
        *,
        secrets: Secrets,
        backoff: Backoff,
    ) -> None:
        """`backoff`: for workers that crash."""
        self._secrets = secrets
        self._folder, self._registry, self._launcher = folder, registry, launcher
        self._builds, self._watched, self._backoff = builds, watched, backoff
        self._collecting: threading.Thread | None = None

    def apply(self, actions: Sequence[Action], seen: Seen, placed: Mapping[DeploymentId, Placed], now: float) -> int:
        """Do them in order; returns how many changed something.

        Raises: UnavailableError: the database went away; what was not yet told stays to be told.
        """
        away: UnavailableError | None = None
        changed = 0
        for action in actions:
            if isinstance(action, Wait | Keep) or (away and isinstance(action, ReapWorker)):
                continue
            try:
                changed += self._one(action, seen, placed, now)
            except UnavailableError as error:
                # Only reaping asks the database: the rest of the plan still holds.
                away = error
            except (PyfiError, OSError) as error:
                log.warning(
                    "action failed", extra={"action": type(action).__name__, "key": action.key, "reason": str(error)}
                )
        self._collect([action.key for action in actions if isinstance(action, CollectEnvironment)])
        if away:
            raise away
        return changed

    def _one(self, action: Action, seen: Seen, placed: Mapping[DeploymentId, Placed], now: float) -> bool:
        match action:
            case StopWorker():
                return self._stop(action, *seen[action.key], now)
            case KillWorker():
                return self._kill(action, *seen[action.key])
            case ReapWorker():
                return self._reap(*seen[action.key], now)
            case StopBuild():
                self._builds.stop(action.key)
                return True
            case CollectEnvironment() | Wait() | Keep():
                return False
            case BuildEnvironment():
                return self._build(action, placed[action.deployment_id], now)
            case StartWorker():
                return self._start(action, placed[action.deployment_id], now)

    def _stop(self, action: StopWorker, folder: WorkerFolder, state: WorkerState, now: float) -> bool:
        # Written first: an agent that dies in between leaves a deadline, not a second signal.
        replace(state, draining_until=now + action.drain_seconds).write(folder.state)
        if state.identity:
            signal_process(state.identity, signal.SIGTERM)
        log.info("worker told to drain", extra={"action": "stop", "worker": action.key, "reason": action.reason})
        return True

    def _kill(self, action: KillWorker, folder: WorkerFolder, state: WorkerState) -> bool:
        if state.draining_until is None:
            # So that its end counts as asked for.
            replace(state, draining_until=state.started).write(folder.state)
        gone = end_sessions(folder, state)
        log.warning("worker killed", extra={"action": "kill", "worker": action.key, "reason": action.reason})
        return gone

    def _reap(self, folder: WorkerFolder, state: WorkerState, now: float) -> bool:
        # Before the mark is read: a guest that still lives could start another call.
        if not end_sessions(folder, state):
            log.warning("worker's guest does not end", extra={"action": "reap", "worker": state.key})
            return False
        code = self._watched.exit_code(state.identity) if state.identity else None
        was_asked = state.draining_until is not None or state.boot != boot_id() or state.identity is None
        cause = "drained" if state.draining_until is not None and not code else cause_of(folder, code)
        fault("agent.exit_seen")
        try:
            held = self._registry.worker_exited(
                state.id, started_token(folder), cause, asked=state.draining_until is not None
            )
            fault("agent.exit_told")
        except UnavailableError:
            raise
        except PyfiError as error:
            # Its rows are gone or another's: nothing is left to give back, and the key must not be stuck for it.
            log.warning("worker's calls not given back", extra={"worker": state.key, "reason": error.message})
            held = 0
        if not was_asked:
            remember(folder, state, code, cause, now, self._backoff)
        folder.state.unlink(missing_ok=True)
        folder.config.unlink(missing_ok=True)
        if state.identity:
            self._watched.forget(state.identity)
        told = {"action": "reap", "worker": state.key, "reason": cause, "calls_given_back": held}
        if was_asked:
            log.info("worker ended", extra=told)
        else:
            log.warning("worker crashed", extra=told)
        return True

    def _build(self, action: BuildEnvironment, placed: Placed, now: float) -> bool:
        if placed.spec is None:
            return False
        try:
            keys = self._secrets.keys(placed)
        except UnavailableError:
            raise
        except PyfiError as error:
            self._builds.refuse(action.key, error.message, token=action.token, now=now)
            return True
        self._builds.start(action.key, placed.spec, token=action.token, now=now, keys=keys)
        return True

    def _start(self, action: StartWorker, placed: Placed, now: float) -> bool:
        key = placed.deployment.environment
        built = environment.find(self._folder.environments, key) if key else None
        if built is None:
            return False
        folder = self._folder.worker(action.key)
        try:
            state, child = self._launcher.start(action, placed, built, folder, now)
        except UnavailableError:
            folder.state.unlink(missing_ok=True)
            raise
        except (OSError, PyfiError) as error:
            never = WorkerState.read(folder.state)
            if never:
                remember(folder, never, None, f"it could not be started: {error}", now, self._backoff)
                folder.state.unlink()
            raise
        self._watched.keep(child)
        log.info(
            "worker started",
            extra={"action": "start", "worker": action.key, "pid": child.pid, "cpu": state.cpu, "id": state.id},
        )
        return True

    def _collect(self, keys: Sequence[str]) -> None:
        """Deleting a large environment takes seconds: beside the pass."""
        if not keys or (self._collecting and self._collecting.is_alive()):
            return
        for key in keys:
            self._builds.forget(EnvironmentKey(key))
        root = self._folder.environments
        self._collecting = threading.Thread(target=_delete, args=(root, keys), name="collect", daemon=True)
        self._collecting.start()


def _delete(root: Path, keys: Sequence[str]) -> None:
    for key in keys:
        try:
            if root.is_dir() and environment.delete(root, key):
                log.info("environment deleted", extra={"action": "collect", "environment": key})
        except OSError as error:
            log.warning("environment not deleted", extra={"environment": key, "reason": str(error)})
