"""An outcome becomes a result or an error."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pyfi.errors import CallCancelledError, CallFailedError, ConflictError, NotFoundError, TryAgainError
from pyfi.ledger.outcome import Outcome


def result_of(call_id: UUID, outcome: Outcome | None, *, timeout_seconds: float | None = None) -> Any:
    """What the function returned.

    Raises: CallFailedError, CallCancelledError. ConflictError: it is parked. TryAgainError: it is not done yet.
        NotFoundError: there is no such call.
    """
    if outcome is None:
        raise NotFoundError(f"there is no call {call_id}", hint="flow ls calls")
    error = outcome.error or {}
    told = ": ".join(str(error[key]) for key in ("type", "message") if error.get(key))
    hint = f"flow call show {call_id}"
    match outcome.state:
        case "done":
            return outcome.result
        case "failed":
            raise CallFailedError(f"call {call_id} of {outcome.name} failed: {told}", hint=hint, error=error)
        case "cancelled":
            raise CallCancelledError(f"call {call_id} of {outcome.name} was cancelled", hint=hint)
        case "parked":
            raise ConflictError(f"call {call_id} of {outcome.name} is parked: {told}", hint=hint)
        case state:
            after = f" after {timeout_seconds:g} s" if timeout_seconds is not None else ""
            shown = "running" if state == "claimed" else state
            raise TryAgainError(f"call {call_id} of {outcome.name} is {shown}, not done{after}", hint=hint)
