"""`flow` as a function, and a network that the tests of one module share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from pyfi.cli.main import run
from tests.conftest import Services
from tests.network import Network, network


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def id(self) -> str:
        """The id that `add` announced."""
        return self.out.partition(":")[0]


Flow = Callable[..., Done]


@pytest.fixture
def flow(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Flow:
    """Run a command in this process; `code` is asserted. The present folder is an empty one, times are UTC's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def run_flow(*words: str, code: int | None = 0) -> Done:
        capsys.readouterr()
        done = Done(run(words), *capsys.readouterr())
        assert code is None or done.code == code, done
        assert "Traceback" not in done.err or code == 1
        return done

    return run_flow


@pytest.fixture(scope="module")
def shared_network(services: Services, broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """An initialised network of this module's tests; no agent runs in it."""
    with network(services.db, broker, services.backend, tmp_path_factory.mktemp("net")) as made:
        yield made


@pytest.fixture
def online(shared_network: Network, monkeypatch: pytest.MonkeyPatch) -> Network:
    """The environment of this process names the shared network."""
    for name, value in shared_network.environment.items():
        if name.startswith("FLOW_"):
            monkeypatch.setenv(name, value)
    assert "FLOW_DB" in os.environ
    return shared_network


@pytest.fixture
def checks_passwords(online: Network) -> None:
    """Skips where the server trusts everybody who connects: a wrong password is none there."""
    try:
        psycopg2.connect(online.admin.login(online.admin.user, "wrong").libpq()).close()
    except psycopg2.OperationalError:
        return
    pytest.skip("this Postgres trusts every connection")


@pytest.fixture(scope="module")
def repository(shared_network: Network) -> Path:
    """A git repository with one module."""
    return shared_network.repository({"functions.py": "def echo(message):\n    return message\n"})
