"""When the leases of what a worker holds are renewed, and whether they can still be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyfi.worker.held import Held

SQL = "select id from ledger.renew(%s::uuid, %s::uuid[], %s::bigint[], %s::uuid)"
# Shares of a lease: after the first it is renewed, after the second others may have the calls.
RENEWED_AFTER = 1 / 3
LOST_AFTER = 0.8


class Leases:
    """One lease of all that is held. `renewed` is told the time at which the renewal was *sent*."""

    def __init__(self, seconds: float, now: float) -> None:
        """`seconds`: of a lease. now: monotonic seconds, here and below."""
        self._seconds, self._since = seconds, now
        self._shown: int | None = None

    def renewed(self, at: float) -> None:
        """They count from then."""
        self._since = at

    def are_lost(self, now: float) -> bool:
        """Whether they could not be renewed for so long that others may have the calls."""
        return now - self._since > LOST_AFTER * self._seconds

    def are_due(self, now: float, running: Held | None) -> bool:
        """Whether it is time, or `running` is to be shown as running for the first time."""
        is_new = running is not None and running.token != self._shown
        return is_new or now - self._since > RENEWED_AFTER * self._seconds

    def parameters(self, worker_id: str, held: Sequence[Held], running: Held | None) -> tuple[Any, ...]:
        """For SQL. From now on `running` counts as shown."""
        self._shown = running.token if running is not None else self._shown
        return worker_id, [call.id for call in held], [call.token for call in held], running and running.id
