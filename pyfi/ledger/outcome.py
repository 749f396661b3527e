"""What a caller sees of a call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

SETTLED = frozenset({"done", "failed", "cancelled", "parked"})

COLUMNS = (
    "id, root_id, parent_id, socket_id, name, state, attempt, args::text, result::text, error::text, output::text,"
    " created, claimed, started, finished, seconds, args_payload is not null, result_payload is not null"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A call as its row says; a composition has no socket. Times are aware UTC, seconds those of the last attempt.

    Of arguments and result that are apart, since they are large, nothing is here: `Calls.whole` has them.
    """

    id: UUID
    root_id: UUID
    parent_id: UUID | None
    socket_id: UUID | None
    name: str
    state: str
    attempt: int
    arguments: dict[str, Any] | None
    result: Any
    error: dict[str, Any] | None
    output: Any
    created: datetime
    claimed: datetime | None
    started: datetime | None
    finished: datetime | None
    seconds: float | None
    arguments_apart: bool = False
    result_apart: bool = False

    @property
    def is_settled(self) -> bool:
        """Nothing more happens to it without a person: done, failed, cancelled or parked."""
        return self.state in SETTLED


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def from_row(row: tuple[Any, ...]) -> Outcome:
    """An outcome from a row of COLUMNS."""
    return Outcome(
        id=UUID(row[0]),
        root_id=UUID(row[1]),
        parent_id=UUID(row[2]) if row[2] else None,
        socket_id=UUID(row[3]) if row[3] else None,
        name=row[4],
        state=row[5],
        attempt=row[6],
        arguments=_parsed(row[7]),
        result=_parsed(row[8]),
        error=_parsed(row[9]),
        output=_parsed(row[10]),
        created=row[11],
        claimed=row[12],
        started=row[13],
        finished=row[14],
        seconds=row[15],
        arguments_apart=row[16],
        result_apart=row[17],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line that a call printed (stream 1 stdout, 2 stderr) or logged (3). `id` rises."""

    id: int
    call_id: UUID
    attempt: int
    stream: int
    at: datetime
    text: str
