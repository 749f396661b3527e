"""What does not fit into a frame or a turn: large arguments, large results, and the items of a generator that runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg2

from pyfi.clock import SYSTEM, Clock
from pyfi.runner.frames import OK, Done, Frame, Item, Part
from pyfi.worker.config import Limits, WorkerConfig
from pyfi.worker.held import Calls, Finished, Held, Yielded
from pyfi.worker.outcome import finished_from, nondeterministic, refused_value, text_of
from pyfi.worker.report import Report
from pyfi.worker.transfer import PIECE_BYTES, Transfer
from pyfi.worker.watch import Watcher

_EACH = b'"each":true}'


@dataclass(slots=True)
class _Value:
    """A payload that is being written."""

    id: str = field(default_factory=lambda: str(uuid4()))
    bytes: int = 0


@dataclass(slots=True)
class _Running:
    """What came of the running call so far. list: the end of a generator's result, which is not written yet."""

    call: Held
    values: dict[int, _Value] = field(default_factory=dict)
    listed: bytearray = field(default_factory=bytearray)
    written: _Value | None = None
    count: int = 0
    unanswered: int = 0
    is_closed: bool = False
    broken: int | None = None
    error: psycopg2.Error | ValueError | None = None


class Values:
    """Between guest, transfer and report. A frame that `admits` refuses waits, and with it the guest.

    An outcome is admitted when all that it names is written, and the ledger has answered for each item.
    """

    def __init__(
        self,
        config: WorkerConfig,
        limits: Limits,
        report: Report,
        calls: Calls,
        watcher: Watcher,
        *,
        on_progress: Callable[[], None],
        clock: Clock = SYSTEM,
    ) -> None:
        """`on_progress`: what was not admitted may be now."""
        self._limits, self._report, self._calls = limits, report, calls
        self.transfer = Transfer(config.database, config.worker_id, watcher, on_progress=on_progress, clock=clock)
        self._now: _Running | None = None

    def admits(self, frame: Frame) -> bool:
        """Whether there is room for it."""
        if isinstance(frame, Part | Item):
            return not (self._report.is_full or self.transfer.is_full)
        if not isinstance(frame, Done):
            return not self._report.is_full
        now = self._of(frame.token) if frame.second.endswith(_EACH) else self._now
        if now is None or now.call.token != frame.token:
            return True
        if frame.outcome == OK and not now.is_closed:
            now.is_closed = True
            self._close(now, frame)
        return now.error is not None or (self.transfer.is_idle and not now.unanswered)

    def _of(self, token: int) -> _Running | None:
        if self._now is None or self._now.call.token != token:
            call = self._calls.sent.get(token)
            self._now = _Running(call) if call is not None else None
        return self._now

    def take(self, frame: Part | Item) -> None:
        """Keep what came."""
        now = self._of(frame.token)
        if now is None or now.error is not None:
            return
        if isinstance(frame, Part):
            value = now.values.setdefault(frame.number, _Value())
            self._write(now, value, frame.data)
            return
        try:
            self._item(now, frame)
        except ValueError as error:
            now.error = error

    def _item(self, now: _Running, frame: Item) -> None:
        if frame.seq != now.count + 1 or (frame.number and frame.number not in now.values):
            raise ValueError("an item out of its order")
        text, value = (None, now.values.pop(frame.number)) if frame.number else (text_of(frame.value), None)
        now.count += 1
        now.listed += b"," if now.count > 1 else b"["
        told = Yielded(now.call.id, now.call.token, frame.seq, text, value.id if value is not None else None)
        now.unanswered += frame.goes_on
        if value is None:
            now.listed += frame.value
            if frame.goes_on:
                self._report.item(told)
        else:
            # The ledger is told of it when it is there.
            then = (lambda: self._report.item(told)) if frame.goes_on else (lambda: None)
            self._write(now, self._flush(now), None, value, then)
        if len(now.listed) >= PIECE_BYTES:
            self._flush(now)

    def _flush(self, now: _Running) -> _Value:
        """Write what waits of a generator's list."""
        now.written = now.written or _Value()
        data, now.listed = bytes(now.listed), bytearray()
        if data:
            self._write(now, now.written, data)
        return now.written

    def _write(
        self,
        now: _Running,
        value: _Value,
        data: bytes | None,
        source: _Value | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        def failed(error: psycopg2.Error) -> None:
            now.error = now.error or error

        self.transfer.put(now.call, value.id, value.bytes, data, source.id if source else None, failed, then)
        value.bytes += len(data or b"") + (source.bytes if source else 0)

    def _close(self, now: _Running, frame: Done) -> None:
        """It ended well: the list ends, and what an earlier attempt sent beyond it is a contradiction."""
        if not frame.second.endswith(_EACH):
            return
        now.listed += b"]" if now.count else b"[]"
        if now.written is not None or len(now.listed) > self._limits.inline_bytes:
            self._flush(now)
        if now.call.attempt > 1:
            now.unanswered += 1
            self._report.item(Yielded(now.call.id, now.call.token, now.count + 1, None, None))

    def answered(self, items: Collection[Yielded], broken: dict[str, int]) -> None:
        """The ledger has taken these items. broken: those of which an earlier attempt had sent something else."""
        now = self._now
        if now is not None and items:
            now.unanswered -= sum(item.token == now.call.token for item in items)
            now.broken = broken.get(now.call.id, now.broken)

    def finished(self, call: Held, frame: Done) -> Finished:
        """The outcome, with the names of what was written for it."""
        now, self._now = self._of(call.token) if self._now or frame.second.endswith(_EACH) else None, None
        if now is None or now.call is not call:
            return finished_from(call, frame, {})
        if now.broken is not None:
            return nondeterministic(call, now.broken)
        if now.error is not None:
            return refused_value(call, frame, now.error)
        names = {number: value.id for number, value in now.values.items()}
        told = finished_from(call, frame, names)
        if told.outcome != "each":
            return told
        if now.written is not None:
            return told._replace(value=None, payload=now.written.id)
        return told._replace(value=now.listed.decode())

    def forget(self) -> None:
        """The guest is gone, and with it the call that it ran."""
        self._now = None
        self.transfer.forget()
