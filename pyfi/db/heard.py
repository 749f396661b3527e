"""What a listener reads after a wake-up."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from pyfi.db.calls import under_way
from pyfi.db.rows import Row, Rows
from pyfi.db.tables import Call, Log
from pyfi.db.views import VIEWS


def wake(payload: str) -> tuple[str, frozenset[UUID]]:
    """`kind:id,id` as kind and ids; ('', none) when it is nothing of ours."""
    kind, _, listed = payload.partition(":")
    try:
        return kind, frozenset(UUID(each) for each in listed.split(",") if each)
    except ValueError:
        return "", frozenset()


def calls(rows: Rows, ids: list[UUID]) -> list[Row]:
    """State and outcome of those calls that the login may see."""
    query = select(
        Call.id, Call.socket_id, Call.state, under_way(), Call.result, Call.error, Call.created, Call.result_payload
    ).where(Call.id.in_(ids))
    return [dict(row) for row in rows.session.execute(query).mappings()]


def lines(rows: Rows, call_ids: list[UUID]) -> list[Row]:
    """Log lines of those calls, in their order."""
    query: Any = (
        select(Log.id, Log.call_id, Log.attempt, Log.stream, Log.at, Log.text)
        .where(Log.call_id.in_(call_ids))
        .order_by(Log.id)
    )
    return [dict(row) for row in rows.session.execute(query).mappings()]


def changed(rows: Rows, kind: str, since: datetime) -> list[Row]:
    """Rows of a kind that were written at or after `since`."""
    if kind not in VIEWS:
        return []
    view = VIEWS[kind].subquery()
    query = select(view).where(view.c.updated >= since).order_by(view.c.updated)
    return [dict(row) for row in rows.session.execute(query).mappings()]


def now(rows: Rows) -> datetime:
    """The database's clock: when this transaction began."""
    return rows.session.execute(select(func.now())).scalar_one()
