"""While no wake-up can come the worker asks the ledger what waits: the broker makes it fast, not possible."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from pyfi.worker.database import Rows

SQL = "select unnest(ledger.waiting(%s::uuid, %s))"
# After a look that found nothing.
REST_SECONDS = 0.25


class Lookout:
    """When to look. As a context: while it lasts there is no broker."""

    def __init__(self, worker_id: str) -> None:
        """There is one."""
        self._worker_id = worker_id
        self._is_alone = False
        self._rests_until = 0.0

    def __enter__(self) -> Self:
        """The broker is away."""
        self._is_alone = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It is tried again."""
        self._is_alone = False

    def parameters(self, now: float, room: int) -> tuple[str, int] | None:
        """For SQL; None: it is not time, or nothing could be taken. now: monotonic seconds."""
        if not self._is_alone or room <= 0 or now < self._rests_until:
            return None
        self._rests_until = now + REST_SECONDS
        return self._worker_id, room

    def found(self, rows: Rows) -> list[str]:
        """The ids; where there were some there may be more."""
        if rows:
            self._rests_until = 0.0
        return [row[0] for row in rows]
