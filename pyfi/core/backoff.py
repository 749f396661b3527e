"""Crash loops: how long to wait before the next start, and when to call it hopeless."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashes:
    """How the last starts of one thing ended.

    in_a_row: exits without a healthy spell between. not_before: monotonic seconds before which nothing starts.
    restarts: how often it was started again. last_exit: for people. is_hopeless: the cause is in the code (it could
    not be loaded), or the budget of crashes is spent: people are told, and tries are rare.
    """

    in_a_row: int = 0
    restarts: int = 0
    not_before: float = 0.0
    last_exit: str = ""
    is_hopeless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential, up to a longest wait; forgotten after a healthy spell.

    budget: crashes in a row after which it counts as hopeless; from there on every wait is the longest.

    Source: Kubernetes' CrashLoopBackOff curve (KEP-4603) with a first wait of 1 s.
    """

    first_seconds: float = 1.0
    factor: float = 2.0
    longest_seconds: float = 300.0
    healthy_seconds: float = 600.0
    budget: int = 8

    def wait_seconds(self, in_a_row: int) -> float:
        """How long after the given crash in a row (1 is the first) the next start may be.

        >>> [Backoff().wait_seconds(n) for n in (1, 2, 3, 8)]
        [1.0, 2.0, 4.0, 300.0]
        """
        if in_a_row >= self.budget:
            return self.longest_seconds
        wait = self.first_seconds
        for _ in range(in_a_row - 1):
            wait = min(wait * self.factor, self.longest_seconds)
        return min(wait, self.longest_seconds)

    def after(
        self,
        before: Crashes,
        *,
        lived_seconds: float,
        now: float,
        cause: str,
        has_served: bool = False,
        is_hopeless: bool = False,
    ) -> Crashes:
        """The record after one more exit that nobody asked for.

        has_served: it had done its work before, so it is not the start that fails: as good as a healthy spell. A call
        that ends its worker again and again is parked by the ledger.
        """
        is_forgiven = has_served or lived_seconds >= self.healthy_seconds
        in_a_row = 1 if is_forgiven else before.in_a_row + 1
        return Crashes(
            in_a_row=in_a_row,
            restarts=before.restarts + 1,
            not_before=now + self.wait_seconds(in_a_row),
            last_exit=cause,
            is_hopeless=is_hopeless or in_a_row >= self.budget,
        )


NEVER = Crashes()
"""Nothing has ended yet."""
WORKER = Backoff()
LOADING = Backoff(first_seconds=30.0)
"""A module that could not be loaded: seldom mended by trying again, but it may have needed a service that was away."""
AWAY = Backoff(longest_seconds=30.0, budget=1_000_000)
"""A worker that found no database or broker: not its code's fault, and it must be back soon after they are."""
BUILDING = Backoff(first_seconds=5.0)
"""A build that failed: the network, the index or the repository may come back."""
