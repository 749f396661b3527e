"""Signals that reach exactly the process that is meant, and the end of whole sessions."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Sequence
from pathlib import Path

from pyfi.clock import wait_until
from pyfi.system.identity import (
    LINUX,
    ProcessIdentity,
    ProcessRecord,
    identify,
    identity_of,
    is_alive,
    record,
    records,
)


def open_pidfd(identity: ProcessIdentity) -> int | None:
    """A descriptor that becomes readable when that process ends; the caller closes it.

    None: it is gone already, or the platform has no pidfds.
    """
    if not LINUX:
        return None
    try:
        opened = os.pidfd_open(identity.pid)
    except (ProcessLookupError, OSError):
        return None
    # Asked after opening: from here on the descriptor stays that process, whatever becomes of the number.
    if is_alive(identity):
        return opened
    os.close(opened)
    return None


def signal_process(identity: ProcessIdentity, sig: signal.Signals) -> bool:
    """Send `sig` to exactly that process. False: it is gone.

    Raises: PermissionError: it is another user's.
    """
    if not LINUX:
        if not is_alive(identity):
            return False
        os.kill(identity.pid, sig)
        return True
    opened = open_pidfd(identity)
    if opened is None:
        return False
    try:
        signal.pidfd_send_signal(opened, sig)
    except ProcessLookupError:
        return False
    finally:
        os.close(opened)
    return True


def signal_group(identity: ProcessIdentity, sig: signal.Signals) -> bool:
    """Send `sig` to the process group that this process leads. False: it leads none, or was reaped.

    A leader that is a zombie still keeps the group's number reserved, so its group can be signalled.
    Raises: PermissionError: no member may be signalled.
    """
    found = record(identity.pid)
    if found is None or identity_of(found) != identity:
        return False
    try:
        os.killpg(identity.pid, sig)
    except ProcessLookupError:
        return False
    return True


def session_members(session: ProcessIdentity | int) -> tuple[ProcessRecord, ...]:
    """The living processes of a session: its number, or the identity of the process that began it (dead or alive).

    Empty when that number has meanwhile been taken by another process.
    """
    number = session if isinstance(session, int) else session.pid
    found = tuple(records())
    if not isinstance(session, int):
        leader = next((entry for entry in found if entry.pid == number), None)
        if leader is not None and identity_of(leader) != session:
            return ()
    since = 0 if isinstance(session, int) else session.started
    return tuple(entry for entry in found if entry.session == number and not entry.gone and entry.started >= since)


def kill_session(session: ProcessIdentity | int, *, wait_seconds: float = 5.0) -> int:
    """SIGKILL every process of a session, again and again until none is left or the time is up.

    It finds the grandchildren of a process that is dead already. Returns how many different processes it killed.
    With `wait_seconds=0` it makes one round and does not wait.
    Raises: ValueError: the session is our own.
    """
    number = session if isinstance(session, int) else session.pid
    if number <= 0 or number == os.getsid(0):
        raise ValueError(f"session {number} is our own")
    killed: set[ProcessIdentity] = set()

    def none_left() -> bool:
        members = session_members(session)
        for member in members:
            identity = identity_of(member)
            with contextlib.suppress(PermissionError):
                if signal_process(identity, signal.SIGKILL):
                    killed.add(identity)
        return not members

    wait_until(none_left, timeout_seconds=wait_seconds, step_seconds=0.005)
    return len(killed)


def end_process(identity: ProcessIdentity, steps: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send one signal after the other, each with seconds to wait for the end. Reaps the process if it is our child.

    True: it is gone now, or was before.
    """
    for sig, seconds in steps:
        if not signal_process(identity, sig) or wait_until(
            lambda: not is_alive(identity), timeout_seconds=seconds, step_seconds=0.005
        ):
            break
    if (found := record(identity.pid)) is None or identity_of(found) != identity:
        return True
    if found.gone and found.parent == os.getpid():
        with contextlib.suppress(ChildProcessError):
            os.waitpid(identity.pid, os.WNOHANG)
    return found.gone


def find_processes(*, programs: Collection[str], folder: Path) -> tuple[ProcessIdentity, ...]:
    """The living processes whose working directory is `folder` and whose executable's file has one of these names."""
    wanted = folder.resolve()
    found = []
    for entry in records():
        identity = identity_of(entry)
        if not entry.gone and _runs(entry.pid, programs, wanted) and identify(entry.pid) == identity:
            found.append(identity)
    return tuple(found)


def _runs(pid: int, programs: Collection[str], folder: Path) -> bool:
    if LINUX:
        try:
            executable = Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
            return executable in programs and Path(f"/proc/{pid}/cwd").readlink() == folder
        except OSError:
            return False
    import psutil  # only where there is no /proc

    try:
        process = psutil.Process(pid)
        return Path(process.exe()).name in programs and Path(process.cwd()) == folder
    except psutil.Error:
        return False
