"""Sockets, which can be called, and plugs between them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any
from uuid import UUID

from pyfi.client.connection import connection
from pyfi.client.handle import Handle
from pyfi.client.objects import NetworkObject, Processor, Queue, not_yet, queue_name
from pyfi.client.results import Results
from pyfi.client.user import checked_user
from pyfi.control import find, tasks, verbs
from pyfi.control.arguments import encoded
from pyfi.db.rows import Row, opened
from pyfi.errors import InvalidError
from pyfi.ledger.calls import BATCH
from pyfi.ledger.options import CallOptions, Moment

AnyQueue = Queue | Mapping[str, Any] | str


class Socket(NetworkObject):
    """One function behind one queue. Calling the object calls the function and waits for its result.

    A bare name that several processors carry means all of them; each call goes to one.
    """

    kind = "socket"

    def __init__(
        self,
        name: str,
        *,
        processor: Processor | str | None = None,
        queue: AnyQueue | None = None,
        task: str | None = None,
        concurrency: int | None = None,
        rate: float | str | None = None,
        burst: int | None = None,
        description: str | None = None,
        network: str | None = None,
        interval: int | None = None,
        user: object = None,
    ) -> None:
        """Find it by name; with a processor, find or make it there (then queue and task say what it is).

        Args: concurrency: most calls at once, network-wide. rate: most in a second, or `10/s`, `100/m`, `5/h`. burst:
            how many may begin at once.

        Raises: NotFoundError, InvalidError.
        """
        checked_user(user)
        not_yet("schedules are not there", interval=interval)
        database = connection().database
        self._options = CallOptions()
        self._name, self._network = name, network
        if processor is None:
            if queue is not None or task is not None:
                raise InvalidError(f"socket {name} needs a processor", hint="Socket(name=..., processor=..., ...)")
            self._rows = tasks.sockets_named(database, socket=name, network=network)
        else:
            given = {
                "name": name,
                "processor": _processor_row(processor, network),
                "task": task,
                "concurrency": concurrency,
                "rate": rate,
                "burst": burst,
                "description": description,
            }
            self._rows = [self._ensured(given, queue)]
        super().__init__(self._rows[0])

    @staticmethod
    def _ensured(given: dict[str, Any], queue: AnyQueue | None) -> Row:
        database, processor = connection().database, given["processor"]
        with opened(database) as rows:
            exists = bool(rows.find("socket", name=given["name"], processor_id=processor["id"]))
        name = queue_name(queue, processor["network"])
        return verbs.ensure(database, "socket", given | {"queue": name, "exists": exists})

    def _target(self) -> Row:
        if len(self._rows) > 1:
            self._rows = tasks.sockets_named(connection().database, socket=self._name, network=self._network)
        return tasks.chosen(self._rows)

    def delay(self, *args: Any, **kwargs: Any) -> Handle:
        """Enter the call and return at once. It is never lost from here on.

        Raises: InvalidError: the arguments are not JSON. NotFoundError: the socket was deleted.
        """
        text = encoded(args, kwargs)
        (call_id,) = connection().calls().submit(self._target()["id"], [text], options=self._options)
        return Handle(call_id)

    def map(self, iterable: Iterable[Any], *more: Iterable[Any]) -> Results:
        """Enter one call for each item, as Python's `map` does; of several iterables each gives one argument.

        Items are taken as they come, a thousand at a time. When this returns all are entered, and the broker has
        their wake-ups or a relay brings them.

        Raises: InvalidError: an item is not JSON. NotFoundError: the socket was deleted. Also what an iterable raises:
            calls of the thousands before it are entered then.
        """
        return Results(
            connection().calls().submit_many(self._batches(zip(iterable, *more, strict=False)), self._options)
        )

    def _batches(self, items: Iterator[tuple[Any, ...]]) -> Iterator[tuple[UUID, list[str]]]:
        """What is entered together. A name that means several sockets is shared among them."""
        while batch := list(islice(items, BATCH)):
            target = self._target()
            shares: dict[UUID, list[str]] = {}
            for args in batch:
                id_ = target["id"] if len(self._rows) == 1 else tasks.chosen(self._rows)["id"]
                shares.setdefault(id_, []).append(encoded(args, {}))
            yield from shares.items()

    def options(
        self,
        *,
        delay: Moment | None = None,
        expires: Moment | None = None,
        deadline: Moment | None = None,
        key: str | None = None,
        priority: int | None = None,
    ) -> Socket:
        """This socket, whose calls have these rules; what is not given is as it was.

        Args: delay: not begun before. expires: fails if not started by then. deadline: fails if not ended by then.
            All three: seconds from now, a timedelta, or an aware datetime. key: the same key with the same arguments
            is the same call. priority: -10 to 10, higher ones first.
        """
        given: dict[str, Any] = {
            "not_before": delay,
            "expires": expires,
            "deadline": deadline,
            "key": key,
            "priority": priority,
        }
        bound = copy.copy(self)
        bound._options = replace(self._options, **{name: each for name, each in given.items() if each is not None})
        return bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result, waited for.

        Raises: CallFailedError, CallCancelledError, InvalidError, NotFoundError.
        """
        return self.delay(*args, **kwargs).get()


class Plug(NetworkObject):
    """What the source returns (or, of type ERROR, how it fails) becomes a call of the target, or one argument of it."""

    kind = "plug"

    def __init__(
        self,
        name: str,
        *,
        source: Socket | str | None = None,
        target: Socket | str | None = None,
        queue: AnyQueue | None = None,
        processor: Processor | str | None = None,
        type: str | None = None,  # noqa: A002 # the founding documents' word
        argument: str | None = None,
        description: str | None = None,
        network: str | None = None,
        user: object = None,
    ) -> None:
        """Find it by name; with source, target and queue, find or make it.

        Raises: NotFoundError, InvalidError: `processor` is not the source's.
        """
        checked_user(user)
        database = connection().database
        if source is None:
            with opened(database) as rows:
                row = find.one(rows, "plug", name, network=network)
            super().__init__(row)
            return
        source_row = _socket_row(source, network)
        if processor is not None and _processor_row(processor, network)["id"] != source_row["processor_id"]:
            raise InvalidError(f"plug {name}: its source is a socket of processor {source_row['processor']}")
        given = {
            "name": name,
            "source": source_row,
            "target": _socket_row(target, network) if target is not None else None,
            "queue": queue_name(queue, source_row["network"]),
            "type": type.upper() if type else None,
            "argument": argument,
            "description": description,
        }
        super().__init__(verbs.ensure(database, "plug", given))


def _processor_row(processor: Processor | str, network: str | None) -> Row:
    if isinstance(processor, Processor):
        return processor.row
    with opened(connection().database) as rows:
        return find.one(rows, "processor", processor, network=network)


def _socket_row(socket: Socket | str, network: str | None) -> Row:
    if isinstance(socket, Socket):
        return socket.row
    with opened(connection().database) as rows:
        return find.one(rows, "socket", socket, network=network)
