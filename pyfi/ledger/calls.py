"""Submitting calls and waiting for them, as one login."""

from __future__ import annotations

import contextlib
import json
import secrets
import select
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg2

from pyfi.clock import SYSTEM, Clock
from pyfi.core.ids import uuid7
from pyfi.core.urls import DatabaseUrl
from pyfi.errors import DatabaseUnavailableError, InvalidError, QueueFullError
from pyfi.faultpoints import fault
from pyfi.ledger.connection import Link, Prepared, mapping
from pyfi.ledger.options import CallOptions
from pyfi.ledger.outcome import COLUMNS, LogLine, Outcome, from_row
from pyfi.ledger.payloads import uploaded, value
from pyfi.ledger.sending import Sending

BATCH = 1000
# Longer arguments are uploaded before their call is submitted.
UPLOADED_LENGTH = 1 << 20
# A lost notification costs at most this.
POLL_SECONDS = 1.0
# How long a submission waits for room in a full queue, and how often it looks.
ROOM_SECONDS = 60.0
ROOM_POLL_SECONDS = 0.2
# Who waits for more than these reads their outcomes in portions.
FEW = 64
GATHER_SECONDS = 0.02
# Of calls that were entered and never waited for.
MOST_UNHEARD = 20_000

# Of one id apart: Postgres plans an array each time, for its length.
OUTCOME = Prepared(name="outcome", types=("uuid",), text=f"select {COLUMNS} from pyfi.call where id = $1")  # noqa: S608 # constant columns
OUTCOMES = f"select {COLUMNS} from pyfi.call where id = any (%s::uuid[])"  # noqa: S608
LINES = Prepared(
    name="lines",
    types=("uuid", "bigint"),
    text="select id, attempt, stream, at, text from ledger.lines($1, $2)",
)

Wake = tuple[str, frozenset[UUID]]


class Calls:
    """One login's calls. Connects when first used; not thread-safe.

    With a broker URL the wake-ups are published at once; without one, or when the broker is away, a relay does it.
    """

    def __init__(self, database: DatabaseUrl, broker: str | None = None, *, clock: Clock = SYSTEM) -> None:
        """`broker`: RabbitMQ's or Redis's URL, or None."""
        self._link = Link(database.libpq(), application="pyfi client", channels=("pyfi_call",))
        self._sending = Sending(broker, self._forget, clock) if broker else None
        self._clock = clock
        # Entered over this very connection, which listens, and not heard of since: no need to look before waiting.
        self._unheard: set[UUID] = set()
        self._heard_over: object = None

    def new_id(self) -> UUID:
        """An id for a call, chosen before the first try, so that a second try is the same call."""
        return uuid7(int(self._clock.now().timestamp() * 1000), secrets.randbits(74))

    def submit(
        self,
        socket_id: UUID,
        arguments: Sequence[str],
        ids: Sequence[UUID] | None = None,
        options: CallOptions | None = None,
        room_seconds: float = ROOM_SECONDS,
    ) -> list[UUID]:
        """Enter one call per text of `arguments` (JSON `{"args": [...], "kwargs": {...}}`). Accepted means never lost.

        Of several, the wake-ups are confirmed by the broker, or left to a relay, when this returns.
        The same id again with the same arguments returns the first call, and so does the same key of the options.
        Where a queue is full this waits for room, at most `room_seconds`, and enters meanwhile what fits.

        Raises: NotFoundError, ConflictError, InvalidError: nothing of the batch was entered. QueueFullError: the time
            is up; without waiting nothing of up to BATCH calls was entered. The same ids may be tried again.
        """
        rules = options.document() if options is not None else None
        if options is not None and options.key is not None:
            if len(arguments) != 1:
                raise InvalidError(f"the key {options.key!r} can be that of one call, not of {len(arguments)}")
            ids = [self._id_of_key(socket_id, options.key)]
        chosen = list(ids) if ids is not None else [self.new_id() for _ in arguments]
        self._submit_all(socket_id, chosen, arguments, rules, room_seconds)
        if self._sending is not None and len(chosen) > 1:
            self._sending.settle(wait=True)
        return chosen

    def submit_many(
        self, batches: Iterable[tuple[UUID, Sequence[str]]], options: CallOptions | None = None
    ) -> list[UUID]:
        """Enter batch after batch, (socket's id, arguments) each, as they come; at most BATCH calls are held at a time.

        The broker confirms one while the next is entered; all are confirmed, or left to a relay, when this returns.

        Raises: NotFoundError, InvalidError, QueueFullError: what came before that batch was entered.
        """
        rules = options.document() if options is not None else None
        if options is not None and options.key is not None:
            raise InvalidError(f"the key {options.key!r} can be that of one call, not of many")
        entered: list[UUID] = []
        for socket_id, arguments in batches:
            for start in range(0, len(arguments), BATCH):
                texts = arguments[start : start + BATCH]
                ids = [self.new_id() for _ in texts]
                self._submit_all(socket_id, ids, texts, rules, ROOM_SECONDS)
                entered += ids
        if self._sending is not None:
            self._sending.settle(wait=True)
        return entered

    def _id_of_key(self, socket_id: UUID, key: str) -> UUID:
        ((named,),) = self._rows("select ledger.key_id(%s::uuid, %s)", (str(socket_id), key))
        return UUID(named)

    def _submit_all(
        self, socket_id: UUID, ids: Sequence[UUID], arguments: Sequence[str], rules: str | None, room_seconds: float
    ) -> None:
        """Batch after batch; where a queue is full in smaller ones, as room comes.

        Raises: QueueFullError: not within the time.
        """
        until = self._clock.monotonic() + room_seconds
        start, size = 0, BATCH
        while start < len(ids):
            try:
                self._submit_batch(socket_id, ids[start : start + size], arguments[start : start + size], rules)
            except QueueFullError:
                if self._clock.monotonic() >= until:
                    raise
                # Half of it may fit; for a single one there is nothing but to wait.
                size = min(size, len(ids) - start)
                if size == 1:
                    self._clock.sleep(ROOM_POLL_SECONDS)
                size = max(1, size // 2)
            else:
                start, size = start + size, min(BATCH, 2 * size)

    def _submit_batch(
        self, socket_id: UUID, ids: Sequence[UUID], arguments: Sequence[str], rules: str | None = None
    ) -> None:
        named = [str(each) for each in ids]
        texts: list[str | None] = list(arguments)
        uploads: list[str | None] | None = None
        if any(len(text) > UPLOADED_LENGTH for text in arguments):
            uploads = [str(uploaded(self._rows, text)) if len(text) > UPLOADED_LENGTH else None for text in arguments]
            texts = [text if upload is None else None for text, upload in zip(arguments, uploads, strict=True)]
        fault("client.entering")
        ((outbox, address),) = self._rows(
            "select outbox, address from ledger.enter(%s::uuid[], %s::uuid, %s::text[], %s, %s::jsonb, %s::uuid[])",
            (named, str(socket_id), texts, self._sending is not None, rules, uploads),
            "client.entered",
        )
        fault("client.publishing")
        if outbox is None:
            return  # all of them were entered before
        self._entered(ids)
        self._send(outbox, address, named)

    def _send(self, outbox: int, address: str, ids: Sequence[str]) -> None:
        if self._sending is not None:
            self._sending.settle_in_time()
            self._sending.send(outbox, address, ids)

    def _forget(self, rows: list[int]) -> None:
        self._rows("select ledger.published(%s::bigint[])", (rows,), "client.forgot")

    def _entered(self, ids: Sequence[UUID]) -> None:
        """An end of these is announced over this connection: it listened before they were entered."""
        if self._link.current is not self._heard_over or len(self._unheard) > MOST_UNHEARD:
            self._unheard.clear()
            self._heard_over = self._link.current
        self._unheard.update(ids)

    def compose(
        self,
        steps: Mapping[str, Any],
        id: UUID | None = None,  # noqa: A002 # the call's
        options: Mapping[str, Any] | None = None,
    ) -> UUID:
        """Enter a composition, and give the id of the whole: its outcome is a call's.

        A step is `{"call": socket id, "args": [...], "kwargs": {...}}`, `{"pipeline": [step, ...]}` or
        `{"parallel": [step, ...], "return_errors": bool}`; the outermost is one of the latter two.
        `options`: deadline and priority, inherited by every call of it.

        Raises: NotFoundError, ConflictError, InvalidError: nothing was entered.
        """
        chosen = id or self.new_id()
        rows = self._rows(
            "select num, address, ids from ledger.compose(%s::uuid, %s, %s, %s::jsonb)",
            (str(chosen), json.dumps(steps), self._sending is not None, json.dumps(options) if options else None),
        )
        for outbox, address, named in rows:
            self._send(outbox, address, named)
        return chosen

    def _rows(self, sql: str | Prepared, parameters: tuple[Any, ...], point: str = "") -> list[tuple[Any, ...]]:
        """One statement, with a second try when the connection was cut: whatever is asked here may be asked twice."""
        was_open = self._link.is_open
        try:
            found = self._link.rows(sql, parameters)
            fault(point)
            return found
        except DatabaseUnavailableError:
            if not was_open:
                raise
            return self._link.rows(sql, parameters)

    def cancel(self, ids: Iterable[UUID], *, reason: str = "", strict: bool = True) -> list[UUID]:
        """End calls with all that they led to; gives the ids that were cancelled now.

        Args: strict: one that is done or has failed is an error, unless something of its tree was left to cancel.

        Raises: NotFoundError: one is not there, or not this login's to cancel. ConflictError: see strict.
        """
        ((cancelled,),) = self._rows(
            "select ledger.cancel(%s::uuid[], %s, %s)", ([str(each) for each in ids], reason, strict)
        )
        return [UUID(each) for each in cancelled]

    def whole(self, outcome: Outcome, *, arguments: bool = False) -> Outcome:
        """The same with its result, should that be apart; on request with its arguments.

        Raises: NotFoundError: it was deleted meanwhile.
        """
        if arguments and outcome.arguments_apart:
            found = value(self._rows, outcome.id, "arguments")
            outcome = replace(outcome, arguments=found, arguments_apart=False)
        if outcome.result_apart:
            outcome = replace(outcome, result=value(self._rows, outcome.id, "result"), result_apart=False)
        return outcome

    def outcomes(self, ids: Iterable[UUID]) -> dict[UUID, Outcome]:
        """The calls that this login may see, by id."""
        named = [str(each) for each in ids]
        rows = self._rows(OUTCOME, (named[0],)) if len(named) == 1 else self._rows(OUTCOMES, (named,))
        return {outcome.id: outcome for outcome in map(from_row, rows)}

    def wait(
        self,
        ids: Iterable[UUID],
        timeout_seconds: float | None = None,
        on_wake: Callable[[str, frozenset[UUID]], None] | None = None,
    ) -> dict[UUID, Outcome]:
        """Wait until all are settled, or the time is up; returns what is known then.

        `on_wake` is told of every wake-up ("c", "d", "l" and ids), and ("", ids still open) at least once a second.
        """
        open_ids = set(ids)
        settled: dict[UUID, Outcome] = {}
        for outcome in self.settling(open_ids, timeout_seconds, on_wake):
            settled[outcome.id] = outcome
        open_ids -= settled.keys()
        return self.outcomes(open_ids) | settled if open_ids else settled

    def settling(
        self,
        ids: Iterable[UUID],
        timeout_seconds: float | None = None,
        on_wake: Callable[[str, frozenset[UUID]], None] | None = None,
    ) -> Iterator[Outcome]:
        """Each of them as soon as it is settled, until all are or the time is up. `on_wake`: as `wait` has it."""
        # Listening begins with the connection, before the rows are read: nothing settles unseen in between.
        self._link.connection()
        open_ids = set(ids)
        deadline = None if timeout_seconds is None else self._clock.monotonic() + timeout_seconds
        are_new = open_ids <= self._unheard and self._link.current is self._heard_over
        look = set() if are_new else set(open_ids)
        while open_ids:
            settled = [outcome for outcome in self.outcomes(look).values() if outcome.is_settled] if look else []
            open_ids.difference_update([outcome.id for outcome in settled])
            yield from settled
            left = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - self._clock.monotonic())
            if not open_ids or left <= 0:
                return
            look = self._wait_for(open_ids, left, on_wake) or set(open_ids)

    def _wait_for(
        self, ids: set[UUID], seconds: float, on_wake: Callable[[str, frozenset[UUID]], None] | None
    ) -> set[UUID]:
        """Until one of `ids` is done, or the seconds are over; of many, until several are. Those that are."""
        until, done = self._clock.monotonic() + seconds, set[UUID]()
        while (left := until - self._clock.monotonic()) > 0:
            try:
                woken_now = self.wakeups(left)
            except DatabaseUnavailableError:
                return set()  # whether it answers again, the next look at the rows says
            for kind, woken in woken_now:
                if on_wake is not None:
                    on_wake(kind, woken)
                if kind == "d":
                    done |= ids & woken
            if done and len(ids) <= FEW:
                return done
            if done:
                # One look at many rows is cheaper than many looks.
                until = min(until, self._clock.monotonic() + GATHER_SECONDS)
            if self._sending is not None:
                self._sending.settle_in_time()
        if on_wake is not None and not done:
            on_wake("", frozenset(ids))
        return done

    def wakeups(self, timeout_seconds: float) -> list[Wake]:
        """What was announced since the last time; waits for it at most `timeout_seconds`.

        Kinds: c running for long, d settled, l log lines. They name anybody's calls and may be forged: read the rows.
        """
        connection = self._link.connection()
        with mapping():
            if not connection.notifies:
                waiting = select.poll()  # select() refuses descriptors above 1023
                waiting.register(connection, select.POLLIN)
                waiting.poll(max(0.0, timeout_seconds) * 1000)
                connection.poll()
            found = [_wake(notify.payload) for notify in connection.notifies]
            connection.notifies.clear()
        wakes = [wake for wake in found if wake is not None]
        for kind, ids in wakes:
            if kind == "d":
                self._unheard -= ids
        return wakes

    def logs(self, call_id: UUID, after: int = 0) -> list[LogLine]:
        """The lines of a call whose line id is above `after`, in their order."""
        rows = self._rows(LINES, (str(call_id), after))
        return [
            LogLine(id=row[0], call_id=call_id, attempt=row[1], stream=row[2], at=row[3], text=row[4]) for row in rows
        ]

    def close(self) -> None:
        """Let go of both connections; may be called twice."""
        if self._sending is not None:
            self._sending.close()
        with contextlib.suppress(psycopg2.Error):
            self._link.close()


def _wake(payload: str) -> Wake | None:
    kind, _, listed = payload.partition(":")
    try:
        return (kind, frozenset(UUID(each) for each in listed.split(",") if each)) if kind in {"c", "d", "l"} else None
    except ValueError:
        return None
