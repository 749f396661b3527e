"""One asynchronous connection with one statement in flight: a reader of the event loop, never waited for."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import psycopg2
import psycopg2.extensions as px

from pyfi import logs
from pyfi.clock import SYSTEM, Clock
from pyfi.ledger.connection import KEEPALIVES, ids_as_text

log = logs.get(__name__)

LONGEST_BACKOFF_SECONDS = 5.0
# A statement without an answer for so long has lost its server, whatever the socket says.
STATEMENT_SECONDS = 60.0
# The server, the connection or the moment is at fault, not the statement: it is said again over a new connection.
PASSING = {"08", "25", "40", "53", "55", "57", "58"}

Rows = list[tuple[Any, ...]]
OnRows = Callable[[Rows], None]
OnError = Callable[[psycopg2.Error], None]


class AsyncDatabase:
    """Connects by itself and again after each loss, with backoff and jitter.

    `watch(fd, wants_write)` is called when the event loop must look at another descriptor or direction, fd -1: none.
    `on_told` is called when a notification came.
    `on_connected` is called once per connection, `on_lost` when one is lost; a statement in flight is then gone.
    """

    def __init__(
        self,
        url: str,
        *,
        watch: Callable[[int, bool], None],
        on_connected: Callable[[], None],
        on_lost: Callable[[], None],
        on_told: Callable[[], None] = lambda: None,
        clock: Clock = SYSTEM,
    ) -> None:
        """Nothing happens before `connect`."""
        self._url, self._watch, self._clock = url, watch, clock
        self._on_connected, self._on_lost, self._on_told = on_connected, on_lost, on_told
        self._connection: px.connection | None = None
        self._cursor: px.cursor | None = None
        self._ready = False
        self._on_rows: OnRows | None = None
        self._on_error: OnError | None = None
        self._since = 0.0
        self._failures = 0
        self._retry_at = 0.0

    @property
    def is_free(self) -> bool:
        """Connected, and no statement is in flight."""
        return self._ready and self._on_rows is None

    def fileno(self) -> int:
        """The connection's descriptor, -1 without one."""
        return self._connection.fileno() if self._connection is not None and not self._connection.closed else -1

    def connect(self) -> None:
        """Begin to connect."""
        try:
            self._connection = psycopg2.connect(self._url, application_name="pyfi worker", async_=1, **KEEPALIVES)
        except psycopg2.Error as error:
            self._lost(error)
            return
        self._since = self._clock.monotonic()
        self.on_ready()

    def send(self, sql: str, parameters: Sequence[Any], on_rows: OnRows, on_error: OnError) -> None:
        """Send one statement; exactly one of the two is called later, unless the connection is lost (`on_lost`)."""
        assert self._cursor is not None and self.is_free
        self._on_rows, self._on_error, self._since = on_rows, on_error, self._clock.monotonic()
        try:
            self._cursor.execute(sql, parameters)
        except psycopg2.Error as error:
            self._failed(error)
            return
        except ValueError as error:
            # The driver itself refuses a text, with NUL in it for example.
            self._on_rows = self._on_error = None
            on_error(psycopg2.DataError(str(error)))
            return
        self.on_ready()

    def on_ready(self) -> None:
        """The descriptor is ready: go on with connecting or with the statement."""
        connection = self._connection
        if connection is None:
            return
        try:
            state = connection.poll()
        except psycopg2.Error as error:
            self._failed(error)
            return
        if not self._ready:
            # The next address of the server has a new socket, which may have the old one's number.
            self._watch(-1, False)
        if state != px.POLL_OK:
            self._watch(connection.fileno(), state == px.POLL_WRITE)
            return
        self._watch(connection.fileno(), False)
        if connection.notifies:
            connection.notifies.clear()
            self._on_told()
        if not self._ready:
            self._ready, self._failures = True, 0
            ids_as_text(connection)
            self._cursor = connection.cursor()
            self._on_connected()
        elif self._on_rows is not None and self._cursor is not None:
            rows = self._cursor.fetchall() if self._cursor.description else []
            on_rows, self._on_rows, self._on_error = self._on_rows, None, None
            on_rows(rows)

    def tick(self) -> None:
        """Look after time-outs and reconnecting; call it several times a second."""
        now = self._clock.monotonic()
        waiting = self._connection is not None and (not self._ready or self._on_rows is not None)
        if self._connection is None and now >= self._retry_at:
            self.connect()
        elif waiting and now - self._since > STATEMENT_SECONDS:
            self._lost(TimeoutError("no answer"))

    def _failed(self, error: psycopg2.Error) -> None:
        connection = self._connection
        broken = connection is None or connection.closed or not self._ready or not error.pgcode
        if broken or str(error.pgcode)[:2] in PASSING or self._on_error is None:
            self._lost(error)
            return
        on_error, self._on_rows, self._on_error = self._on_error, None, None
        on_error(error)

    def _lost(self, error: Exception) -> None:
        was_ready = self._ready
        self.close()
        self._failures += 1
        delay = random.uniform(0.5, 1) * min(LONGEST_BACKOFF_SECONDS, 0.1 * 2 ** min(self._failures, 10))  # noqa: S311
        self._retry_at = self._clock.monotonic() + delay
        reason = logs.masked(str(error)).strip().partition("\n")[0]
        log.warning("database lost", extra={"reason": reason, "next_try_seconds": round(delay, 2)})
        if was_ready:
            self._on_lost()

    def close(self) -> None:
        """Let go; may be called twice."""
        connection, self._connection, self._cursor = self._connection, None, None
        self._ready, self._on_rows, self._on_error = False, None, None
        if connection is not None:
            self._watch(-1, False)
            with contextlib.suppress(psycopg2.Error):
                connection.close()
