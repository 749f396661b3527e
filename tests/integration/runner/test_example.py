"""The sample package, as a user's repository: its own tests in its own virtualenv, then its functions in a guest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyfi.runner.environment import Environment, Spec, build
from pyfi.runner.frames import NOT_SERIALISABLE, RAISED, STDOUT
from pyfi.runner.policy import Policy
from pyfi.system.processes import run
from tests.unit.runner.conftest import Driver

if TYPE_CHECKING:
    from tests.integration.runner.conftest import Repository

EXAMPLE = Path(__file__).parents[3] / "processors_example"
NAMES = (
    *("do_something", "do_this", "do_that", "measure", "route", "emit_one", "emit_two", "add_two", "emit_add"),
    *("append_and_sleep", "fail", "fail_first", "talk", "count_to", "wait_and_say", "some_set"),
)


@pytest.fixture
def built(tmp_path: Path, new_repository: Callable[[str], Repository]) -> Environment:
    """Its environment."""
    repository = new_repository("example")
    left_out = shutil.ignore_patterns("__pycache__", ".venv", "*.egg-info", "dist", "build")
    shutil.copytree(EXAMPLE, repository.path, dirs_exist_ok=True, ignore=left_out)
    spec = Spec(repository=repository.url, commit=repository.commit(), policy=Policy(allow_file=True))
    return build(spec, tmp_path / "environments")


@pytest.fixture
def samples(built: Environment, tmp_path: Path) -> Iterator[Driver]:
    """A guest with all its functions."""
    (tmp_path / "guest").mkdir()
    driver = Driver(tmp_path / "guest", built.python)
    driver.checkout = built.checkout
    loaded = driver.start(None, *NAMES, module="pyfi.processors.sample", installed=built.installed)
    assert set(loaded.functions.values()) == {None}  # type: ignore[union-attr]
    yield driver
    driver.close()


def test_its_own_tests_pass_in_its_own_virtualenv(built: Environment, tmp_path: Path) -> None:
    done = run(
        [str(built.python), "-I", "-W", "error", "-m", "unittest", "discover", "-s", str(built.checkout / "tests")],
        env={"PATH": os.defpath, "HOME": str(tmp_path)},
        cwd=tmp_path,
        timeout_seconds=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Ran 11 tests" in done.stderr


def test_the_quickstarts_line(samples: Driver) -> None:
    assert samples.result("do_this", "some data") == "Do this: ['some data']"
    assert samples.result("do_something", "Hello World!") == "Message:Hello World!"


def test_every_kind_of_sample_in_a_guest(samples: Driver, tmp_path: Path) -> None:
    assert samples.call("do_something", "four").second == {"plugs": {}, "output": {"length": 4}}
    assert samples.call("route", "a long message").second == {"plugs": {"long": "a long message"}, "output": {}}
    assert (samples.result("emit_one"), samples.result("emit_two"), samples.result("add_two", one=1, two=5)) == (
        1,
        5,
        6,
    )
    assert samples.call("count_to", 3).second["each"] is True
    assert samples.result("wait_and_say", "x") == "after 0.0 s: x"
    assert samples.call("talk", "hi", 1).lines() == ["print 0: hi", "INFO pyfi.processors.sample: log 0: hi"]
    assert (samples.call("fail").outcome, samples.call("some_set").outcome) == (RAISED, NOT_SERIALISABLE)
    assert samples.call("fail_first", "x").outcome == RAISED
    outcome = samples.call("append_and_sleep", str(tmp_path / "trace"), "mine")
    assert outcome.lines(STDOUT) == [f"appended to {tmp_path / 'trace'}"]
    assert (tmp_path / "trace").read_text() == f"{outcome.first} started\n{outcome.first} finished\n"
