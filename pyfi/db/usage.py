"""Who uses an object, and how many of its calls are still open."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from pyfi.db.rows import Row, Rows
from pyfi.db.tables import Call
from pyfi.db.tables.work import OPEN_STATES

# kind -> (kind of the user, its column that refers to it)
USERS: dict[str, tuple[tuple[str, str], ...]] = {
    "network": (("node", "network"), ("queue", "network"), ("processor", "network")),
    "queue": (("socket", "queue_id"), ("plug", "queue_id")),
    "processor": (("socket", "processor_id"),),
    "socket": (("plug", "source_id"), ("plug", "target_id")),
    "node": (("deployment", "node_id"), ("agent", "node_id")),
}


def users_of(rows: Rows, kind: str, row: Row) -> list[tuple[str, Row]]:
    """Objects that would be left without what they refer to: (kind, row), each once."""
    found: dict[UUID, tuple[str, Row]] = {}
    for user, column in USERS.get(kind, ()):
        key = row["name"] if column == "network" else row["id"]
        for each in rows.find(user, **{column: key}):
            found.setdefault(each["id"], (user, each))
    return list(found.values())


def open_calls(rows: Rows, socket_id: UUID) -> int:
    """Calls of a socket that are not finished."""
    query = select(func.count()).where(Call.socket_id == socket_id, Call.state.in_(OPEN_STATES))
    return int(rows.session.execute(query).scalar_one())
