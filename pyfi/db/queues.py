"""What waits where: per socket how much, and what comes first. Reads alone."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from pyfi.db.rows import Row, Rows

# Each state has its own index; one query over all of them would read the table.
BACKLOG = """
with waiting as (
  select c.socket_id, count(*) filter (where c.not_before is null or c.not_before <= now()) as waiting,
      count(*) filter (where c.not_before > now()) as delayed,
      extract(epoch from now() - min(c.created) filter (where c.not_before is null or c.not_before <= now()))::float8 as oldest
    from pyfi.call c where c.state = 'queued' and c.socket_id = any (cast(:sockets as uuid[])) group by c.socket_id),
held as (
  select c.socket_id, count(*) as running from pyfi.call c where c.state in ('claimed', 'running') and c.socket_id = any (cast(:sockets as uuid[]))
    group by c.socket_id),
parked as (
  select c.socket_id, count(*) as parked from pyfi.call c where c.state = 'parked' and c.socket_id = any (cast(:sockets as uuid[])) group by c.socket_id)
select s.id as socket_id, coalesce(w.waiting, 0) as waiting, coalesce(w.delayed, 0) as delayed, coalesce(h.running, 0) as running,
    coalesce(p.parked, 0) as parked, w.oldest as oldest_seconds, coalesce(k.consumers, 0) as consumers
  from unnest(cast(:sockets as uuid[])) s (id) left join waiting w on w.socket_id = s.id left join held h on h.socket_id = s.id
    left join parked p on p.socket_id = s.id left join ledger.consumers(cast(:sockets as uuid[])) k on k.socket_id = s.id
"""  # noqa: E501 # SQL is read by its columns

# As claims go: what is due before what is not yet, then the higher priority, then what was made earlier.
FIRST = """
select c.id, c.name, coalesce(s.name, c.name) as socket, u.name as owner, c.priority, c.attempt, c.created,
    case when c.not_before > now() then c.not_before end as due, c.root_id,
    coalesce(left(c.args::text, :shown),
      (select z.arguments_bytes || ' bytes' from ledger.payload_sizes(array[c.id]) z)) as arguments
  from pyfi.call c left join pyfi.socket s on s.id = c.socket_id left join pyfi."user" u on u.id = c.owner_id
  where c.state = 'queued' and c.socket_id = any (cast(:sockets as uuid[]))
  order by case when c.not_before > now() then c.not_before end nulls first, c.priority desc, c.created, c.id
  limit :limit
"""
SHOWN_CHARACTERS = 200


def backlog(rows: Rows, sockets: Sequence[UUID]) -> dict[UUID, Row]:
    """By socket: waiting (due), delayed (for a time), running, parked, the oldest one's wait, live workers."""
    found = rows.session.execute(text(BACKLOG), {"sockets": list(sockets)}).mappings()
    return {row["socket_id"]: dict(row) for row in found}


def first(rows: Rows, sockets: Sequence[UUID], limit: int) -> list[Row]:
    """The calls of these sockets that wait, as they would run, with the beginnings of their arguments."""
    values = {"sockets": list(sockets), "limit": limit, "shown": SHOWN_CHARACTERS}
    return [dict(row) for row in rows.session.execute(text(FIRST), values).mappings()]


def reached(rows: Rows, queue_id: UUID) -> list[UUID]:
    """The sockets that a call in this queue goes to, all of them; none for a direct queue, which chooses one."""
    found: list[UUID] = rows.session.execute(text("select ledger.reached(:id)"), {"id": queue_id}).scalar_one()
    return found


def submit(rows: Rows, call_id: UUID, socket_id: UUID, arguments: str) -> None:
    """Enter one call of a socket; a relay wakes a worker."""
    rows.session.execute(
        text("select ledger.submit(cast(:ids as uuid[]), :socket, cast(:arguments as text[]), false)"),
        {"ids": [call_id], "socket": socket_id, "arguments": [arguments]},
    )
