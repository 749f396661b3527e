"""A lock between processes of one machine; the kernel frees it when its owner dies, however."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from pyfi.system.identity import ProcessIdentity, identify, is_alive


class FileLock:
    """flock on a file of its own; the owner's identity is written into the file. Not for threads among themselves."""

    def __init__(self, path: Path) -> None:
        """The file is made (0600) by `acquire`, its folder must exist; the file stays."""
        self.path = path
        self._file = -1

    def acquire(self, blocking: bool = False) -> bool:
        """True: it is ours (again, if it was). False: another has it. With `blocking` it waits and is always True."""
        while self._file < 0:
            opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
                if self._is_still_there(opened):
                    self._file, opened = opened, -1
            except BlockingIOError:
                return False
            finally:
                if opened >= 0:
                    os.close(opened)
        self._sign()
        return True

    def holder(self) -> int | None:
        """The process id of the living owner; None: nobody has it."""
        try:
            owner = ProcessIdentity.from_json(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return owner.pid if is_alive(owner) else None

    def fileno(self) -> int:
        """The descriptor that holds it, -1 when it is not ours: a child that inherits it holds the lock as well."""
        return self._file

    def release(self) -> None:
        """Give it up; nothing happens when it is not ours. It stays locked while a child holds it."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """Wait for it."""
        self.acquire(blocking=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Give it up."""
        self.release()

    def _is_still_there(self, opened: int) -> bool:
        # Whoever removed the file while we waited left us with a lock that nobody else can see.
        try:
            return os.path.samestat(os.fstat(opened), self.path.stat())
        except FileNotFoundError:
            return False

    def _sign(self) -> None:
        me = identify(os.getpid())
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, (me.to_json() if me else "").encode(), 0)
