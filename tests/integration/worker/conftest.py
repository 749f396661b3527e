"""A ledger and a broker for the whole session, a stage for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyfi.core.urls import parse_database
from pyfi.ledger.calls import Calls
from tests.conftest import Services as Servers
from tests.integration.db.installation import installed
from tests.integration.db.scene import Scene
from tests.integration.worker.stage import Services, Stage


@pytest.fixture(scope="session")
def ledger(services: Servers) -> Iterator[Scene]:
    """A database of this session's worker tests; each makes its own processors in it."""
    with installed(services.name, parse_database(services.db)) as made, made.clone() as scene:
        scene.reset()
        yield scene


@pytest.fixture(scope="session")
def duties(ledger: Scene, broker: str) -> Iterator[Services]:
    """Relay and sweeper."""
    made = Services(ledger, broker)
    yield made
    made.stop()


@pytest.fixture
def stage(ledger: Scene, broker: str, duties: Services, tmp_path: Path) -> Iterator[Stage]:
    """An empty stage."""
    calls = Calls(ledger.login(".admin").url, broker)
    made = Stage(scene=ledger, broker=broker, calls=calls, folder=tmp_path)
    yield made
    made.close()
    calls.close()
    ledger.admin.ask("delete from pyfi.setting where key in ('max_losses', 'lease')")
    shutil.rmtree(tmp_path, ignore_errors=True)
