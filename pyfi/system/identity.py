"""Who a process is: a process id alone is reused, so (boot, pid namespace, pid, start time) names it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

LINUX = sys.platform == "linux"
_GONE = frozenset("ZXx")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process of one boot of one machine.

    started: clock ticks since boot (Linux: field 22 of /proc/<pid>/stat), elsewhere milliseconds since the epoch.
    """

    boot_id: str
    pid_namespace: str
    pid: int
    started: int

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ProcessIdentity:
        """The inverse of `to_json`.

        Raises: ValueError: `text` is something else.
        """
        try:
            read = json.loads(text)
            return cls(
                boot_id=str(read["boot_id"]),
                pid_namespace=str(read["pid_namespace"]),
                pid=int(read["pid"]),
                started=int(read["started"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no process identity: {text[:80]!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """What the system says of a process id at this moment. gone: it has ended and only waits to be reaped."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    gone: bool


@cache
def _boot_id() -> str:
    if LINUX:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    import psutil  # only where there is no /proc

    return str(int(psutil.boot_time()))


def _pid_namespace() -> str:
    # Ours, not the other process's: it says how the number `pid` is to be read, and is always readable.
    try:
        return str(Path("/proc/self/ns/pid").readlink()) if LINUX else ""
    except OSError:
        return ""


def record(pid: int) -> ProcessRecord | None:
    """What is known of `pid`, zombies included; None when there is no such process."""
    if pid <= 0:
        return None
    if not LINUX:
        return _record_without_proc(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name may hold spaces and brackets; what follows the last bracket is numbers.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return ProcessRecord(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        started=int(fields[19]),
        gone=fields[0].decode() in _GONE,
    )


def _record_without_proc(pid: int) -> ProcessRecord | None:
    import os

    import psutil  # only where there is no /proc

    try:
        process = psutil.Process(pid)
        return ProcessRecord(
            pid=pid,
            parent=process.ppid(),
            group=os.getpgid(pid),
            session=os.getsid(pid),
            started=int(process.create_time() * 1000),
            gone=process.status() == psutil.STATUS_ZOMBIE,
        )
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None
    except (psutil.AccessDenied, PermissionError):
        return None


def records() -> Iterator[ProcessRecord]:
    """Every process that can be seen now."""
    if LINUX:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    else:
        import psutil  # only where there is no /proc

        pids = psutil.pids()
    for pid in pids:
        found = record(pid)
        if found is not None:
            yield found


def identity_of(found: ProcessRecord) -> ProcessIdentity:
    """The identity of the process in `found`."""
    return ProcessIdentity(boot_id=_boot_id(), pid_namespace=_pid_namespace(), pid=found.pid, started=found.started)


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of the process that has `pid` now; None: there is none, or a zombie."""
    found = record(pid)
    return None if found is None or found.gone else identity_of(found)


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly that process still runs. A zombie, another boot or another pid namespace counts as gone."""
    return identify(identity.pid) == identity
