"""ls and describe: all of a kind, or everything about one object."""

from __future__ import annotations

from typing import Any

from pyfi.control import find
from pyfi.db.rows import Row, opened
from pyfi.db.session import Database
from pyfi.db.usage import users_of
from pyfi.errors import NotFoundError


def all_of(database: Database, kind: str) -> list[Row]:
    """Every row of a kind that the login may see, by name."""
    with opened(database) as rows:
        return rows.find(kind)


def refuse_unknown(database: Database, kind: str, name: str) -> None:
    """Say that there is none of that name, and which was perhaps meant.

    Raises: NotFoundError.
    """
    with opened(database) as rows:
        raise NotFoundError(f"there is no {kind} {name}", hint=find.nearest(rows, kind, name))


RELATED: dict[str, tuple[tuple[str, str], ...]] = {
    # kind: (related kind, its column that holds this one's id)
    "processor": (("task", "processor_id"), ("deployment", "processor_id")),
}


def describe(
    database: Database, kind: str, *, name: str | None = None, id_: str | None = None, network: str | None = None
) -> dict[str, Any]:
    """All columns of one object, and under `used_by` and `has` what hangs on it.

    Raises: NotFoundError, ConflictError.
    """
    with opened(database) as rows:
        row = find.wanted(rows, kind, name=name, id_=id_, network=network)
        used_by = [f"{user} {each['name']}" for user, each in users_of(rows, kind, row)]
        has = [
            f"{other} {each['name']}"
            for other, column in RELATED.get(kind, ())
            for each in rows.find(other, **{column: row["id"]})
        ]
        return row | {"used_by": used_by, "has": has}


def who_am_i(database: Database) -> Row:
    """login, name, admin."""
    with opened(database) as rows:
        return rows.me()
