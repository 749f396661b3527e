"""Which sandbox a processor gets on a node."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pyfi.agent import confine
from pyfi.agent.confine import Confinement, Wanted, enterable, wanted
from pyfi.errors import ForbiddenError, InvalidError
from pyfi.runner.sandbox import OPEN, Sandbox


@pytest.fixture
def gives(monkeypatch: pytest.MonkeyPatch) -> object:
    """This machine gives these levels."""

    def set_levels(*levels: int) -> None:
        monkeypatch.setattr(confine, "why_not", lambda level: "" if level in levels else f"no {level} here")

    return set_levels


def test_the_more_of_what_node_and_processor_ask(gives: object, tmp_path: Path) -> None:
    gives(0, 1, 2)  # type: ignore[operator]
    assert Confinement(Wanted(), tmp_path / "uids").of("p", 0, False) == OPEN
    assert Confinement(Wanted(), tmp_path / "uids").of("p", 2, True) == Sandbox(level=2, online=True)
    assert Confinement(Wanted(level=2), tmp_path / "uids").of("p", 0, False).level == 2
    own = Confinement(Wanted(level=1, uids=range(5000, 5002)), tmp_path / "uids")
    assert own.of("p", 0, False) == Sandbox(level=1, uid=5000)
    assert own.of("p", 2, False) == Sandbox(level=2)
    # Whoever asks for another user gets more where there is none.
    assert Confinement(Wanted(), tmp_path / "none").of("p", 1, False).level == 2


def test_less_is_never_given(gives: object, tmp_path: Path) -> None:
    gives(0, 1)  # type: ignore[operator]
    with pytest.raises(ForbiddenError, match="asks for sandbox level 2, this node gives 0: no 2 here"):
        Confinement(Wanted(), tmp_path / "uids").of("p", 2, False)
    assert Confinement(Wanted(level=1, uids=range(5000, 5001)), tmp_path / "uids").most == 1


def test_each_processor_keeps_its_number(gives: object, tmp_path: Path) -> None:
    """Over restarts too: files have owners. When all are taken, nobody shares."""
    gives(0, 1)  # type: ignore[operator]
    given = Wanted(level=1, uids=range(5000, 5002))
    path = tmp_path / "uids"
    first = [Confinement(given, path).of(name, 0, False).uid for name in ("a", "b", "a")]
    assert first == [5000, 5001, 5000] and json.loads(path.read_text()) == {"a": 5000, "b": 5001}
    with pytest.raises(ForbiddenError, match="all of the 2 users"):
        Confinement(given, path).of("c", 0, False)
    path.write_text("broken")
    assert Confinement(given, path).of("c", 0, False).uid == 5000


def test_options_of_the_agent(gives: object) -> None:
    gives(0, 1)  # type: ignore[operator]
    assert wanted(None, None) == Wanted()
    assert wanted(None, "300000-300999") == Wanted(level=1, uids=range(300_000, 301_000))
    assert wanted(0, "300000-300999").level == 0
    for level, user in (
        (1, None),
        (None, "root"),
        (None, "no-such-user"),
        (None, "5-6"),
        (None, "3000-2000"),
        (None, "0"),
    ):
        with pytest.raises(InvalidError):
            wanted(level, user)
    with pytest.raises(ForbiddenError, match="no 2 here"):
        wanted(2, None)
    gives(0)  # type: ignore[operator]
    with pytest.raises(ForbiddenError, match="no 1 here"):
        wanted(None, "300000-300999")


def test_folders_that_lead_to_it_are_entered_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "flow" / "node-n1"
    (node / "environments").mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(confine, "_closed", lambda _: None)
    enterable(node)
    assert [oct(path.stat().st_mode & 0o777) for path in (node.parent, node, node / "environments")] == ["0o711"] * 3
    monkeypatch.undo()
    closed = tmp_path / "closed"
    (closed / "flow" / "node").mkdir(parents=True)
    closed.chmod(0o700)
    with pytest.raises(ForbiddenError, match="cannot enter"):
        enterable(closed / "flow" / "node")
    assert os.access(closed, os.X_OK)
