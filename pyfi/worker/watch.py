"""The descriptors that a worker watches, on Celery's event loop while that turns, by select while it drains."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Any

from pyfi import logs

log = logs.get(__name__)

Callback = Callable[[], None]


class Watcher:
    """Remembers every descriptor, since the loop forgets them all when the broker's connection is lost.

    A callback's exception would tear Celery's loop apart: it is caught and logged. Nobody knows what it left undone, a
    call perhaps that is told of no more, so that it ends the worker too, but in order (`give_up`): by the guest's mark
    its agent then counts and gives back exactly what it held.
    """

    def __init__(self, give_up: Callback) -> None:
        """`give_up` is called once, when a callback has failed."""
        self._hub: Any = None
        self._readers: dict[int, Callback] = {}
        # The loop has one entry per descriptor: who also waits for writing does it on a duplicate.
        self._writers: dict[int, tuple[int, Callback]] = {}
        self._give_up = give_up
        self._faults = 0

    def attach(self, hub: Any) -> None:
        """Register everything on this loop."""
        self._hub = hub
        for fd, callback in self._readers.items():
            hub.add_reader(fd, callback)
        for duplicate, callback in self._writers.values():
            hub.add_writer(duplicate, callback)

    def read(self, fd: int, callback: Callback) -> None:
        """Call `callback` when `fd` can be read."""
        guarded = self.guarded(callback)
        self._readers[fd] = guarded
        if self._hub is not None:
            self._hub.add_reader(fd, guarded)

    def stop_reading(self, fd: int) -> None:
        """Call nothing when `fd` can be read, until `read` again; it may be waited for to write."""
        if self._readers.pop(fd, None) is not None and self._hub is not None:
            self._hub.remove_reader(fd)

    def write(self, fd: int, callback: Callback | None) -> None:
        """Call `callback` when `fd` can be written; None: no more."""
        if callback is None:
            duplicate, _ = self._writers.pop(fd, (-1, None))
            if duplicate >= 0:
                if self._hub is not None:
                    self._hub.remove(duplicate)
                os.close(duplicate)
        elif fd not in self._writers:
            duplicate, guarded = os.dup(fd), self.guarded(callback)
            self._writers[fd] = (duplicate, guarded)
            if self._hub is not None:
                self._hub.add_writer(duplicate, guarded)

    def forget(self, fd: int) -> None:
        """Watch `fd` no more; call it before the descriptor is closed."""
        self.write(fd, None)
        if self._readers.pop(fd, None) is not None and self._hub is not None:
            self._hub.remove(fd)

    def turn(self, seconds: float) -> None:
        """One round without the loop."""
        poll = select.poll()  # select() refuses descriptors above 1023
        for fd in self._readers:
            poll.register(fd, select.POLLIN)
        writers = dict(self._writers.values())
        for fd in writers:
            poll.register(fd, select.POLLOUT)
        for fd, event in poll.poll(seconds * 1000):
            callback = self._readers.get(fd) or writers.get(fd)
            if event & select.POLLNVAL:
                self._readers.pop(fd, None)
            elif callback is not None:
                callback()

    def guarded(self, callback: Callback) -> Callback:
        """`callback` that never raises."""

        def run() -> None:
            try:
                callback()
            except Exception:
                self._faults += 1
                log.exception("worker stumbled", extra={"faults": self._faults})
                if self._faults == 1:
                    self._give_up()

        return run
