"""listen: what happens to calls and to the model, as messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pyfi.control import calls as control_calls
from pyfi.control import find
from pyfi.core.names import DEFAULT_NETWORK
from pyfi.db import heard
from pyfi.db.calls import read
from pyfi.db.notify import Listener
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.session import Database
from pyfi.errors import ConflictError, InvalidError, NotFoundError

CHANNELS = ("task", "log", "event", "global")
Message = dict[str, Any]
REMEMBERED = 50_000
STREAMS = {1: "stdout", 2: "stderr", 3: "logging"}


def sockets_meant(database: Database, name: str, channel: str) -> dict[UUID, Row]:
    """The sockets that NAME names: a socket, else a processor, else `queue.processor`, with or without the channel.

    Raises: NotFoundError. ConflictError: it can be read in several ways; they are listed.
    """
    with opened(database) as rows:
        for reading in (name, name.removesuffix(f".{channel}")):
            found = rows.find("socket", name=reading) or rows.find("socket", processor=reading)
            found = found or _by_room(rows, reading)
            if found:
                return {row["id"]: row for row in found}
        raise NotFoundError(
            f"there is no socket, processor or queue.processor {name}", hint=find.nearest(rows, "socket", name)
        )


def _by_room(rows: Rows, reading: str) -> list[Row]:
    """`queue.processor`, and with the task behind it; both names may hold dots."""
    readings: dict[tuple[str, str], list[Row]] = {}
    for row in rows.find("socket"):
        if reading in {room(row), f"{room(row)}.{row['task']}"}:
            readings.setdefault((row["queue"], row["processor"]), []).append(row)
    if len(readings) > 1:
        listed = ", ".join(f"queue {queue} of processor {processor}" for queue, processor in readings)
        raise ConflictError(f"{reading} can be read as {listed}", hint="name the socket or the processor")
    return next(iter(readings.values()), [])


def room(socket: Row) -> str:
    """What the founding documents call a room: `queue.processor`."""
    own = f"{socket['queue']}.{socket['processor']}"
    return own if socket["network"] == DEFAULT_NETWORK else f"{socket['network']}:{own}"


@dataclass
class Ear:
    """Turns wake-ups into messages of one channel, each once."""

    database: Database
    channel: str
    sockets: dict[UUID, Row]
    _told: OrderedDict[Hashable, None] = field(default_factory=OrderedDict)

    def hear(self, kind: str, ids: frozenset[UUID]) -> Iterator[Message]:
        """The messages of one wake-up: c running for long, d done, l log lines."""
        if ids and kind in ({"l", "d"} if self.channel == "log" else {"c", "d"}):
            yield from self._logs(ids) if self.channel == "log" else self._events(ids)

    def _calls(self, ids: frozenset[UUID]) -> dict[UUID, Row]:
        with opened(self.database) as rows:
            found = heard.calls(rows, list(ids))
        return {row["id"]: row for row in found if row["socket_id"] in self.sockets}

    def _base(self, call: Row, state: str, at: datetime) -> Message:
        socket = self.sockets[call["socket_id"]]
        return {
            "channel": self.channel,
            "state": state,
            "date": str(at),
            "room": room(socket),
            "module": socket["module"],
            "task": socket["task"],
            "socket": socket["name"],
            "call": str(call["id"]),
            "attempt": call["attempt"],
        }

    def _events(self, ids: frozenset[UUID]) -> Iterator[Message]:
        # Events first: a call read after them is at least as far as they say.
        events = control_calls.events_of(self.database, ids)
        mine = self._calls(ids)
        for event in events:
            call = mine.get(event["call_id"])
            if call is None or not self._is_new((call["id"], event["name"], event["at"])):
                continue
            if self.channel == "event":
                yield self._base(call, event["name"], event["at"]) | {"message": event["note"]}
            elif event["name"] in {"received", "prerun", "postrun"}:
                state = "running" if event["name"] == "prerun" else event["name"]
                message = self._base(call, state, event["at"])
                yield message | (self._outcome(call) if state == "postrun" else {})

    def _is_new(self, key: Hashable) -> bool:
        """Whether it was not told yet. Wake-ups name a call again and again; the oldest keys are forgotten."""
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True

    def _outcome(self, call: Row) -> Message:
        if call["result_payload"] is not None:
            with opened(self.database) as rows:
                call["result"] = read(rows, call["id"], "result")
        return {"outcome": call["state"], "message": call["error"] if call["state"] == "failed" else call["result"]}

    def _logs(self, ids: frozenset[UUID]) -> Iterator[Message]:
        mine = self._calls(ids)
        with opened(self.database) as rows:
            lines = heard.lines(rows, list(mine))
        for line in lines:
            if not self._is_new(line["id"]):
                continue
            call = mine[line["call_id"]]
            state = STREAMS.get(line["stream"], "log")
            yield self._base(call, state, line["at"]) | {"message": line["text"].rstrip("\n")}


def listen(
    database: Database, name: str | None, channel: str, told: Callable[[Message], None], ready: Callable[[str], None]
) -> None:
    """Tell each message until interrupted. `ready` is told what is listened to once nothing can be missed.

    Raises: InvalidError: no such channel, or no name. NotFoundError, ConflictError: the name.
    """
    if channel not in CHANNELS:
        raise InvalidError(f"there is no channel {channel}", hint=f"channels are {', '.join(CHANNELS)}")
    if channel == "global":
        _listen_to_model(database, told, ready)
        return
    if not name:
        raise InvalidError("listen to what?", hint="give -n with the name of a socket or processor")
    ear = Ear(database, channel, sockets_meant(database, name, channel))
    with Listener(database.url, "pyfi_call", application="pyfi listen") as listener:
        ready(name)
        while True:
            for payload in listener.wait():
                kind, ids = heard.wake(payload)
                for message in ear.hear(kind, ids):
                    told(message)


def _listen_to_model(database: Database, told: Callable[[Message], None], ready: Callable[[str], None]) -> None:
    with Listener(database.url, "pyfi_model", application="pyfi listen") as listener:
        with opened(database) as rows:
            since = heard.now(rows)
        ready("global")
        while True:
            for kind in sorted(set(listener.wait())):
                with opened(database) as rows:
                    changed = heard.changed(rows, kind, since)
                for row in changed:
                    told(
                        {
                            "channel": "global",
                            "state": row.get("status") or "changed",
                            "date": str(row["updated"]),
                            "kind": kind,
                            "name": row["name"],
                            "id": str(row["id"]),
                        }
                    )
                if not changed:
                    told({"channel": "global", "state": "deleted or out of sight", "kind": kind})
            with opened(database) as rows:
                since = heard.now(rows)
