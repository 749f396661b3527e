"""The ledger's verbs for calls that are there: retry, replay, discard, purge. At most a thousand calls each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text

from pyfi.db.rows import Rows

RETRY = "select * from ledger.retry(cast(:ids as uuid[]), cast(:new as uuid[]), :again, :reason)"
REPLAY = "select * from ledger.replay(cast(:ids as uuid[]), cast(:new as uuid[]), :again, :commit, :onward, :reason)"
GIVE_UP = "select * from ledger.give_up(cast(:ids as uuid[]), :verb, :reason)"

CANCEL = "select ledger.cancel(cast(:ids as uuid[]), :reason, false)"
SEEN = "select id from pyfi.call where id = any (:ids)"
# A flow whose first call was done is cancelled when some of it was.
STATES = """
select c.id, c.state, c.state = 'cancelled' or c.id = c.root_id and exists (select from pyfi.call m
    where m.root_id = c.id and m.parent_id is not null and m.state = 'cancelled') as is_cancelled
  from pyfi.call c where c.id = any (:ids)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What became of one call. outcome: queued, replayed (as `made`), cancelled, or refused with a note and a hint."""

    id: UUID
    outcome: str
    made: UUID | None = None
    note: str | None = None
    hint: str | None = None


def _asked(rows: Rows, sql: str, **values: Any) -> list[Mended]:
    return [Mended(**row) for row in rows.session.execute(text(sql), values).mappings()]


def retry(rows: Rows, ids: Sequence[UUID], new: Sequence[UUID], *, again: bool, reason: str | None) -> list[Mended]:
    """Parked calls wait again; failed ones are made anew, under the ids `new`."""
    return _asked(rows, RETRY, ids=list(ids), new=list(new), again=again, reason=reason)


def replay(
    rows: Rows,
    ids: Sequence[UUID],
    new: Sequence[UUID],
    *,
    again: bool,
    commit: str | None,
    onward: bool,
    reason: str | None,
) -> list[Mended]:
    """Ended calls are made anew. commit: None, the beginning of the one that must be deployed, or `same`.

    onward: members of compositions, each with what is left of its composition.
    """
    asked = {"again": again, "commit": commit, "onward": onward, "reason": reason}
    return _asked(rows, REPLAY, ids=list(ids), new=list(new), **asked)


def cancel(rows: Rows, ids: Sequence[UUID], *, reason: str | None) -> list[Mended]:
    """Calls are cancelled with all that they led to; what was cancelled before is no refusal."""
    seen = set(rows.session.execute(text(SEEN), {"ids": list(ids)}).scalars())
    known = [each for each in ids if each in seen]
    ended = set(rows.session.execute(text(CANCEL), {"ids": known, "reason": reason or ""}).scalar_one())
    states = {row.id: row for row in rows.session.execute(text(STATES), {"ids": known})}
    told = []
    for each in ids:
        if each not in states:
            told.append(Mended(id=each, outcome="refused", note=f"there is no call {each}", hint="flow ls calls"))
        elif each in ended or states[each].is_cancelled:
            told.append(Mended(id=each, outcome="cancelled"))
        else:
            note = f"call {each} is {states[each].state}: that is final"
            told.append(Mended(id=each, outcome="refused", note=note, hint=f"flow call show {each}"))
    return told


def give_up(rows: Rows, ids: Sequence[UUID], verb: Literal["discard", "purge"], *, reason: str | None) -> list[Mended]:
    """Calls that are parked (discard), or wait (purge), are cancelled."""
    return _asked(rows, GIVE_UP, ids=list(ids), verb=verb, reason=reason)
