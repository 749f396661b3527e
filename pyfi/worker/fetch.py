"""Large arguments on their way into the guest: a piece is read when it has taken the one before."""

from __future__ import annotations

from collections.abc import Callable

import psycopg2

from pyfi.clock import Clock
from pyfi.worker.database import Rows
from pyfi.worker.guesthost import GuestHost
from pyfi.worker.held import Finished, Held
from pyfi.worker.outcome import refused_arguments
from pyfi.worker.transfer import Transfer

# What is made of one largest value has some more bytes around it.
_ROOM_BYTES = 1 << 20


class Fetch:
    """One call at a time; nothing is sent to the guest behind it meanwhile.

    `on_sent` is called when the call is in the guest; `on_failed` with the outcome of one that cannot be, None: it is
    somebody else's.
    """

    def __init__(
        self,
        transfer: Transfer,
        largest_bytes: int,
        guest: Callable[[], GuestHost],
        *,
        on_sent: Callable[[], None],
        on_failed: Callable[[Held, Finished | None], None],
        clock: Clock,
    ) -> None:
        """Nothing to fetch."""
        self._clock = clock
        self._transfer, self._largest, self._guest = transfer, largest_bytes, guest
        self._on_sent, self._on_failed = on_sent, on_failed
        self.call: Held | None = None
        self._function = 0
        self._fetched = 0

    def start(self, call: Held, function: int) -> None:
        """Bring this call to the guest."""
        self.call, self._function, self._fetched = call, function, 0
        self._read(call)

    def stop(self) -> None:
        """The guest is gone, or the call is given back."""
        self.call = None

    def _read(self, call: Held) -> None:
        if self.call is call:
            self._transfer.read(call, self._fetched, lambda rows: self._got(call, rows), lambda e: self._fail(call, e))

    def _got(self, call: Held, rows: Rows) -> None:
        if self.call is not call:
            return
        ((size, data),) = rows
        if not size or not data or size > self._largest + _ROOM_BYTES:
            self._end(call, refused_arguments(call, size, self._largest))
            return
        guest = self._guest()
        guest.send_arguments(call.token, bytes(data))
        self._fetched += len(data)
        if self._fetched < size:
            guest.when_sent(lambda: self._read(call))
            return
        self.call = None
        guest.send(call, self._function, self._clock.monotonic())
        guest.flush()
        self._on_sent()

    def _fail(self, call: Held, error: psycopg2.Error) -> None:
        if self.call is call:
            self._end(call, None if error.pgcode == "PF409" else refused_arguments(call, None, self._largest))

    def _end(self, call: Held, outcome: Finished | None) -> None:
        self.call = None
        self._on_failed(call, outcome)
