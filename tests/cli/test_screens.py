"""The founding documents' screens, character by character, from fixed rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pyfi.cli.invocation import Invocation
from pyfi.cli.trees import picture
from pyfi.control import calls
from pyfi.control.trees import grown, indented
from tests.cli.conftest import Flow

SCREENS = Path(__file__).parent / "screens"
AT = datetime(2021, 9, 13, 19, 30, 19, 844512, tzinfo=UTC)
NAMES = ("pyfi.processors.sample.do_something", "pyfi.processors.sample.do_this")


def number(i: int) -> UUID:
    """A recognisable id."""
    return UUID(int=0xE3BF09C5AE454772B301C39400000000 + i)


def call(i: int, parent: int | None = None, **more: Any) -> dict[str, Any]:
    """A call's row."""
    name = NAMES[i % 2]
    row = {
        "id": number(i),
        "name": name,
        "owner": "postgres",
        "updated": AT + timedelta(milliseconds=41),
        "socket": name,
        "started": AT + timedelta(milliseconds=3),
        "finished": AT + timedelta(milliseconds=41),
        "state": "done",
        "attempt": 1,
        "seconds": 0.038,
        "root_id": number(0),
        "parent_id": None if parent is None else number(parent),
        "task": name.rpartition(".")[2],
        "result": {"message": "TEXT:Hello World!"},
    }
    return row | more


def event(i: int, name: str, note: str) -> dict[str, Any]:
    """An event's row."""
    return {
        "name": name,
        "id": number(100 + i),
        "owner": "postgres",
        "at": AT + timedelta(milliseconds=i),
        "note": note,
    }


EVENTS = [
    event(1, "received", f"Received task {NAMES[0]}"),
    event(2, "prerun", f"Prerun for task {NAMES[0]}"),
    event(3, "postrun", "Postrun for task"),
]
FAMILY = [call(0), call(1, 0), call(3, 0, state="failed", attempt=2), call(2, 1)]


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verbs give fixed rows; no database is there."""

    @contextmanager
    def none(_invocation: Invocation) -> Iterator[None]:
        yield None

    monkeypatch.setattr(Invocation, "database", none)
    page = calls.Page(
        rows=[call(0), call(1, state="running", finished=None)], number=2, size=10, total=3830, is_bounded=False
    )
    monkeypatch.setattr(calls, "listed", lambda _database, _selection, **_asked: page)
    monkeypatch.setattr(calls, "one", lambda _database, **_asked: call(0) | {"events": EVENTS})
    monkeypatch.setattr(calls, "family", lambda _database, _id, **_asked: FAMILY)


@pytest.mark.parametrize(
    ("screen", "words"),
    [
        ("ls-calls", ("ls", "calls", "-p", "2")),
        ("ls-calls-tracking", ("ls", "calls", "-t", "-tk")),
        ("ls-call", ("ls", "call", "--id", str(number(0)))),
        ("ls-call-tree", ("ls", "call", "--id", str(number(0)), "--tree")),
        ("ls-call-flow", ("ls", "call", "--id", str(number(0)), "-f")),
        ("ls-call-result", ("ls", "call", "-n", NAMES[0], "-r")),
        ("call-tree", ("call", "tree", str(number(0)))),
    ],
)
def test_screen(screen: str, words: tuple[str, ...], flow: Flow) -> None:
    """As tests/cli/screens has it."""
    assert flow(*words).out == (SCREENS / f"{screen}.txt").read_text(encoding="utf-8")


def test_a_bounded_count_says_many(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting stops where it tells nothing any more."""
    page = calls.Page(rows=[], number=3, size=10, total=10_000, is_bounded=True)
    monkeypatch.setattr(calls, "listed", lambda _database, _selection, **_asked: page)
    assert flow("ls", "calls").out.endswith("Page 3 of many of more than 10000 total records\n")


def test_pages_are_rounded_up() -> None:
    """The last rows are reachable."""
    counts = {
        total: calls.Page(rows=[], number=1, size=10, total=total, is_bounded=False).pages for total in (0, 1, 10, 11)
    }
    assert counts == {0: 1, 1: 1, 10: 1, 11: 2}


def test_pictures_hold_each_call_once() -> None:
    """Whatever the shape; branches end above the names they lead to."""
    for shape in ([], [0], [0, 0], [0, 0, 0, 1, 1, 3], [0, 1, 2, 3, 4]):
        family = [call(0, name="root")] + [call(i, parent, name=f"call{i}") for i, parent in enumerate(shape, 1)]
        drawn = picture(grown(family))
        for member in family:
            assert drawn.count(member["name"]) == 1
        lines = drawn.splitlines()
        for above, below in pairwise(lines):
            for column, mark in enumerate(above):
                if mark in "\u250c\u2510\u252c":
                    assert below[column : column + 1].strip(), drawn


def test_a_tree_too_deep_for_a_picture_is_indented() -> None:
    """A cycle of plugs may run to a thousand hops."""
    family = [call(0, name="c0")] + [call(i, i - 1, name=f"c{i}") for i in range(1, 1001)]
    roots = grown(family)
    assert picture(roots) == indented(roots)
    assert len(picture(roots).splitlines()) == 1001
