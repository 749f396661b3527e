"""Putting an agent together, by hand."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyfi import settings
from pyfi.agent import credentials as credentials_file
from pyfi.agent import facts
from pyfi.agent.apply import Applier
from pyfi.agent.builds import Builds
from pyfi.agent.confine import UNCONFINED, Confinement, Wanted, enterable
from pyfi.agent.credentials import NodeCredentials
from pyfi.agent.folders import NodeFolder
from pyfi.agent.launch import Launcher, child_environment, python_module
from pyfi.agent.observe import Observer
from pyfi.agent.registry import DatabaseRegistry, Registry
from pyfi.agent.secrets import Secrets
from pyfi.agent.service import Agent, Node
from pyfi.agent.watched import Watched
from pyfi.clock import SYSTEM, Clock
from pyfi.core import backoff
from pyfi.core.actions import Action
from pyfi.core.backoff import Backoff
from pyfi.core.model import Limits
from pyfi.errors import ConflictError
from pyfi.runner.keyring import Keyring
from pyfi.system.locks import FileLock
from pyfi.system.processes import identify


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What tests, and later options, put in place of the usual. registry: instead of the database's functions."""

    registry: Registry | None = None
    worker_argv: tuple[str, ...] = field(default_factory=lambda: python_module("pyfi.worker"))
    builder_argv: tuple[str, ...] = field(default_factory=lambda: python_module("pyfi.runner.build"))
    crashes: Backoff = backoff.WORKER
    builds: Backoff = backoff.BUILDING
    limits: Limits = field(default_factory=Limits)
    clock: Clock = SYSTEM


def make(
    home: Path,
    name: str,
    *,
    cpus: int | None = None,
    port: int | None = None,
    on_end: Callable[[], None],
    parts: Parts | None = None,
    confined: Wanted = UNCONFINED,
) -> Agent:
    """The agent of node `name`, whose credentials are in its folder under `home`.

    Args: cpus: how many workers at most; None: as many as this machine has CPUs for us. confined: in which sandbox.

    Raises: NotConfiguredError, InvalidError: the node's credentials are missing or unreadable.
    """
    parts = parts or Parts()
    folder = NodeFolder.of(home, name)
    credentials = credentials_file.read(folder.credentials)
    if confined.uids:
        enterable(folder.path)
    env = child_environment()
    watched = Watched()
    builds = Builds(folder.builds, folder.environments, parts.builder_argv, env, backoff=parts.builds)
    observer = Observer(folder, builds, watched, identify(os.getpid()))
    registry = parts.registry or DatabaseRegistry(credentials.database)
    secrets = Secrets(registry, Keyring(home))
    launcher = Launcher(node=name, credentials=credentials, argv=parts.worker_argv, env=env, secrets=secrets.variables)
    applier = Applier(folder, registry, launcher, builds, watched, secrets=secrets, backoff=parts.crashes)
    node = Node(
        name=name,
        hostname=settings.hostname(),
        cpus=facts.usable_cpus() if cpus is None else cpus,
        cpu_ids=facts.cpu_ids(),
        port=port,
        started_with=_fingerprint(credentials),
        confinement=Confinement(confined, folder.path / "uids.json"),
    )
    return Agent(
        node,
        folder,
        registry,
        observer,
        applier,
        builds,
        watched,
        limits=parts.limits,
        on_end=on_end,
        clock=parts.clock,
    )


def _fingerprint(credentials: NodeCredentials) -> str:
    """Changes when workers would be given other credentials: those that run are outdated then."""
    return hashlib.sha256(json.dumps(asdict(credentials)).encode()).hexdigest()


def hold(home: Path, name: str) -> FileLock:
    """The right to be the agent of that node on this machine; released when this process ends.

    Raises: ConflictError: another process is.
    """
    folder = NodeFolder.of(home, name)
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder.lock)
    if not lock.acquire(blocking=False):
        raise ConflictError(
            f"node {name} has an agent on this machine already: process {lock.holder() or 'unknown'}",
            hint="stop that one, or give this one another name: flow agent start -n NAME",
        )
    return lock


def preview(home: Path, name: str, *, cpus: int | None = None, parts: Parts | None = None) -> tuple[Action, ...]:
    """What the agent of that node would do now; nothing is done, also while an agent runs.

    Raises: UnavailableError, NotConfiguredError, InvalidError.
    """
    agent = make(home, name, cpus=cpus, on_end=lambda: None, parts=parts)
    try:
        return agent.preview()
    finally:
        agent.close()
