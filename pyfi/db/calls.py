"""Reading calls: pages, one call, its tree, its events. Written by the ledger's functions alone."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select, text

from pyfi.db.rows import Row, Rows
from pyfi.db.tables import Call, Processor, Socket, Task, User

# Counting further than this costs more than it tells.
COUNTED = 10_000
READ_BYTES = 1 << 20
LARGEST_TREE = 10_000


def under_way() -> Any:
    """The attempt: the ledger counts one when it is over, people count the one under way."""
    return case((Call.state.in_(("claimed", "running")), Call.attempt + 1), else_=Call.attempt).label("attempt")


def _calls(*columns: Any) -> Select[Any]:
    """The columns of every listing; `claimed` is shown as running: it is in a worker's hands."""
    listed: tuple[Any, ...] = (
        Call.id,
        Call.name,
        User.name.label("owner"),
        func.greatest(Call.created, Call.claimed, Call.started, Call.finished).label("updated"),
        func.coalesce(Socket.name, Call.name).label("socket"),
        Processor.name.label("processor"),
        Processor.module,
        Task.name.label("task"),
        case((Call.state == "claimed", "running"), else_=Call.state).label("state"),
        under_way(),
        Call.priority,
        Call.created,
        Call.started,
        Call.finished,
        Call.seconds,
        Call.root_id,
        Call.parent_id,
        Call.socket_id,
        Call.replay_of,
    )
    return (
        select(*listed, *columns)
        .select_from(Call)
        .outerjoin(User, User.id == Call.owner_id)
        .outerjoin(Socket, Socket.id == Call.socket_id)
        .outerjoin(Processor, Processor.id == Socket.processor_id)
        .outerjoin(Task, Task.id == Socket.task_id)
    )


def _dicts(rows: Rows, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in rows.session.execute(query).mappings()]


CAUSE = func.ledger.error_told(Call.error).label("cause")


def page(
    rows: Rows, where: list[Any], *, number: int, size: int, ascending: bool = False, causes: bool = False
) -> tuple[list[Row], int]:
    """One page (numbers from 1) of calls, newest first, and the count of all, at most COUNTED + 1."""
    order = (Call.created, Call.id) if ascending else (Call.created.desc(), Call.id.desc())
    found = _dicts(
        rows, _calls(*(CAUSE,) * causes).where(*where).order_by(*order).offset((number - 1) * size).limit(size)
    )
    bounded = select(Call.id).where(*where).limit(COUNTED + 1).subquery()
    count = rows.session.execute(select(func.count()).select_from(bounded)).scalar_one()
    return found, int(count)


def some(rows: Rows, ids: list[UUID]) -> list[Row]:
    """Those calls, oldest first, with what their errors say."""
    return _dicts(rows, _calls(CAUSE).where(Call.id.in_(ids)).order_by(Call.created, Call.id))


def by_id(rows: Rows, id_: UUID) -> Row | None:
    """One call with everything, None when there is none that the login may see.

    Of values by reference only the lengths: `arguments_bytes`, `result_bytes`, else None.
    """
    found = _dicts(
        rows,
        _calls(
            *(Call.commit, Call.args, Call.result, Call.error, Call.output, Call.claimed, Call.failures, Call.losses),
            *(Call.not_before, Call.expires, Call.deadline, Call.key),
        ).where(Call.id == id_),
    )
    if not found:
        return None
    query = text("select arguments_bytes, result_bytes from ledger.payload_sizes(cast(:ids as uuid[]))")
    sizes = rows.session.execute(query, {"ids": [id_]}).first() or (None, None)
    return found[0] | {"arguments_bytes": sizes[0], "result_bytes": sizes[1]}


def read(rows: Rows, id_: UUID, what: str) -> Any:
    """A call's large `arguments` or `result`."""
    query, found = text("select ledger.read_payload(:id, :what, :start, :most)"), bytearray()
    while part := rows.session.execute(
        query, {"id": id_, "what": what, "start": len(found), "most": READ_BYTES}
    ).scalar_one():
        found += part
    return json.loads(found)


def repeated(rows: Rows, ids: list[UUID]) -> dict[UUID, list[UUID]]:
    """By call the calls that repeat it, oldest first."""
    query = select(Call.replay_of, Call.id).where(Call.replay_of.in_(ids)).order_by(Call.created, Call.id)
    found: dict[UUID, list[UUID]] = {}
    for of, id_ in rows.session.execute(query):
        if of is not None:
            found.setdefault(of, []).append(id_)
    return found


def newest_named(rows: Rows, name: str) -> UUID | None:
    """The id of the newest call of that name."""
    query = select(Call.id).where(Call.name == name).order_by(Call.created.desc(), Call.id.desc()).limit(1)
    return rows.session.execute(query).scalar()


def names(rows: Rows) -> list[str]:
    """Names that calls have, for suggestions."""
    return list(rows.session.execute(select(Call.name).distinct().limit(1000)).scalars())


def family(rows: Rows, root_id: UUID) -> list[Row]:
    """The call and all that it led to, in the order they were made; at most LARGEST_TREE."""
    query = _calls().where((Call.id == root_id) | ((Call.root_id == root_id) & Call.parent_id.is_not(None)))
    return _dicts(rows, query.order_by(Call.created, Call.hops, Call.id).limit(LARGEST_TREE))


EVENTS = """
select e.name, e.note, e.attempt, e.at, e.call_id, c.name as call, u.name as owner
  from pyfi.call_event e join pyfi.call c on c.id = e.call_id left join pyfi."user" u on u.id = c.owner_id
"""


def events_of(rows: Rows, call_ids: list[UUID]) -> list[Row]:
    """Events of those calls, in the order they happened."""
    query = text(f"{EVENTS} where e.call_id = any (:ids) order by e.at, e.name desc")
    return [dict(row) for row in rows.session.execute(query, {"ids": call_ids}).mappings()]


def newest_events(rows: Rows, limit: int) -> list[Row]:
    """The last events of the newest calls, newest first."""
    newest = "select id from pyfi.call order by created desc limit :limit"
    query = text(f"{EVENTS} where e.call_id in ({newest}) order by e.at desc limit :limit")
    return [dict(row) for row in rows.session.execute(query, {"limit": limit}).mappings()]


def due(rows: Rows, id_: UUID) -> datetime | None:
    """When a call that waits for its time may begin; None: now."""
    query = select(Call.not_before).where(Call.id == id_, Call.not_before > func.now())
    return rows.session.execute(query).scalar()


def waiting_before(rows: Rows, socket_id: UUID, id_: UUID) -> int:
    """Calls of the same socket that were queued earlier and still are; counted up to 1000."""
    query = text(
        "select count(*) from (select from pyfi.call where socket_id = :socket and state = 'queued' and id < :id"
        " limit 1000) x"
    )
    return int(rows.session.execute(query, {"socket": socket_id, "id": id_}).scalar_one())
