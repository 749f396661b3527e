"""A whole PyFI network for a test: own database, roles, vhost, home, agents; nothing of it stays behind."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2

from pyfi.clock import wait_until
from pyfi.core.urls import DatabaseUrl, broker_kind, parse_database
from pyfi.ledger.calls import Calls
from pyfi.ledger.connection import ids_as_text
from pyfi.settings import load as load_settings
from pyfi.settings import read_credentials
from pyfi.system.processes import Child, Completed, identify, run, signal_process, spawn

PATIENCE_SECONDS = 60.0
FUNCTIONS = '''
import os, time

def echo(message, *args, **kwargs):
    return message

def mark(message, *args, **kwargs):
    """Append one line per start to the file named by the message, then take its time."""
    line = (message["id"] + "\\n").encode()
    fd = os.open(message["file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, line)
    os.close(fd)
    time.sleep(message.get("seconds", 0))
    return message

def relay(message, *args, **kwargs):
    return mark(dict(message, id=message["id"] + ">"))

def fail(message, *args, **kwargs):
    raise ValueError("no " + str(message))

def unjson(message, *args, **kwargs):
    return {1, 2}
'''


@dataclass
class Network:
    """One installation. `flow` runs the command line as a person of this network would."""

    home: Path
    database: DatabaseUrl = field(repr=False)
    broker: str = field(repr=False)
    backend: str = field(repr=False)
    prefix: str
    agents: list[Child] = field(default_factory=list)
    _closing: list[Callable[[], None]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """All that a command is given."""
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "FLOW_HOME": str(self.home / "flow"),
            "FLOW_DB": self.database.libpq(),
            "FLOW_BROKER": self.broker,
            "FLOW_BACKEND": self.backend,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "http"))},
        }

    def flow(
        self, *words: str, stdin: bytes | None = None, code: int | None = 0, env: Mapping[str, str] | None = None
    ) -> Completed:
        """Run `flow ...`; asserts the exit code unless it is None."""
        done = run(
            [sys.executable, "-m", "pyfi", *words],
            env=self.environment | dict(env or {}),
            cwd=self.home,
            timeout_seconds=PATIENCE_SECONDS,
            stdin_bytes=stdin,
        )
        if code is not None:
            assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *words: str) -> Any:
        """What `flow -o json ...` prints."""
        return json.loads(self.flow("-o", "json", *words).stdout)

    def repository(self, files: Mapping[str, str] | None = None, name: str = "repo") -> Path:
        """A git repository with one commit of these files."""
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        for path, text in (files or {"functions.py": FUNCTIONS}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1"}
        who = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "files"]):
            assert run(["git", *words], env=env, cwd=folder, timeout_seconds=20).returncode == 0
        return folder

    def start_agent(self, name: str = "node1", cpus: int = 2, env: Mapping[str, str] | None = None) -> Child:
        """An agent as a process of its own; its log is in the home. `env`: besides what every command gets."""
        log = self.home / f"agent-{name}.log"
        agent = spawn(
            [sys.executable, "-m", "pyfi", "agent", "start", "-n", name, "-cp", str(cpus)],
            env=self.environment | dict(env or {}),
            cwd=self.home,
            stdout=log,
            stderr=log,
        )
        self.agents.append(agent)
        return agent

    def processor(self, *tasks: str, concurrency: int = 1, name: str = "proc", repository: Path | None = None) -> None:
        """A processor of `functions.py` with a socket `<name>.<task>` for each task, on one queue."""
        repo = repository or self.repository()
        self.flow("add", "processor", "-n", name, "-g", str(repo), "-m", "functions", "-c", str(concurrency))
        self.flow("add", "queue", "-n", f"{name}.queue", "-t", "direct")
        for task in tasks:
            self.flow("add", "socket", "-n", f"{name}.{task}", "-q", f"{name}.queue", "-pn", name, "-t", task)

    @property
    def admin(self) -> DatabaseUrl:
        """The administrator's login."""
        settings = load_settings(env={"FLOW_HOME": str(self.home / "flow")})
        return self.database.login(*read_credentials(settings)[self.database.place])

    def calls(self, *, publishes: bool = True) -> Calls:
        """The ledger as the administrator."""
        calls = Calls(self.admin, self.broker if publishes else None)
        self._closing.append(calls.close)
        return calls

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Look behind the scenes, as superuser."""
        connection = psycopg2.connect(self.database.libpq())
        ids_as_text(connection)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def until(self, done: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait for something, or fail with the agents' logs."""
        if not wait_until(done, timeout_seconds=seconds, step_seconds=0.05):
            raise AssertionError(f"not in {seconds} s: {what}\n{self.logs()}")

    def logs(self) -> str:
        """The ends of what agents and workers wrote."""
        found = [*self.home.glob("*.log"), *self.home.glob("flow/node-*/workers/*/worker.log")]
        return "\n".join(f"--- {path}\n{path.read_text(errors='replace')[-3000:]}" for path in found)

    def close(self) -> None:
        """Stop the agents in order, then take everything away."""
        for agent in self.agents:
            signal_process(agent.identity, signal.SIGTERM)
        for agent in self.agents:
            if agent.wait(20) is None:
                signal_process(agent.identity, signal.SIGKILL)
                agent.wait(5)
        for close in self._closing:
            close()
        for path in self.home.glob("flow/node-*/workers/*/state.json"):
            _end_left_worker(path)


def _end_left_worker(state: Path) -> None:
    """A worker outlives its killed agent; a test's must not outlive the test."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(state.read_text())
        identity = identify(int(record.get("pid") or record["identity"]["pid"]))
        if identity is not None:
            signal_process(identity, signal.SIGKILL)


@contextmanager
def vhost(broker: str, name: str) -> Iterator[str]:
    """A RabbitMQ vhost of its own where this user may make one; Redis is told apart by its queues' names."""
    if broker_kind(broker) == "redis" or os.geteuid() != 0 or shutil.which("rabbitmqctl") is None:
        yield broker
        return
    env = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8"}

    def ctl(*words: str) -> None:
        done = run(["rabbitmqctl", "-q", *words], env=env, timeout_seconds=60)
        assert done.returncode == 0, done.stderr

    ctl("add_vhost", name)
    try:
        user = urlsplit(broker).username or "guest"
        ctl("set_permissions", "-p", name, user, ".*", ".*", ".*")
        yield urlunsplit(urlsplit(broker)._replace(path="/" + quote(name, safe="")))
    finally:
        ctl("delete_vhost", name)


@contextmanager
def network(superuser: str, broker: str, backend: str, home: Path) -> Iterator[Network]:
    """An initialised network in `home`; afterwards no process, role, database or queue of it is left."""
    prefix = f"t{secrets.token_hex(4)}"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = parse_database(superuser).at(f"pyfi_{prefix}")
    made = Network(home=home, database=database, broker=broker, backend=backend, prefix=prefix)
    made.flow("db", "init", "--prefix", prefix)
    try:
        yield made
    finally:
        made.close()
        made.flow("db", "drop", "-y", code=None)
        connection = psycopg2.connect(database.at("postgres").libpq())
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f'drop database if exists "{database.database}" with (force)')
        connection.close()
