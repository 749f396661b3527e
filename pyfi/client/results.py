"""The results of many calls: in order, as they come, or all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from pyfi.client.connection import connection
from pyfi.client.handle import Handle
from pyfi.clock import SYSTEM
from pyfi.control.results import result_of
from pyfi.errors import CallCancelledError, CallFailedError, ConflictError, TryAgainError
from pyfi.ledger.outcome import Outcome

# Results that came before an earlier one are kept here; of so many at most.
AHEAD = 1000
ENDED = (CallFailedError, CallCancelledError, ConflictError)


class Results:
    """The calls that `Socket.map` entered, in the order of its items. Iterating gives their results, in that order."""

    def __init__(self, ids: Sequence[UUID]) -> None:
        """Of these calls."""
        self.ids = list(ids)

    def __len__(self) -> int:
        """How many calls."""
        return len(self.ids)

    def handles(self) -> list[Handle]:
        """One for each call."""
        return [Handle(id_) for id_ in self.ids]

    def __iter__(self) -> Iterator[Any]:
        """The results in order, each as soon as it and those before it are there.

        Raises: CallFailedError, CallCancelledError, ConflictError: at the first call that has none.
        """
        return (result_of(id_, outcome) for id_, outcome in self._in_order(None))

    def get(self, timeout: float | None = None, *, return_errors: bool = False) -> list[Any]:
        """All results, in order, waited for at most `timeout` seconds. `return_errors`: errors stand in their places.

        Raises: CallFailedError, CallCancelledError, ConflictError: of the first call that has no result.
            TryAgainError: the time is up; the calls go on.
        """
        found = []
        for id_, outcome in self._in_order(timeout):
            if return_errors and outcome is not None and outcome.is_settled:
                found.append(_result_or_error(outcome))
            else:
                found.append(result_of(id_, outcome, timeout_seconds=timeout))
        return found

    def as_completed(self, timeout: float | None = None) -> Iterator[tuple[int, Any]]:
        """(position, result) of each as soon as it is there; the error in the place of a result that never will be.

        Raises: TryAgainError: the time is up; the calls go on.
        """
        places = {id_: place for place, id_ in enumerate(self.ids)}
        count = 0
        for outcome in connection().calls().settling(self.ids, timeout):
            count += 1
            yield places[outcome.id], _result_or_error(outcome)
        if count < len(places):
            raise TryAgainError(f"{len(places) - count} of {len(places)} calls are not done after {timeout:g} s")

    def ready(self) -> bool:
        """Whether all have ended, well or not."""
        calls = connection().calls()
        return all(outcome.is_settled for part in self._parts() for outcome in calls.outcomes(part).values())

    def _parts(self) -> Iterator[list[UUID]]:
        return (self.ids[start : start + AHEAD] for start in range(0, len(self.ids), AHEAD))

    def _in_order(self, timeout: float | None) -> Iterator[tuple[UUID, Outcome | None]]:
        """Each call and its outcome; the last known one when the time is up."""
        calls = connection().calls()
        deadline = None if timeout is None else SYSTEM.monotonic() + timeout
        for part in self._parts():
            left = None if deadline is None else max(0.0, deadline - SYSTEM.monotonic())
            there: dict[UUID, Outcome] = {}
            waiting = iter(part)
            next_id = next(waiting, None)
            for outcome in calls.settling(part, left):
                there[outcome.id] = outcome
                while next_id is not None and next_id in there:
                    yield next_id, there.pop(next_id)
                    next_id = next(waiting, None)
            if next_id is not None:
                open_ids = [next_id, *waiting]
                known = calls.outcomes(open_ids)
                for id_ in open_ids:
                    yield id_, there.get(id_) or known.get(id_)

    def __repr__(self) -> str:
        """Asks nobody."""
        return f"<Results of {len(self.ids)} calls>"


def _result_or_error(outcome: Outcome) -> Any:
    try:
        return result_of(outcome.id, outcome)
    except ENDED as error:
        return error
