"""A node on a database of its own, with a real repository and real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyfi.core.urls import parse_database
from tests.conftest import Services
from tests.integration.agent.place import Place
from tests.integration.db.installation import Installation, installed
from tests.integration.runner.conftest import Repository


@pytest.fixture(scope="session")
def installation(services: Services) -> Iterator[Installation]:
    """The template of this session on the server of `services`."""
    with installed(services.name, parse_database(services.db)) as made:
        yield made


@pytest.fixture
def place(installation: Installation, tmp_path: Path) -> Iterator[Place]:
    """Node n1, enrolled; nothing runs yet."""
    repository = Repository(tmp_path / "code")
    commit = repository.commit({"serves.py": "def task0():\n    return 1\n"})
    home = tmp_path / "home"
    home.mkdir()
    with installation.clone() as scene:
        made = Place(scene=scene, home=home, repository=repository, commit=commit)
        made.enrol()
        try:
            yield made
        finally:
            made.end()
