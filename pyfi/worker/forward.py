"""S6: the wake-ups of children are published beside the event loop; what fails is left to the relay."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Collection, Sequence

from pyfi import logs
from pyfi.broker.publish import Publisher
from pyfi.broker.wakeup import Wakeup, packed, share
from pyfi.errors import BrokerUnavailableError
from pyfi.faultpoints import fault

log = logs.get(__name__)

Row = tuple[int, Sequence[Wakeup]]
"""An outbox row, and the messages that it asks for."""
LONGEST_QUEUE = 1000
MOST_ROWS = 100
# Between two tries while the broker is away.
PAUSE_SECONDS = 1.0


class Forwarder:
    """A thread with a broker connection of its own. `confirmed` gives the outbox rows that may be forgotten.

    It outlives every error: without it each hop would wait for the relay, and nobody would know why.
    """

    def __init__(self, broker: str, own: Collection[str]) -> None:
        """Starts the thread. `own`: the broker queues whose calls this worker runs itself."""
        self._own = own
        self._rows: queue.Queue[Row | None] = queue.Queue(LONGEST_QUEUE)
        self._confirmed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._publisher = Publisher(broker)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forward", daemon=True)
        self._thread.start()

    def forward(self, outbox: Sequence[tuple[int, str, Sequence[str]]], at_once: int) -> None:
        """Publish these rows (number, broker queue, ids) soon. Never waits: a slow broker leaves the rest to the relay.

        `at_once`: how many calls like those of this worker one message should name. Of others we know only the count.
        """
        for row, address, ids in outbox:
            size = max(share(len(ids)), at_once) if address in self._own else None
            try:
                self._rows.put_nowait((row, packed(address, ids, size)))
            except queue.Full:
                return

    def confirmed(self) -> list[int]:
        """The rows that were published since the last time."""
        found = []
        while not self._confirmed.empty():
            found.append(self._confirmed.get())
        return found

    def keep(self, rows: list[int]) -> None:
        """Take back rows that were not forgotten yet."""
        for row in rows:
            self._confirmed.put(row)

    def close(self, timeout_seconds: float = 2.0) -> None:
        """Publish what waits, then end; what is not done in time is the relay's."""
        self._ending.set()
        with contextlib.suppress(queue.Full):
            self._rows.put_nowait(None)  # wakes it
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while rows := self._batch():
            try:
                self._publisher.publish([each for _, wakeups in rows for each in wakeups])
                fault("worker.forwarded")
            except BrokerUnavailableError as error:
                log.warning("wake-ups left to the relay", extra={"reason": error.message})
                self._leave_to_relay()
            except Exception:
                log.exception("forwarder stumbled")
                self._leave_to_relay()
            else:
                for row, _ in rows:
                    self._confirmed.put(row)
        self._publisher.close()

    def _batch(self) -> list[Row]:
        """What waits now, at least one row; nothing: the end."""
        rows: list[Row] = []
        while not rows or (len(rows) < MOST_ROWS and not self._rows.empty()):
            if self._ending.is_set() and self._rows.empty():
                break
            row = self._rows.get()
            if row is not None:
                rows.append(row)
        return rows

    def _leave_to_relay(self) -> None:
        """What waits is old when the broker is back, and the relay has brought it."""
        while not self._rows.empty():
            self._rows.get()
        self._ending.wait(PAUSE_SECONDS)
