"""Servers of a test's own, each of which can be killed and started again on its data: Postgres, Valkey, RabbitMQ.

Nothing of the machine's servers is touched: own folders, ports, cookie, node name, and an epmd of its own.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import redis

from pyfi.broker.publish import Publisher
from pyfi.clock import wait_until
from pyfi.errors import UnavailableError
from pyfi.stack import postgres, valkey
from pyfi.stack.binaries import find
from pyfi.stack.folder import StackFolder
from pyfi.stack.server import StartedServer, StartOptions, free_port
from pyfi.system.locks import FileLock
from pyfi.system.processes import Child, end_process, run, signal_process, spawn

SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS = 120.0


def has_rabbitmq() -> bool:
    """Whether RabbitMQ's server program is on this machine."""
    return SCRIPT.exists()


@dataclass(slots=True)
class Postgres:
    """The embedded Postgres, on a port that stays."""

    folder: StackFolder
    _lock: FileLock
    _password: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    _server: StartedServer | None = None
    _port: int = 0

    @property
    def url(self) -> str:
        """The superuser's."""
        return postgres.url(self._port, self._password)

    def start(self) -> None:
        """On the data that there are, if any."""
        options = StartOptions(
            port=self._port, password=self._password, die_with_parent=True, inherited=self._lock.fileno()
        )
        self._server = postgres.start_postgres(find(), self.folder, options)
        assert self._port in {0, self._server.port}, "another program took the port"
        self._port = self._server.port

    def crash(self) -> None:
        """Immediate stop: no checkpoint, no goodbye; what was not committed is gone."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """In order."""
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> None:
        if self._server is not None:
            signal_process(self._server.child.identity, number)
            assert self._server.child.wait(30) is not None
            self._server = None

    def answers(self) -> bool:
        """Whether it takes a login."""
        with contextlib.suppress(psycopg2.Error):
            psycopg2.connect(self.url, connect_timeout=2).close()
            return True
        return False


@dataclass(slots=True)
class Valkey:
    """The embedded Valkey (or Redis), on a port that stays."""

    folder: StackFolder
    _lock: FileLock
    _password: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    _server: StartedServer | None = None
    _port: int = 0
    kind: str = "redis"

    @property
    def url(self) -> str:
        """Of the broker's database."""
        return valkey.url(self._port, self._password, 0)

    @property
    def backend(self) -> str:
        """Of the wake-ups' database."""
        return valkey.url(self._port, self._password, 1)

    def start(self) -> None:
        """On the data that there are, if any."""
        options = StartOptions(
            port=self._port, password=self._password, die_with_parent=True, inherited=self._lock.fileno()
        )
        self._server = valkey.start_valkey(find(), self.folder, options)
        assert self._port in {0, self._server.port}, "another program took the port"
        self._port = self._server.port

    def crash(self) -> None:
        """kill -9: what was written in the last second may be gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """In order."""
        self._end(signal.SIGTERM)

    def flush(self) -> None:
        """FLUSHALL: every queue and every message is gone."""
        with contextlib.closing(redis.Redis.from_url(self.url)) as client:
            client.flushall()

    def _end(self, number: signal.Signals) -> None:
        if self._server is not None:
            signal_process(self._server.child.identity, number)
            assert self._server.child.wait(30) is not None
            self._server = None


@dataclass(slots=True)
class RabbitMQ:
    """A node of its own."""

    folder: Path
    _epmd_port: int = field(default_factory=free_port)
    _port: int = field(default_factory=free_port)
    _dist_port: int = field(default_factory=free_port)
    _name: str = field(default_factory=lambda: f"pyfi{secrets.token_hex(4)}")
    _epmd: Child | None = None
    _server: Child | None = None
    kind: str = "rabbitmq"

    @property
    def url(self) -> str:
        """Of its default user, whom only this machine can be."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}//"

    @property
    def environment(self) -> dict[str, str]:
        """Of the node and of its command line."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),  # the cookie's place
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"{self._name}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "no-env.conf"),
            # So that its script becomes the server, instead of waiting for it as another process.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput",
        }

    def start(self) -> None:
        """On the data that there are, if any; returns when it takes connections."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "rabbitmq.conf").write_text("loopback_users = none\nvm_memory_high_watermark.relative = 0.3\n")
        (self.folder / "plugins").write_text("[].\n")
        if self._epmd is None:
            self._epmd = spawn(
                ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
                env=self.environment,
                cwd=self.folder,
                die_with_parent=signal.SIGKILL,
            )
        log = self.folder / "out.log"
        self._server = spawn(
            [str(SCRIPT)],
            env=self.environment,
            cwd=self.folder,
            stdout=log,
            stderr=log,
            die_with_parent=signal.SIGKILL,
        )
        assert wait_until(self.answers, timeout_seconds=START_SECONDS, step_seconds=0.2), log.read_text()[-3000:]

    def answers(self) -> bool:
        """Whether it takes a connection."""
        with contextlib.closing(Publisher(self.url)) as publisher, contextlib.suppress(UnavailableError):
            publisher.check()
            return True
        return False

    def crash(self) -> None:
        """kill -9."""
        if self._server is not None:
            signal_process(self._server.identity, signal.SIGKILL)
            assert self._server.wait(30) is not None
            self._server = None

    def suspend(self, queue: str) -> None:
        """From now on the leader of this quorum queue answers nobody."""
        done = run(
            [
                str(SCRIPT.with_name("rabbitmqctl")),
                "-q",
                "-n",
                f"{self._name}@localhost",
                "eval",
                f"sys:suspend({{'%2F_{queue}', node()}}).",
            ],
            env=self.environment,
            cwd=self.folder,
            timeout_seconds=60,
        )
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        """The node, then its epmd."""
        if self._server is not None:
            end_process(self._server.identity, ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)))
            self._server.wait(5)
            self._server = None
        if self._epmd is not None:
            end_process(self._epmd.identity, ((signal.SIGKILL, 5.0),))
            self._epmd.wait(5)
            self._epmd = None


Broker = Valkey | RabbitMQ


@dataclass(frozen=True, slots=True)
class Servers:
    """What a network needs. On Redis the broker is the store of wake-ups too."""

    postgres: Postgres
    valkey: Valkey
    broker: Broker


@contextmanager
def servers(home: Path, broker: str) -> Iterator[Servers]:
    """Started servers in `home`, with RabbitMQ if `broker` says so; they end with this process at the latest."""
    folder = StackFolder(home.resolve() / "stack")
    folder.prepare()
    lock = FileLock(folder.in_use)
    assert lock.acquire(blocking=False)
    with ExitStack() as stack:
        stack.callback(lock.release)
        database, store = Postgres(folder, lock), Valkey(folder, lock)
        queues: Broker = RabbitMQ(home / "rabbitmq") if broker == "rabbitmq" else store
        for each in {id(server): server for server in (database, store, queues)}.values():
            stack.callback(each.stop)
            each.start()
        yield Servers(database, store, queues)


def main() -> None:
    """Start them once: a check of this file by hand."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, servers(Path(folder), "rabbitmq") as made:
        print(made.broker.url)
        made.broker.crash()
        assert not made.broker.answers() if isinstance(made.broker, RabbitMQ) else True
        made.broker.start()
        made.postgres.crash()
        made.postgres.start()
        made.valkey.flush()
        made.valkey.crash()
        made.valkey.start()
        print("again")


if __name__ == "__main__":
    main()
