"""What a worker has still to tell the ledger, in portions that the database takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import psycopg2

from pyfi import logs
from pyfi.worker.held import Finished, Held, Line, Yielded
from pyfi.worker.outcome import not_storable
from pyfi.worker.turn import Turn

log = logs.get(__name__)

# One statement can hold 1 GiB, and one that is too long would be cut off again and again.
MOST_BYTES = 64 << 20
MOST_LINES = 4000
MOST_ITEMS = 1000
# Who has so much more to say than a turn takes has to wait.
FULL_LINES, FULL_ITEMS, FULL_BYTES = 2 * MOST_LINES, 2 * MOST_ITEMS, 4 << 20


class Report:
    """Collects until a turn can be sent; keeps what was sent until it is answered.

    Append to `finished` and `back`; add to `duplicates` and `fenced`.
    """

    def __init__(self, worker_id: str) -> None:
        """Nothing to tell."""
        self._worker_id = worker_id
        self.finished: list[Finished] = []
        self._lines: list[Line] = []
        self._items: list[Yielded] = []
        self._waiting_bytes = 0
        self._numbers = 0
        self.back: list[Held] = []
        self.duplicates = self.fenced = 0
        self._again: deque[Turn] = deque()

    @property
    def is_empty(self) -> bool:
        """Nothing that somebody waits for is left to say."""
        return not (self.finished or self.back or self._lines or self._items or self._again)

    @property
    def is_full(self) -> bool:
        """So many lines and items wait that no more should come."""
        much = len(self._lines) > FULL_LINES or len(self._items) > FULL_ITEMS
        return much or self._waiting_bytes > FULL_BYTES

    def line(self, call: Held, at: float, stream: int, text: str) -> None:
        """A line of that call's log."""
        self._numbers = self._numbers % 0x7FFFFFFF + 1
        self._lines.append(Line(call.id, call.attempt, at, stream, text, call.token, self._numbers))
        self._waiting_bytes += len(text)

    def item(self, item: Yielded) -> None:
        """What a generator yielded."""
        self._items.append(item)
        self._waiting_bytes += len(item.value or "")

    def again(self) -> Turn | None:
        """A turn that got no answer, or was refused in part: it comes before anything new."""
        return self._again.popleft() if self._again else None

    def turn(self, claim: Sequence[str], forget: Sequence[int], room: int = 0, more: int = 0) -> Turn:
        """All that there is to say, or as much as one statement should hold. `room`, `more`: as in Turn."""
        lines, self._lines = self._lines[:MOST_LINES], self._lines[MOST_LINES:]
        items, self._items = self._items[:MOST_ITEMS], self._items[MOST_ITEMS:]
        self._waiting_bytes -= sum(len(line.text) for line in lines) + sum(len(item.value or "") for item in items)
        finished = self._portion(frozenset(line.id for line in self._lines))
        now = Turn(
            worker_id=self._worker_id,
            claim=claim,
            forget=forget,
            duplicates=self.duplicates,
            fenced=self.fenced,
            back=self.back,
            finished=finished,
            lines=lines,
            items=items,
            room=room if finished else 0,
            more=more,
        )
        self.back = []
        self.duplicates = self.fenced = 0
        return now

    def _portion(self, talking: frozenset[str]) -> list[Finished]:
        """talking: calls with lines that wait still: those are there before the outcome is."""
        size = count = 0
        for each in self.finished:
            size += len(each.value or "") + sum(len(value) for _, value in each.plugs)
            if each.id in talking or (size > MOST_BYTES and count):
                break
            count += 1
        portion, self.finished = self.finished[:count], self.finished[count:]
        return portion

    def unanswered(self, turn: Turn) -> None:
        """The connection was lost: say it again. What was to be claimed is asked for anew."""
        self._again.appendleft(replace(turn, claim=(), room=0, more=0))

    def refused(self, turn: Turn, error: psycopg2.Error) -> bool:
        """The database cannot keep a value: say it in smaller portions until that one stands alone, and fails.

        False: the reason itself is refused.
        """
        rest = replace(turn, claim=(), room=0, more=0)
        half = len(turn.finished) // 2
        if turn.is_reduced:
            return False
        if turn.items:
            self._again.appendleft(replace(rest, items=()))
            self._refuse_items(turn, error)
            return True
        if turn.lines and turn.finished:
            parts = [replace(rest, finished=()), Turn(worker_id=turn.worker_id, finished=turn.finished)]
        elif turn.lines:
            half = len(turn.lines) // 2
            parts = [replace(rest, lines=turn.lines[:half])]
            if half:
                parts.append(Turn(worker_id=turn.worker_id, lines=turn.lines[half:]))
            else:
                log.warning("log line refused", extra={"code": error.pgcode, "call": turn.lines[0].id})
        elif half:
            parts = [
                replace(rest, finished=turn.finished[:half]),
                Turn(worker_id=turn.worker_id, finished=turn.finished[half:]),
            ]
        elif turn.finished:
            log.warning("value refused", extra={"code": error.pgcode, "call": turn.finished[0].id})
            parts = [replace(rest, finished=[not_storable(turn.finished[0], error)], is_reduced=True)]
        else:
            return False
        self._again.extendleft(reversed(parts))
        return True

    def _refuse_items(self, turn: Turn, error: psycopg2.Error) -> None:
        """The generator whose item cannot be kept fails."""
        half = len(turn.items) // 2
        parts = [part for part in (turn.items[:half], turn.items[half:]) if part]
        if len(parts) == 1:
            log.warning("item refused", extra={"code": error.pgcode, "call": turn.items[0].id})
            told = Finished(turn.items[0].id, turn.items[0].token, "failed", None, 0.0)
            self._again.appendleft(
                Turn(worker_id=turn.worker_id, finished=[not_storable(told, error)], is_reduced=True)
            )
        else:
            self._again.extendleft(Turn(worker_id=turn.worker_id, items=part) for part in reversed(parts))

    def tokens(self) -> list[int]:
        """The claims of all that is told of here: nobody else is to have them before it is said."""
        parts = [self.finished, self.back, *(part for turn in self._again for part in (turn.finished, turn.back))]
        return [each.token for part in parts for each in part]
