"""A process that this one started."""

from __future__ import annotations

import os
import select

from pyfi.clock import SYSTEM
from pyfi.system.identity import LINUX, ProcessIdentity, identity_of, record

_UNKNOWN_EXIT = 255


class Child:
    """A process that this one started and has to reap. Dropping the object neither stops nor reaps the process."""

    def __init__(self, pid: int) -> None:
        """`pid` was started by this process and is not yet reaped."""
        self._pidfd = -1
        found = record(pid)
        if found is None:
            raise ChildProcessError(f"process {pid} is no child of this one")
        self.pid = pid
        self.identity: ProcessIdentity = identity_of(found)
        self._returncode: int | None = None
        self._pidfd = os.pidfd_open(pid) if LINUX else -1

    def fileno(self) -> int:
        """A descriptor that becomes readable when the process ends (a pidfd); -1 where there is no such thing."""
        return self._pidfd

    def exited(self) -> bool:
        """Whether it has ended, without reaping it: its pid and its group's id stay reserved until `poll`."""
        found = record(self.pid) if self._returncode is None else None
        return found is None or found.gone

    def poll(self) -> int | None:
        """The exit code, reaping the process; -N: killed by signal N; None: it still runs."""
        if self._returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                # Someone else reaped it; how it ended is lost.
                self._finish(_UNKNOWN_EXIT)
            else:
                if pid:
                    self._finish(os.waitstatus_to_exitcode(status))
        return self._returncode

    def wait(self, timeout_seconds: float) -> int | None:
        """Like `poll`, after waiting for at most that time."""
        deadline = SYSTEM.monotonic() + timeout_seconds
        while self.poll() is None and (left := deadline - SYSTEM.monotonic()) > 0:
            if self._pidfd >= 0:
                waiting = select.poll()
                waiting.register(self._pidfd, select.POLLIN)
                waiting.poll(left * 1000)
            else:
                SYSTEM.sleep(min(left, 0.02))
        return self._returncode

    def __del__(self) -> None:
        """Close the descriptor."""
        self._close()

    def _finish(self, returncode: int) -> None:
        self._returncode = returncode
        self._close()

    def _close(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
