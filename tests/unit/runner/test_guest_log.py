"""What a function prints and logs, by whichever way, is its call's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyfi.runner.frames import LOGGING, STDERR, STDOUT

if TYPE_CHECKING:
    from tests.unit.runner.conftest import Driver

PRINTS = """
import logging, os, subprocess, sys, warnings
print("while loading")
log = logging.getLogger("mine")
def prints():
    print("one", "two")
    print("no newline", end="")
def errs():
    print("bad", file=sys.stderr)
    warnings.warn("careful")
def logs():
    log.info("hello %s", 1)
    log.debug("not this")
    try: 1 / 0
    except ZeroDivisionError: log.exception("it broke")
def low():
    os.write(1, b"by descriptor\\nhalf")
    os.write(2, b"other \\xff descriptor\\n")
def child():
    subprocess.run(["sh", "-c", "echo from a child; echo its errors >&2"], check=True)
def raw():
    sys.stdout.buffer.write(b"bytes\\n")
    sys.stdout.flush()
def quiet(): return 1
def many(n, size):
    for i in range(n): print("x" * size)
def many_low(n, size):
    for i in range(n): os.write(1, b"x" * size + b"\\n")
def closes():
    sys.stdout.close()
    print("still here")
def replaces():
    import io
    sys.stdout = io.StringIO()
def odd():
    print("nul \\0 half \\udc80")
def forks():
    pid = os.fork()
    if not pid:
        print("from the forked child")
        os._exit(0)
    os.waitpid(pid, 0)
"""
NAMES = (
    *("prints", "errs", "logs", "low", "child", "raw", "quiet", "many", "many_low", "closes", "replaces", "odd"),
    "forks",
)


def test_prints_belong_to_their_call(guest: Driver) -> None:
    guest.start(PRINTS, *NAMES)
    assert [(log.token, log.text) for log in guest.logs] == [(0, "while loading")]
    first, second = guest.call("prints"), guest.call("prints")
    assert first.lines(STDOUT) == second.lines(STDOUT) == ["one two", "no newline"]
    assert guest.call("quiet").lines() == []


def test_stderr_and_warnings(guest: Driver) -> None:
    guest.start(PRINTS, *NAMES)
    lines = guest.call("errs").lines(STDERR)
    assert lines[0] == "bad" and "UserWarning: careful" in lines[1]


def test_logging_arrives_from_info_on_with_its_traceback(guest: Driver) -> None:
    guest.start(PRINTS, *NAMES)
    lines = guest.call("logs").lines(LOGGING)
    assert lines[0] == "INFO mine: hello 1"
    assert lines[1].startswith("ERROR mine: it broke\nTraceback") and "ZeroDivisionError" in lines[1]
    assert len(lines) == 2


def test_descriptors_and_children_too(guest: Driver) -> None:
    guest.start(PRINTS, *NAMES)
    low = guest.call("low")
    assert low.lines(STDOUT) == ["by descriptor", "half"] and low.lines(STDERR) == [
        "other \N{REPLACEMENT CHARACTER} descriptor"
    ]
    child = guest.call("child")
    assert (child.lines(STDOUT), child.lines(STDERR)) == (["from a child"], ["its errors"])
    assert guest.call("raw").lines(STDOUT) == ["bytes"]
    assert guest.call("forks").lines(STDOUT) == ["from the forked child"]


def test_the_log_is_cut_at_its_limit_and_says_so(guest: Driver) -> None:
    guest.start(PRINTS, *NAMES, log_limit_bytes=1000)
    for name in ("many", "many_low", "many", "many_low"):
        lines = guest.call(name, 50, 99).lines()
        assert lines[:10] == ["x" * 99] * 10
        assert lines[10].endswith("\n[log cut: more than 1000 bytes]")
        assert lines[11:] == ["... 39 lines dropped"], name
    # The next call has its own.
    assert guest.call("prints").lines() == ["one two", "no newline"]


def test_the_log_is_cut_at_its_number_of_lines(guest: Driver) -> None:
    guest.start(PRINTS, *NAMES, log_limit_lines=10)
    for name in ("many", "many_low", "many", "many_low"):
        lines = guest.call(name, 50, 3).lines()
        assert lines == ["xxx"] * 9 + ["xxx\n[log cut: more than 10 lines]", "... 40 lines dropped"], name


def test_a_call_cannot_take_stdout_from_the_next(guest: Driver) -> None:
    guest.start(PRINTS, *NAMES)
    assert guest.call("closes").lines() == ["still here"]
    guest.call("replaces")
    assert guest.call("prints").lines() == ["one two", "no newline"]


def test_text_that_the_database_cannot_keep_is_replaced(guest: Driver) -> None:
    guest.start(PRINTS, *NAMES)
    assert guest.call("odd").lines() == ["nul \N{REPLACEMENT CHARACTER} half ?"]
