"""Calls that were sent and are taken back: those that did not start never do, and nobody is in doubt which."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pyfi.clock import wait_until
from pyfi.runner.frames import OK, WITHDRAWN, Done, GuestProtocolError
from tests.unit.runner.conftest import Driver

SOURCE = """
import json, os, sys, time

loads = json.loads

def slow_loads(text):
    found = loads(text)
    if "wait" in found:
        open(found["wait"][0], "w").close()
        hold(found["wait"][1])
    return found

json.loads = slow_loads

def hold(path):
    while not os.path.exists(path):
        time.sleep(0.002)

def append(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, b".")
    os.close(fd)

def refuse():
    frame = sys._getframe()
    while frame.f_code.co_name != "call":
        frame = frame.f_back
    frame.f_locals["self"]._wire.done(frame.f_locals["token"], 5, 0.0, b"", b"")
    hold("/nonexistent")
"""


def outcomes(guest: Driver, count: int) -> list[tuple[int, int]]:
    """Token and outcome of the next calls."""
    found: list[tuple[int, int]] = []
    while len(found) < count:
        found += [(frame.token, frame.outcome) for frame in guest.frames() if isinstance(frame, Done)]
    return found


def test_what_waits_behind_a_running_call_is_taken_back(guest: Driver, tmp_path: Path) -> None:
    guest.start(SOURCE, "hold", "append")
    held = guest.send("hold", str(tmp_path / "go"))
    behind = [guest.send("append", str(tmp_path / "starts")) for _ in range(5)]
    assert wait_until(lambda: guest.link.started_token() == held, timeout_seconds=10)
    assert guest.link.withdraw(behind[-1]) == held
    (tmp_path / "go").touch()
    assert outcomes(guest, 6) == [(held, OK), *((token, WITHDRAWN) for token in behind)]
    assert guest.link.started_token() == held
    after = guest.send("append", str(tmp_path / "starts"))
    assert outcomes(guest, 1) == [(after, OK)]
    assert (tmp_path / "starts").read_text() == "."
    assert guest.link.started_token() == after


def test_one_that_was_about_to_start_does_not(guest: Driver, tmp_path: Path) -> None:
    """Withdrawn while its arguments are decoded: the answer was that it is not started, so it must not be."""
    guest.start(SOURCE, "append")
    paths = {name: tmp_path / name for name in ("starts", "decodes", "go")}
    number = guest.functions["append"]
    text = json.dumps({"args": [str(paths["starts"])], "kwargs": {}, "wait": [str(paths["decodes"]), str(paths["go"])]})
    token = guest.send_raw(number, text.encode())
    assert wait_until(paths["decodes"].exists, timeout_seconds=10)
    assert guest.link.withdraw(token) == 0
    paths["go"].touch()
    assert outcomes(guest, 1) == [(token, WITHDRAWN)]
    assert not paths["starts"].exists()


def test_withdrawn_at_random_points_a_call_was_started_or_never_is(
    new_driver: Callable[[], Driver], tmp_path: Path
) -> None:
    """The function appends a byte: as many as there are outcomes that say so, and none after the mark that was read."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    guest = new_driver()
    guest.start(SOURCE, "append")
    for turn in range(30):
        path = tmp_path / f"starts{turn}"
        path.touch()
        tokens = [guest.send("append", str(path)) for _ in range(40)]
        stop_at = chance.randrange(0, 30)
        assert wait_until(lambda: path.stat().st_size >= stop_at, timeout_seconds=10, step_seconds=0.0)  # noqa: B023
        started = guest.link.withdraw(tokens[-1])
        found = dict(outcomes(guest, len(tokens)))
        ran = [token for token in tokens if found[token] == OK]
        assert path.stat().st_size == len(ran), f"seed {seed}"
        assert ran == tokens[: len(ran)], f"seed {seed}"
        # One that was just about to start may be marked and yet refused; never the other way round.
        assert 0 <= sum(token <= started for token in tokens) - len(ran) <= 1, f"seed {seed}"


def test_a_new_guest_has_nothing_withdrawn(guest: Driver, tmp_path: Path) -> None:
    guest.start(SOURCE, "append")
    guest.link.withdraw(1000)
    guest.close()
    guest.link = guest.new_link()
    guest.start(None, "append", module="user")
    assert guest.result("append", str(tmp_path / "starts")) is None
    assert (tmp_path / "starts").read_text() == "."


def test_a_function_cannot_pretend_that_it_was_withdrawn(guest: Driver) -> None:
    guest.start(SOURCE, "refuse")
    guest.send("refuse")
    with pytest.raises(GuestProtocolError):
        outcomes(guest, 1)
