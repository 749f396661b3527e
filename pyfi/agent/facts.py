"""What an agent tells about its machine."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import psutil

import pyfi
from pyfi import settings


def cpu_ids() -> tuple[int, ...]:
    """The processor numbers that this process may use; empty where the platform does not pin."""
    return tuple(sorted(os.sched_getaffinity(0))) if sys.platform == "linux" else ()


def usable_cpus() -> int:
    """How many CPUs this machine has for us."""
    return len(cpu_ids()) or os.cpu_count() or 1


def constant(*, port: int | None) -> dict[str, Any]:
    """What does not change while the agent lives."""
    return {
        "pid": os.getpid(),
        "port": port,
        "host": settings.hostname(),
        "machine_cpus": os.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "platform": platform.platform(terse=True),
        "python": platform.python_version(),
        "pyfi": pyfi.__version__,
    }


def changing(environments: os.PathLike[str]) -> dict[str, Any]:
    """What a heartbeat carries. The disk is the one that environments are on."""
    return {
        "memory_available_bytes": psutil.virtual_memory().available,
        "load": round(os.getloadavg()[0], 2),
        "disk_free_bytes": psutil.disk_usage(os.fspath(environments)).free,
    }
