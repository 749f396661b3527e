"""Sessions of one login. Never a superuser's: he would pass row-level security silently."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from pyfi.core.urls import DatabaseUrl
from pyfi.db.faults import mapping
from pyfi.errors import ForbiddenError

APPLICATION = "pyfi"
CONNECT_TIMEOUT_SECONDS = 10


class Database:
    """One database as one login. Connects when first used; `close` lets go."""

    def __init__(self, url: DatabaseUrl, *, application: str = APPLICATION) -> None:
        """`application` is what pg_stat_activity shows."""
        self.url = url
        self._engine = make_engine(url, application=application)
        self._checked = False

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back by an error; errors are pyfi's.

        Raises: ForbiddenError: the login passes row-level security (superuser, BYPASSRLS). DatabaseUnavailableError.
        """
        with mapping(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            if not self._checked:
                refuse_bypass(session.connection())
                self._checked = True
            yield session

    def close(self) -> None:
        """Close the connections; the object can be used again."""
        self._engine.dispose()


def make_engine(url: DatabaseUrl, *, application: str, pooled: bool = True) -> Engine:
    """An engine with keepalives and a bounded wait for the connection."""
    arguments = {
        "application_name": application,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    engine = (
        create_engine(url.sqlalchemy(), connect_args=arguments, pool_size=2, max_overflow=8, pool_pre_ping=True)
        if pooled
        else create_engine(url.sqlalchemy(), connect_args=arguments, poolclass=NullPool)
    )
    event.listen(engine, "connect", _set_search_path)
    return engine


def _set_search_path(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("set search_path = pyfi, pg_catalog")
    connection.commit()  # type: ignore[attr-defined]
    cursor.close()


def refuse_bypass(connection: Connection) -> None:
    """Refuse to work as somebody whom policies do not bind.

    Raises: ForbiddenError.
    """
    row = connection.execute(
        text("select current_user, rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = current_user")
    ).one()
    if row[1]:
        raise ForbiddenError(
            f"{row[0]} passes row-level security; PyFI works only as one of its own users",
            hint="flow db init makes the first administrator and remembers his login here",
        )
