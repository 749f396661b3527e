"""Large values between the worker and the ledger: piece by piece, over a connection of their own.

So the turns go on beside a transfer, and of a large value the worker holds a few pieces at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg2

from pyfi.clock import SYSTEM, Clock
from pyfi.worker.database import AsyncDatabase, Rows
from pyfi.worker.held import Held
from pyfi.worker.watch import Watcher

PIECE_BYTES = 1 << 18
# Who has so much to write waits until some of it is written.
MOST_WAITING_BYTES = 2 * PIECE_BYTES
# The connection is let go of after so long without use.
IDLE_SECONDS = 30.0
PUT = "select ledger.put(%s::uuid, %s::uuid, %s::bigint, %s::uuid, %s::bigint, %s, %s::uuid)"
READ = "select bytes, data from ledger.read_arguments(%s::uuid, %s::uuid, %s::bigint, %s::bigint, %s)"

OnError = Callable[[psycopg2.Error], None]


class _Step(NamedTuple):
    sql: str
    parameters: tuple[Any, ...]
    on_rows: Callable[[Rows], None]
    on_error: OnError
    size: int


class Transfer:
    """Statements one after the other; each may be said twice, so a lost connection only delays them.

    `waiting_bytes`: to be written still. `on_progress` is called after each answer.
    """

    def __init__(
        self, database: str, worker_id: str, watcher: Watcher, *, on_progress: Callable[[], None], clock: Clock = SYSTEM
    ) -> None:
        """Connects when it is needed."""
        self._worker_id, self._watcher, self._clock, self._on_progress = worker_id, watcher, clock, on_progress
        self._database = AsyncDatabase(
            database, watch=self._watch, on_connected=self._next, on_lost=lambda: None, clock=clock
        )
        self._fd = -1
        self._steps: deque[_Step] = deque()
        self._is_open = False
        self._used = 0.0
        self.waiting_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Everything was answered."""
        return not self._steps

    @property
    def is_full(self) -> bool:
        """Whoever has more to write is to wait."""
        return self.waiting_bytes > MOST_WAITING_BYTES

    def put(
        self,
        call: Held,
        payload: str,
        start: int,
        data: bytes | None,
        source: str | None,
        on_error: OnError,
        on_written: Callable[[], None] = lambda: None,
    ) -> None:
        """Write a piece of a value of that call: bytes, or another value. What was put before is written by then."""
        piece = psycopg2.Binary(data) if data is not None else None
        parameters = (self._worker_id, call.id, call.token, payload, start, piece, source)
        self._add(_Step(PUT, parameters, lambda _: on_written(), on_error, len(data or b"")))

    def read(self, call: Held, start: int, on_rows: Callable[[Rows], None], on_error: OnError) -> None:
        """Read a piece of its arguments; the one row is their length and the piece."""
        self._add(_Step(READ, (self._worker_id, call.id, call.token, start, PIECE_BYTES), on_rows, on_error, 0))

    def forget(self) -> None:
        """Nobody wants what waits any more; what was sent is answered to nobody."""
        self._steps.clear()
        self.waiting_bytes = 0

    def _add(self, step: _Step) -> None:
        self._steps.append(step)
        self.waiting_bytes += step.size
        if not self._is_open:
            self._is_open = True
            self._database.connect()
        self._next()

    def _next(self) -> None:
        if not self._steps or not self._database.is_free:
            return
        step = self._steps[0]

        def answered(tell: Callable[[], None]) -> None:
            self._used = self._clock.monotonic()
            # After `forget` it is somebody else's turn.
            if self._steps and self._steps[0] is step:
                self._steps.popleft()
                self.waiting_bytes -= step.size
                tell()
            self._next()
            self._on_progress()

        self._database.send(
            step.sql,
            step.parameters,
            lambda rows: answered(lambda: step.on_rows(rows)),
            lambda error: answered(lambda: step.on_error(error)),
        )

    def _watch(self, fd: int, wants_write: bool) -> None:
        if self._fd >= 0 and fd != self._fd:
            self._watcher.forget(self._fd)
        if fd >= 0:
            if fd != self._fd:
                self._watcher.read(fd, self._database.on_ready)
            self._watcher.write(fd, self._database.on_ready if wants_write else None)
        self._fd = fd

    def tick(self) -> None:
        """Several times a second: reconnecting, and letting go."""
        if not self._is_open:
            return
        if self._steps:
            self._database.tick()
        elif self._database.is_free and self._clock.monotonic() - self._used > IDLE_SECONDS:
            self.close()

    def close(self) -> None:
        """Let go of the connection; it is made again when it is needed."""
        self._database.close()
        self._is_open = False
