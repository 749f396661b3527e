"""What became of calls."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID, uuid5

from pyfi.control.selection import Selection, call_id, resolved
from pyfi.db import calls as table
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.selection import conditions
from pyfi.db.session import Database
from pyfi.errors import NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some calls. `total` is exact unless `is_bounded`; then there are more."""

    rows: list[Row]
    number: int
    size: int
    total: int
    is_bounded: bool

    @property
    def pages(self) -> int:
        """How many pages of this size there are, at least one."""
        return max(1, -(-self.total // self.size))


def listed(
    database: Database,
    selection: Selection | None = None,
    *,
    number: int = 1,
    size: int = 10,
    ascending: bool = False,
    causes: bool = False,
) -> Page:
    """One page, newest first; with `causes` also what the errors say.

    Raises: NotFoundError, ConflictError: the selection names what is not there, or several things.
    """
    with opened(database) as rows:
        where = conditions(resolved(rows, selection or Selection()))
        found, count = table.page(rows, where, number=number, size=size, ascending=ascending, causes=causes)
    bounded = count > table.COUNTED
    return Page(rows=found, number=number, size=size, total=min(count, table.COUNTED), is_bounded=bounded)


def _id_of(rows: Rows, id_: str | None, name: str | None) -> UUID:
    if id_:
        return call_id(rows, id_)
    found = table.newest_named(rows, name or "")
    if found is None:
        close = difflib.get_close_matches(name or "", table.names(rows), n=1)
        raise NotFoundError(
            f"there is no call of {name}", hint=f"did you mean {close[0]}?" if close else "flow ls calls"
        )
    return found


def id_of(database: Database, text: str) -> UUID:
    """The id of a call that is there, which `text` is or begins.

    Raises: NotFoundError, ConflictError: several begin so. InvalidError.
    """
    with opened(database) as rows:
        found: UUID = _found(rows, call_id(rows, text))["id"]
        return found


def one(database: Database, *, id_: str | None = None, name: str | None = None, whole: bool = False) -> Row:
    """A call, its `events` and the ids of its `replays`; by name it is the newest of that name.

    Of values that are by reference it has only the lengths (`arguments_bytes`, `result_bytes`), unless `whole`.

    Raises: NotFoundError, InvalidError: the id is none.
    """
    with opened(database) as rows:
        found = _found(rows, _id_of(rows, id_, name))
        if whole and found["arguments_bytes"] is not None:
            found["args"] = table.read(rows, found["id"], "arguments")
        if whole and found["result_bytes"] is not None:
            found["result"] = table.read(rows, found["id"], "result")
        replays = table.repeated(rows, [found["id"]]).get(found["id"], [])
        return found | {"replays": replays, "events": _identified(table.events_of(rows, [found["id"]]))}


def _found(rows: Rows, id_: UUID) -> Row:
    found = table.by_id(rows, id_)
    if found is None:
        raise NotFoundError(f"there is no call {id_}", hint="flow ls calls")
    return found


def _identified(events: Iterable[Row]) -> list[Row]:
    """The usual events are read off the call itself; their ids are derived, so that they stay the same."""
    return [
        {"id": uuid5(event["call_id"], f"{event['name']} {event['attempt']} {event['at']}"), **event}
        for event in events
    ]


def family(database: Database, id_: UUID | str, *, whole: bool = False) -> list[Row]:
    """The call and all that it led to; with `whole` everything that its first call led to. Parents come first.

    Raises: NotFoundError.
    """
    with opened(database) as rows:
        call = _found(rows, call_id(rows, str(id_)))
        members = table.family(rows, call["root_id"])
        repeated = table.repeated(rows, [member["id"] for member in members])
    members = [member | {"replays": repeated.get(member["id"], [])} for member in members]
    if whole or call["root_id"] == call["id"]:
        return members
    kept, inside = [], {call["id"]}
    for member in members:
        if member["id"] in inside or member["parent_id"] in inside:
            inside.add(member["id"])
            kept.append(member)
    return kept


def newest_events(database: Database, limit: int) -> list[Row]:
    """The newest events of all calls that the login may see."""
    with opened(database) as rows:
        return _identified(table.newest_events(rows, limit))


def events_of(database: Database, ids: Iterable[UUID]) -> list[Row]:
    """Events of those calls, in their order."""
    with opened(database) as rows:
        return _identified(table.events_of(rows, list(ids)))
