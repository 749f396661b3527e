"""retry, replay, discard, cancel: what people do about calls that ended or are parked."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from uuid import UUID

from pyfi.clock import SYSTEM, Clock
from pyfi.control.selection import Target, each_batch
from pyfi.core.ids import uuid7
from pyfi.db import mending as table
from pyfi.db.mending import Mended
from pyfi.db.rows import Rows
from pyfi.db.session import Database
from pyfi.errors import InvalidError


def _new_ids(count: int, clock: Clock) -> list[UUID]:
    milliseconds = int(clock.now().timestamp() * 1000)
    return sorted(uuid7(milliseconds, secrets.randbits(74)) for _ in range(count))


def retry(
    database: Database, target: Target, *, again: bool = False, reason: str | None = None, clock: Clock = SYSTEM
) -> Iterator[list[Mended]]:
    """Parked calls wait again; each failed one runs again as a new first call, once unless `again`."""

    def act(rows: Rows, ids: Sequence[UUID]) -> list[Mended]:
        return table.retry(rows, ids, _new_ids(len(ids), clock), again=again, reason=reason)

    return each_batch(database, target, "RUN_TASK", act)


def replay(
    database: Database,
    target: Target,
    *,
    again: bool = False,
    same_commit: bool = False,
    at: str | None = None,
    onward: bool = False,
    reason: str | None = None,
    clock: Clock = SYSTEM,
) -> Iterator[list[Mended]]:
    """Ended calls run again as new first calls; those that a filter finds once unless `again`.

    Args: same_commit: only at the commit at which the call ran. at: only if the processor is at that commit now.
        onward: members of compositions, each with what is left of its composition.
    Raises: InvalidError: `at` is no commit.
    """
    if at is not None and not re.fullmatch(r"[0-9a-f]{4,64}", at := at.strip().lower()):
        raise InvalidError(f"{at!r} is no commit", hint="its first digits, at least four, or all of them")
    commit = "same" if same_commit else at

    def act(rows: Rows, ids: Sequence[UUID]) -> list[Mended]:
        new = _new_ids(len(ids), clock)
        repeats = again or bool(target.ids)
        return table.replay(rows, ids, new, again=repeats, commit=commit, onward=onward, reason=reason)

    return each_batch(database, target, "RUN_TASK", act)


def discard(database: Database, target: Target, *, reason: str | None = None) -> Iterator[list[Mended]]:
    """Parked calls end as cancelled ones."""
    return each_batch(
        database, target, "CANCEL_TASK", lambda rows, ids: table.give_up(rows, ids, "discard", reason=reason)
    )


def cancel(database: Database, target: Target, *, reason: str | None = None) -> Iterator[list[Mended]]:
    """Calls that have not ended end as cancelled ones, with all that they led to."""
    return each_batch(database, target, "CANCEL_TASK", lambda rows, ids: table.cancel(rows, ids, reason=reason))


def purge(database: Database, target: Target, *, reason: str | None = None) -> Iterator[list[Mended]]:
    """Waiting calls end as cancelled ones."""
    return each_batch(
        database, target, "CANCEL_TASK", lambda rows, ids: table.give_up(rows, ids, "purge", reason=reason)
    )
