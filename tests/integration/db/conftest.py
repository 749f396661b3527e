"""Servers, and a database of its own for each test that asks for `scene`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pyfi.core.urls import DatabaseUrl, parse_database
from pyfi.stack.running import Running
from tests.integration.db.installation import Installation, installed
from tests.integration.db.scene import Scene

GIVEN = os.environ.get("FLOW_TEST_DB")
SERVERS = ["given" if GIVEN else "embedded"]


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> tuple[str, DatabaseUrl]:
    """A server's name and its superuser: the one that FLOW_TEST_DB names, else the embedded 18."""
    if request.param == "given":
        return "given", parse_database(str(GIVEN))
    running: Running = request.getfixturevalue("embedded_stack")
    return "embedded", parse_database(running.db)


@pytest.fixture(scope="session")
def installation(server: tuple[str, DatabaseUrl]) -> Iterator[Installation]:
    """The template of this session on that server."""
    with installed(*server) as made:
        yield made


@pytest.fixture(scope="session")
def _clone(installation: Installation) -> Iterator[Scene]:
    with installation.clone() as made:
        yield made


@pytest.fixture
def scene(_clone: Scene) -> Scene:
    """A database with an administrator, two tenants and two nodes, as new. Its schema must stay as it is."""
    _clone.reset()
    return _clone


@pytest.fixture
def own_scene(installation: Installation) -> Iterator[Scene]:
    """The same in a database of its own, whose schema the test may change."""
    with installation.clone() as made:
        made.reset()
        yield made
