"""A call that was made: its result, now or later, here or in another process."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pyfi.client.connection import connection
from pyfi.control import calls, trees
from pyfi.control.results import result_of
from pyfi.errors import NotFoundError
from pyfi.ledger.outcome import Outcome


class Handle:
    """One call, by its id. Any client that may see the call can make a handle of it."""

    def __init__(self, id: UUID | str) -> None:  # noqa: A002 # the founding documents' word
        """`id` is a call's, as `flow ls calls` shows it."""
        self.id = id if isinstance(id, UUID) else UUID(id)

    def outcome(self) -> Outcome:
        """The call as it is now; a large result is `result_apart`, and `get` brings it.

        Raises: NotFoundError.
        """
        found = connection().calls().outcomes([self.id]).get(self.id)
        if found is None:
            raise NotFoundError(f"there is no call {self.id}", hint="flow ls calls")
        return found

    @property
    def status(self) -> str:
        """queued, running, done, failed, parked or cancelled."""
        state = self.outcome().state
        return "running" if state == "claimed" else state

    def ready(self) -> bool:
        """Whether it has ended, well or not."""
        return self.outcome().is_settled

    def get(self, timeout: float | None = None) -> Any:
        """Wait for the result, at most `timeout` seconds.

        Raises: CallFailedError: with the function's traceback in `error`. CallCancelledError. ConflictError: parked.
            TryAgainError: the time is up; the call goes on.
        """
        calls = connection().calls()
        outcome = calls.wait([self.id], timeout).get(self.id)
        return result_of(self.id, outcome and calls.whole(outcome), timeout_seconds=timeout)

    def cancel(self, reason: str = "") -> bool:
        """End it with all that it led to; a function that runs is ended. False: it was cancelled before.

        Raises: NotFoundError. ConflictError: it has ended already.
        """
        return bool(connection().calls().cancel([self.id], reason=reason))

    def tree(self) -> trees.Knot:
        """This call and all it led to: `.row`, `.children`; printed, one call a line.

        Raises: NotFoundError.
        """
        return trees.grown(calls.family(connection().database, self.id))[0]

    def logs(self) -> list[str]:
        """What the function printed and logged, line by line."""
        return [line.text.rstrip("\n") for line in connection().calls().logs(self.id)]

    def __repr__(self) -> str:
        """Asks nobody."""
        return f"<Handle {self.id}>"
