"""The wake-ups of what a client entered: published at once, and their outbox rows forgotten in batches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from pyfi.broker.publish import Publisher
from pyfi.broker.wakeup import packed
from pyfi.clock import Clock
from pyfi.errors import UnavailableError
from pyfi.faultpoints import fault

# A relay looks after rows that are older than two seconds.
SETTLE_SECONDS = 1.0
SETTLE_ROWS = 64


class Sending:
    """Not thread-safe. Whatever fails here, the relay brings the wake-ups: the commit was the promise."""

    def __init__(self, broker: str, forget: Callable[[list[int]], None], clock: Clock) -> None:
        """`forget` deletes outbox rows; it may raise UnavailableError."""
        self._publisher = Publisher(broker)
        self._forget, self._clock = forget, clock
        self._open = 0
        self._since = 0.0

    def send(self, row: int, address: str, ids: Sequence[str]) -> None:
        """Publish the wake-ups of one outbox row, without waiting for the broker's answer."""
        with contextlib.suppress(UnavailableError):
            self._publisher.send(packed(address, ids), row)
            if not self._open:
                self._since = self._clock.monotonic()
            self._open += 1

    def settle(self, *, wait: bool) -> None:
        """Forget the rows that the broker has confirmed; `wait`: after it has said something of all."""
        if not self._open:
            return
        rows = self._publisher.confirmed(wait=wait)
        self._open = 0 if wait else max(0, self._open - len(rows))
        self._since = self._clock.monotonic()
        if rows:
            fault("client.published")
            with contextlib.suppress(UnavailableError):
                self._forget(rows)

    def settle_in_time(self) -> None:
        """The same without waiting, when there are many or it is time."""
        if self._open >= SETTLE_ROWS or (self._open and self._clock.monotonic() - self._since >= SETTLE_SECONDS):
            self.settle(wait=False)

    def close(self) -> None:
        """Forget what is confirmed, let go of the broker; may be called twice."""
        self.settle(wait=True)
        self._publisher.close()
