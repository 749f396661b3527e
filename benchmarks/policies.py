"""`python -m benchmarks.policies [calls]`: what row-level security costs on the hot statements, on against off.

A database of its own on the server that FLOW_TEST_DB names (a superuser's URL), with a million calls of a hundred
owners; it is removed again. Off means: row-level security disabled, and the same rows asked for by a condition.
"""

from __future__ import annotations

import secrets
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from pyfi.clock import SYSTEM
from pyfi.core.scram import verifier
from pyfi.core.urls import DatabaseUrl, parse_database
from pyfi.db import migrate
from pyfi.ledger.outcome import COLUMNS
from pyfi.settings import environment

OWNERS, ROUNDS, RUNS, MOST = 100, 5, 60, 1.3
TABLES = ("call", "event", "log", "socket", "processor", "queue", "network", "task", "user")
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
"""


@contextmanager
def filled(superuser: DatabaseUrl, calls: int) -> Iterator[tuple[DatabaseUrl, DatabaseUrl]]:
    """The superuser's URL and a tenant's, of a database with that many calls."""
    prefix = f"cost{secrets.token_hex(3)}"
    url = superuser.at(f"pyfi_{prefix}")
    migrate.init(url, prefix=prefix, admin="admin", password=PASSWORD, salt=b"0" * 16, told=lambda _: None)
    try:
        connection = psycopg2.connect(url.libpq())
        with connection, connection.cursor() as cursor:
            cursor.execute("set session_replication_role = replica")
            cursor.execute(FILL.format(prefix=prefix, owners=OWNERS, calls=calls))
            secret = verifier(PASSWORD, b"0" * 16)
            cursor.execute("select access.make_role(%s, %s, %s)", (f"{prefix}.u1", f"{prefix}_flow_user", secret))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")
        connection.close()
        yield url, url.login(f"{prefix}.u1", PASSWORD)
    finally:
        migrate.drop(url)
        with migrate.connected(url.at("postgres"), autocommit=True) as maintenance:
            maintenance.exec_driver_sql(f'drop database "{url.database}" with (force)')


def statements(tenant: str, mine: list[str], socket: str) -> dict[str, tuple[str, str]]:
    """Name -> the statement, and what says the same without policies."""
    ids = ",".join(f"'{each}'" for each in mine)
    own = f"owner_id = '{tenant}'"
    page = "select id, name, state from pyfi.call{} order by created desc, id desc limit 10"
    lines = "select id, text from pyfi.log where call_id = any (array[{}]::uuid[])"
    found = "select s.id, s.name, p.name, q.name from pyfi.socket s join pyfi.processor p on p.id = s.processor_id"
    found += " join pyfi.queue q on q.id = s.queue_id where s.name = 'u1.run'{}"
    outcome = f"select {COLUMNS} from pyfi.call where id = any (array[{{}}]::uuid[])"
    submit = f"select ledger.submit(array[gen_random_uuid()], '{socket}', array['{{}}'], true)"
    return {
        "one outcome": (outcome.format(f"'{mine[0]}'"),) * 2,
        "a hundred outcomes": (outcome.format(ids),) * 2,
        "a call's lines": (lines.format(f"'{mine[0]}'"),) * 2,
        "newest page of calls": (page.format(""), page.format(f" where {own}")),
        "a socket by its name": (found.format(""), found.format(f" and s.{own}")),
        "one submit": (submit, submit),
    }


def seconds(cursor: psycopg2.extensions.cursor, statement: str) -> float:
    """The median of RUNS runs."""
    taken = []
    for _ in range(RUNS):
        began = SYSTEM.monotonic()
        cursor.execute(statement)
        cursor.fetchall()
        taken.append(SYSTEM.monotonic() - began)
    return statistics.median(taken)


def switched(superuser: psycopg2.extensions.connection, word: str) -> None:
    """Row-level security of the tables that the statements touch."""
    with superuser.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f'alter table pyfi."{table}" {word} row level security')


def main(arguments: list[str]) -> int:
    """Print the table; 1 when a statement costs more than MOST times as much."""
    calls = int(arguments[0]) if arguments else 1_000_000
    with filled(parse_database(environment()["FLOW_TEST_DB"]), calls) as (superuser_url, tenant_url):
        superuser, tenant = psycopg2.connect(superuser_url.libpq()), psycopg2.connect(tenant_url.libpq())
        superuser.autocommit = tenant.autocommit = True
        with tenant.cursor() as cursor:
            cursor.execute("select access.me()::text, (select id::text from pyfi.socket)")
            ((me, socket),) = cursor.fetchall()
            with superuser.cursor() as asking:
                asking.execute("select access.rank('own')")
                asking.execute(
                    "insert into pyfi.privilege (user_id, \"right\", granted_by) values (%s, 'ALL', %s)", (me, me)
                )
            cursor.execute("select id::text from pyfi.call limit 100")
            pairs = statements(me, [each for (each,) in cursor.fetchall()], socket)
            times: dict[str, dict[str, list[float]]] = {name: {"on": [], "off": []} for name in pairs}
            for _ in range(ROUNDS):
                for which, (word, number) in {"off": ("disable", 1), "on": ("enable", 0)}.items():
                    switched(superuser, word)
                    for name, pair in pairs.items():
                        times[name][which].append(seconds(cursor, pair[number]))
        superuser.close()
        tenant.close()
    worst = 0.0
    print(f"{calls} calls of {OWNERS} owners, median milliseconds")
    for name, found in times.items():
        on, off = min(found["on"]) * 1000, min(found["off"]) * 1000
        worst = max(worst, on / off)
        print(f"{name:<24} on {on:8.3f}  off {off:8.3f}  {on / off:5.2f} x")
    return 1 if worst > MOST else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
