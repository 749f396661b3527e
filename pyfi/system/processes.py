"""Everything this room does with processes, under one name."""

from __future__ import annotations

from pyfi.system.child import Child
from pyfi.system.endings import out_of_memory_kills, signal_text
from pyfi.system.identity import ProcessIdentity, identify, is_alive
from pyfi.system.launch import NOBODY
from pyfi.system.run import Completed, run
from pyfi.system.signals import end_process, find_processes, kill_session, open_pidfd, signal_group, signal_process
from pyfi.system.spawn import Limits, User, spawn, user_namespaces_work

__all__ = [
    "NOBODY",
    "Child",
    "Completed",
    "Limits",
    "ProcessIdentity",
    "User",
    "end_process",
    "find_processes",
    "identify",
    "is_alive",
    "kill_session",
    "open_pidfd",
    "out_of_memory_kills",
    "run",
    "signal_group",
    "signal_process",
    "signal_text",
    "spawn",
    "user_namespaces_work",
]
