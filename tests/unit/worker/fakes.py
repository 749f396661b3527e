"""What stands in for database, broker and guest of an engine, and one built with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg2

from pyfi.runner.frames import OK, Done
from pyfi.worker.config import WorkerConfig
from pyfi.worker.database import Rows
from pyfi.worker.engine import Engine
from pyfi.worker.held import Held

SOCKET = str(UUID(int=5))


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


class DataError(psycopg2.DataError):
    """A value that the database refuses."""

    pgcode = "22P02"


class Database:
    """Remembers what is sent; answers, refuses or is lost when told."""

    def fileno(self) -> int:
        """There is no connection."""
        return -1

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[Any, ...]]] = []
        self._on_rows: Callable[[Rows], None] | None = None
        self._on_error: Callable[[psycopg2.Error], None] | None = None
        self.ticks = 0

    @property
    def is_free(self) -> bool:
        return self._on_rows is None

    def send(
        self,
        sql: str,
        parameters: Sequence[Any],
        on_rows: Callable[[Rows], None],
        on_error: Callable[[psycopg2.Error], None],
    ) -> None:
        assert self.is_free
        self.sent.append((sql, tuple(parameters)))
        self._on_rows, self._on_error = on_rows, on_error

    def tick(self) -> None:
        self.ticks += 1

    def close(self) -> None:
        self._on_rows = None

    def answer(self, rows: Rows | None = None) -> None:
        """Rows for what was sent last; by default: all that it finished is finished."""
        on_rows, self._on_rows = self._on_rows, None
        assert on_rows is not None
        on_rows([row("f", each) for each in self.finished] if rows is None else rows)

    def refuse(self, error: psycopg2.Error) -> None:
        """An error for what was sent last."""
        on_error, self._on_rows = self._on_error, None
        assert on_error is not None
        on_error(error)

    def lose(self, engine: Engine) -> None:
        """The connection is lost, and another is made."""
        self._on_rows = None
        engine._on_lost()
        engine._on_connected()

    @property
    def last(self) -> tuple[Any, ...]:
        """The parameters of what was sent last."""
        return self.sent[-1][1]

    @property
    def claim(self) -> list[str]:
        """What the last turn claims."""
        return self.last[1] or []

    @property
    def back(self) -> list[str]:
        """What the last turn gives back."""
        return self.last[5] or []

    @property
    def finished(self) -> list[str]:
        """Whose outcomes the last turn tells."""
        return self.last[7] or []

    @property
    def outcomes(self) -> list[str]:
        """The outcomes that the last turn tells."""
        return self.last[9] or []


class Channel:
    """Remembers acknowledgements."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.is_broken = False

    def tell(self, word: str, tag: int) -> None:
        if self.is_broken:
            raise ConnectionResetError("gone")
        self.told.append((word, tag))

    def basic_ack(self, tag: int, multiple: bool) -> None:
        assert multiple
        self.tell("ack up to", tag)


class Message:
    """A delivered wake-up."""

    def __init__(self, call_id: Any, tag: int = 1, channel: Channel | None = None) -> None:
        self.headers: Any = {"id": call_id}
        self.channel, self.delivery_tag = channel or Channel(), tag

    def ack(self) -> None:
        self.channel.tell("ack", self.delivery_tag)

    def reject(self) -> None:
        self.channel.tell("reject", self.delivery_tag)

    def requeue(self) -> None:
        self.channel.tell("requeue", self.delivery_tag)


class Consumer:
    """Celery's consumer. `during_cancel` is called while it waits for the broker."""

    def __init__(self, during_cancel: Callable[[], None] = lambda: None, channel: Channel | None = None) -> None:
        self.channel = channel or Channel()
        self.during_cancel = during_cancel
        self.task_consumer = SimpleNamespace(cancel=self._cancel, consume=lambda: self.channel.tell("consume", 0))

    def _cancel(self) -> None:
        self.channel.tell("cancel", 0)
        self.during_cancel()


class Guest:
    """Remembers what it is sent; runs nothing."""

    def __init__(self) -> None:
        self.is_ready = True
        self.sent: list[str] = []
        self.started = 0
        self.withdrawn: list[int] = []
        self.replaced: list[str] = []
        self.engine: Engine | None = None
        self.said: list[Done] = []

    def send(self, call: Held, _function: int, _now: float) -> None:
        self.sent.append(call.id)

    def flush(self) -> None:
        """Nothing is kept."""

    is_heard_out = False

    def go_on(self) -> None:
        """Nothing waits."""

    def hear(self) -> None:
        assert self.engine is not None
        said, self.said = self.said, []
        for frame in said:
            self.engine._on_done(frame)

    def withdraw(self, token: int) -> int:
        self.withdrawn.append(token)
        return self.started

    def replace(self, cause: str, *, is_crash: bool = False) -> None:
        assert self.engine is not None
        self.replaced.append(cause)
        self.hear()
        self.engine._on_died(self.started, cause, is_crash)

    def started_token(self) -> int:
        return self.started

    def close(self) -> None:
        self.hear()
        self.is_ready = False


def row(kind: str, call_id: str | None, number: int | None = None, **more: Any) -> tuple[Any, ...]:
    """A row of a turn's answer."""
    if kind == "c":
        return ("c", call_id, number, more.get("attempt", 1), SOCKET, "{}", call_id, None, None)
    return (kind, call_id, number, None, None, more.get("text"), None, None, more.get("ids"))


def done(token: int, seconds: float = 0.001, outcome: int = OK, first: bytes = b"null", second: bytes = b"") -> Done:
    """A guest's outcome."""
    return Done(token, outcome, seconds, first, second)


def config_in(folder: Path, **more: Any) -> WorkerConfig:
    """A worker's configuration; nothing in it answers."""
    return WorkerConfig(
        worker_id=str(UUID(int=1)),
        key="p@n#0",
        node="n",
        database="postgresql://nobody@127.0.0.1:1/none",
        broker="amqp://nobody@127.0.0.1:1//",
        processor_id=str(UUID(int=2)),
        generation=1,
        module="m",
        environment={"python": "python", "checkout": "."},
        mark=str(folder / "mark"),
        home=str(folder),
        **more,
    )


class Bench:
    """An engine with fakes around it, connected, its guest ready."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.clock, self.database, self.guest, self.channel = Clock(), Database(), Guest(), Channel()
        self.codes: list[int] = []
        sockets = [{"id": SOCKET, "name": "s", "task": "t", "address": "q"}]
        self.engine = Engine(
            config_in(folder, **more),
            sockets,
            30.0,
            quit_with=self.codes.append,
            clock=self.clock,  # type: ignore[arg-type]
        )
        self.engine._database = self.database  # type: ignore[assignment]
        self.engine.guest = self.guest  # type: ignore[assignment]
        self.guest.engine = self.engine
        self.engine._resynced = True
        self.consumer = Consumer(channel=self.channel)
        self.broken: list[Exception] = []
        self.engine.inbox.attach(self.consumer, acknowledges_multiple=True, on_broken=self.broken.append)

    def close(self) -> None:
        """End the thread."""
        self.engine._forwarder.close()

    def deliver(self, count: int) -> list[str]:
        """Wake-ups of new calls."""
        ids = [str(uuid4()) for _ in range(count)]
        for tag, each in enumerate(ids, 1):
            self.engine.inbox.deliver(Message(each, tag, self.channel))
        return ids

    def deliver_list(self, count: int, tag: int = 1) -> list[str]:
        """One wake-up that names so many new calls."""
        ids = [str(uuid4()) for _ in range(count)]
        assert self.engine.inbox.deliver(Message(",".join(ids), tag, self.channel))
        return ids

    def hold(self, count: int, first_token: int = 1) -> list[str]:
        """Calls that were delivered and claimed; tokens count from `first_token`."""
        ids = self.deliver(count)
        self.engine.pump()
        assert self.database.claim == ids
        self.database.answer([row("c", each, first_token + number) for number, each in enumerate(ids)])
        return ids

    def pass_seconds(self, seconds: float) -> None:
        """Time passes, then a tick."""
        self.clock.seconds += seconds
        self.engine.tick()
