"""Reading who changed what, and whether the log of it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pyfi.control.login import login
from pyfi.db.notify import Listener
from pyfi.ledger.connection import Link
from pyfi.settings import Settings

PAGE = 1000
POLL_SECONDS = 5.0

ENTRIES = """
select a.number, a.at, a.login, u.name, a.program, a.client, a.verb, a.kind, a.row_id, a.name, d.before, d.after
  from pyfi.audit a cross join lateral access.audit_detail(a.id) d left join pyfi."user" u on u.id = a.user_id
  where a.number > %s and (%s::timestamptz is null or a.at >= %s::timestamptz)
    and (%s::interval is null or a.at >= now() - %s::interval)
    and (%s::text is null or %s::text in (a.name, a.login, u.name, a.row_id::text, a.kind || ' ' || a.name))
  order by a.number limit %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change. at: aware UTC. before, after: of an update the columns that changed, some veiled by `***`."""

    number: int
    at: datetime
    login: str
    user: str | None
    program: str
    client: str
    verb: str
    kind: str
    row_id: UUID | None
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def entries(
    settings: Settings, *, since: datetime | timedelta | None = None, about: str | None = None, follow: bool = False
) -> Iterator[Entry]:
    """The changes that the login may read, in the order of their commits; with `follow` also those that come.

    Args: since: a moment, or how long ago by the database's clock. about: a name of an object or user, an id, or
        kind and name.
    Raises: UnavailableError, NotConfiguredError.
    """
    url = login(settings)
    moment = since if isinstance(since, datetime) else None
    ago = since if isinstance(since, timedelta) else None
    last = 0
    with (
        closing(Link(url.libpq(), application="pyfi audit")) as link,
        Listener(url, "pyfi_audit", application="pyfi audit") as listener,
    ):
        while True:
            rows = link.rows(ENTRIES, (last, moment, moment, ago, ago, about, about, PAGE))
            for row in rows:
                yield _entry(row)
                last = row[0]
            if len(rows) < PAGE:
                if not follow:
                    return
                listener.wait(POLL_SECONDS)


def _entry(row: tuple[Any, ...]) -> Entry:
    number, at, role, user, program, client, verb, kind, row_id, name, before, after = row
    return Entry(
        number=number,
        at=at,
        login=role,
        user=user,
        program=program,
        client=client,
        verb=verb,
        kind=kind,
        row_id=UUID(row_id) if row_id else None,
        name=name,
        before=before,
        after=after,
    )


def verified(settings: Settings) -> tuple[int, int | None]:
    """How many entries the chain has, and the number of the first that does not follow from the one before.

    Raises: ForbiddenError: not an administrator. UnavailableError, NotConfiguredError.
    """
    with closing(Link(login(settings).libpq(), application="pyfi audit")) as link:
        ((count, broken),) = link.rows("select entries, broken from access.verify_audit()")
    return count, broken
