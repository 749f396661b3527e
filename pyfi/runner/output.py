"""What a guest and its children write to descriptors 1 and 2, as lines of the running call's log."""

from __future__ import annotations

import os

from pyfi.clock import SYSTEM
from pyfi.runner.frames import Log, printable

_READ_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 8192


class PipeLines:
    """The reading end of one pipe. Bytes that are no UTF-8 become replacement characters."""

    def __init__(self, fd: int, stream: int) -> None:
        """fd: not blocking, ours to close. stream: STDOUT or STDERR."""
        self.limit_bytes = 1 << 20
        self.limit_lines = 10_000
        self._fd = fd
        self._stream = stream
        self._kept_open = -1
        self._token = 0
        self._used = self._lines = self._dropped = 0
        self._unfinished = b""
        # The last look found nothing, and nothing is left from before.
        self.is_dry = False

    def fileno(self) -> int:
        """The pipe: the same number until `close`."""
        return self._fd

    def read(self, token: int, *, finished: bool = False) -> list[Log]:
        """The lines that are complete now, for the call `token`, at most `limit_bytes` a call. Does not block.

        finished: the call has ended: an unfinished line counts as one.
        """
        came = self._read()
        self.is_dry = not came and not self._unfinished and not self._dropped
        if not came and not (finished and (self._unfinished or self._dropped)):
            return []
        if token != self._token:
            self._token, self._used, self._lines, self._dropped = token, 0, 0, 0
        lines = (self._unfinished + came).split(b"\n")
        self._unfinished = lines.pop()
        if self._unfinished and (finished or len(self._unfinished) > _LONGEST_LINE_BYTES):
            lines.append(self._unfinished)
            self._unfinished = b""
        at = SYSTEM.now().timestamp()
        texts = [text for text in map(self._within_limit, lines) if text is not None]
        if finished and self._dropped:
            texts.append(f"... {self._dropped} lines dropped")
            self._dropped = 0
        return [Log(token, at, self._stream, text) for text in texts]

    def _read(self) -> bytes:
        if self._fd < 0:
            return b""
        try:
            came = os.read(self._fd, _READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return b""
        if not came:
            self._fall_silent()
        return came

    def _fall_silent(self) -> None:
        """Nobody can write to it any more: who polls it must not be woken for ever, nor meet a stranger there."""
        reading, self._kept_open = os.pipe()
        os.set_blocking(reading, False)
        os.dup2(reading, self._fd, inheritable=False)
        os.close(reading)

    def _within_limit(self, line: bytes) -> str | None:
        left = self.limit_bytes - self._used
        self._used += len(line) + 1
        self._lines += 1
        if left < 0 or self._lines > self.limit_lines:
            self._dropped += 1
            return None
        text = printable(line[:left].decode("utf-8", "replace"))
        if len(line) < left and self._lines < self.limit_lines:
            return text
        why = f"{self.limit_bytes} bytes" if len(line) >= left else f"{self.limit_lines} lines"
        return f"{text}\n[log cut: more than {why}]"

    def close(self) -> None:
        """Let go of the descriptor; may be called twice."""
        for fd in (self._fd, self._kept_open):
            if fd >= 0:
                os.close(fd)
        self._fd = self._kept_open = -1
