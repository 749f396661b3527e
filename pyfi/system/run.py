"""Run a program to its end, within limits; nothing of it survives."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pyfi.clock import SYSTEM
from pyfi.system.child import Child
from pyfi.system.signals import kill_session
from pyfi.system.spawn import Limits, User, spawn

_CHUNK_BYTES = 65536
_DRAIN_SECONDS = 1.0
_LOOK_SECONDS = 0.05  # how often to look for the end where there are no pidfds


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What came of a program. returncode: -N when signal N ended it. truncated: only the end of the output was kept."""

    returncode: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False


class _Tail:
    """The last `limit` bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.truncated = False

    def add(self, chunk: bytes) -> None:
        self._kept += chunk
        if len(self._kept) > self._limit:
            self.truncated = True
            del self._kept[: len(self._kept) - self._limit]

    def content(self) -> bytes:
        return bytes(self._kept)


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    timeout_seconds: float,
    stdin_bytes: bytes | None = None,
    output_limit_bytes: int = 1 << 20,
    file_size_limit_bytes: int | None = None,
    as_nobody: bool = False,
    user: User | None = None,
    limits: Limits | None = None,
) -> Completed:
    """Run `argv` to its end. Whatever it leaves in its session is killed, also when it succeeds or we are killed.

    Args: env: the whole environment. output_limit_bytes: of stdout and of stderr; of more, the end is kept.
    file_size_limit_bytes: the largest file that it may write (it gets SIGXFSZ beyond that).
    as_nobody, user, limits: see `spawn`.

    Raises:
        TimeoutError: it took longer; its whole session was killed.
        OSError: it could not be started.
    """
    deadline = SYSTEM.monotonic() + timeout_seconds
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        out, to_out = _pipe(stack)
        err, to_err = _pipe(stack)
        try:
            child = spawn(
                argv,
                env=env,
                cwd=cwd,
                stdin_bytes=stdin_bytes,
                stdout=to_out,
                stderr=to_err,
                die_with_parent=signal.SIGKILL,
                as_nobody=as_nobody,
                user=user,
                limits=limits,
                file_size_limit_bytes=file_size_limit_bytes,
            )
        finally:
            os.close(to_out)
            os.close(to_err)
        tails = {out: _Tail(output_limit_bytes), err: _Tail(output_limit_bytes)}
        for stream in tails:
            selector.register(stream, selectors.EVENT_READ)
        try:
            _follow(child, selector, tails, deadline, f"{Path(argv[0]).name} took longer than {timeout_seconds:g} s")
        finally:
            # Before it is reaped: until then no other session can have its number.
            kill_session(child.identity)
            returncode = child.wait(5.0)
        return Completed(
            returncode=-int(signal.SIGKILL) if returncode is None else returncode,
            stdout=tails[out].content(),
            stderr=tails[err].content(),
            truncated=any(tail.truncated for tail in tails.values()),
        )


def _pipe(stack: ExitStack) -> tuple[int, int]:
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    os.set_blocking(reading, False)
    return reading, writing


def _follow(
    child: Child, selector: selectors.BaseSelector, tails: dict[int, _Tail], deadline: float, late: str
) -> None:
    """Read until the program has ended and its output is read; what keeps the pipes open after that gets a moment."""
    if child.fileno() >= 0:
        selector.register(child.fileno(), selectors.EVENT_READ)
    ended = False
    while not ended or len(selector.get_map()) > 0:
        left = deadline - SYSTEM.monotonic()
        if left <= 0:
            if ended:
                return
            raise TimeoutError(late)
        for key, _ in selector.select(left if child.fileno() >= 0 or ended else min(left, _LOOK_SECONDS)):
            if key.fd in tails:
                _read(selector, key.fd, tails[key.fd])
        if not ended and child.exited():
            ended = True
            kill_session(child.identity)
            if child.fileno() >= 0:
                selector.unregister(child.fileno())
            deadline = SYSTEM.monotonic() + _DRAIN_SECONDS


def _read(selector: selectors.BaseSelector, stream: int, tail: _Tail) -> None:
    try:
        chunk = os.read(stream, _CHUNK_BYTES)
    except BlockingIOError:
        return
    if chunk:
        tail.add(chunk)
    else:
        selector.unregister(stream)
