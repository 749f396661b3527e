"""What is measured of times and processes, and what is said of several values."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one side's repeats."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """What counts."""
        return statistics.median(self.values)


def interleaved(repeats: int, *sides: Callable[[], float]) -> list[Series]:
    """Each side in turn, again and again: what disturbs the machine disturbs all of them."""
    rounds = [[side() for side in sides] for _ in range(repeats)]
    return [Series(column) for column in zip(*rounds, strict=True)]


def timed(action: Callable[[], object]) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that so many per cent do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def tree(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def memory_mib(pid: int) -> float:
    """The proportional set size of a process and all below it: a page shared by n counts 1/n (Linux)."""
    return sum(process.memory_full_info().pss for process in tree(pid)) / MIB


def cpu_seconds(pid: int) -> float:
    """User and system time that a process and all now below it have used; to the nanosecond where Linux tells it."""
    return sum(_cpu_seconds(process) for process in tree(pid))


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        threads = [path.read_text().split() for path in Path(f"/proc/{process.pid}/task").glob("*/schedstat")]
        if threads:
            return sum(int(thread[0]) for thread in threads) / 1e9
        times = process.cpu_times()
    except (OSError, psutil.NoSuchProcess):
        return 0.0
    return times.user + times.system
