"""The one loop: waits, wakes, backs off, and does not die."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from pyfi import service
from pyfi.clock import wait_until
from pyfi.errors import DatabaseUnavailableError, UnavailableError


class Duty:
    """Does one `step` after the other, then stops its loop."""

    name = "duty"

    def __init__(self, *steps: Callable[[], bool], interval_seconds: float = 100.0) -> None:
        self.interval_seconds = interval_seconds
        self.steps = list(steps)
        self.watched: list[int] = []
        self.passes = 0
        self.closed = 0
        self.loop = service.Loop(self)

    def run_once(self) -> bool:
        self.passes += 1
        if not self.steps:
            self.loop.stop()
            return False
        return self.steps.pop(0)()

    def readers(self) -> Sequence[int]:
        return self.watched

    def close(self) -> None:
        self.closed += 1


class RecordedPoll:
    """Instead of select.poll: returns at once and keeps for how long it should have waited, and on what."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.descriptors: list[list[int]] = []
        self.registered: list[int] = []
        self.closed: set[int] = set()

    def __call__(self) -> RecordedPoll:
        self.registered = []
        return self

    def register(self, descriptor: int, event: int) -> None:
        if descriptor < 0:
            raise ValueError("file descriptor cannot be a negative integer")
        self.registered.append(descriptor)

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        self.waits.append(milliseconds / 1000)
        self.descriptors.append(self.registered)
        return [(descriptor, select.POLLNVAL) for descriptor in self.registered if descriptor in self.closed]


@pytest.fixture
def poll(monkeypatch: pytest.MonkeyPatch) -> RecordedPoll:
    """Waits are recorded and cost nothing; jitter takes the longest."""
    recorded = RecordedPoll()
    monkeypatch.setattr(select, "poll", recorded)
    monkeypatch.setattr(service.random, "uniform", lambda low, high: high)
    return recorded


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Read end, write end."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def fail(error: Exception) -> Callable[[], bool]:
    """A step that raises."""

    def step() -> bool:
        raise error

    return step


def more() -> bool:
    return True


def done() -> bool:
    return False


def test_more_to_do_means_no_wait(poll: RecordedPoll) -> None:
    duty = Duty(more, more, done)
    duty.loop.run()
    assert duty.passes == 4
    assert len(poll.waits) == 2  # after `done`, and after the pass that stopped


def test_waits_for_the_interval_on_what_the_service_watches(poll: RecordedPoll) -> None:
    duty = Duty(done)
    duty.watched = [7777]
    waker = duty.loop.waker.fileno()
    duty.loop.run()
    assert poll.waits[0] == pytest.approx(130)
    assert poll.descriptors[0] == [waker, 7777]


@pytest.mark.parametrize("error", [DatabaseUnavailableError("no"), UnavailableError(), ValueError("bug"), KeyError()])
def test_backs_off_exponentially_and_begins_anew_after_a_good_pass(poll: RecordedPoll, error: Exception) -> None:
    duty = Duty(*[fail(error)] * 4, done, fail(error))
    duty.watched = [7777]
    duty.loop.run()
    assert poll.waits[:4] == pytest.approx([0.2, 0.4, 0.8, 1.6])
    assert poll.waits[4:6] == pytest.approx([130, 0.2])
    assert [7777 in watched for watched in poll.descriptors[:5]] == [False] * 4 + [True]


def test_an_outage_of_days_does_not_end_the_loop(poll: RecordedPoll) -> None:
    duty = Duty(*[fail(DatabaseUnavailableError())] * 1500)
    duty.loop.run()
    assert duty.passes == 1501
    assert max(poll.waits[:1500]) == service.MAX_BACKOFF_SECONDS


def test_unavailable_is_one_line_other_errors_keep_their_traceback(
    poll: RecordedPoll, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("pyfi"), "propagate", True)
    Duty(fail(DatabaseUnavailableError("no answer from h:1/x")), fail(ValueError("bug"))).loop.run()
    waits, failed = caplog.records
    assert (waits.levelname, waits.__dict__["reason"], waits.exc_info) == ("WARNING", "no answer from h:1/x", None)
    assert failed.levelname == "ERROR"
    assert failed.exc_info is not None


@pytest.mark.parametrize("descriptor", [-1, 7777])
def test_a_closed_descriptor_is_no_busy_loop(poll: RecordedPoll, descriptor: int) -> None:
    """poll() refuses a negative one and ends at once for a closed one: the wait that counts watches neither."""
    duty = Duty(done, done)
    duty.watched, poll.closed = [descriptor], {7777}
    duty.loop.run()
    backoffs = [wait for wait, watched in zip(poll.waits, poll.descriptors, strict=True) if descriptor not in watched]
    assert backoffs == pytest.approx([0.2] * 3)
    assert duty.passes == 3


def test_a_service_that_cannot_say_what_to_watch_lives_on(poll: RecordedPoll) -> None:
    class Broken(Duty):
        def readers(self) -> Sequence[int]:
            raise ValueError("the connection is closed")

    duty = Broken(done)
    duty.loop.run()
    assert poll.waits == pytest.approx([0.2, 0.2])


def test_closed_is_what_the_real_poll_says(pipe: tuple[int, int]) -> None:
    """The recorded one above imitates this."""
    descriptor = os.dup(pipe[0])
    os.close(descriptor)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(0) == [(descriptor, select.POLLNVAL)]


def test_closes_the_service_even_when_interrupted() -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    duty = Duty(interrupt)
    with pytest.raises(KeyboardInterrupt):
        duty.loop.run()
    assert duty.closed == 1


def test_a_stopped_loop_does_nothing() -> None:
    duty = Duty(more)
    duty.loop.stop()
    duty.loop.run()
    assert (duty.passes, duty.closed) == (0, 1)
    duty.loop.stop()  # a late signal finds the waker closed


def test_stop_ends_a_wait_at_once() -> None:
    """With the real poll and an interval of an hour."""
    duty = Duty(done, interval_seconds=3600)
    thread = threading.Thread(target=duty.loop.run, daemon=True)
    thread.start()
    assert wait_until(lambda: duty.passes == 1, timeout_seconds=10)
    duty.loop.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert duty.closed == 1


def test_a_readable_descriptor_is_a_wake_up(pipe: tuple[int, int]) -> None:
    def read() -> bool:
        os.read(pipe[0], 1)
        return False

    duty = Duty(done, read, interval_seconds=3600)
    duty.watched = [pipe[0]]
    thread = threading.Thread(target=duty.loop.run, daemon=True)
    thread.start()
    assert wait_until(lambda: duty.passes == 1, timeout_seconds=10)
    os.write(pipe[1], b"x")
    assert wait_until(lambda: duty.passes == 2, timeout_seconds=10)
    duty.loop.stop()
    thread.join(10)
    assert not thread.is_alive()


def readable(waker: service.Waker) -> bool:
    """A wait on it would end at once."""
    return bool(select.select([waker.fileno()], [], [], 0)[0])


def test_waker_coalesces_and_never_blocks() -> None:
    """Far more wake-ups than its buffer holds; one clear forgets them all."""
    waker = service.Waker()
    assert not readable(waker)
    for _ in range(100_000):
        waker.wake()
    assert readable(waker)
    waker.clear()
    assert not readable(waker)
    waker.wake()
    assert readable(waker)
    waker.close()
    waker.wake()
    waker.clear()
