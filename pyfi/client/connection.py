"""The process's connection: made from the settings when an object first needs it."""

from __future__ import annotations

import os
import threading

from pyfi import settings as files
from pyfi.control.login import login
from pyfi.core.urls import DatabaseUrl
from pyfi.db.session import Database
from pyfi.ledger.calls import Calls
from pyfi.settings import Settings


class Connection:
    """One login's database and, for each thread, its own line to the ledger."""

    def __init__(self, settings: Settings) -> None:
        """Nothing connects before it is used."""
        self.settings = settings
        self.pid = os.getpid()
        self._url: DatabaseUrl = login(settings)
        self.database = Database(self._url, application="pyfi client")
        self._local = threading.local()
        self._all: list[Calls] = []

    def calls(self) -> Calls:
        """This thread's line to the ledger."""
        calls: Calls | None = getattr(self._local, "calls", None)
        if calls is None:
            calls = self._local.calls = Calls(self._url, self.settings.broker)
            self._all.append(calls)
        return calls

    def close(self) -> None:
        """Let go of everything."""
        self.database.close()
        for calls in self._all:
            calls.close()
        self._all.clear()
        self._local = threading.local()


_lock = threading.Lock()
_current: Connection | None = None


def connection() -> Connection:
    """The process's connection; a forked child gets its own.

    Raises: NotConfiguredError: nothing says which database.
    """
    global _current  # one a process: the founding documents' objects name none
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = Connection(files.load())
        return _current


def connect(
    *, db: str | None = None, broker: str | None = None, backend: str | None = None, ini: str | None = None
) -> Connection:
    """Use these URLs from now on; what is not given comes from environment, ini file or a running embedded stack."""
    global _current
    made = Connection(files.load({"db": db, "broker": broker, "backend": backend}, ini=ini))
    disconnect()
    with _lock:
        _current = made
    return made


def disconnect() -> None:
    """Close the process's connection; the next object makes a new one."""
    global _current
    with _lock:
        if _current is not None and _current.pid == os.getpid():
            _current.close()
        _current = None
