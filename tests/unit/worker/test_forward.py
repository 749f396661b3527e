"""The thread that publishes wake-ups: what it does when the broker, or it itself, fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from pyfi.broker.wakeup import Wakeup
from pyfi.clock import wait_until
from pyfi.errors import BrokerUnavailableError
from pyfi.worker import forward
from pyfi.worker.forward import LONGEST_QUEUE, Forwarder


class Publisher:
    """Remembers; fails with what `failures` holds; waits while `gate` is closed."""

    def __init__(self, _url: str) -> None:
        self.published: list[Wakeup] = []
        self.failures: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.tries = 0
        self.is_closed = False

    def publish(self, wakeups: Sequence[Wakeup]) -> None:
        self.tries += 1
        self.gate.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        self.published += wakeups

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def new_forwarder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[Forwarder, Publisher]]]:
    """Makes forwarders that pause for a moment only."""
    monkeypatch.setattr(forward, "Publisher", Publisher)
    monkeypatch.setattr(forward, "PAUSE_SECONDS", 0.01)
    made: list[Forwarder] = []

    def make() -> tuple[Forwarder, Publisher]:
        made.append(Forwarder("url", {"own"}))
        publisher = made[-1]._publisher
        assert isinstance(publisher, Publisher)
        return made[-1], publisher

    yield make
    for each in made:
        each.close(10)


Make = Callable[[], tuple[Forwarder, Publisher]]


def confirmed(forwarder: Forwarder, count: int) -> list[int]:
    """Wait for so many confirmed rows."""
    found: list[int] = []

    def enough() -> bool:
        found.extend(forwarder.confirmed())
        return len(found) >= count

    assert wait_until(enough, timeout_seconds=10)
    return found


def test_rows_are_published_and_then_confirmed(new_forwarder: Make) -> None:
    forwarder, publisher = new_forwarder()
    forwarder.forward([(1, "q", ["a", "b"]), (2, "r", ["c"])], 1)
    assert confirmed(forwarder, 2) == [1, 2]
    assert publisher.published == [("q", ["a"]), ("q", ["b"]), ("r", ["c"])]
    forwarder.keep([1])
    assert forwarder.confirmed() == [1]


@pytest.mark.parametrize("error", [BrokerUnavailableError("away"), AttributeError("NoneType"), RuntimeError("odd")])
def test_it_outlives_every_error(new_forwarder: Make, error: Exception) -> None:
    forwarder, publisher = new_forwarder()
    publisher.failures.append(error)
    forwarder.forward([(1, "q", ["a"])], 1)
    assert wait_until(lambda: not publisher.failures, timeout_seconds=10)
    # What waited with it is left to the relay, so it is asked again until one comes through.
    assert wait_until(lambda: forwarder.forward([(2, "q", ["b"])], 1) or bool(publisher.published), timeout_seconds=10)
    assert 1 not in confirmed(forwarder, 1)
    assert ("q", ["a"]) not in publisher.published


def test_a_slow_broker_makes_nobody_wait(new_forwarder: Make) -> None:
    forwarder, publisher = new_forwarder()
    publisher.gate.clear()
    forwarder.forward([(0, "q", ["first"])], 1)
    assert wait_until(lambda: publisher.tries == 1, timeout_seconds=10)
    forwarder.forward([(number, "q", ["x"]) for number in range(2 * LONGEST_QUEUE)], 1)
    publisher.gate.set()
    assert len(confirmed(forwarder, LONGEST_QUEUE + 1)) == LONGEST_QUEUE + 1


def test_closing_publishes_what_waits(new_forwarder: Make) -> None:
    forwarder, publisher = new_forwarder()
    publisher.gate.clear()
    forwarder.forward([(number, "q", [str(number)]) for number in range(250)], 1)
    publisher.gate.set()
    forwarder.close(10)
    assert len(publisher.published) == 250 and publisher.is_closed
    assert not forwarder._thread.is_alive()


def test_closing_while_the_broker_is_away_ends(new_forwarder: Make) -> None:
    forwarder, publisher = new_forwarder()
    publisher.failures += [BrokerUnavailableError("away")] * 5
    forwarder.forward([(number, "q", [str(number)]) for number in range(LONGEST_QUEUE)], 1)
    forwarder.close(10)
    assert not forwarder._thread.is_alive() and publisher.is_closed


@pytest.mark.parametrize(("at_once", "size"), [(64, 16), (10, 10), (1, 1)])
def test_what_goes_on_is_packed_by_how_long_it_takes(new_forwarder: Make, at_once: int, size: int) -> None:
    """Of another processor's sockets nothing is known: few calls are spread."""
    forwarder, publisher = new_forwarder()
    ids = [str(number) for number in range(20)]
    forwarder.forward([(1, "own", ids), (2, "far", ids)], at_once)
    assert confirmed(forwarder, 2) == [1, 2]
    own = [part for address, part in publisher.published if address == "own"]
    assert (len(own[0]), [each for part in own for each in part]) == (size, ids)
    assert [part for address, part in publisher.published if address == "far"] == [[each] for each in ids]
