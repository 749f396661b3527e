"""delete: refused as long as something needs the object, unless everything that does is to go too."""

from __future__ import annotations

from pyfi.control import consent, find
from pyfi.core.rights import needed
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.session import Database
from pyfi.db.usage import open_calls, users_of
from pyfi.errors import ConflictError, InUseError

SHOWN = 10


def delete(
    database: Database,
    kind: str,
    *,
    name: str | None = None,
    id_: str | None = None,
    network: str | None = None,
    cascade: bool = False,
) -> list[tuple[str, Row]]:
    """Delete one object, with `cascade` also what needs it; gives what went, users first.

    Raises: ForbiddenError, NotFoundError. InUseError: with the list of its users. ConflictError: the default network;
        a live agent.
    """
    with opened(database) as rows:
        rows.require(needed("delete", kind))
        row = find.wanted(rows, kind, name=name, id_=id_, network=network)
        _refuse_vital(kind, row)
        order: list[tuple[str, Row]] = []
        _collect(rows, kind, row, order)
        users = order[:-1]
        if users and not cascade:
            listed = [f"{user} {each['name']}" for user, each in users]
            more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
            raise InUseError(
                f"{kind} {row['name']} is in use by {', '.join(listed[:SHOWN])}{more}",
                hint=f"flow delete {kind} -n {row['name']} --cascade deletes these too",
            )
        _refuse_open_calls(rows, order, cascade=cascade)
        for each_kind, each in order:
            consent.ask(rows, "delete", each_kind, each["name"])
            rows.delete(each_kind, [each["id"]])
        return order


def _collect(rows: Rows, kind: str, row: Row, order: list[tuple[str, Row]]) -> None:
    for user_kind, user in users_of(rows, kind, row):
        if all(user["id"] != known["id"] for _, known in order):
            _collect(rows, user_kind, user, order)
    order.append((kind, row))


def _refuse_vital(kind: str, row: Row) -> None:
    if kind == "network" and row["name"] == "default":
        raise ConflictError("the default network is meant when none is named; it stays")
    if kind == "agent" and row["status"] == "running":
        raise ConflictError(f"agent {row['name']} is running", hint="stop it first: Ctrl-C, SIGTERM or flow down")


def _refuse_open_calls(rows: Rows, order: list[tuple[str, Row]], *, cascade: bool) -> None:
    if cascade:
        return
    for kind, row in order:
        count = open_calls(rows, row["id"]) if kind == "socket" else 0
        if count:
            raise InUseError(
                f"socket {row['name']} has {count} calls that are not finished",
                hint=f"flow ls calls -u shows them; flow delete socket -n {row['name']} --cascade gives them up",
            )
