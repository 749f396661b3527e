"""Who is logged in to the database, and what he may do there."""

from __future__ import annotations

import secrets

import psycopg2
import pytest

from pyfi.core.scram import verifier
from tests.network import Network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PASSWORD = "s3cret-of-a-tenant"


def add_user(net: Network, name: str) -> dict[str, str]:
    """A user who is no administrator; gives the variables with which `flow` works as him."""
    with psycopg2.connect(net.admin.libpq()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select access.create_user(%s, null, %s, false, '{member}')",
            (name, verifier(PASSWORD, secrets.token_bytes(16))),
        )
    connection.close()
    return {"FLOW_DB": net.database.login(f"{net.prefix}.{name}", PASSWORD).libpq(), "FLOW_HOME": str(net.home / name)}


def test_everybody_is_a_plain_login(net: Network) -> None:
    """Agent, relay, sweeper, workers, command line and client: no superuser, no owner, nobody past the policies."""
    net.processor("echo")
    net.start_agent()
    net.flow("task", "run", "-s", "proc.echo", "-d", "1")
    calls = net.calls()
    calls.outcomes([])
    seen = net.rows(
        "select a.application_name, r.rolname, r.rolsuper or r.rolbypassrls or r.rolcreaterole,"
        " exists (select from pg_class c where c.relowner = r.oid)"
        " from pg_stat_activity a join pg_roles r on r.rolname = a.usename"
        " where a.datname = current_database() and a.pid <> pg_backend_pid()"
    )
    applications = {row[0] for row in seen}
    assert {"pyfi agent", "pyfi relay", "pyfi sweeper", "pyfi worker", "pyfi client"} <= applications
    assert [row for row in seen if row[2] or row[3]] == []
    roles = {row[0]: row[1] for row in seen}
    assert roles["pyfi agent"] == f"{net.prefix}:node:node1"
    assert roles["pyfi worker"] == f"{net.prefix}:worker:node1"
    assert roles["pyfi client"] == f"{net.prefix}.admin"


def test_the_ledger_is_written_by_nobody_who_can_log_in(net: Network) -> None:
    """A tenant with psql forges no call, no state, no wake-up."""
    add_user(net, "ann")
    connection = psycopg2.connect(net.database.login(f"{net.prefix}.ann", PASSWORD).libpq())
    connection.autocommit = True
    columns = {"call": "name", "outbox": "address", "event": "name", "log": "text", "counter": "value"}
    statements = [
        f"{verb} pyfi.{table}{rest}"
        for table, column in columns.items()
        for verb, rest in (
            ("insert into", " default values"),
            ("update", f" set {column} = {column}"),
            ("delete from", ""),
            ("truncate", ""),
        )
    ]
    with connection.cursor() as cursor:
        for statement in statements:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
    connection.close()


def test_two_users_do_not_see_each_other(net: Network) -> None:
    """Neither processors nor calls, by command line and by SQL; and neither runs the other's sockets."""
    ann, bob = add_user(net, "ann"), add_user(net, "bob")
    repository = net.repository()
    for who, name in ((ann, "annproc"), (bob, "bobproc")):
        net.flow("add", "queue", "-n", f"{name}.queue", "-t", "direct", env=who)
        net.flow("add", "processor", "-n", name, "-g", str(repository), "-m", "functions", "-c", "1", env=who)
        net.flow("add", "socket", "-n", f"{name}.echo", "-q", f"{name}.queue", "-pn", name, "-t", "echo", env=who)
    net.start_agent()
    assert net.flow("task", "run", "-s", "annproc.echo", "-d", "'mine'", env=ann).stdout == b"mine\n"
    assert net.flow("task", "run", "-s", "bobproc.echo", "-d", "'his'", env=bob).stdout == b"his\n"
    for who, own, other in ((ann, "annproc", "bobproc"), (bob, "bobproc", "annproc")):
        for noun in ("processors", "sockets", "queues", "calls", "workers"):
            shown = net.flow("ls", noun, env=who).stdout.decode()
            assert own in shown, noun
            assert other not in shown, noun
        refused = net.flow("task", "run", "-s", f"{other}.echo", "-d", "1", code=1, env=who)
        assert b"no socket" in refused.stderr
        connection = psycopg2.connect(who["FLOW_DB"])
        with connection, connection.cursor() as cursor:
            cursor.execute("select name from pyfi.processor union all select name from pyfi.call")
            assert {row[0].split(".")[0] for row in cursor.fetchall()} == {own}
        connection.close()
