"""From what a guest said, or how it died, to what is committed."""

from __future__ import annotations

import json
from collections.abc import Mapping

import psycopg2

from pyfi.runner.frames import OK, Done
from pyfi.worker.held import Finished, Held

LONGEST_SECONDS = 1e9
# So that who retries on TimeoutError has them too.
LATE = ("TimeoutError",)


def finished_from(call: Held, frame: Done, names: Mapping[int, str]) -> Finished:
    """A guest's outcome. Bytes that are no text, or hold what no JSON text holds, fail the call.

    names: the payloads that were written for it, by number. What a generator gave is the caller's to add.
    """
    seconds = seconds_of(frame)
    try:
        value = text_of(frame.first)
        if not frame.second:
            return Finished(call.id, call.token, "done" if frame.outcome == OK else "failed", value, seconds)
        extra = json.loads(text_of(frame.second))
        plugs = tuple((_name(name), _dumped(each)) for name, each in extra.get("plugs", {}).items())
        output = _dumped(extra["output"]) if extra.get("output") else None
        payload = names[extra["result"]] if extra.get("result") else None
        large = tuple((_name(name), names[number]) for name, number in extra.get("large", {}).items())
        each = bool(extra.get("each"))
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError) as error:
        return _failed(call, "guest_protocol", "GuestProtocolError", f"the outcome is not JSON: {error}", seconds)
    if frame.outcome != OK:
        return Finished(call.id, call.token, "failed", value, seconds, output)
    kept = None if payload else value
    return Finished(call.id, call.token, "each" if each else "done", kept, seconds, output, plugs, payload, large)


def seconds_of(frame: Done) -> float:
    """How long it ran, as the guest says; 0 for what cannot be: whoever writes to its socket may say anything."""
    return frame.seconds if 0.0 <= frame.seconds < LONGEST_SECONDS else 0.0


def text_of(body: bytes) -> str:
    """What the guest says is JSON.

    Raises: ValueError: it is no text that the database keeps.
    """
    text = body.decode("utf-8")
    if "\0" in text:
        raise ValueError("a NUL character")
    return text


def _name(name: str) -> str:
    """A plug's name leaves the JSON, where \\u0000 and half a pair of surrogates are no harm."""
    return text_of(name.encode("utf-8"))


def _dumped(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def stopped(call: Held, cause: str, seconds: float) -> Finished:
    """Its function was started, and somebody ended the worker: an attempt and no loss, and it runs again elsewhere."""
    return Finished(call.id, call.token, "stopped", _error("stopped", "Stopped", cause), seconds)


def lost(call: Held, cause: str, seconds: float) -> Finished:
    """Its function was started, and the guest died: it counts, and runs again elsewhere."""
    return Finished(call.id, call.token, "lost", _error("lost", "Lost", cause), seconds)


def crashed(call: Held, cause: str, seconds: float) -> Finished:
    """Lost, and nobody had ended the guest."""
    return lost(call, cause, seconds)._replace(outcome="crashed")


def overrun(call: Held, ran_seconds: float, now: float, limit_seconds: float | None) -> Finished | None:
    """The outcome of a running call that ran longer than its processor allows, or past its deadline; None: of neither.

    now: on the monotonic clock of `call.ends`.
    """
    if limit_seconds is not None and ran_seconds > limit_seconds:
        return _failed(call, "timeout", "TimeLimit", f"it ran longer than {limit_seconds:g} s", limit_seconds, LATE)
    if call.ends is not None and now > call.ends:
        return _failed(call, "deadline", "DeadlineExceeded", "it did not end before its deadline", ran_seconds, LATE)
    return None


def nondeterministic(call: Held, place: int) -> Finished:
    """A generator gave something else than in an earlier attempt, and that is on its way: no retry mends it."""
    message = f"item {place} is not what an earlier attempt had yielded and sent on"
    return _failed(call, "nondeterministic", "Nondeterministic", message, 0.0)


def refused_value(call: Held, frame: Done, error: Exception) -> Finished:
    """A large value could not be written."""
    seconds = seconds_of(frame)
    if isinstance(error, psycopg2.Error):
        is_large = error.pgcode == "PF422"
        code, kind = (
            ("result_too_large", "ResultTooLarge") if is_large else ("result_not_storable", "ResultNotStorable")
        )
        return _failed(call, code, kind, str(error).partition("\n")[0], seconds)
    return _failed(call, "guest_protocol", "GuestProtocolError", f"the outcome is not JSON: {error}", seconds)


def refused_arguments(call: Held, size: int | None, largest_bytes: int) -> Finished:
    """Large arguments that cannot be brought to the guest."""
    if not size:
        return _failed(call, "arguments", "ArgumentsGone", "the arguments are not in the ledger any more", 0.0)
    message = f"the arguments are {size} bytes long, the largest allowed are {largest_bytes}"
    return _failed(call, "arguments", "ArgumentsTooLarge", message, 0.0)


def not_storable(finished: Finished, error: psycopg2.Error) -> Finished:
    """The database refuses the value, so the call fails with that reason."""
    reason = str(error).partition("\n")[0]
    value = _error("result_not_storable", "ResultNotStorable", f"the database cannot keep the result: {reason}")
    return Finished(finished.id, finished.token, "failed", value, finished.seconds)


def _failed(call: Held, code: str, kind: str, message: str, seconds: float, bases: tuple[str, ...] = ()) -> Finished:
    return Finished(call.id, call.token, "failed", _error(code, kind, message, bases), seconds)


def _error(code: str, kind: str, message: str, bases: tuple[str, ...] = ()) -> str:
    return _dumped({"error": code, "type": kind, "bases": bases, "message": message, "traceback": ""})
