"""`python -m benchmarks.policies [calls]`: what row-level security costs on the hot statements, on against off.

A database of its own on the server that FLOW_TEST_DB names (a superuser's URL), with a million calls of a hundred
owners; it is removed again. On and off are two owners of equally many rows, the second one's login passes the policies
(BYPASSRLS); they ask in turn, so that whatever else the machine does meets both. Off, one's own rows are asked for by a
condition where the policy is what restricts them. All are prepared statements but the functions.
"""

from __future__ import annotations

import secrets
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2

from pyfi.clock import SYSTEM
from pyfi.core.scram import verifier
from pyfi.core.urls import DatabaseUrl, parse_database
from pyfi.db import migrate
from pyfi.ledger.calls import LINES, OUTCOME, OUTCOMES
from pyfi.ledger.connection import Link, Prepared
from pyfi.settings import environment

LINES_OF_ONE = 100
OWNERS, ROUNDS, RUNS, MOST = 100, 150, 20, 1.3
ON, OFF = "u1", "u2"
PASSWORD = "of a login that is gone at once"

FILL = """
insert into pyfi."user" (name, login) select 'u' || n, '{prefix}.u' || n from generate_series(1, {owners}) n;
with p as (insert into pyfi.processor (name, network_id, owner_id, gitrepo, "commit", module)
    select u.name, n.id, u.id, 'r', 'c', 'm' from pyfi."user" u, pyfi.network n
    returning id, owner_id, network_id, name),
  q as (insert into pyfi.queue (name, network_id, owner_id) select name, network_id, owner_id from p
    returning id, owner_id),
  t as (insert into pyfi.task (processor_id, name) select id, 'run' from p returning id, processor_id)
insert into pyfi.socket (name, processor_id, task_id, queue_id, owner_id, address)
  select p.name || '.run', p.id, t.id, q.id, p.owner_id, p.name
    from p join t on t.processor_id = p.id join q on q.owner_id = p.owner_id;
insert into pyfi.call (id, root_id, socket_id, name, owner_id, socket_owner_id, args, state, created, finished)
  select i, i, s.id, s.name, s.owner_id, s.owner_id, '{{}}', 'done', now() - n * interval '1 second', now()
    from (select gen_random_uuid() as i, n from generate_series(1, {calls}) n) g
      join (select *, row_number() over (order by name) as k, count(*) over () as all_of from pyfi.socket) s
        on s.k = 1 + g.n % s.all_of;
insert into pyfi.log (call_id, attempt, stream, at, text)
  select id, 1, 1, now(), 'line' from pyfi.call where random() < 0.1;
insert into pyfi.log (call_id, attempt, stream, at, text)
  select c.id, 1, 1, now(), 'line ' || n from pyfi."user" u, generate_series(1, {lines}) n,
    lateral (select id from pyfi.call where owner_id = u.id order by created desc limit 1) c
    where u.name = any ('{{{asking}}}');
"""

# What ledger.lines reads, without asking who reads.
BARE_LINES = Prepared(
    name="lines",
    types=LINES.types,
    text="select id, attempt, stream, at, text from pyfi.log where call_id = $1 and id > $2 order by id",
)


@contextmanager
def filled(superuser: DatabaseUrl, calls: int) -> Iterator[dict[str, DatabaseUrl]]:
    """ON's and OFF's URLs of a database with that many calls."""
    prefix = f"cost{secrets.token_hex(3)}"
    url = superuser.at(f"pyfi_{prefix}")
    migrate.init(url, prefix=prefix, admin="admin", password=PASSWORD, salt=b"0" * 16, told=lambda _: None)
    try:
        connection = psycopg2.connect(url.libpq())
        with connection, connection.cursor() as cursor:
            cursor.execute("set session_replication_role = replica")
            cursor.execute(
                FILL.format(prefix=prefix, owners=OWNERS, calls=calls, lines=LINES_OF_ONE, asking=f"{ON},{OFF}")
            )
            secret = verifier(PASSWORD, b"0" * 16)
            for name in (ON, OFF):
                cursor.execute(
                    "select access.make_role(%s, %s, %s)", (f"{prefix}.{name}", f"{prefix}_flow_user", secret)
                )
                cursor.execute(
                    'insert into pyfi.privilege (user_id, "right", granted_by)'
                    " select id, 'ALL', id from pyfi.\"user\" where name = %s",
                    (name,),
                )
            cursor.execute(f'alter role "{prefix}.{OFF}" bypassrls')
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")
        connection.close()
        yield {name: url.login(f"{prefix}.{name}", PASSWORD) for name in (ON, OFF)}
    finally:
        migrate.drop(url)
        with migrate.connected(url.at("postgres"), autocommit=True) as maintenance:
            maintenance.exec_driver_sql(f'drop database "{url.database}" with (force)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """One of the two, and what of his is asked for. restriction: an own row's condition, where no policy says it."""

    link: Link
    name: str
    calls: list[str]
    socket: str
    restriction: str

    @classmethod
    def of(cls, name: str, url: DatabaseUrl) -> Asker:
        """Logged in, as the client is."""
        link = Link(url.libpq(), application="benchmark")
        ((me, socket),) = link.rows("select access.me(), id from pyfi.socket where name = %s", (f"{name}.run",))
        newest = "select id from pyfi.call where owner_id = %s order by created desc limit 100"
        calls = [each for (each,) in link.rows(newest, (me,))]
        restriction = f"'{me}'" if name == OFF else ""
        return cls(link=link, name=name, calls=calls, socket=socket, restriction=restriction)

    def statements(self) -> dict[str, tuple[str | Prepared, tuple[Any, ...]]]:
        """What is measured, and its parameters."""
        mine = {"page": "", "socket": ""}
        if self.restriction:
            mine["page"] = f" where {self.restriction} in (owner_id, socket_owner_id)"
            mine["socket"] = f" and s.owner_id = {self.restriction}"
        page = f"select id, name, state from pyfi.call{mine['page']} order by created desc, id desc limit 10"
        found = "select s.id, s.name, p.name, q.name from pyfi.socket s join pyfi.processor p on p.id = s.processor_id"
        found += f" join pyfi.queue q on q.id = s.queue_id where s.name = $1{mine['socket']}"
        submit = "select ledger.submit(array[gen_random_uuid()], %s, array['{}'], true)"
        return {
            "one outcome": (OUTCOME, (self.calls[0],)),
            "a hundred outcomes": (OUTCOMES, (self.calls,)),
            "a call's lines": (LINES if self.name == ON else BARE_LINES, (self.calls[0], 0)),
            "newest page of calls": (Prepared(name="page", types=(), text=page), ()),
            "a socket by its name": (Prepared(name="found", types=("text",), text=found), (f"{self.name}.run",)),
            "one submit": (submit, (self.socket,)),
        }


def seconds(link: Link, statement: str | Prepared, parameters: tuple[Any, ...]) -> float:
    """How long one statement takes."""
    began = SYSTEM.monotonic()
    link.rows(statement, parameters)
    return SYSTEM.monotonic() - began


def compared(on: Asker, off: Asker, names: list[str]) -> dict[str, tuple[float, float, float]]:
    """Name -> the medians of ROUNDS rounds: seconds with policies, seconds without, and how many times as long.

    Within a round the two ask in turn, and every round asks everything: what else the machine does meets all alike.
    """
    asked = {asker.name: asker.statements() for asker in (on, off)}
    pairs = {name: [(asker.link, *asked[asker.name][name]) for asker in (on, off)] for name in names}
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
    for _ in range(ROUNDS):
        for name, pair in pairs.items():
            taken: tuple[list[float], list[float]] = ([], [])
            for run in range(RUNS):
                for which in (0, 1) if run % 2 else (1, 0):
                    taken[which].append(seconds(*pair[which]))
            rounds[name].append((statistics.median(taken[0]), statistics.median(taken[1])))
    return {
        name: (
            statistics.median(with_policies for with_policies, _ in each),
            statistics.median(without for _, without in each),
            statistics.median(with_policies / without for with_policies, without in each),
        )
        for name, each in rounds.items()
    }


def main(arguments: list[str]) -> int:
    """Print the table; 1 when a statement costs more than MOST times as much."""
    calls = int(arguments[0]) if arguments else 1_000_000
    with filled(parse_database(environment()["FLOW_TEST_DB"]), calls) as urls:
        on, off = Asker.of(ON, urls[ON]), Asker.of(OFF, urls[OFF])
        *reads, submit = on.statements()
        # Apart: what is submitted would be the newest page of calls.
        figures = compared(on, off, reads) | compared(on, off, [submit])
        on.link.close()
        off.link.close()
    print(f"{calls} calls of {OWNERS} owners, median milliseconds")
    for name, (with_policies, without, ratio) in figures.items():
        print(f"{name:<24} on {with_policies * 1000:8.3f}  off {without * 1000:8.3f}  {ratio:5.2f} x")
    return 1 if max(ratio for _, _, ratio in figures.values()) > MOST else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
