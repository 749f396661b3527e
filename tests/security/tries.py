"""What happens when somebody tries: `yes`, `none` (it touches no row) or `denied`. Everything is rolled back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg2
from psycopg2 import sql

from tests.integration.db.scene import Login, Scene
from tests.security.people import row_of

VERBS = ("select", "insert", "update", "delete", "truncate", "references", "trigger")
REFUSED = {"42501", "PF403"}


def outcome(login: Login, statement: sql.Composable, values: tuple[object, ...] = ()) -> str:
    """Of one statement. An error that comes after the policies have let it pass (a key, a trigger) is a yes."""
    connection = login.connection
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return "yes" if cursor.rowcount > 0 else "none"
    except psycopg2.Error as error:
        return "denied" if error.pgcode in REFUSED else "yes"
    finally:
        connection.rollback()
        connection.autocommit = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A table with ann's row: its key, the columns that users may insert and one that they may update."""

    table: str
    key: dict[str, Any]
    row: dict[str, Any]
    inserted: tuple[str, ...]
    updated: str


def target(scene: Scene, table: str) -> Target:
    """Look it up."""
    look, row, name = scene.superuser, row_of(scene, table), f'pyfi."{table}"'
    keys = look.ask(
        "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)"
        " where i.indrelid = %s::regclass and i.indisprimary",
        name,
    )

    def columns(verb: str, group: str) -> tuple[str, ...]:
        found = look.ask(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
            " and attidentity = '' and has_column_privilege(%s, attrelid, attnum, %s) order by attnum",
            name, scene.roles.group(group), verb,
        )  # fmt: skip
        return tuple(each for (each,) in found)

    identities = {
        each
        for (each,) in look.ask(
            "select attname from pg_attribute where attrelid = %s::regclass and attidentity <> ''", name
        )
    }
    plain = tuple(each for each in row if each not in identities)
    group = "flow_admin" if table == "setting" else "flow_user"
    fine = [each for each in columns("UPDATE", group) if each not in {"id", "owner_id", "created", "updated"}]
    return Target(
        table=table,
        key={each: row[each] for (each,) in keys},
        row=row,
        inserted=columns("INSERT", group) or plain,
        updated=fine[0] if fine else plain[0],
    )


def attempt(scene: Scene, login: Login, aim: Target, verb: str) -> str:
    """One verb on ann's row; insert: a row like hers, of one's own."""
    name = sql.Identifier("pyfi", aim.table)
    where = sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(key)) for key in aim.key)
    values = tuple(aim.key.values())
    if verb == "select":
        return outcome(login, sql.SQL("select 1 from {} where {}").format(name, where), values)
    if verb == "delete":
        return outcome(login, sql.SQL("delete from {} where {}").format(name, where), values)
    if verb == "update":
        column = sql.Identifier(aim.updated)
        changed = sql.SQL("update {} set {} = %s where {}").format(name, column, where)
        value = aim.row[aim.updated]
        return outcome(login, changed, (json.dumps(value) if isinstance(value, dict) else value, *values))
    if verb == "truncate":
        return outcome(login, sql.SQL("truncate {}").format(name))
    return inserted(scene, login, aim, name)


def inserted(scene: Scene, login: Login, aim: Target, name: sql.Composable) -> str:
    """A row like ann's, with a key of its own and the asker as owner."""
    me = scene.superuser.ask('select id from pyfi."user" where login = %s', login.url.user)
    row = aim.row | {"id": str(uuid4())} | ({"name": "copy"} if "name" in aim.row else {})
    for column in ("owner_id", "user_id"):
        if column in row and me and aim.table not in {"user_role", "member", "privilege"}:
            row[column] = str(me[0][0])
    if aim.table == "setting":
        row["key"] = "copy"
    given = [column for column in aim.inserted if column in row]
    listed = sql.SQL(", ").join(map(sql.Identifier, given))
    statement = sql.SQL(
        "insert into {name} ({columns}) select {columns} from json_populate_record(null::{name}, %s::json)"
    ).format(name=name, columns=listed)
    return outcome(login, statement, (json.dumps(row),))
