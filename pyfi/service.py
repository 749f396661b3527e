"""What runs for long: `run_once` and the one loop around it."""

from __future__ import annotations

import random
import select
import socket
import threading
from collections.abc import Sequence
from typing import Protocol

from pyfi import logs
from pyfi.clock import SYSTEM, Clock
from pyfi.errors import InvariantError, UnavailableError

log = logs.get(__name__)

MAX_BACKOFF_SECONDS = 30.0
MAX_DOUBLINGS = 10  # a float has no room for 2 ** 1024, and an outage may last that long


class Service(Protocol):
    """One duty of a process.

    `name` is for logs. `interval_seconds` is the slow poll that covers lost notifications (jittered by +-30 %).
    """

    name: str
    interval_seconds: float

    def run_once(self) -> bool:
        """Read the whole state, do what is due. True: there is more to do at once."""

    def readers(self) -> Sequence[int]:
        """File descriptors whose readability is a wake-up (LISTEN connections, pidfds); asked before each wait."""

    def close(self) -> None:
        """Let go of connections; may be called twice."""


class Waker:
    """Ends a wait from another thread or from a signal handler."""

    def __init__(self) -> None:
        """A non-blocking pair, so that a full buffer never stops a signal handler."""
        self._in, self._out = socket.socketpair()
        self._in.setblocking(False)
        self._out.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to select on."""
        return self._out.fileno()

    def wake(self) -> None:
        """End the wait now or the next one."""
        try:
            self._in.send(b"!")
        except (BlockingIOError, OSError):
            return

    def clear(self) -> None:
        """Forget the wake-ups so far."""
        try:
            while self._out.recv(1024):
                pass
        except (BlockingIOError, OSError):
            return

    def close(self) -> None:
        """Let go of the pair; a later `wake` does nothing."""
        self._in.close()
        self._out.close()


class Loop:
    """Runs one service until it is told to stop.

    An UnavailableError is waited out with exponential backoff and full jitter; any other error too, but with its
    traceback in the log, since a service that dies quietly is worse than one that complains.
    """

    def __init__(self, service: Service, *, clock: Clock = SYSTEM) -> None:
        """Nothing starts before `run`."""
        self.service = service
        self.waker = Waker()
        self._clock = clock
        self._stop = threading.Event()
        self._failures = 0

    def stop(self) -> None:
        """Ask the loop to end after the pass under way. Safe in a signal handler."""
        self._stop.set()
        self.waker.wake()

    def run(self) -> None:
        """Pass after pass; returns when stopped. Closes the service."""
        try:
            while not self._stop.is_set():
                if not self._pass():
                    self._wait()
        finally:
            self.waker.close()
            self.service.close()

    def _pass(self) -> bool:
        try:
            more = self.service.run_once()
        except UnavailableError as error:
            self._failures += 1
            log.warning("service waits", extra={"service": self.service.name, "reason": error.message})
            return False
        except Exception:
            self._failures += 1
            log.exception("service failed", extra={"service": self.service.name})
            return False
        self._failures = 0
        return more

    def _wait(self) -> None:
        if not self._failures:
            try:
                seconds = self.service.interval_seconds * random.uniform(0.7, 1.3)  # noqa: S311 # jitter
                self._sleep(seconds, self.service.readers())
            except Exception:
                self._failures += 1
                log.exception("service cannot be watched", extra={"service": self.service.name})
        if self._failures:
            longest = min(MAX_BACKOFF_SECONDS, 0.1 * 2 ** min(self._failures, MAX_DOUBLINGS))
            self._sleep(random.uniform(0.05, longest), ())  # noqa: S311 # jitter
        self.waker.clear()

    def _sleep(self, seconds: float, readers: Sequence[int]) -> None:
        poll = select.poll()  # select() refuses descriptors above 1023
        for descriptor in (self.waker.fileno(), *readers):
            poll.register(descriptor, select.POLLIN)
        for descriptor, event in poll.poll(seconds * 1000):
            if event & select.POLLNVAL:  # watched on, it would end each wait at once
                raise InvariantError(f"descriptor {descriptor} is closed")
