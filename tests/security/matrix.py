"""The matrix as a file: `python -m tests.security.matrix` writes what is; a person reviews it before it is believed."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from psycopg2 import sql

from tests.integration.db.scene import Login, Scene
from tests.security.people import WHO, furnished
from tests.security.tries import VERBS, attempt, outcome, target

FILE = Path(__file__).with_name("matrix.csv")
GROUPS = {"node": "flow_node", "worker": "flow_worker"}
Line = tuple[str, str, str]


def reviewed() -> dict[Line, dict[str, str]]:
    """(kind, object, verb) -> who -> yes, none or denied."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return {
            (row["kind"], row["object"], row["verb"]): {who: row[who] for who in WHO} for row in csv.DictReader(file)
        }


def objects(scene: Scene) -> set[Line]:
    """What must have lines: every table, view, sequence and function of ours with each of its verbs."""
    found = scene.superuser.ask(
        "select case c.relkind when 'r' then 'table' when 'v' then 'view' else 'sequence' end,"
        " n.nspname || '.' || quote_ident(c.relname)"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = any ('{pyfi,ledger,access,agent}') and c.relkind in ('r', 'p', 'v', 'm', 'S')"
        " union select 'function', n.nspname || '.' || p.proname"
        " from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname = any ('{pyfi,ledger,access,agent}')"
    )
    verbs = {"table": VERBS, "view": ("select",), "sequence": ("usage",), "function": ("execute",)}
    return {(kind, name, verb) for kind, name in found for verb in verbs[kind]}


def privilege(scene: Scene, line: Line, who: str, login: Login) -> str:
    """What the catalogue says of a role; anonymous is a group's member who is no user."""
    kind, name, verb = line
    role = scene.roles.group("flow_user") if who == "anonymous" else login.url.user
    asked = f"select has_{kind}_privilege(%s, %s, %s)"
    if kind == "function":
        asked = (
            "select bool_or(has_function_privilege(%s, p.oid, 'execute'))"
            " from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
            " where n.nspname || '.' || p.proname = %s and %s = 'execute'"
        )
    return "yes" if scene.superuser.one(asked, role, name, verb) else "denied"


def found(scene: Scene, people: dict[str, Login], line: Line) -> dict[str, str]:
    """What really happens."""
    kind, name, verb = line
    schema, _, table = name.partition(".")
    if kind == "view":
        return {who: seen(login, name) for who, login in people.items()}
    if kind != "table" or schema != "pyfi" or verb in {"references", "trigger"}:
        return {who: privilege(scene, line, who, login) for who, login in people.items()}
    aim = target(scene, table.strip('"'))
    return {who: attempt(scene, login, aim, verb) for who, login in people.items()}


def seen(login: Login, name: str) -> str:
    """Whether a view shows anything of ann's, the only one who has rows in it."""
    schema, _, view = name.partition(".")
    return outcome(login, sql.SQL("select 1 from {}").format(sql.Identifier(schema, view)))


def write(lines: dict[Line, dict[str, str]]) -> None:
    """Sorted, so that a review sees what changed."""
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kind", "object", "verb", *WHO])
        for line in sorted(lines):
            writer.writerow([*line, *(lines[line][who] for who in WHO)])


def main() -> None:
    """Try everything on a scratch database and write it down."""
    from pyfi.core.urls import parse_database
    from tests.integration.db.installation import installed

    superuser = parse_database(os.environ["FLOW_TEST_DB"])
    with installed("given", superuser) as installation, installation.clone() as scene:
        scene.reset()
        people = furnished(scene)
        write({line: found(scene, people, line) for line in objects(scene)})


if __name__ == "__main__":
    main()
