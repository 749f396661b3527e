"""Queues as people work with them: how full, what is first, one more call."""

from __future__ import annotations

import secrets
from uuid import UUID

from pyfi.clock import SYSTEM, Clock
from pyfi.control import find
from pyfi.control.selection import Selection, Target
from pyfi.control.tasks import chosen
from pyfi.core.ids import uuid7
from pyfi.core.moments import Moment
from pyfi.db import queues as table
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.session import Database
from pyfi.errors import ConflictError, NotFoundError

LIMITS = ("max_length", "max_length_bytes", "message_ttl", "expires")
EMPTY = {"waiting": 0, "delayed": 0, "running": 0, "parked": 0, "oldest_seconds": None, "consumers": 0}


def listed(database: Database, *, name: str | None = None, network: str | None = None) -> list[Row]:
    """A row for each queue and socket on it, or for a queue without one.

    Raises: NotFoundError: there is no queue of that name.
    """
    with opened(database) as rows:
        queues = find.several(rows, "queue", name, network=network) if name else rows.find("queue")
        if network is not None:
            queues = [queue for queue in queues if queue["network"] == network]
        sockets = rows.find("socket", queue_id=[queue["id"] for queue in queues])
        full = table.backlog(rows, [socket["id"] for socket in sockets])
    found: list[Row] = []
    for queue in queues:
        about = {"id": queue["id"], "queue": queue["name"], "owner": queue["owner"], "network": queue["network"]}
        about |= {"type": queue["type"], **{key: queue[key] for key in LIMITS}}
        on_it = [socket for socket in sockets if socket["queue_id"] == queue["id"]]
        found += [about | _of(socket) | {key: full[socket["id"]][key] for key in EMPTY} for socket in on_it]
        if not on_it:
            found.append(about | _of(None) | EMPTY)
    return found


def _of(socket: Row | None) -> Row:
    keys = {"socket": "name", "socket_id": "id", "processor": "processor", "task": "task", "address": "address"}
    return {key: socket[column] if socket else None for key, column in keys.items()} | {
        "concurrency": socket["concurrency"] if socket else None
    }


def peeked(
    database: Database, *, name: str | None, id_: str | None, network: str | None, socket: str | None, limit: int
) -> list[Row]:
    """The first calls that wait in a queue, in the order in which they would run. Nothing is changed by looking.

    Raises: NotFoundError, ConflictError: the queue's name means several.
    """
    with opened(database) as rows:
        queue = find.wanted(rows, "queue", name=name, id_=id_, network=network)
        sockets = _on(rows, queue, socket)
        return table.first(rows, [each["id"] for each in sockets], limit)


def _on(rows: Rows, queue: Row, socket: str | None) -> list[Row]:
    """The queue's sockets, or those of that name."""
    if socket is None:
        return rows.find("socket", queue_id=queue["id"])
    return find.several(rows, "socket", socket, queue_id=queue["id"])


def send(
    database: Database,
    arguments: str,
    *,
    name: str | None,
    id_: str | None = None,
    network: str | None = None,
    task: str | None = None,
    clock: Clock = SYSTEM,
) -> list[UUID]:
    """Enter a call into a queue; the ids of the calls that it became, all of them or none.

    direct: one call, of one of the sockets. fanout, topic: one first call for each socket that it reaches.

    Raises: NotFoundError: no socket is there. ConflictError: a direct queue has several tasks and none was named.
    """
    with opened(database) as rows:
        queue = find.wanted(rows, "queue", name=name, id_=id_, network=network, rights=["RUN_TASK"])
        targets = _targets(rows, queue, task)
        milliseconds = int(clock.now().timestamp() * 1000)
        ids = sorted(uuid7(milliseconds, secrets.randbits(74)) for _ in targets)
        for call_id, socket in zip(ids, targets, strict=True):
            table.submit(rows, call_id, socket["id"], arguments)
        return ids


def _targets(rows: Rows, queue: Row, task: str | None) -> list[Row]:
    spreads = queue["type"] != "direct"
    sockets = rows.find("socket", id=table.reached(rows, queue["id"])) if spreads else _on(rows, queue, None)
    tasks = sorted({socket["task"] for socket in sockets})
    if task is not None:
        sockets = [socket for socket in sockets if socket["task"] == task]
    if not sockets:
        of_task = f" of task {task}" if task and tasks else ""
        hint = f"its tasks are {', '.join(tasks)}" if of_task else f"flow add socket -n NAME -q {queue['name']} ..."
        raise NotFoundError(f"queue {queue['name']} has no socket{of_task}", hint=hint)
    if spreads:
        return sockets
    if len({socket["task"] for socket in sockets}) > 1:
        raise ConflictError(
            f"queue {queue['name']} is direct and has sockets of several tasks: {', '.join(tasks)}",
            hint=f"name one: --task {tasks[0]}",
        )
    return [chosen(sockets)]


def waiting_in(
    database: Database,
    name: str,
    *,
    network: str | None = None,
    socket: str | None = None,
    older_than: Moment | None = None,
    limit: int | None = None,
) -> Target:
    """The calls that wait in a queue, for a verb.

    Raises: NotFoundError, ConflictError: the queue's name means several.
    """
    with opened(database) as rows:
        find.wanted(rows, "queue", name=name, id_=None, network=network, rights=["CANCEL_TASK"])
    asked = Selection(states=("queued",), queue=name, network=network, socket=socket, until=older_than)
    return Target(selection=asked, limit=limit)
