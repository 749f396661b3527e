"""Files: how long, how named, what never stands in them."""

from __future__ import annotations

import ast
import re
import tokenize
from pathlib import Path

import pytest

from tests.architecture import project

LONGEST_LINES = 400
# path -> why it may be longer
LONG_FILES: dict[str, str] = {
    "pyfi/runner/guest.py": "what one call is in the guest, from frame to outcome; what it needs stands beside it",
    "pyfi/worker/engine.py": "the one place where guest, ledger and broker meet; what each is about stands beside it",
}

REFUSED_WORDS = {"manager", "helper", "helpers", "util", "utils", "common", "handler", "handlers", "misc", "base_model"}


@pytest.mark.parametrize("path", project.modules(), ids=project.relative)
def test_file_is_short(path: Path) -> None:
    """Above 400 lines a file needs a reason in LONG_FILES."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_LINES or project.relative(path) in LONG_FILES


def test_each_reason_for_a_long_file_is_still_needed() -> None:
    """The allow-list shrinks again."""
    short = {
        name
        for name in LONG_FILES
        if not (project.ROOT / name).is_file() or len(project.text(name).splitlines()) <= LONGEST_LINES
    }
    assert not short


def test_names_of_files_are_words_of_the_field() -> None:
    """A file called helper, manager or util has no subject."""
    named = {
        project.relative(path)
        for folder in ("pyfi", "tests", "benchmarks", "migrations")
        for path in (project.ROOT / folder).rglob("*.py")
        # `make bench` makes a virtualenv for the peers.
        if ".venv" not in path.parts and REFUSED_WORDS & set(path.stem.lower().split("_"))
    }
    assert not named


@pytest.mark.parametrize("path", project.modules(), ids=project.relative)
def test_nothing_is_left_for_later(path: Path) -> None:
    """No comment promises work, no function is a stub."""
    with tokenize.open(path) as file:
        comments = [t.string for t in tokenize.generate_tokens(file.readline) if t.type == tokenize.COMMENT]
    assert not [comment for comment in comments if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", comment)]
    assert "NotImplementedError" not in path.read_text(encoding="utf-8")


def sleeps(path: Path) -> bool:
    """Calls time.sleep itself (the source of a user's function, in a string, may)."""
    calls = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return any(ast.unparse(called) in {"time.sleep", "sleep"} for called in calls)


def test_tests_do_not_sleep() -> None:
    """They wait for something named: pyfi.clock.wait_until. (What a user's module does is the user's.)"""
    tests = [path for path in (project.ROOT / "tests").rglob("*.py") if path.name != "functions.py"]
    assert not [project.relative(path) for path in tests if sleeps(path)]
