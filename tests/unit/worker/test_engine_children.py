"""Calls that follow from a finished one: the worker asks for them only while nothing older waits here."""

from __future__ import annotations

import pytest

from tests.unit.worker.fakes import SOCKET, Bench, done, row


def room(bench: Bench) -> int:
    """What the last turn asked for."""
    return int(bench.database.last[21])


def child(call_id: str, token: int, parent: str) -> tuple[object, ...]:
    """A child that was claimed with its parent's end."""
    return ("c", call_id, token, 1, SOCKET, "{}", parent, parent, None)


def test_who_has_nothing_else_takes_the_child_at_once(bench: Bench) -> None:
    (parent,) = bench.hold(1)
    bench.engine._on_done(done(1))
    assert (bench.database.finished, bench.database.claim) == ([parent], [])
    assert room(bench) == bench.engine._calls.window > 1
    bench.database.answer([row("f", parent), child("k", 2, parent)])
    assert bench.guest.sent == [parent, "k"]
    assert bench.engine._report.duplicates == 0
    bench.engine._on_done(done(2))
    assert bench.database.finished == ["k"]


def test_children_are_no_duplicates_of_what_was_delivered(bench: Bench) -> None:
    """Of two wake-ups one named a call that somebody else has; the child does not hide it."""
    (parent,) = bench.hold(1)
    bench.engine._on_done(done(1))
    bench.database.answer([row("f", parent)])
    named = bench.deliver(2)
    bench.engine.pump()
    bench.database.answer([row("c", named[0], 5), child("k", 6, parent)])
    assert bench.engine._report.duplicates + bench.database.last[3] == 1


def test_what_was_delivered_comes_first(bench: Bench) -> None:
    """It is older."""
    (parent,) = bench.hold(1)
    bench.deliver(1)
    bench.engine._on_done(done(1))
    assert (bench.database.finished, room(bench)) == ([parent], 0)


def test_a_worker_with_long_calls_takes_one(bench: Bench) -> None:
    bench.hold(1)
    bench.engine._on_done(done(1, 3.0))
    assert room(bench) == 1


def test_behind_a_call_that_still_runs_children_wait_for_nobody(bench: Bench) -> None:
    """Another worker may be idle."""
    bench.hold(2)
    bench.engine._calls.done(0, 3.0)
    bench.engine._calls.window = 2
    bench.engine._feed()
    bench.engine._on_done(done(1, 3.0))
    assert room(bench) == 0


@pytest.mark.parametrize("state", ["draining", "guest"])
def test_who_takes_no_calls_takes_no_children(bench: Bench, state: str) -> None:
    bench.hold(1)
    if state == "draining":
        bench.engine.draining = True
    else:
        bench.guest.is_ready = False
    bench.engine._on_done(done(1))
    assert room(bench) == 0
