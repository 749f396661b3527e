"""A psycopg2 connection of one login, and the driver's errors as pyfi's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.extensions

from pyfi import logs
from pyfi.core.faults import error_for
from pyfi.errors import PyfiError

KEEPALIVES: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

# On our connections only, whatever the program around us registered for its own.
_IDS = psycopg2.extensions.new_type((2950,), "ids", psycopg2.STRING)
_LISTS_OF_IDS = psycopg2.extensions.new_array_type((2951,), "lists of ids", _IDS)


def ids_as_text(connection: psycopg2.extensions.connection) -> None:
    """Read uuids as text on this connection."""
    for kind in (_IDS, _LISTS_OF_IDS):
        psycopg2.extensions.register_type(kind, connection)


def mapped(error: psycopg2.Error) -> PyfiError:
    """The pyfi error for one of the driver's: one line, passwords masked."""
    diagnostics = error.diag
    return error_for(
        error.pgcode or "",
        logs.masked(diagnostics.message_primary or str(error)),
        constraint=diagnostics.constraint_name or "",
        hint=(diagnostics.message_hint or "").strip(),
    )


@contextlib.contextmanager
def mapping() -> Iterator[None]:
    """Raise pyfi's errors instead of psycopg2's."""
    try:
        yield
    except psycopg2.Error as error:
        raise mapped(error) from error


# A plan that was made while a table was empty reads all of it when it is full.
RENEWED_AFTER = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A statement that is asked often, planned once for many runs: policies make a plan dearer than the look itself.

    text: with $1 and so on; types: of these.
    """

    name: str
    types: tuple[str, ...]
    text: str

    @property
    def made(self) -> str:
        """The statement that prepares it."""
        return f"prepare {self.name}{_listed(self.types)} as {self.text}"

    @property
    def asked(self) -> str:
        """The statement that runs it, for the driver."""
        return f"execute {self.name}{_listed(f'%s::{each}' for each in self.types)}"


def _listed(parts: Iterable[str]) -> str:
    listed = ", ".join(parts)
    return f" ({listed})" if listed else ""


class Link:
    """One connection, made when first needed and again after it was lost. Not thread-safe."""

    def __init__(self, libpq_url: str, *, application: str, channels: tuple[str, ...] = ()) -> None:
        """`channels` are listened to; a new connection listens before it is used, so that nothing is missed after."""
        self._url = libpq_url
        self._application = application
        self._channels = channels
        self._connection: psycopg2.extensions.connection | None = None
        # How often each was run since it was prepared.
        self._prepared: dict[str, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that was not found broken."""
        return self._connection is not None and not self._connection.closed

    @property
    def current(self) -> object:
        """What tells this connection from the next."""
        return self._connection

    def connection(self) -> psycopg2.extensions.connection:
        """The connection, in autocommit mode.

        Raises: DatabaseUnavailableError, ForbiddenError.
        """
        if self._connection is None or self._connection.closed:
            with mapping():
                made = psycopg2.connect(self._url, application_name=self._application, **KEEPALIVES)
                made.autocommit = True
                ids_as_text(made)
                with made.cursor() as cursor:
                    for channel in self._channels:
                        cursor.execute(f"listen {channel}")
            self._connection = made
            self._prepared.clear()
        return self._connection

    def rows(self, sql: str | Prepared, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, one commit.

        Raises: PyfiError of the statement; the connection is dropped when it is broken.
        """
        connection = self.connection()
        try:
            with mapping(), connection.cursor() as cursor:
                if isinstance(sql, Prepared):
                    self._prepare(cursor, sql)
                    sql = sql.asked
                cursor.execute(sql, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            if connection.closed:
                self._connection = None

    def _prepare(self, cursor: Any, statement: Prepared) -> None:
        runs = self._prepared.pop(statement.name, 0)
        if runs == RENEWED_AFTER:
            cursor.execute(f"deallocate {statement.name}")
            runs = 0
        if runs == 0:
            cursor.execute(statement.made)
        self._prepared[statement.name] = runs + 1

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor inside one transaction."""
        connection = self.connection()
        connection.autocommit = False
        try:
            with mapping(), connection, connection.cursor() as cursor:
                yield cursor
        finally:
            if connection.closed:
                self._connection = None
            else:
                connection.autocommit = True

    def close(self) -> None:
        """Let go; may be called twice."""
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self._connection.close()
            self._connection = None
