"""What a user's function prints and logs becomes frames. Runs inside the user's virtualenv: standard library only."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

STDOUT, STDERR, LOGGING = 1, 2, 3
_LONGEST_UNFINISHED_LINE = 8192


class CallLog:
    """Where the lines of the running call go, at most `limit_lines` and `limit_bytes` of them.

    `send(token, unix time, stream, utf-8 text)` hands one line to the host.
    """

    def __init__(self, send: Callable[[int, float, int, bytes], None]) -> None:
        """No limit until one is loaded."""
        self._send = send
        self._token = 0
        self._left = self.limit_bytes = 1 << 20
        self._lines_left = self.limit_lines = 10_000
        self._dropped = 0
        self._cut = self._forked = False
        self.streams = (LineStream(self, STDOUT), LineStream(self, STDERR))

    def begin(self, token: int) -> None:
        """What comes from now on belongs to that call; 0 is the time between calls."""
        self._token = token
        self._left, self._lines_left = self.limit_bytes, self.limit_lines
        self._dropped = 0
        self._cut = False

    def end(self) -> None:
        """Send lines that were not finished, and how many were dropped."""
        for stream in self.streams:
            if stream.unfinished:
                stream.flush()
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._send(self._token, time.time(), LOGGING, f"... {dropped} lines dropped".encode())

    def line(self, stream: int, text: str) -> None:
        """Send one line; after the limit one last line says so."""
        if self._forked:
            # The socket stayed with the parent; the pipe did not.
            with contextlib.suppress(OSError):
                os.write(1 if stream == STDOUT else 2, text.encode("utf-8", "replace") + b"\n")
            return
        if self._cut:
            self._dropped += 1
            return
        encoded = text.encode("utf-8", "replace")
        self._lines_left -= 1
        if len(encoded) < self._left and self._lines_left > 0:
            self._left -= len(encoded) + 1
        else:
            why = f"{self.limit_lines} lines" if self._lines_left <= 0 else f"{self.limit_bytes} bytes"
            encoded = encoded[: self._left] + f"\n[log cut: more than {why}]".encode()
            self._cut = True
        self._send(self._token, time.time(), stream, encoded)

    def forked(self) -> None:
        """Called in a forked child: from now on its words go through its file descriptors."""
        self._forked = True


class LineStream(io.TextIOBase):
    """sys.stdout or sys.stderr: sends whole lines. `fileno` is the real descriptor, for who hands it to a program."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, log: CallLog, number: int) -> None:
        """number: STDOUT or STDERR, also the file descriptor."""
        self._log = log
        self._number = number
        self.name = f"<{'stdout' if number == STDOUT else 'stderr'}>"
        self.unfinished = ""

    def write(self, text: str) -> int:
        """Send what is complete, keep the rest."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, rest = (self.unfinished + text).split("\n")
        self.unfinished = ""
        for line in lines:
            self._log.line(self._number, line)
        if len(rest) > _LONGEST_UNFINISHED_LINE:
            self._log.line(self._number, rest)
            rest = ""
        self.unfinished += rest
        return len(text)

    def flush(self) -> None:
        """Send an unfinished line as if it were finished."""
        rest, self.unfinished = self.unfinished, ""
        if rest:
            self._log.line(self._number, rest)

    def close(self) -> None:
        """Stay open: the next call prints too."""
        self.flush()

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The descriptor below."""
        return self._number

    @property
    def buffer(self) -> BinaryIO:
        """For who writes bytes: the descriptor below, unbuffered."""
        self.flush()
        return open(self._number, "wb", buffering=0, closefd=False)


class LogLines(logging.Handler):
    """Sends records of the `logging` module."""

    def __init__(self, log: CallLog) -> None:
        """The root logger's only one."""
        super().__init__()
        self._log = log
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """One line, with its traceback if it has one."""
        try:
            self._log.line(LOGGING, self.format(record))
        except Exception:  # a record that cannot be formatted is the user's; logging prints why
            self.handleError(record)


def install(log: CallLog) -> None:
    """Make prints and logging arrive at `log`."""
    sys.stdout, sys.stderr = log.streams
    root = logging.getLogger()
    root.addHandler(LogLines(log))
    root.setLevel(logging.INFO)


def reinstall(log: CallLog) -> None:
    """Undo what a call did to sys.stdout and sys.stderr."""
    sys.stdout, sys.stderr = log.streams
