"""A program that is run leaves nothing behind and keeps to its limits."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pyfi.clock import wait_until
from pyfi.system.identity import records
from pyfi.system.processes import run
from tests.integration.python_child import python_child

ENV = {"PATH": os.defpath}


def sleeping(seconds: str) -> list[int]:
    """The processes `sleep <seconds>` of the whole machine."""
    found = []
    for entry in records():
        try:
            argv = Path(f"/proc/{entry.pid}/cmdline").read_bytes()
        except OSError:
            continue
        if argv == f"sleep\0{seconds}\0".encode() and not entry.gone:
            found.append(entry.pid)
    return found


@pytest.fixture
def mark() -> str:
    """A number of seconds that no other test sleeps."""
    return f"1{os.getpid()}{int.from_bytes(os.urandom(3), 'big')}"


def test_it_gives_exit_code_output_and_errors_apart() -> None:
    done = run(["/bin/sh", "-c", "cat; echo bad >&2; exit 3"], env=ENV, timeout_seconds=30, stdin_bytes=b"good")
    assert (done.returncode, done.stdout, done.stderr, done.truncated) == (3, b"good", b"bad\n", False)


def test_large_input_and_output_do_not_block_each_other() -> None:
    much = os.urandom(1 << 20)
    done = run(["cat"], env=ENV, timeout_seconds=30, stdin_bytes=much)
    assert done.stdout == much


def test_of_too_much_output_the_end_is_kept() -> None:
    done = run(["/bin/sh", "-c", "seq 1 100000; echo end"], env=ENV, timeout_seconds=30, output_limit_bytes=1000)
    assert done.truncated
    assert len(done.stdout) == 1000
    assert done.stdout.endswith(b"\n100000\nend\n")


def test_a_timeout_kills_grandchildren_in_the_group_and_beside_it(mark: str) -> None:
    # `set -m` gives the background job a process group of its own in the same session.
    script = f"sleep {mark} & set -m; sleep {mark} & wait"
    with pytest.raises(TimeoutError, match=r"sh took longer than 0.5 s"):
        run(["/bin/sh", "-c", script], env=ENV, timeout_seconds=0.5)
    assert wait_until(lambda: not sleeping(mark), timeout_seconds=10)


def test_what_a_finished_program_left_in_the_background_is_killed(mark: str) -> None:
    late = "(sleep 0.3; echo late) & "  # it holds our pipe as well
    done = run(["/bin/sh", "-c", f"{late}sleep {mark} & echo done"], env=ENV, timeout_seconds=60)
    assert done.stdout == b"done\n"
    assert wait_until(lambda: not sleeping(mark), timeout_seconds=10)


def test_what_fled_to_another_session_does_not_hold_us_up(mark: str) -> None:
    done = run(["/bin/sh", "-c", f"setsid sleep {mark} & echo $!; sleep 0.1"], env=ENV, timeout_seconds=60)
    for pid in sleeping(mark):
        os.kill(pid, signal.SIGKILL)
    assert done.returncode == 0
    assert int(done.stdout) > 0


def test_a_file_may_not_grow_beyond_the_limit(tmp_path: Path) -> None:
    written = tmp_path / "written"
    done = run(
        ["dd", "if=/dev/zero", f"of={written}", "bs=1k", "count=1000"],
        env=ENV,
        timeout_seconds=30,
        file_size_limit_bytes=10_000,
    )
    assert done.returncode == -signal.SIGXFSZ
    assert written.stat().st_size == 10_000


def test_it_dies_with_us(mark: str) -> None:
    code = f"from pyfi.system.processes import run; run(['sleep', '{mark}'], env={ENV!r}, timeout_seconds=1000)"
    with python_child(code) as parent:
        assert wait_until(lambda: bool(sleeping(mark)), timeout_seconds=30)
        parent.kill()
        parent.wait(10)
    assert wait_until(lambda: not sleeping(mark), timeout_seconds=10)


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="no_such_program"):
        run(["no_such_program"], env=ENV, timeout_seconds=1)
