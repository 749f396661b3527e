"""`python -m pyfi.db.check [superuser's url]`: the gate of the schema, on a scratch database that it removes again.

Without a URL it uses the server that FLOW_TEST_DB names, else an embedded one of its own.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

import pyfi.db.tables  # noqa: F401 # fills the metadata
from pyfi.core.urls import DatabaseUrl, parse_database
from pyfi.db import migrate
from pyfi.db.base import SCHEMA, Base
from pyfi.db.generated import stale
from pyfi.db.lint import findings
from pyfi.db.policies import TABLES
from pyfi.db.roles import Roles
from pyfi.errors import NotFoundError, PyfiError
from pyfi.settings import environment
from pyfi.stack.stack import down, up


def check(superuser: DatabaseUrl) -> list[str]:
    """What is wrong with models, migrations and rights, one sentence each; nothing when all is well.

    Raises: ForbiddenError: not a superuser. DatabaseUnavailableError.
    """
    roles = Roles(f"check_{secrets.token_hex(4)}")
    url = superuser.at(f"pyfi_{roles.prefix}")
    try:
        migrate.init(url, prefix=roles.prefix, admin="admin", password="x", salt=b"0" * 16, told=lambda _: None)  # noqa: S106 # of a login that is gone at once
        with migrate.connected(url) as connection:
            found = [*_generated(), *_heads(connection, roles), *differences(connection), *findings(connection, roles)]
            found += undeclared(connection)
            found += _there_and_back(connection, roles)
        return found
    finally:
        # What failed within init left neither schema nor roles.
        with contextlib.suppress(NotFoundError):
            migrate.drop(url)
        with migrate.connected(url.at("postgres"), autocommit=True) as connection:
            connection.exec_driver_sql(f'drop database "{url.database}"')


def _heads(connection: Connection, roles: Roles) -> list[str]:
    heads = ScriptDirectory.from_config(migrate.configured(connection, roles)).get_heads()
    return [] if len(heads) == 1 else [f"the migrations have {len(heads)} heads: {', '.join(heads)}"]


def _generated() -> list[str]:
    return [f"{name} is not what is declared: python -m pyfi.db.generated --write" for name in stale()]


def undeclared(connection: Connection) -> list[str]:
    """Policies and tables of the database that pyfi/db/policies.py does not know."""
    there = set(
        connection.execute(text("select policyname from pg_catalog.pg_policies where schemaname = 'pyfi'")).scalars()
    )
    tables = set(
        connection.execute(text("select tablename from pg_catalog.pg_tables where schemaname = 'pyfi'")).scalars()
    )
    declared = {
        f"{name}_{verb}"
        for name, table in TABLES.items()
        for verb in ("select", "insert", "update", "delete")
        if getattr(table, verb)
    }
    found = [f"the policy {name} is not declared in pyfi/db/policies.py" for name in sorted(there - declared)]
    found += [f"the policy {name} is declared, and missing" for name in sorted(declared - there)]
    return found + [
        f"the table {name} is not declared in pyfi/db/policies.py" for name in sorted(tables - TABLES.keys())
    ]


def differences(connection: Connection) -> list[str]:
    """Where the models and the tables are not the same."""
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": lambda name, type_, _parent: type_ != "schema" or name == SCHEMA,
            "compare_type": True,
        },
    )
    return [f"models and migrations differ: {_shown(each)}" for each in compare_metadata(context, Base.metadata)]


def _shown(difference: object) -> str:
    return " ".join(repr(difference).split())


def _there_and_back(connection: Connection, roles: Roles) -> list[str]:
    """Down to nothing and up again gives the same schema."""
    before = _schema(connection)
    config = migrate.configured(connection, roles)
    point = connection.begin_nested()
    command.downgrade(config, "base")
    left = [name for name in _schema(connection) if not name.startswith("access.alembic_version")]
    command.upgrade(config, "head")
    migrate.settle_owners(connection, roles)
    after = _schema(connection)
    point.rollback()
    found = [f"the downgrade leaves {each}" for each in left]
    return found + [f"down and up again changes {each}" for each in sorted(before ^ after)]


def _schema(connection: Connection) -> set[str]:
    """Every relation, function, trigger and policy of ours: name, owner, rights and definition."""
    rows = connection.execute(
        text("""
        select concat(n.nspname, '.', c.relname, ' ', c.relkind, c.relowner::regrole, c.relacl, c.relrowsecurity,
            c.relforcerowsecurity, pg_get_viewdef(c.oid))
          from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          where n.nspname in ('pyfi', 'ledger', 'access', 'agent') and c.relkind in ('r', 'p', 'v', 'S', 'i')
        union all
        select concat(p.oid::regprocedure, ' ', p.proowner::regrole, p.proacl, pg_get_functiondef(p.oid))
          from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
          where n.nspname in ('pyfi', 'ledger', 'access', 'agent')
        union all
        select pg_get_triggerdef(t.oid) from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid
          where c.relnamespace = to_regnamespace('pyfi') and not t.tgisinternal
        union all
        select concat(tablename, '.', policyname, cmd, roles, qual, with_check)
          from pg_catalog.pg_policies where schemaname = 'pyfi'
        """)
    ).scalars()
    return set(rows)


@contextmanager
def _server(arguments: list[str]) -> Iterator[DatabaseUrl]:
    named = arguments[0] if arguments else environment().get("FLOW_TEST_DB")
    if named:
        yield parse_database(named)
        return
    home = Path(tempfile.mkdtemp(prefix="pyfi-check-"))
    try:
        yield parse_database(up(home, foreground=True).db)
    finally:
        down(home)
        shutil.rmtree(home)


def main(arguments: list[str]) -> int:
    """Print what is wrong; 0 when nothing is."""
    try:
        with _server(arguments) as superuser:
            found = check(superuser)
    except PyfiError as error:
        found = [error.message]
    for each in found:
        print(f"db: {each}", file=sys.stderr)  # noqa: T201 # a program's output
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
