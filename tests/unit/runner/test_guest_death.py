"""Whatever a function does to its process, the host learns that and how it ended, and what had started."""

from __future__ import annotations

import os
import random
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyfi.clock import wait_until
from pyfi.runner.frames import Done, GuestProtocolError
from pyfi.system.processes import identify, is_alive, signal_text

if TYPE_CHECKING:
    from tests.unit.runner.conftest import Driver

DIES = """
import ctypes, os, signal, socket, struct, sys, time, fcntl
def fine(x=1): return x
def exits(): os._exit(3)
def segfault(): ctypes.string_at(0)
def kills(): os.kill(os.getpid(), signal.SIGKILL)
def aborts(): os.abort()
def closes():
    os.closerange(0, 4096)
    return 1
def low_closes():
    os.closerange(3, 256)
    return 1
def closes_output():
    os.close(1)
    os.close(2)
    return 1
def execs(): os.execv("/bin/sh", ["sh", "-c", "exec sleep 1000"])
def _wire():
    for fd in range(4096):
        try:
            if os.fstat(fd).st_mode & 0o170000 == 0o140000:
                return fd
        except OSError:
            continue
def garbage(): os.write(_wire(), b"\\xff" * 64)
def unknown(): os.write(_wire(), struct.pack(">IB", 1, 99))
def forged(token): os.write(_wire(), struct.pack(">IBQBdI", 24, 13, token, 0, 0.0, 2) + b"{}")
def forged_log(token): os.write(_wire(), struct.pack(">IBQdB", 22, 12, token, 0.0, 1) + b"mine")
def leaves_child(path):
    if not os.fork():
        open(path, "w").write(str(os.getpid()))
        time.sleep(1000)
    while not os.path.exists(path): pass
    os._exit(5)
def leaves_holder(path):
    # A fork that Python knows nothing of: the child keeps every descriptor.
    if not ctypes.CDLL(None).fork():
        open(path, "w").write(str(os.getpid()))
        time.sleep(1000)
    while not os.path.exists(path): pass
    os._exit(6)
def returns_twice():
    return os.fork() and 1
def leaves_group(path, group):
    import subprocess
    code = f"import os,time; open({path!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    subprocess.Popen([sys.executable, "-c", code], process_group=group)
    while not os.path.exists(path): pass
    return 1
def sleeps(): time.sleep(1000)
def appends(path):
    with open(path, "a") as file: file.write("x")
"""


def dies(guest: Driver, name: str, *args: object) -> str:
    guest.start(DIES, "fine", name)
    assert guest.result("fine") == 1
    token = guest.send(name, *args)
    how = guest.until_eof()
    assert guest.link.started_token() == token
    return how


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("exits", "exit 3"),
        ("segfault", signal_text(signal.SIGSEGV)),
        ("kills", signal_text(signal.SIGKILL)),
        ("aborts", signal_text(signal.SIGABRT)),
        ("closes", "exit 4"),
        ("execs", signal_text(signal.SIGKILL)),
    ],
)
def test_the_end_is_seen_and_named(guest: Driver, name: str, how: str) -> None:
    # `closes` and `execs` leave a process that lives: it is killed, or ends when it cannot answer, whichever is first.
    ended = dies(guest, name)
    assert ended == how or (name == "closes" and ended == signal_text(signal.SIGKILL))


def test_a_crash_in_c_leaves_its_stack_in_the_log(guest: Driver) -> None:
    dies(guest, "segfault")
    assert "Fatal Python error: Segmentation fault" in [log.text for log in guest.logs]


def test_closing_low_descriptors_does_not_hurt(guest: Driver) -> None:
    guest.start(DIES, "low_closes", "fine")
    assert guest.result("low_closes") == 1
    assert guest.result("fine", 2) == 2


@pytest.mark.parametrize("name", ["garbage", "unknown"])
def test_garbage_is_said_to_be_garbage(guest: Driver, name: str) -> None:
    guest.start(DIES, "fine", name)
    assert guest.result("fine") == 1
    guest.send(name)
    with pytest.raises(GuestProtocolError):
        guest.next(Done)
    with pytest.raises(GuestProtocolError):
        guest.link.receive()


def test_an_outcome_is_only_taken_for_the_call_that_runs(guest: Driver) -> None:
    guest.start(DIES, "fine", "forged", "forged_log", "sleeps")
    guest.send("forged_log", 77)
    done = guest.next(Done)
    assert [(log.token, log.text) for log in guest.logs] == [(done.token, "mine")]
    token = guest.send("forged", guest.token + 2)
    guest.send("fine")
    with pytest.raises(GuestProtocolError, match="a call that it does not run"):
        guest.next(Done)
    assert token == guest.token - 1


def test_outcomes_before_garbage_count_and_the_garbage_is_still_said(guest: Driver) -> None:
    guest.start(DIES, "fine", "garbage")
    tokens = [guest.send("fine"), guest.send("garbage")]
    # Both are there when we look.
    assert wait_until(lambda: guest.link.started_token() == tokens[1], timeout_seconds=10)
    frames: list[object] = []
    with pytest.raises(GuestProtocolError):
        while True:
            frames.extend(guest.frames())
    assert [frame.token for frame in frames if isinstance(frame, Done)] == tokens[:1]


def test_the_numbers_to_poll_stay_until_the_link_is_closed(guest: Driver) -> None:
    """An event loop that knows a number must never meet a stranger there."""
    guest.start(DIES, "closes_output", "fine")

    def numbers() -> list[int]:
        return [guest.link.fileno(), guest.link.stdout_fileno(), guest.link.stderr_fileno(), guest.link.exit_fileno()]

    before = numbers()
    assert len(set(before)) == 4 and min(before) >= 0
    assert guest.result("closes_output") == 1
    # The pipes have ended, and nevertheless nobody is woken by them: this would not come to its end.
    assert guest.result("fine", 2) == 2
    waiting = select.poll()
    for number in before:
        waiting.register(number, select.POLLIN)
    assert waiting.poll(0) == []
    guest.link.kill()
    guest.until_eof()
    assert numbers() == before and all(os.fstat(number) for number in before)


@pytest.mark.parametrize("name", ["leaves_child", "leaves_holder"])
def test_a_child_cannot_keep_the_link_open_and_is_killed(guest: Driver, tmp_path: Path, name: str) -> None:
    path = tmp_path / "pid"
    how = dies(guest, name, str(path))
    assert how == ("exit 5" if name == "leaves_child" else "exit 6")
    assert wait_until(lambda: identify(int(path.read_text())) is None, timeout_seconds=10)


@pytest.mark.parametrize("group", [None, 0])
def test_kill_ends_the_children_of_a_living_guest(guest: Driver, tmp_path: Path, group: int | None) -> None:
    path = tmp_path / "pid"
    guest.start(DIES, "leaves_group", "fine")
    assert guest.result("leaves_group", str(path), group) == 1
    assert wait_until(lambda: path.read_text() != "", timeout_seconds=10)
    child = identify(int(path.read_text()))
    assert child is not None and is_alive(child)
    guest.link.kill()
    assert wait_until(lambda: not is_alive(child), timeout_seconds=10)


def test_a_fork_that_returns_answers_once(guest: Driver) -> None:
    guest.start(DIES, "returns_twice", "fine")
    assert guest.result("returns_twice") == 1
    assert guest.result("fine", 5) == 5


def test_the_mark_is_the_token_that_was_started_last(guest: Driver) -> None:
    guest.start(DIES, "fine", "sleeps")
    assert guest.link.started_token() == 0
    for _ in range(3):
        guest.result("fine")
        assert guest.link.started_token() == guest.token
    sleeping = guest.send("sleeps")
    waiting = [guest.send("fine") for _ in range(3)]
    assert wait_until(lambda: guest.link.started_token() == sleeping, timeout_seconds=10)
    guest.link.kill()
    assert (guest.link.exit_text(), guest.link.started_token()) == ("signal 9 (SIGKILL)", sleeping)
    assert waiting[0] > sleeping


def test_killed_at_random_points_the_mark_equals_the_starts(new_driver: Callable[[], Driver], tmp_path: Path) -> None:
    """The function appends a byte outside: its size counts the starts, the mark names the last."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for turn in range(8):
        guest = new_driver()
        guest.start(DIES, "appends")
        path = tmp_path / f"starts{turn}"
        path.touch()
        for _ in range(300):
            guest.send("appends", str(path))
        stop_at = chance.randrange(1, 250)
        assert wait_until(lambda: path.stat().st_size >= stop_at, timeout_seconds=10, step_seconds=0.0)  # noqa: B023
        os.kill(guest.link.pid, signal.SIGKILL)
        guest.until_eof()
        # Between the mark and the first thing that the function does there is a moment: one more, never one less.
        assert 0 <= guest.link.started_token() - path.stat().st_size <= 1, f"seed {seed}"


def test_a_guest_dies_with_its_host(guest: Driver) -> None:
    """Its socket is closed: it ends by itself, without the death signal of Linux."""
    guest.start(DIES, "fine")
    living = identify(guest.link.pid)
    assert living is not None
    child = guest.link._child
    assert child is not None
    guest.link.close()
    assert child.wait(10.0) == 0
