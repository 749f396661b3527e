"""One initialised PyFI database per server, cloned for each test; nothing stays behind."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import sql

from pyfi.core.urls import DatabaseUrl
from pyfi.db import migrate
from pyfi.db.roles import GROUPS, Roles
from tests.integration.db.scene import PASSWORD, Scene, furnish

_numbers = itertools.count(1)

# A copy of every table beside the schema: what `Scene.reset` goes back to.
REMEMBER = """
create schema kept;
do $$ declare t text; begin
  for t in select tablename from pg_tables where schemaname = 'pyfi' loop
    execute format('create table kept.%I as table pyfi.%I', t, t);
  end loop;
end $$
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A template database that tests clone. `url` is the superuser's."""

    server: str
    url: DatabaseUrl = field(repr=False)
    roles: Roles

    @contextmanager
    def clone(self) -> Iterator[Scene]:
        """A database of its own, as the template was left; dropped at the end."""
        name = f"{self.url.database}_{next(_numbers)}"
        with maintaining(self.url) as ask:
            ask(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier(self.url.database)
                )
            )
            # A database's own grants are not copied with it.
            ask(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))
            # Tests crash nothing but connections, and would mostly wait for the disk.
            ask(sql.SQL("alter database {} set synchronous_commit = off").format(sql.Identifier(name)))
            groups = sql.SQL(", ").join(sql.Identifier(self.roles.group(group)) for group in GROUPS)
            ask(sql.SQL("grant connect on database {} to {}").format(sql.Identifier(name), groups))
        scene = Scene(superuser_url=self.url.at(name), roles=self.roles, server=self.server)
        try:
            yield scene
        finally:
            scene.close()
            with maintaining(self.url) as ask:
                ask(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@contextmanager
def maintaining(url: DatabaseUrl) -> Iterator[Callable[[sql.Composable], None]]:
    """Statements in the server's maintenance database, outside of a transaction."""
    connection = psycopg2.connect(url.at("postgres").libpq())
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield lambda statement: cursor.execute(statement)
    finally:
        connection.close()


@contextmanager
def installed(server: str, superuser: DatabaseUrl) -> Iterator[Installation]:
    """Initialise a template on a server; afterwards neither the database nor a role of it is left."""
    roles = Roles(f"t{os.getpid()}_{secrets.token_hex(3)}")
    url = superuser.at(f"pyfi_{roles.prefix}")
    try:
        migrate.init(
            url,
            prefix=roles.prefix,
            admin="admin",
            password=PASSWORD,
            salt=secrets.token_bytes(16),
            told=lambda _: None,
        )
        installation = Installation(server=server, url=url, roles=roles)
        scene = Scene(superuser_url=url, roles=roles, server=server)
        furnish(scene)
        scene.superuser.ask(REMEMBER)
        scene.close()
        yield installation
    finally:
        migrate.drop(url)
        with maintaining(url) as ask:
            ask(sql.SQL("drop database {}").format(sql.Identifier(url.database)))
        left = roles_like(url, roles.prefix)
        assert not left, f"roles stay behind: {left}"


def roles_like(url: DatabaseUrl, prefix: str) -> list[str]:
    """Roles of the server whose names begin so."""
    return _names(url, "select rolname from pg_roles where starts_with(rolname, %s) order by 1", prefix)


def databases_like(url: DatabaseUrl, prefix: str) -> list[str]:
    """Databases of the server whose names begin so."""
    return _names(url, "select datname from pg_database where starts_with(datname, %s) order by 1", prefix)


def _names(url: DatabaseUrl, query: str, prefix: str) -> list[str]:
    connection = psycopg2.connect(url.at("postgres").libpq())
    try:
        with connection.cursor() as cursor:
            cursor.execute(query, (prefix,))
            return [str(name) for (name,) in cursor.fetchall()]
    finally:
        connection.close()
