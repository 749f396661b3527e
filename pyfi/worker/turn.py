"""One turn: what a worker says to the ledger and hears from it, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyfi.faultpoints import fault
from pyfi.worker.held import Finished, Held, Line, Yielded

SQL = (
    "select kind, id, num, attempt, socket, text, root, parent, ids from ledger.turn("
    "%s::uuid,%s::uuid[],%s::bigint[],%s,%s,%s::uuid[],%s::bigint[],"
    "%s::uuid[],%s::bigint[],%s::text[],%s::text[],%s::real[],%s::text[],"
    "%s::uuid[],%s::text[],%s::text[],"
    "%s::uuid[],%s::smallint[],%s::double precision[],%s::smallint[],%s::text[],%s,p_more => %s,"
    "p_payloads=>%s::uuid[],p_plug_payloads=>%s::uuid[],p_log_claims=>%s::bigint[],p_log_numbers=>%s::int[],"
    "p_item_ids=>%s::uuid[],p_item_claims=>%s::bigint[],p_item_seqs=>%s::bigint[],p_item_values=>%s::text[],"
    "p_item_payloads=>%s::uuid[])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What goes into one statement. claim: ids that wake-ups named. forget: outbox rows that the broker confirmed.

    room: how many of the calls that its outcomes lead to may be claimed with them. more: how many calls besides those
    named it would take of sockets with rules.
    is_reduced: its one outcome says why the database could not keep the real one.
    """

    worker_id: str
    claim: Sequence[str] = ()
    forget: Sequence[int] = ()
    duplicates: int = 0
    fenced: int = 0
    back: Sequence[Held] = ()
    finished: Sequence[Finished] = ()
    lines: Sequence[Line] = ()
    items: Sequence[Yielded] = ()
    room: int = 0
    more: int = 0
    is_reduced: bool = False

    @property
    def is_empty(self) -> bool:
        """Nothing to say."""
        return self.is_idle and not self.forget

    @property
    def is_idle(self) -> bool:
        """Nothing to say but what to forget."""
        counted = self.duplicates or self.fenced
        return not (self.claim or self.back or self.finished or self.lines or self.items or counted)

    def parameters(self) -> tuple[Any, ...]:
        """For SQL, in its order; an absent part is NULL, so that the ledger skips it."""
        plugs: list[tuple[str, str, str | None, str | None]] = [
            (each.id, name, value, None) for each in self.finished for name, value in each.plugs
        ]
        plugs += [(each.id, name, None, payload) for each in self.finished for name, payload in each.large]
        return (
            self.worker_id,
            _column(self.claim),
            _column(self.forget),
            self.duplicates,
            self.fenced,
            _column([call.id for call in self.back]),
            _column([call.token for call in self.back]),
            *_columns(self.finished, 6),
            *_columns(plugs, 3),
            *_columns(self.lines, 5),
            self.room,
            self.more,
            _references([each.payload for each in self.finished]),
            _references([payload for *_, payload in plugs]),
            *_columns([line[5:] for line in self.lines], 2),
            *_columns(self.items, 4),
            _references([item.payload for item in self.items]),
        )


def _column(values: Sequence[Any]) -> list[Any] | None:
    return list(values) or None


def _references(values: list[str | None]) -> list[str | None] | None:
    return values if any(values) else None


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any] | None]:
    return [[row[index] for row in rows] or None for index in range(width)]


def meet(turn: Turn, tense: str, fd: int = -1) -> None:
    """The fault points of a turn that is sent (`ing`) or answered (`ed`), by what it says."""
    if turn.claim:
        fault(f"worker.claim{tense}", fd)
    if turn.finished:
        fault(f"worker.finish{tense}", fd)


@dataclass(slots=True)
class Reply:
    """What the ledger answered. outbox: (row, broker queue, call ids) to be published. is_held: start nothing more.

    tokens: ids that were asked for and stood for whatever call is next at their socket.
    broken: a generator's call and the item that differs from what an earlier attempt had sent.
    """

    claimed: list[Held] = field(default_factory=list)
    finished: set[str] = field(default_factory=set)
    outbox: list[tuple[int, str, list[str]]] = field(default_factory=list)
    accepting: bool = True
    is_held: bool = False
    tokens: frozenset[str] = frozenset()
    broken: dict[str, int] = field(default_factory=dict)

    def count_duplicates(self, asked: Sequence[str]) -> int:
        """How many of the ids that were asked for were not to be claimed; tokens are none of those."""
        if not self.accepting:
            return 0
        return len(set(asked) - {call.id for call in self.claimed} - self.tokens)


def read(rows: Sequence[tuple[Any, ...]], now: float) -> Reply:
    """Read the rows of SQL. now: monotonic seconds."""
    reply = Reply()
    ends: dict[str, float] = {}
    for kind, call_id, number, attempt, socket, text, root, parent, ids in rows:
        if kind == "c":
            reply.claimed.append(Held(call_id, number, attempt, socket, text, root, parent))
        elif kind == "f":
            reply.finished.add(call_id)
        elif kind == "o":
            reply.outbox.append((number, text, ids))
        elif kind == "t":
            ends[call_id] = now + number / 1000
        elif kind == "n":
            reply.broken[call_id] = number
        elif kind == "p":
            reply.accepting = False
        elif kind == "h":
            reply.is_held = True
        elif kind == "r":
            reply.tokens = frozenset(ids)
    if ends:
        reply.claimed = [replace(call, ends=ends.get(call.id)) for call in reply.claimed]
    return reply
