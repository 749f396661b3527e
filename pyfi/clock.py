"""The only reader of time. Durations use the monotonic clock; wall time is aware UTC and only for showing."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rooms ask of time."""

    def now(self) -> datetime:
        """Aware UTC wall time. Never compared across machines: the database's clock is."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        time.sleep(max(0.0, seconds))


SYSTEM = SystemClock()


def wait_until(
    done: Callable[[], bool], *, timeout_seconds: float, clock: Clock = SYSTEM, step_seconds: float = 0.02
) -> bool:
    """Ask `done` again and again until it is true or the time is up; returns the last answer."""
    deadline = clock.monotonic() + timeout_seconds
    while not done():
        if clock.monotonic() >= deadline:
            return False
        clock.sleep(step_seconds)
    return True
