"""The points are where the registry says, and each action does what it says."""

from __future__ import annotations

import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyfi import faultpoints
from pyfi.errors import DatabaseUnavailableError
from pyfi.faultpoints import POINTS, FaultError, fault
from pyfi.system.processes import run
from tests.architecture import project

Arm = Callable[[str], None]
POINT = "worker.claiming"


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arm]:
    """Set PYFI_FAULTS for this process."""

    def set_to(faults: str) -> None:
        monkeypatch.setenv("PYFI_FAULTS", f"{tmp_path} {faults}")
        faultpoints._armed.cache_clear()

    yield set_to
    faultpoints._armed.cache_clear()


def test_every_point_is_in_the_code() -> None:
    """And the code meets no other."""
    met = {
        point
        for path in project.modules()
        for point in re.findall(r'fault\(\s*f?"([^"]+)"', path.read_text())
        + re.findall(r'"(client\.\w+)"', path.read_text())
        if path.name != "faultpoints.py"
    }
    tenses = {f"worker.{verb}{tense}" for verb in ("claim", "finish") for tense in ("ing", "ed")}
    assert (met - {"worker.claim{tense}", "worker.finish{tense}"}) | tenses == POINTS.keys()


def test_without_the_variable_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on every user's machine."""
    monkeypatch.delenv("PYFI_FAULTS", raising=False)
    faultpoints._armed.cache_clear()
    for point in POINTS:
        fault(point)


def test_raise_once(arm: Arm, tmp_path: Path) -> None:
    """A class by name, else ours; the file says that it was met."""
    arm(f"{POINT}=raise worker.claimed=raise:pyfi.errors.DatabaseUnavailableError")
    fault("worker.fed")
    assert not any(tmp_path.iterdir())
    with pytest.raises(FaultError):
        fault(POINT)
    fault(POINT)
    with pytest.raises(DatabaseUnavailableError):
        fault("worker.claimed")
    assert {path.name for path in tmp_path.iterdir()} == {POINT, "worker.claimed"}


def test_what_is_unknown_is_refused(arm: Arm) -> None:
    """A test that misspells a point would prove nothing."""
    arm("worker.claming=kill")
    with pytest.raises(ValueError, match=r"worker\.claming"):
        fault(POINT)
    arm(f"{POINT}=explode")
    with pytest.raises(ValueError, match="explode"):
        fault(POINT)


def test_drop_swallows_the_answer(arm: Arm) -> None:
    """It came, and nobody reads it."""
    arm(f"{POINT}=drop")
    here, there = socket.socketpair()
    answering = threading.Timer(0.05, there.sendall, [b"done"])
    answering.start()
    with here, there:
        fault(POINT, here.fileno())
        assert here.recv(100) == b""
    answering.join()


@pytest.mark.parametrize("action", ["kill", "kill_parent"])
def test_signals(action: str, tmp_path: Path) -> None:
    """To a process of its own, or to the one that started it."""
    meet = f"from pyfi.faultpoints import fault; fault({POINT!r})"
    begin = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {meet!r}]); time.sleep(60)"
    done = run(
        [sys.executable, "-c", meet if action == "kill" else begin],
        env={"PYFI_FAULTS": f"{tmp_path} {POINT}={action}", "PYTHONPATH": str(project.ROOT)},
        timeout_seconds=30,
    )
    assert done.returncode == -signal.SIGKILL, done
    assert (tmp_path / POINT).exists()
