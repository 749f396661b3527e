"""add, update, ensure: the same for every kind of object."""

from __future__ import annotations

from typing import Any

from pyfi.control import consent, find
from pyfi.control.desired import COLUMNS, Columns, Given, named
from pyfi.core import rights
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.session import Database
from pyfi.errors import AlreadyExistsError


def _same(rows: Rows, kind: str, given: Given, columns: Columns) -> Row | None:
    """The object that `given` names, if it is there already."""
    where: dict[str, Any]
    if kind == "socket":
        where = {"name": given["name"], "processor_id": columns["processor_id"]}
    elif kind == "plug":
        where = {"name": given["name"], "source_id": columns["source_id"]}
    elif kind == "deployment":
        where = {"processor_id": columns["processor_id"], "node_id": columns["node_id"]}
    elif kind == "agent":
        where = {"node_id": columns["node_id"]}
    elif kind in {"network", "role"}:
        where = {"name": given["name"]}
    else:
        where = {"name": given["name"], "network": given.get("network") or "default"}
        if kind != "node":
            where["mine"] = True
    found = rows.find(kind, **where)
    return found[0] if found else None


def add_to(rows: Rows, kind: str, given: Given) -> Row:
    """Insert, inside a transaction.

    Raises: AlreadyExistsError, InvalidError, NotFoundError: what it refers to.
    """
    rows.require(rights.needed("add", kind))
    name = named(kind, given)
    columns = COLUMNS[kind](rows, given)
    found = _same(rows, kind, given, columns)
    if found:
        raise AlreadyExistsError(
            f"there is a {kind} {found['name']} already", hint=f"flow update {kind} -n {found['name']} changes it"
        )
    consent.ask(rows, "add", kind, name.get("name", ""), columns)
    return rows.add(kind, _chosen_id(rows, kind, given) | name | columns)


def _chosen_id(rows: Rows, kind: str, given: Given) -> Columns:
    if not given.get("id"):
        return {}
    chosen = find.checked_id(given["id"])
    if rows.find(kind, id=chosen):
        raise AlreadyExistsError(f"there is a {kind} with id {chosen} already")
    return {"id": chosen}


def change_in(rows: Rows, kind: str, row: Row, given: Given) -> Row:
    """Write what differs, inside a transaction."""
    columns = COLUMNS[kind](rows, row_names(kind, row) | dict(given) | {"exists": True})
    if rename := given.get("rename"):
        columns |= named(kind, {"name": rename})
    differing = {key: value for key, value in columns.items() if key in row and row[key] != value}
    if differing:
        consent.ask(rows, "update", kind, row["name"], differing)
    return rows.change(kind, row["id"], differing)


def row_names(kind: str, row: Row) -> dict[str, Any]:
    """What identifies a row, in the words of `given`."""
    names: dict[str, Any] = {"name": row["name"], "network": row.get("network")}
    if kind == "socket":
        names["processor"] = {"id": row["processor_id"], "name": row["processor"], "network": row["network"]}
    if kind == "node":
        names["hostname"] = row["hostname"]
    if kind in {"agent", "deployment"}:
        names["node"] = row["node"]
    if kind == "deployment":
        names["processor"] = row["processor"]
    return names


def add(database: Database, kind: str, given: Given) -> Row:
    """Make one object.

    Raises: AlreadyExistsError, InvalidError, NotFoundError.
    """
    with opened(database) as rows:
        return add_to(rows, kind, given)


def update(
    database: Database,
    kind: str,
    given: Given,
    *,
    name: str | None = None,
    id_: str | None = None,
    network: str | None = None,
) -> Row:
    """Change one object; what is not given stays.

    Raises: NotFoundError, InvalidError, ConflictError: the name means several.
    """
    with opened(database) as rows:
        row = find.wanted(rows, kind, name=name, id_=id_, network=network, rights=[rights.needed("change", kind)])
        return change_in(rows, kind, row, given)


def ensure_in(rows: Rows, kind: str, given: Given) -> Row:
    """Find or make, and write what differs, inside a transaction."""
    with find.lacking(rows, rights.needed("add", kind)):
        columns = COLUMNS[kind](rows, given)
    row = _same(rows, kind, given, columns)
    if row:
        return change_in(rows, kind, row, given)
    consent.ask(rows, "add", kind, named(kind, given).get("name", ""), columns)
    return rows.add(kind, named(kind, given) | columns)


def ensure(database: Database, kind: str, given: Given) -> Row:
    """Find or make one object by its name; what is given and differs is written.

    Raises: InvalidError, NotFoundError: what it refers to.
    """
    with opened(database) as rows:
        return ensure_in(rows, kind, given)
