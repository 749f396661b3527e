"""One owner at a time, known by name; a dead owner holds nothing."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

from pyfi.clock import wait_until
from pyfi.system.locks import FileLock
from pyfi.system.processes import signal_process, spawn
from tests.integration.python_child import python_child, says, tell

HOLD = """
import sys
from pathlib import Path
from pyfi.system.locks import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.acquire(blocking=sys.argv[2] == "wait"), flush=True)
sys.stdin.readline()
lock.release()
print("released", flush=True)
sys.stdin.readline()
"""


def test_one_process_has_it_and_its_number_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    mine = FileLock(path)
    assert mine.holder() is None
    with python_child(HOLD, str(path), "try") as other:
        assert says(other) == "True"
        assert not mine.acquire()
        assert mine.holder() == other.pid
        tell(other)
        assert says(other) == "released"
        assert mine.holder() is None
        assert mine.acquire()
        assert mine.acquire()
        assert FileLock(path).holder() == os.getpid()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    mine.release()
    mine.release()
    assert mine.holder() is None


def test_a_killed_owner_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with python_child(HOLD, str(path), "try") as other:
        assert says(other) == "True"
        other.kill()
        other.wait(10)
        assert FileLock(path).holder() is None
        mine = FileLock(path)
        assert mine.acquire()
        mine.release()


def test_who_waits_gets_it_next(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock(path) as mine:
        assert mine.holder() == os.getpid()
        with python_child(HOLD, str(path), "wait") as other:
            mine.release()
            assert says(other) == "True"
            assert mine.holder() == other.pid


def test_a_lock_whose_file_was_removed_while_waiting_is_taken_on_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    mine = FileLock(path)
    assert mine.acquire()
    with python_child(HOLD, str(path), "wait") as other:
        locks = Path("/proc/locks")
        assert wait_until(lambda: f"-> FLOCK  ADVISORY  WRITE {other.pid} " in locks.read_text(), timeout_seconds=30)
        path.unlink()
        mine.release()
        assert says(other) == "True"
        assert not FileLock(path).acquire()
        assert mine.holder() == other.pid


def test_a_child_that_inherited_it_keeps_it(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    child = spawn(["sleep", "1000"], env={"PATH": os.defpath}, pass_fds=[lock.fileno()])
    lock.release()
    assert lock.fileno() == -1
    assert not FileLock(lock.path).acquire()
    signal_process(child.identity, signal.SIGKILL)
    child.wait(10)
    assert lock.acquire()
    lock.release()


def test_it_is_not_inherited_by_chance(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    child = spawn(["sleep", "1000"], env={"PATH": os.defpath})
    lock.release()
    assert lock.acquire()
    lock.release()
    signal_process(child.identity, signal.SIGKILL)
    child.wait(10)
