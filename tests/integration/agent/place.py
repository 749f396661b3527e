"""A node in a test: its folder, its agent, what it started, what the database says of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from pyfi.agent import credentials, wiring
from pyfi.agent.credentials import NodeCredentials
from pyfi.agent.folders import NodeFolder, WorkerFolder
from pyfi.agent.registry import DatabaseRegistry
from pyfi.agent.service import Agent
from pyfi.agent.state import WorkerState
from pyfi.agent.wiring import Parts
from pyfi.clock import SystemClock, wait_until
from pyfi.core.backoff import Backoff
from pyfi.core.model import Limits
from pyfi.system.processes import Child, ProcessIdentity, find_processes, is_alive, kill_session, spawn
from tests.integration.db.scene import Login, Scene, add_queue, add_socket, network_of
from tests.integration.runner.conftest import Repository

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TINY = (sys.executable, "-P", str(HERE / "tiny_worker.py"))
SLOW = (sys.executable, "-P", str(HERE / "slow_builder.py"))
WAIT_SECONDS = 60.0


class LaterClock(SystemClock):
    """The machine's clock, set forward by the test."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class Recording(DatabaseRegistry):
    """The real registry that also remembers what was told of dead workers and how often was reported."""

    def __init__(self, database: str) -> None:
        super().__init__(database)
        self.exited: list[tuple[str, int, str]] = []
        self.reports = 0

    def worker_exited(self, worker_id: str, started: int, cause: str, *, asked: bool) -> int:
        given_back = super().worker_exited(worker_id, started, cause, asked=asked)
        self.exited.append((worker_id, started, cause))
        return given_back

    def report(self, epoch: int, document: Any) -> None:
        super().report(epoch, document)
        self.reports += 1


@dataclass(slots=True, kw_only=True)
class Place:
    """Node n1 of a scene."""

    scene: Scene
    home: Path
    repository: Repository
    commit: str
    clock: LaterClock = field(default_factory=LaterClock)
    agents: list[Agent] = field(default_factory=list)
    processes: list[Child] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    registry: Recording | None = None

    @property
    def folder(self) -> NodeFolder:
        return NodeFolder.of(self.home, "n1")

    def enrol(self) -> None:
        database, worker = (self.scene.login(f":{kind}:n1").url.libpq() for kind in ("node", "worker"))
        credentials.write(
            self.folder.credentials, NodeCredentials(database=database, worker_database=worker, broker="amqp://none/")
        )
        self.scene.setting("allow_file_repositories", "true")

    # The desired side

    def add(
        self, name: str, module: str = "serves", *, owner: Login | None = None, sockets: int = 1, **columns: object
    ) -> UUID:
        """A processor of this test's repository. `columns`: those of its row."""
        login = owner or self.scene.admin
        given = {
            "name": name,
            "network_id": network_of(login),
            "gitrepo": self.repository.url,
            "commit": self.commit,
            "module": module,
            "drain_seconds": 30,
            "hostname": "n1",
        } | columns
        names = ", ".join(f'"{column}"' for column in given)
        marks = ", ".join(["%s"] * len(given))
        processor = UUID(
            str(login.one(f"insert into pyfi.processor ({names}) values ({marks}) returning id", *given.values()))
        )
        for number in range(sockets):
            add_socket(login, processor, add_queue(login, f"{name}.{number}"), f"task{number}")
        return processor

    def change(self, processor: UUID, **columns: object) -> None:
        sets = ", ".join(f'"{column}" = %s' for column in columns)
        self.scene.admin.ask(f"update pyfi.processor set {sets} where id = %s", *columns.values(), processor)

    # The observed side

    def workers(self) -> dict[str, dict[str, Any]]:
        """Rows of this node's workers by key."""
        rows = self.scene.superuser.ask(
            "select to_jsonb(w) from pyfi.worker w join pyfi.node n on n.id = w.node_id where n.name = 'n1'"
        )
        return {row["key"]: row for (row,) in rows}

    def status(self, processor: UUID) -> tuple[str, str]:
        """Of the deployment on this node."""
        rows = self.scene.superuser.ask("select status, reason from pyfi.deployment where processor_id = %s", processor)
        return rows[0] if rows else ("", "")

    def state(self, key: str) -> WorkerState | None:
        return WorkerState.read(self.folder.worker(key).state)

    def identity(self, key: str) -> ProcessIdentity:
        state = self.state(key)
        assert state is not None
        assert state.identity is not None
        return state.identity

    def guest(self, key: str) -> ProcessIdentity:
        return ProcessIdentity.from_json(self.folder.worker(key).guest.read_text(encoding="utf-8"))

    def starts(self, key: str) -> list[int]:
        """The pids of every start of that key, ever."""
        path = self.folder.worker(key).path / "starts"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def is_running(self, key: str) -> bool:
        return self.workers().get(key, {}).get("status") == "running"

    # The agent in this process

    def agent(self, *, cpus: int = 4, crashes: Backoff | None = None, parts: Parts | None = None) -> Agent:
        self.registry = Recording(self.scene.agent().url.libpq())
        parts = parts or Parts(worker_argv=TINY, crashes=crashes or Backoff(), limits=Limits())
        parts = replace(parts, registry=self.registry, clock=self.clock)
        agent = wiring.make(self.home, "n1", cpus=cpus, on_end=lambda: self.ended.append("n1"), parts=parts)
        self.agents.append(agent)
        return agent

    def until(self, agent: Agent, done: Callable[[], bool]) -> None:
        """Pass after pass until it is so."""

        def step() -> bool:
            agent.run_once()
            return done()

        assert wait_until(step, timeout_seconds=WAIT_SECONDS), (self.workers(), self.logs())

    def passes(self, agent: Agent, count: int = 5) -> None:
        for _ in range(count):
            agent.run_once()

    # The agent in a process of its own

    def process(self, *, cpus: int = 4, builder: tuple[str, ...] | None = None, port: int | None = None) -> Child:
        options = {"home": str(self.home), "node": "n1", "cpus": cpus, "worker": TINY, "builder": builder, "port": port}
        number = len(self.processes)
        out = self.home / f"agent{number}.out"
        child = spawn(
            [sys.executable, "-P", str(HERE / "run_agent.py"), json.dumps(options)],
            env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=self.home / f"agent{number}.err",
        )
        self.processes.append(child)
        assert wait_until(
            lambda: (out.exists() and "ready" in out.read_text()) or child.poll() is not None,
            timeout_seconds=WAIT_SECONDS,
        )
        return child

    def error(self, child: Child) -> str:
        return (self.home / f"agent{self.processes.index(child)}.err").read_text(encoding="utf-8")

    def logs(self) -> str:
        found = [
            *self.home.glob("agent*.err"),
            *self.folder.workers.glob("*/worker.log"),
            *self.folder.builds.glob("*.out"),
        ]
        return "\n".join(f"-- {path.name}\n{path.read_text()[-2000:]}" for path in found)

    def wait(self, done: Callable[[], bool], *, seconds: float = WAIT_SECONDS) -> None:
        assert wait_until(done, timeout_seconds=seconds), (self.workers(), self.logs())

    def end(self) -> None:
        """Nothing survives the test."""
        for agent in self.agents:
            agent.close()
        for child in self.processes:
            if child.poll() is None:
                kill_session(child.identity)
                child.wait(5.0)
        for folder in self.folder.all_workers():
            end_all(folder)


def end_all(folder: WorkerFolder) -> None:
    """Kill the worker, whether or not its agent came to note it, and its guest."""
    sessions = list(find_processes(programs={Path(sys.executable).resolve().name}, folder=folder.path))
    if folder.guest.exists():
        sessions.append(ProcessIdentity.from_json(folder.guest.read_text(encoding="utf-8")))
    for session in sessions:
        kill_session(session)
        assert not is_alive(session)
