"""LISTEN: wake-ups from Postgres. They may be forged and may be lost: whoever is woken reads the rows."""

from __future__ import annotations

import select
from types import TracebackType
from typing import Self

import psycopg2

from pyfi.core.urls import DatabaseUrl
from pyfi.db.faults import mapping
from pyfi.errors import DatabaseUnavailableError


class Listener:
    """One connection that listens to one channel of ours, from `with` on."""

    def __init__(self, url: DatabaseUrl, channel: str, *, application: str) -> None:
        """`channel` is a name of ours, never a user's."""
        self._url, self._channel, self._application = url, channel, application
        self._connection: psycopg2.extensions.connection | None = None

    def __enter__(self) -> Self:
        """Connect and listen.

        Raises: DatabaseUnavailableError.
        """
        with mapping():
            self._connection = psycopg2.connect(
                self._url.libpq(), application_name=self._application, connect_timeout=10
            )
            self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute(f"listen {self._channel}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def wait(self, timeout_seconds: float | None = None) -> list[str]:
        """Payloads in their order; empty when the time is up first.

        Raises: DatabaseUnavailableError: the connection was cut.
        """
        connection = self._connection
        if connection is None:
            raise DatabaseUnavailableError("nothing is listened to")
        with mapping():
            if not connection.notifies:
                select.select([connection], [], [], timeout_seconds)
                connection.poll()
            payloads = [notify.payload for notify in connection.notifies]
            connection.notifies.clear()
        return payloads
