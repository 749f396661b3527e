"""The curve of a crash loop, at its corners."""

from __future__ import annotations

import itertools

import pytest

from pyfi.core.backoff import BUILDING, LOADING, NEVER, WORKER, Backoff, Crashes


def crash(before: Crashes, *, now: float, lived: float = 0.0, backoff: Backoff = WORKER) -> Crashes:
    return backoff.after(before, lived_seconds=lived, now=now, cause="exit 1")


def test_waits_double_from_one_second_up_to_five_minutes() -> None:
    waits = [Backoff(budget=100).wait_seconds(n) for n in range(1, 12)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_spent_budget_waits_longest_and_is_hopeless() -> None:
    crashes = NEVER
    for n in range(1, WORKER.budget):
        crashes = crash(crashes, now=float(n))
        assert not crashes.is_hopeless
    crashes = crash(crashes, now=100.0)
    assert crashes.is_hopeless
    assert crashes.not_before == 100.0 + WORKER.longest_seconds
    assert crashes.in_a_row == crashes.restarts == WORKER.budget


@pytest.mark.parametrize(("lived", "in_a_row"), [(599.999, 6), (600.0, 1), (601.0, 1)])
def test_a_healthy_spell_forgives(lived: float, in_a_row: int) -> None:
    after = crash(Crashes(in_a_row=5, restarts=9), now=0.0, lived=lived)
    assert after.in_a_row == in_a_row
    assert after.restarts == 10


def test_having_served_forgives() -> None:
    after = WORKER.after(Crashes(in_a_row=7, restarts=7), lived_seconds=0, now=0.0, cause="signal 9", has_served=True)
    assert (after.in_a_row, after.not_before, after.is_hopeless) == (1, 1.0, False)


def test_the_cause_and_the_next_try_are_kept() -> None:
    after = WORKER.after(NEVER, lived_seconds=3, now=50.0, cause="signal 9")
    assert (after.last_exit, after.not_before, after.is_hopeless) == ("signal 9", 51.0, False)


def test_what_cannot_be_loaded_is_hopeless_at_once_and_tried_seldom() -> None:
    after = LOADING.after(NEVER, lived_seconds=1, now=0.0, cause="no module named x", is_hopeless=True)
    assert after.is_hopeless
    assert after.not_before == 30.0


@pytest.mark.parametrize("backoff", [WORKER, LOADING, BUILDING, Backoff(first_seconds=1000)])
def test_waits_never_shrink_and_never_pass_the_longest(backoff: Backoff) -> None:
    waits = [backoff.wait_seconds(n) for n in range(1, 2000, 13)]
    assert all(earlier <= later for earlier, later in itertools.pairwise(waits))
    assert max(waits) == backoff.longest_seconds
