"""Calls as people name them: by ids or the beginnings of ids, or by what they are like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from pyfi.control import find
from pyfi.core.moments import Moment
from pyfi.db import selection as table
from pyfi.db.calls import COUNTED, some
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.selection import Wanted
from pyfi.db.session import Database
from pyfi.errors import ConflictError, NotFoundError

# Of one transaction: its locks are short, and what is done stays done when the next one is interrupted.
BATCH = 1000
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What calls must be like, in people's words: names, not ids; state `running` means claimed, too.

    `awaited`: not a member of a composition that has ended.
    """

    states: tuple[str, ...] = ()
    since: Moment | None = None
    until: Moment | None = None
    socket: str | None = None
    processor: str | None = None
    queue: str | None = None
    user: str | None = None
    root: str | None = None
    error: str | None = None
    name: str | None = None
    network: str | None = None
    awaited: bool = False

    @property
    def is_empty(self) -> bool:
        """It asks nothing."""
        return self == Selection(network=self.network, awaited=self.awaited)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The calls that a verb is for: `ids` as they were typed, else the first `limit` of a selection."""

    ids: tuple[str, ...] = ()
    selection: Selection = Selection()
    limit: int | None = None


def call_id(rows: Rows, text: str) -> UUID:
    """The id that `text` is, or begins.

    Raises: InvalidError: it is no part of an id. NotFoundError. ConflictError: several ids begin so.
    """
    digits = text.strip().replace("-", "").lower()
    if len(digits) == 32 or not re.fullmatch(r"[0-9a-f]{4,31}", digits):
        return find.checked_id(text)
    found = table.beginning_with(rows, UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")), limit=4)
    if not found:
        raise NotFoundError(f"there is no call {text}", hint="flow ls calls")
    if len(found) > 1:
        listed = ", ".join(map(str, found[:3])) + (", ..." if len(found) > 3 else "")
        raise ConflictError(f"call {text} means several: {listed}", hint="write more of its id")
    return found[0]


def resolved(rows: Rows, asked: Selection) -> Wanted:
    """Names become ids.

    Raises: NotFoundError, ConflictError: a name means nothing, or several things. InvalidError: a root that is no id.
    """
    states = {"finished": ("done",), "running": ("claimed", "running")}
    return Wanted(
        states=tuple(each for state in asked.states for each in states.get(state, (state,))),
        since=asked.since,
        until=asked.until,
        sockets=_sockets(rows, asked),
        owner=find.one(rows, "user", asked.user)["id"] if asked.user else None,
        root=call_id(rows, asked.root) if asked.root else None,
        error=asked.error,
        name=asked.name,
        awaited=asked.awaited,
    )


def _sockets(rows: Rows, asked: Selection) -> tuple[UUID, ...] | None:
    """The sockets that are on the queue, of the processor and of that name, as far as these are asked for."""
    if not (asked.socket or asked.processor or asked.queue):
        return None
    where: dict[str, Any] = {}
    for kind, name in (("processor", asked.processor), ("queue", asked.queue)):
        if name:
            found = find.several(rows, kind, name, network=asked.network)
            where[f"{kind}_id"] = [row["id"] for row in found]
    if not asked.socket:
        return tuple(row["id"] for row in rows.find("socket", **where))
    processor, slash, bare = asked.socket.partition("/")
    if slash:
        where["processor"] = processor
    name = bare if slash else asked.socket
    return tuple(row["id"] for row in find.several(rows, "socket", name, network=asked.network, **where))


def counted(database: Database, target: Target) -> tuple[int, bool]:
    """How many calls are meant, and whether there are more than that."""
    if target.ids:
        return len(target.ids), False
    with opened(database) as rows:
        count = table.count(rows, resolved(rows, target.selection), target.limit)
    return min(count, COUNTED), count > COUNTED


def shown(database: Database, target: Target, limit: int) -> list[Row]:
    """The first rows of what is meant, as a listing has them."""
    with opened(database) as rows:
        if target.ids:
            ids = [call_id(rows, each) for each in target.ids[:limit]]
        else:
            most = limit if target.limit is None else min(limit, target.limit)
            ids, _ = table.after(rows, resolved(rows, target.selection), None, most)
        return some(rows, ids)


def each_batch(database: Database, target: Target, right: str, act: Callable[[Rows, Sequence[UUID]], T]) -> Iterator[T]:
    """Do it to all that are meant, a bounded number in each transaction, oldest first; what is yielded is committed.

    Whatever begins to match behind the place that was reached is not met again, so it ends.

    Raises: ForbiddenError: the right is held on nothing.
    """
    with opened(database) as rows:
        rows.require(right)
    if target.ids:
        with opened(database) as rows:
            ids = list(dict.fromkeys(call_id(rows, each) for each in target.ids))
        for start in range(0, len(ids), BATCH):
            with opened(database) as rows:
                done = act(rows, ids[start : start + BATCH])
            yield done
        return
    with opened(database) as rows:
        wanted = table.as_of_now(rows, resolved(rows, target.selection))
    place: table.Place | None = None
    left = target.limit
    while left is None or left > 0:
        with opened(database) as rows:
            found, place = table.after(rows, wanted, place, BATCH if left is None else min(BATCH, left))
            result = act(rows, found) if found else None
        if result is not None:
            yield result
        if place is None:
            return
        left = None if left is None else left - len(found)
