"""Which calls are meant: conditions on the ledger's rows, and their ids in bounded steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.orm import aliased

from pyfi.core.moments import Moment
from pyfi.db.calls import COUNTED
from pyfi.db.rows import Rows
from pyfi.db.tables import Call

# A place in the order of the calls: when it was made, and its id.
Place = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What calls must be like; None asks nothing. `sockets`: one of these. `error`: a part of what the error says.

    `awaited`: not a member of a composition that has ended, whose result nobody hears: the composition is another call.
    """

    states: tuple[str, ...] = ()
    since: Moment | None = None
    until: Moment | None = None
    sockets: tuple[UUID, ...] | None = None
    owner: UUID | None = None
    root: UUID | None = None
    error: str | None = None
    name: str | None = None
    awaited: bool = False


def _moment(moment: Moment) -> Any:
    return moment if isinstance(moment, datetime) else func.now() - moment


def conditions(wanted: Wanted) -> list[Any]:
    """For a query on Call."""
    where: list[Any] = []
    if wanted.states:
        where.append(Call.state.in_(wanted.states))
    if wanted.since is not None:
        where.append(Call.created >= _moment(wanted.since))
    if wanted.until is not None:
        where.append(Call.created < _moment(wanted.until))
    if wanted.sockets is not None:
        where.append(Call.socket_id.in_(wanted.sockets))
    if wanted.owner is not None:
        where.append(Call.owner_id == wanted.owner)
    if wanted.root is not None:
        # As the index of the roots has it.
        where.append(or_(Call.id == wanted.root, and_(Call.root_id == wanted.root, Call.parent_id.is_not(None))))
    if wanted.error is not None:
        where += [Call.error.is_not(None), func.ledger.error_says(Call.error, wanted.error)]
    if wanted.awaited:
        frame = aliased(Call)
        waits = select(frame.id).where(frame.id == Call.parent_id, frame.state == "running", Call.state == "parked")
        where.append(or_(Call.slot.is_(None), waits.exists()))
    if wanted.name is not None:
        where.append(Call.name == wanted.name)
    return where


def as_of_now(rows: Rows, wanted: Wanted) -> Wanted:
    """With moments that stand still. What is made later is not meant: a retry must not meet its own retries."""
    present: datetime = rows.session.execute(select(func.now())).scalar_one()

    def fixed(moment: Moment) -> datetime:
        return moment if isinstance(moment, datetime) else present - moment

    since = None if wanted.since is None else fixed(wanted.since)
    return replace(wanted, since=since, until=present if wanted.until is None else fixed(wanted.until))


def count(rows: Rows, wanted: Wanted, limit: int | None = None) -> int:
    """How many there are, at most `limit`, and at most COUNTED + 1."""
    bound = COUNTED + 1 if limit is None else min(limit, COUNTED + 1)
    bounded = select(Call.id).where(*conditions(wanted)).limit(bound).subquery()
    return int(rows.session.execute(select(func.count()).select_from(bounded)).scalar_one())


def after(rows: Rows, wanted: Wanted, place: Place | None, limit: int) -> tuple[list[UUID], Place | None]:
    """The next ids in the order in which the calls were made, and the place where they end; None after the last."""
    query = select(Call.created, Call.id).where(*conditions(wanted))
    if place is not None:
        query = query.where(tuple_(Call.created, Call.id) > place)
    found = rows.session.execute(query.order_by(Call.created, Call.id).limit(limit)).all()
    return [row.id for row in found], (found[-1].created, found[-1].id) if len(found) == limit else None


def beginning_with(rows: Rows, first: UUID, last: UUID, limit: int) -> list[UUID]:
    """Ids from `first` to `last`."""
    query = select(Call.id).where(Call.id.between(first, last)).order_by(Call.id).limit(limit)
    return list(rows.session.execute(query).scalars())
