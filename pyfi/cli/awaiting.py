"""Waiting for a call, and saying meanwhile what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from pyfi.cli.ending import say
from pyfi.cli.following import Lines

if TYPE_CHECKING:
    from pyfi.db.session import Database
    from pyfi.ledger.calls import Calls
    from pyfi.ledger.outcome import Outcome

# The same words again only after so many times.
REPEAT_AFTER = 10


class Waiting:
    """Tells a person why a call has not begun: at once when the reason changes, else now and then."""

    def __init__(self, database: Database, ledger: Calls, call_id: UUID) -> None:
        """Nothing is said before `tick`."""
        self._database, self._ledger, self._call_id = database, ledger, call_id
        self._said = ""
        self._silent = 0

    def tick(self) -> None:
        """About once a second."""
        from pyfi.control import tasks

        outcome = self._ledger.outcomes([self._call_id]).get(self._call_id)
        if outcome is None or outcome.state != "queued" or outcome.socket_id is None:
            return
        reason = tasks.why_waiting(self._database, self._call_id, outcome.socket_id)
        words = reason.rpartition(", ")[0] or reason
        self._silent += 1
        if reason and (words != self._said or self._silent >= REPEAT_AFTER):
            self._said, self._silent = words, 0
            say(reason)


def await_result(
    database: Database, ledger: Calls, call_id: UUID, *, timeout_seconds: float | None, quiet: bool
) -> Any:
    """The call's result.

    Raises: CallFailedError, CallCancelledError, ConflictError: it is parked. TryAgainError: the time is up.
    """
    from pyfi.control.results import result_of

    lines = Lines(ledger, call_id, say)
    waiting = Waiting(database, ledger, call_id)

    def woken(kind: str, ids: frozenset[UUID]) -> None:
        if quiet or call_id not in ids:
            return
        if kind == "l":
            lines.catch_up()
        elif kind == "":
            lines.catch_up()
            waiting.tick()

    outcome: Outcome | None = ledger.wait([call_id], timeout_seconds, on_wake=woken).get(call_id)
    if not quiet:
        lines.catch_up()
    return result_of(call_id, outcome and ledger.whole(outcome), timeout_seconds=timeout_seconds)
