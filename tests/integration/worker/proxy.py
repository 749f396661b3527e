"""A TCP proxy before a server: what goes through it can be cut, refused or left unanswered."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from urllib.parse import urlsplit, urlunsplit

from pyfi.service import Waker

_BYTES = 1 << 16


class Proxy:
    """Listens on a free port of 127.0.0.1; runs in a thread."""

    def __init__(self, url: str, port: int) -> None:
        """`url`: of the server; `port`: where it listens when its URL names none."""
        self._url = urlsplit(url)
        self._server = (self._url.hostname or "127.0.0.1", self._url.port or port)
        self._listener: socket.socket | None = None
        self._port = 0
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._is_ending = self._is_silent = False
        self._mute_from: bytes | None = None
        self._mute: set[socket.socket] = set()
        self._waker = Waker()
        self.cuts = self.accepted = 0
        self.open()
        self._thread = threading.Thread(target=self._run, name="proxy")
        self._thread.start()

    @property
    def url(self) -> str:
        """The server's URL, through here."""
        user = self._url.netloc.rpartition("@")[0]
        place = f"127.0.0.1:{self._port}"
        return urlunsplit(self._url._replace(netloc=f"{user}@{place}" if user else place))

    def open(self) -> None:
        """Take connections, on the same port as ever."""
        with self._lock:
            self._listener = socket.create_server(("127.0.0.1", self._port), reuse_port=True)
            self._port = self._listener.getsockname()[1]
            self._is_silent = False
        self._waker.wake()

    def cut(self) -> int:
        """Close all connections; returns how many."""
        with self._lock:
            count = len(self._pairs) // 2
            for each in self._pairs:
                # The descriptor stays until the thread has seen the end.
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            self.cuts += count
        return count

    @property
    def is_carrying(self) -> bool:
        """Whether a connection goes through."""
        with self._lock:
            return bool(self._pairs)

    def refuse(self) -> None:
        """Close all connections, and take no more until `open`."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        self.cut()

    def fall_silent(self) -> None:
        """Keep all connections and forward nothing, until `open`."""
        with self._lock:
            self._is_silent = True
        self._waker.wake()

    def fall_silent_from(self, words: bytes) -> None:
        """Forward nothing more of a connection on which these were said, them included, until `speak`."""
        with self._lock:
            self._mute_from = words

    def speak(self) -> None:
        """Forward what comes from now on."""
        with self._lock:
            self._mute_from = None
            self._mute.clear()
        self._waker.wake()

    def close(self) -> None:
        """End the thread."""
        self._is_ending = True
        self.refuse()
        self._waker.wake()
        self._thread.join(10)
        for each in self._pairs:
            each.close()
        self._waker.close()

    def _run(self) -> None:
        while not self._is_ending:
            self._waker.clear()
            with self._lock:
                reading = [] if self._is_silent else [each for each in self._pairs if each not in self._mute]
                listener = self._listener
            readable, _, _ = select.select([self._waker, *reading, *([listener] if listener else [])], [], [], 0.5)
            for each in readable:
                if each is listener:
                    self._accept(listener)
                elif isinstance(each, socket.socket):
                    self._forward(each)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            here = listener.accept()[0]
            try:
                there = socket.create_connection(self._server, 5)
            except OSError:
                here.close()
                return
            there.settimeout(None)
            with self._lock:
                self.accepted += 1
                self._pairs |= {here: there, there: here}

    def _forward(self, source: socket.socket) -> None:
        other = self._pairs.get(source)
        if other is None:
            return
        try:
            came = source.recv(_BYTES)
            if self._mute_from is not None and self._mute_from in came:
                with self._lock:
                    self._mute |= {source, other}
                return
            if came:
                other.sendall(came)
                return
        except OSError:
            pass
        with self._lock:
            for each in (source, other):
                self._pairs.pop(each, None)
                each.close()
