"""Telling a function that it has run for long. Runs inside the user's virtualenv: standard library only."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

_AGAIN_SECONDS = 0.01


class SoftTimeLimit(TimeoutError):  # noqa: N818 # a user's word, as in Celery
    """Raised in a function when the soft time limit is over: what it still wants to keep, it should keep now."""


# What people see in errors, and name in `--retry-on`: no module that they could not import.
SoftTimeLimit.__module__ = "builtins"


class SoftLimit:
    """Raises SoftTimeLimit in the main thread, once a call; a coroutine is cancelled instead."""

    def __init__(self, seconds: float, is_sending: Callable[[], bool] = lambda: False) -> None:
        """seconds: from the beginning of the function. is_sending: now it must not be interrupted."""
        self._seconds, self._is_sending = seconds, is_sending
        self._armed = self._hit = False
        self._loop: Any = None
        self._task: Any = None

    def begin(self) -> None:
        """The function begins now. A function before may have taken the signal for itself."""
        signal.signal(signal.SIGALRM, self._on_alarm)
        self._armed, self._hit, self._task = True, False, None
        signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def end(self) -> None:
        """The function is over: whatever comes late is for nobody."""
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._loop = self._task = None

    def watch(self, loop: Any, task: Any) -> None:
        """From now on that task is the function."""
        self._loop, self._task = loop, task

    def meant(self, error: BaseException) -> BaseException:
        """The exception for who asks why: a coroutine knows only that it was cancelled."""
        if self._hit and type(error).__name__ == "CancelledError":
            return self._error().with_traceback(error.__traceback__)
        return error

    def _error(self) -> SoftTimeLimit:
        return SoftTimeLimit(f"it ran longer than {self._seconds:g} s")

    def _on_alarm(self, _number: int, _frame: object) -> None:
        if not self._armed:
            return
        if self._is_sending():
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
            return
        self._armed, self._hit = False, True
        if self._task is None:
            raise self._error()
        self._loop.call_soon_threadsafe(self._task.cancel)
