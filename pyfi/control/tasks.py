"""Which socket a call goes to, and why one waits."""

from __future__ import annotations

import secrets
from uuid import UUID

from pyfi.control import consent, find
from pyfi.db.calls import due, waiting_before
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.session import Database
from pyfi.errors import InvalidError, NotFoundError


def sockets_named(
    database: Database, *, socket: str | None = None, task: str | None = None, network: str | None = None
) -> list[Row]:
    """The sockets that the name means; several processors may carry it.

    Args: socket: a name, or `processor/name`. task: instead of it, a function's name.
    Raises: NotFoundError, InvalidError: neither was given. ForbiddenError: the installation's policy refuses one.
    """
    with opened(database) as rows:
        with find.lacking(rows, "RUN_TASK"):
            found = _named(rows, socket=socket, task=task, network=network)
        for row in found:
            fields = {key: row[key] for key in ("network", "processor", "queue", "task", "owner")}
            consent.ask(rows, "run", "socket", row["name"], fields)
        return found


def _named(rows: Rows, *, socket: str | None, task: str | None, network: str | None) -> list[Row]:
    if socket:
        processor, slash, bare = socket.partition("/")
        where = {"processor": processor} if slash else {}
        return find.several(rows, "socket", bare if slash else socket, network=network, **where)
    if not task:
        raise InvalidError("which socket?", hint="give -s SOCKET, or -n TASK; flow ls sockets lists them")
    found = [row for row in rows.find("socket", task=task) if network is None or row["network"] == network]
    if not found:
        raise NotFoundError(f"there is no socket for task {task}", hint=find.nearest(rows, "task", task))
    return [row for row in found if row["mine"]] or found


def chosen(sockets: list[Row]) -> Row:
    """One of them by lot, so that load spreads; running processors before others."""
    for statuses in (("running",), ("starting", "updating"), ("ready",)):
        better = [
            row for row in sockets if row["status"] in statuses and row["requested_status"] in {"running", "paused"}
        ]
        if better:
            return secrets.choice(better)
    return secrets.choice(sockets)


def why_waiting(database: Database, call_id: UUID, socket_id: UUID) -> str:
    """What a call that has not begun waits for, in a few words; '' when it is only a matter of time."""
    with opened(database) as rows:
        if at := due(rows, call_id):
            return f"it is due at {at.astimezone():%Y-%m-%d %H:%M:%S}"
        found = rows.find("socket", id=socket_id)
        processor = rows.find("processor", id=found[0]["processor_id"]) if found else []
        return _reason(rows, processor[0], call_id, socket_id) if processor else ""


def _reason(rows: Rows, processor: Row, call_id: UUID, socket_id: UUID) -> str:
    name, status = processor["name"], processor["status"]
    match processor["requested_status"]:
        case "paused":
            return f"{name} is paused: flow proc resume -n {name}"
        case "stopped" | "removed" as asked:
            return f"{name} is {asked}: flow proc start -n {name}"
    if status == "held":
        return f"{name} is held, {processor['reason']}: flow proc resume -n {name}"
    # Others' nodes are invisible to who is no administrator: none seen means nothing to him.
    if rows.me()["admin"] and rows.live_agents(processor["network"]) == 0:
        return "no agent is running: flow agent start"
    if status == "running":
        before = waiting_before(rows, socket_id, call_id)
        return f"{name}: {before} calls wait before it" if before else ""
    return f"{name}: {processor['reason'] or status}, {int(processor['status_seconds'])} s"
