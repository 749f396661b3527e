"""When leases are renewed."""

from __future__ import annotations

from pyfi.worker.held import Held
from pyfi.worker.leases import Leases


def call(token: int) -> Held:
    """A claimed call."""
    return Held(f"call{token}", token, 1, "s", "{}", "r", None)


def test_they_are_renewed_in_time_and_lost_before_others_have_the_calls() -> None:
    leases = Leases(30.0, 100.0)
    assert not leases.are_due(110.0, None)
    assert leases.are_due(110.1, None)
    assert not leases.are_lost(124.0)
    assert leases.are_lost(124.1)
    leases.renewed(120.0)
    assert not leases.are_due(130.0, None) and not leases.are_lost(144.0)


def test_what_begins_to_take_long_is_shown_once() -> None:
    leases = Leases(30.0, 0.0)
    held = [call(1), call(2)]
    assert leases.are_due(1.0, held[0])
    assert leases.parameters("w", held, held[0]) == ("w", ["call1", "call2"], [1, 2], "call1")
    assert not leases.are_due(2.0, held[0])
    assert leases.are_due(2.0, held[1])
    assert leases.parameters("w", held, None)[-1] is None
    assert not leases.are_due(3.0, held[0])
