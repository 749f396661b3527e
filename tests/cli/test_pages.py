"""`ls calls` pages, orders and filters; a tree below a call that is not the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pyfi.control import calls
from tests.cli.conftest import Flow
from tests.network import Network


def ids(flow: Flow, *words: str) -> list[str]:
    """The ids that `ls calls` lists."""
    return flow("ls", "calls", "-i", "-n", "paged.echo", *words).out.split()


def test_pages(online: Network, flow: Flow, repository: Path) -> None:
    """Newest first, or oldest first; no call on two pages, none on no page."""
    flow("add", "processor", "-n", "paged", "-g", str(repository), "-m", "functions", "-t", "echo")
    made = [flow("task", "run", "-s", "paged.echo", "-d", str(i), "--no-wait").out.strip() for i in range(5)]
    assert ids(flow) == made[::-1]
    assert ids(flow, "-a") == made
    assert [ids(flow, "-r", "2", "-p", str(page)) for page in (1, 2, 3, 4)] == [
        made[:2:-1],
        made[2:0:-1],
        made[:1],
        [],
    ]
    assert flow("ls", "calls", "-n", "paged.echo", "-r", "2").out.endswith("Page 1 of 3 of 5 total records\n")
    flow("delete", "socket", "-n", "paged.echo", "--cascade")
    assert ids(flow, "-u") == []
    assert len(ids(flow)) == 5


def test_a_tree_begins_at_the_call_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own branch only; with `whole` everything of the first call."""

    @contextmanager
    def opened(_database: object) -> Iterator[None]:
        yield None

    parents = {1: None, 2: 1, 3: 1, 4: 2, 5: 3, 6: 4}
    rows: list[dict[str, Any]] = [
        {"id": UUID(int=i), "parent_id": UUID(int=parent) if parent else None, "root_id": UUID(int=1)}
        for i, parent in parents.items()
    ]
    monkeypatch.setattr(calls, "opened", opened)
    monkeypatch.setattr(calls, "call_id", lambda _rows, text: UUID(text))
    monkeypatch.setattr(calls.table, "repeated", lambda _rows, _ids: {})
    monkeypatch.setattr(calls.table, "by_id", lambda _rows, id_: next(row for row in rows if row["id"] == id_))
    monkeypatch.setattr(calls.table, "family", lambda _rows, _root: rows)

    def family(start: int, *, whole: bool = False) -> list[int]:
        return [row["id"].int for row in calls.family(None, UUID(int=start), whole=whole)]  # type: ignore[arg-type]

    assert family(1) == [1, 2, 3, 4, 5, 6]
    assert family(2) == [2, 4, 6]
    assert family(6) == [6]
    assert family(2, whole=True) == [1, 2, 3, 4, 5, 6]
