"""Which revision a database is at, asked as an ordinary login."""

from __future__ import annotations

from sqlalchemy import text

from pyfi.core.urls import DatabaseUrl
from pyfi.db import migrate
from pyfi.db.session import Database


def newest() -> str:
    """The revision that this version of pyfi brings."""
    return migrate.newest()


def current(url: DatabaseUrl) -> str | None:
    """The revision of the database.

    Raises: UnavailableError: it does not answer, or is not initialised. ForbiddenError.
    """
    database = Database(url)
    try:
        with database.session() as session:
            return session.execute(text("select version_num from access.alembic_version")).scalar()
    finally:
        database.close()
