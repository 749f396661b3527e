"""SQLAlchemy's and the driver's errors become pyfi's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from sqlalchemy.exc import DBAPIError

from pyfi import logs
from pyfi.core.faults import error_for
from pyfi.errors import PyfiError


def mapped(error: psycopg2.Error) -> PyfiError:
    """The pyfi error for one of the driver's: one line, passwords masked."""
    diagnostics = error.diag
    return error_for(
        error.pgcode or "",
        logs.masked(diagnostics.message_primary or str(error)),
        constraint=diagnostics.constraint_name or "",
        hint=(diagnostics.message_hint or "").strip(),
    )


@contextmanager
def mapping() -> Iterator[None]:
    """Raise pyfi's errors instead of SQLAlchemy's and psycopg2's."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, psycopg2.Error):
            raise mapped(error.orig) from error
        raise
    except psycopg2.Error as error:
        raise mapped(error) from error


def refused_by(error: PyfiError) -> str | None:
    """The SQLSTATE that a mapped error came with."""
    cause = error.__cause__
    original = cause.orig if isinstance(cause, DBAPIError) else cause
    return original.pgcode if isinstance(original, psycopg2.Error) else None
