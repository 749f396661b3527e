"""From a guest's frame to what is committed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pyfi.runner.frames import NO_SUCH_FUNCTION, NOT_SERIALISABLE, RAISED, TOO_LARGE
from pyfi.worker.held import Finished, Held
from pyfi.worker.outcome import finished_from, lost, not_storable, overrun, stopped
from tests.unit.worker.fakes import SOCKET, DataError, done

CALL = Held("c", 7, 1, SOCKET, "{}", "c", None)


def error_of(outcome: Finished) -> str:
    """The error's code."""
    told = json.loads(outcome.value)
    assert {"error", "type", "message", "traceback"} == told.keys() - {"bases"}
    return str(told["error"])


def test_a_result_passes_untouched() -> None:
    outcome = finished_from(CALL, done(7, 0.5, first=b'{"b": 1.0,  "a":"\\u0000"}'), {})
    assert outcome == Finished("c", 7, "done", '{"b": 1.0,  "a":"\\u0000"}', 0.5)


def test_plugs_and_output_are_parts_of_it() -> None:
    second = b'{"plugs": {"a": [1, "\\u00e9"], "b": null}, "output": {"x": 1}}'
    outcome = finished_from(CALL, done(7, 0.5, first=b"1", second=second), {})
    assert outcome.plugs == (("a", '[1,"\\u00e9"]'), ("b", "null"))
    assert (outcome.outcome, outcome.output) == ("done", '{"x":1}')


def test_the_items_of_a_generator_go_one_by_one() -> None:
    assert finished_from(CALL, done(7, first=b"[1]", second=b'{"each":true}'), {}).outcome == "each"


@pytest.mark.parametrize("outcome", [RAISED, NOT_SERIALISABLE, TOO_LARGE, NO_SUCH_FUNCTION])
def test_a_failure_fires_no_plug(outcome: int) -> None:
    second = b'{"plugs": {"a": 1}}'
    told = finished_from(CALL, done(7, outcome=outcome, first=b'{"error":"x"}', second=second), {})
    assert (told.outcome, told.value, told.plugs) == ("failed", '{"error":"x"}', ())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"\xff", b""),
        (b'"\0"', b""),
        (b"1", b"\xff"),
        (b"1", b"{"),
        (b"1", b"7"),
        (b"1", b'{"plugs": [1]}'),
        (b"1", b'{"plugs": {"a": NaN}}'),
        (b"1", b'{"plugs": {"a\\u0000b": 1}}'),
        (b"1", b'{"plugs": {"\\ud800": 1}}'),
        (b"1", b'{"output": Infinity}'),
        (b"1", b'{"output": ' + b"[" * 200_000),
    ],
    ids=repr,
)
def test_what_no_honest_guest_says_fails_the_call(first: bytes, second: bytes) -> None:
    outcome = finished_from(CALL, done(7, 0.5, first=first, second=second), {})
    assert (outcome.outcome, outcome.seconds, error_of(outcome)) == ("failed", 0.5, "guest_protocol")
    outcome.value.encode("ascii")


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -0.1, 1e9])
def test_a_duration_that_cannot_be_is_none(seconds: float) -> None:
    assert finished_from(CALL, done(7, seconds), {}).seconds == 0.0
    assert finished_from(CALL, done(7, seconds, first=b"\xff"), {}).seconds == 0.0


def test_losses_limits_and_refusals() -> None:
    assert error_of(lost(CALL, "signal 9", 1.0)) == "lost" and lost(CALL, "signal 9", 1.0).outcome == "lost"
    assert (stopped(CALL, "asked", 1.0).outcome, error_of(stopped(CALL, "asked", 1.0))) == ("stopped", "stopped")
    refused = not_storable(finished_from(CALL, done(7, 0.5, second=b'{"plugs": {"a": 1}}'), {}), DataError("no\nmore"))
    assert (refused.outcome, refused.plugs, error_of(refused)) == ("failed", (), "result_not_storable")
    assert "more" not in refused.value
    assert refused.token == 7


@pytest.mark.parametrize(
    ("ran", "limit", "ends", "code"),
    [
        (9.0, None, None, None),
        (2.0, 2.0, 100.0, None),
        (2.1, 2.0, None, "timeout"),
        (1.0, None, 99.9, "deadline"),
        (2.1, 2.0, 99.9, "timeout"),
    ],
)
def test_who_runs_too_long_or_too_late(ran: float, limit: float | None, ends: float | None, code: str | None) -> None:
    """It is 100 o'clock."""
    late = overrun(replace(CALL, ends=ends), ran, 100.0, limit)
    assert (late and error_of(late)) == code
    assert late is None or (late.outcome, json.loads(late.value)["bases"]) == ("failed", ["TimeoutError"])
