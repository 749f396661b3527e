"""A harness that cannot fail proves nothing: each piece of the protocol, taken out, turns its test red."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from pyfi.settings import environment
from pyfi.system.processes import run
from tests.architecture import project
from tests.conftest import Services
from tests.faults.mutations import MUTATIONS, Mutation, scratch, table

SECONDS = 400.0


def test_the_page_lists_them() -> None:
    """tests/faults/README.md is for people."""
    assert table() in project.text("tests/faults/README.md")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_each_still_matches(mutation: Mutation) -> None:
    """What it takes out is there, exactly so often."""
    assert project.text(mutation.file).count(mutation.old) == mutation.among


@pytest.mark.nightly
@pytest.mark.faults
@pytest.mark.timeout(500)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_each_turns_its_test_red(mutation: Mutation, services: Services, tmp_path: Path) -> None:
    """In a copy of the project; a test that could not even begin is none."""
    root = scratch(mutation, tmp_path / "project")
    quietly = ("-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider")
    mine = {name: value for name, value in environment().items() if not name.startswith("FLOW_TEST_")}
    done = run(
        [sys.executable, "-m", "pytest", *quietly, *shlex.split(mutation.test)],
        env=mine
        | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
        | ({} if mutation.test.startswith("tests/unit") else _servers(services)),
        cwd=root,
        timeout_seconds=SECONDS,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 1, said[-3000:]
    assert re.search(r"\b[1-9]\d* failed", said.splitlines()[-1]), said[-3000:]


def _servers(services: Services) -> dict[str, str]:
    """Those of this run: one start of them is enough."""
    return {"FLOW_TEST_DB": services.db, "FLOW_TEST_BROKER": services.broker, "FLOW_TEST_BACKEND": services.backend}
