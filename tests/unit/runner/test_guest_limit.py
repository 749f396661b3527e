"""A function is told when it has run for long, and may ask how much time is left."""

from __future__ import annotations

import pytest

from tests.unit.runner.conftest import Driver

SOURCE = """
import asyncio, time

def spin():
    while True:
        time.sleep(0.01)

def catches(call):
    try:
        spin()
    except call.SoftTimeLimit as error:
        return [isinstance(error, TimeoutError), str(error)]

def broad():
    try:
        spin()
    except TimeoutError:
        return "kept"

def quick(message):
    return message

async def waits():
    await asyncio.sleep(60)

async def tidies():
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "tidied"

def items():
    yield 1
    spin()

def takes_the_signal():
    import signal
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)

def left(call):
    return [call.deadline is None, call.remaining()]

class Deep(ConnectionResetError):
    pass

def raises():
    raise Deep("no")
"""
NAMES = ["spin", "catches", "broad", "quick", "waits", "tidies", "items", "takes_the_signal", "left", "raises"]
SOFT = 0.2


@pytest.fixture
def limited(guest: Driver) -> Driver:
    """With a soft limit."""
    guest.start(SOURCE, *NAMES, soft_time_limit_seconds=SOFT)
    return guest


@pytest.mark.parametrize("name", ["spin", "waits", "items"])
def test_who_does_not_listen_fails_with_it(limited: Driver, name: str) -> None:
    """As a TimeoutError, with the place where it was; the guest lives on, and the next call has its own time."""
    for _ in range(2):
        error = limited.call(name).first
        assert (error["type"], error["message"]) == ("SoftTimeLimit", "it ran longer than 0.2 s")
        assert error["bases"][0] == "TimeoutError"
        assert "user.py" in error["traceback"]
    assert limited.result("quick", 5) == 5


def test_who_listens_may_end_in_order(limited: Driver) -> None:
    """By the class, by its base, or as a coroutine that is cancelled."""
    assert limited.result("catches") == [True, "it ran longer than 0.2 s"]
    assert limited.result("broad") == "kept"
    assert limited.result("tidies") == "tidied"
    assert [limited.result("quick", number) for number in range(200)] == list(range(200))


def test_a_function_that_takes_the_signal_harms_itself_only(limited: Driver) -> None:
    """The next one is told again."""
    limited.result("takes_the_signal")
    assert limited.call("spin").first["type"] == "SoftTimeLimit"


def test_what_is_left_until_the_deadline(guest: Driver) -> None:
    """None without one."""
    guest.start(SOURCE, *NAMES)
    assert guest.result("left") == [True, None]
    token = guest.send_raw(guest.functions["left"], b'{"args":[],"kwargs":{}}', deadline_seconds=60.0)
    has_none, left = guest.outcome(token).first
    assert not has_none and 30 < left <= 60


def test_an_error_names_the_bases_of_its_class(guest: Driver) -> None:
    """For the filters of retries."""
    guest.start(SOURCE, *NAMES)
    error = guest.call("raises").first
    assert (error["type"], error["bases"]) == (
        "user.Deep",
        ["ConnectionResetError", "ConnectionError", "OSError", "Exception", "BaseException"],
    )
