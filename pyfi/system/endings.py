"""How a process ended, in words."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

_MACHINE = Path("/proc/vmstat")


def signal_text(number: int) -> str:
    """`signal 9 (SIGKILL)`; a number that has no name stands alone."""
    with contextlib.suppress(ValueError):
        return f"signal {number} ({signal.Signals(number).name})"
    return f"signal {number}"


def out_of_memory_kills() -> int:
    """How many processes the kernel has ended for lack of memory since it started; 0 where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in _MACHINE.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0
