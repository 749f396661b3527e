"""Starting one worker so that it outlives us and that the next agent knows it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import pyfi
from pyfi import settings
from pyfi.agent.credentials import NodeCredentials
from pyfi.agent.folders import WorkerFolder, held_for_child
from pyfi.agent.records import Placed
from pyfi.agent.state import WorkerState, boot_id
from pyfi.core.actions import StartWorker
from pyfi.core.model import EnvironmentKey, WorkerId
from pyfi.core.variables import secret_of
from pyfi.runner.environment import Environment
from pyfi.settings import write_private
from pyfi.system.processes import Child, spawn

_LARGEST_LOG_BYTES = 4 << 20


def python_module(module: str) -> tuple[str, ...]:
    """The argv of one of our modules, in our own interpreter; the working directory is not on its path."""
    return (sys.executable, "-P", "-m", module)


def child_environment() -> dict[str, str]:
    """Ours, without what names services and logins; workers are told those by file."""
    secret = {variable for variable, _, _ in settings.OPTIONS.values()}
    env = {name: value for name, value in settings.environment().items() if name not in secret}
    root = Path(pyfi.__file__).resolve().parent.parent
    if root.name not in {"site-packages", "dist-packages"}:
        # Run from a checkout that is not installed: children start in other folders and must find it.
        env["PYTHONPATH"] = ":".join(filter(None, [str(root), env.get("PYTHONPATH", "")]))
    return env


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """How workers of a node are started. argv: the configuration's path is added. secrets: the variables that are."""

    node: str
    credentials: NodeCredentials
    argv: Sequence[str] = field(default_factory=lambda: python_module("pyfi.worker"))
    env: Mapping[str, str] = field(default_factory=child_environment)
    secrets: Callable[[Placed], Mapping[str, str]] | None = None

    def start(
        self, action: StartWorker, placed: Placed, environment: Environment, folder: WorkerFolder, now: float
    ) -> tuple[WorkerState, Child]:
        """Start it; its state is written before, so that whoever comes after us looks for it.

        Raises:
            OSError: it cannot be started; its state says that it never was.
            PyfiError: neither can it, for want of a secret.
        """
        deployment = placed.deployment
        state = WorkerState(
            key=action.key,
            id=WorkerId(str(uuid4())),
            deployment_id=deployment.id,
            ordinal=action.ordinal,
            generation=deployment.generation,
            revision=deployment.revision,
            environment=EnvironmentKey(environment.key),
            drain_seconds=deployment.drain_seconds,
            started=now,
            boot=boot_id(),
            cpu=action.cpu,
        )
        self._prepare(folder, placed)
        write_private(folder.config, json.dumps(self._config(state, placed, environment, folder)))
        state.write(folder.state)
        secret = self.secrets(placed) if self.secrets else {}
        with held_for_child(folder.alive) as lock:
            child = spawn(
                [*self.argv, str(folder.config)],
                env=self.env,
                cwd=folder.path,
                # Not in the file: what is in memory only, nobody reads from a disk.
                stdin_bytes=json.dumps(secret).encode() if secret else None,
                stdout=folder.log,
                stderr=folder.log,
                pass_fds=(lock,),
                cpu=action.cpu,
            )
        state = replace(state, identity=child.identity)
        state.write(folder.state)
        return state, child

    def _prepare(self, folder: WorkerFolder, placed: Placed) -> None:
        folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.home.mkdir(exist_ok=True, mode=0o700)
        if placed.sandbox.user:
            folder.path.chmod(0o711)
        folder.guest.unlink(missing_ok=True)
        folder.mark.unlink(missing_ok=True)
        folder.mark.touch(mode=0o600)
        folder.mark.write_bytes(bytes(8))
        if folder.log.exists() and folder.log.stat().st_size > _LARGEST_LOG_BYTES:
            folder.log.replace(folder.log.with_suffix(".log.1"))

    def _config(
        self, state: WorkerState, placed: Placed, environment: Environment, folder: WorkerFolder
    ) -> dict[str, object]:
        return {
            "worker_id": state.id,
            "key": state.key,
            "node": self.node,
            "ordinal": state.ordinal,
            "database": self.credentials.worker_database,
            "broker": self.credentials.broker,
            "backend": self.credentials.backend,
            "processor_id": placed.processor_id,
            "generation": state.generation,
            "environment": {name: str(value) for name, value in asdict(environment).items()}
            | {"installed": environment.installed},
            "commit": placed.spec.commit if placed.spec else None,
            "module": placed.module,
            "modulepath": placed.modulepath,
            "time_limit_seconds": placed.time_limit_seconds,
            "soft_time_limit_seconds": placed.soft_time_limit_seconds,
            "drain_seconds": state.drain_seconds,
            "mark": str(folder.mark),
            "home": str(folder.home),
            "cpu": state.cpu,
            "sandbox": asdict(placed.sandbox),
            "guest_environment": {name: value for name, value in placed.variables.items() if secret_of(value) is None},
        }
