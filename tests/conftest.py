# the tests' environment is made here
"""What every test gets: an environment without FLOW_*, a home of its own; and the embedded stack if it asks."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from pyfi.stack.stack import Running, up
from tests.network import Network, network, vhost

# Before any fixture: what a module reads at import must not see the developer's settings either. FLOW_TEST_* stay: they
# name the services of this run, and each xdist worker reads them again.
for _name in [name for name in os.environ if name.startswith("FLOW_") and not name.startswith("FLOW_TEST_")]:
    del os.environ[_name]


STANDARD_PORTS = {5432, 5672, 6379}


def _refuse_standard_ports(event: str, arguments: tuple[object, ...]) -> None:
    """Without services of the run's own, nothing may find those that happen to listen on this machine."""
    address = arguments[1] if event == "socket.connect" else None
    if isinstance(address, tuple) and address[1] in STANDARD_PORTS:
        raise AssertionError(f"a test connects to the standard port {address[1]}")


if "FLOW_TEST_DB" not in os.environ:
    sys.addaudithook(_refuse_standard_ports)
    _connect = psycopg2.connect

    def _connect_elsewhere(dsn: str | None = None, *arguments: Any, **more: Any) -> Any:
        told = psycopg2.extensions.parse_dsn(dsn) if dsn else {}
        port = int(more.get("port") or told.get("port") or 5432)
        assert port not in STANDARD_PORTS, f"a test connects to the standard port {port}"
        return _connect(dsn, *arguments, **more)

    psycopg2.connect = _connect_elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The servers that a test may use. db: the superuser's URL of a database; tests make their own beside it."""

    name: str
    db: str = field(repr=False)
    broker: str = field(repr=False)
    backend: str = field(repr=False)


@pytest.fixture(scope="session", autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """HOME, FLOW_HOME and the XDG folders are temporary: no test reads or writes the developer's."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("XDG_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("FLOW_HOME", str(home / "flow"))
        yield home


@pytest.fixture(autouse=True)
def flow_home(private_home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A FLOW_HOME for this test alone; the folder is not yet there."""
    folder = private_home / "flow" / f"{abs(hash(request.node.nodeid)):x}"
    monkeypatch.setenv("FLOW_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def embedded_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An embedded stack of this pytest process (each xdist worker has its own); it dies with it, however that ends."""
    home = tmp_path_factory.mktemp("embedded")
    running = up(home, foreground=threading.current_thread() is threading.main_thread())
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(home)


def _embedded(request: pytest.FixtureRequest) -> Services:
    running: Running = request.getfixturevalue("embedded_stack")
    return Services(name="embedded", db=running.db, broker=running.broker, backend=running.backend)


def _configured(request: pytest.FixtureRequest) -> Services:
    db, broker, backend = (os.environ[f"FLOW_TEST_{name}"] for name in ("DB", "BROKER", "BACKEND"))
    return Services(name="configured", db=db, broker=broker, backend=backend)


# Name -> the services; a test that asks for `services` runs once with each. A run has one kind: .ci/run makes two runs.
SERVICES: dict[str, Callable[[pytest.FixtureRequest], Services]] = (
    {"configured": _configured} if "FLOW_TEST_DB" in os.environ else {"embedded": _embedded}
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A run on configured services is for what touches them: the rest was run without."""
    if "FLOW_TEST_DB" in os.environ:
        touching = [item for item in items if {"services", "server"} & set(getattr(item, "fixturenames", ()))]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(touching)])
        items[:] = touching


@pytest.fixture(scope="session", params=sorted(SERVICES))
def services(request: pytest.FixtureRequest) -> Services:
    """Postgres, broker and result store, of each kind in turn."""
    return SERVICES[str(request.param)](request)


@pytest.fixture(scope="session")
def broker(services: Services) -> Iterator[str]:
    """The broker's URL: on RabbitMQ a vhost of this pytest process."""
    with vhost(services.broker, f"pyfi_t{os.getpid()}") as url:
        yield url


@pytest.fixture
def net(services: Services, broker: str, tmp_path: Path) -> Iterator[Network]:
    """An initialised network of this test alone."""
    with network(services.db, broker, services.backend, tmp_path / "net") as made:
        yield made
