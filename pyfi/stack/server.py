"""What both servers need: a port, a start that is watched, an end."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyfi.clock import wait_until
from pyfi.errors import UnavailableError
from pyfi.system.processes import Child, end_process, find_processes, signal_process

HOST = "127.0.0.1"
START_SECONDS = 60.0  # a start may have to replay a long log first
_ATTEMPTS = 5

Steps = Sequence[tuple[signal.Signals, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """How one server starts. port: the one to try first; 0: any. inherited: a descriptor it keeps open all its life."""

    port: int
    password: str = field(repr=False)
    die_with_parent: bool
    inherited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedServer:
    """A server that answers on `port` of loopback."""

    child: Child
    port: int


def server_environment(home: Path) -> dict[str, str]:
    """All that a server gets of an environment."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": str(home)}


def port_is_free(port: int) -> bool:
    """Whether a server could listen on `port` of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def start(
    name: str, port: int, *, spawn: Callable[[int], Child], ready: Callable[[Child, int], bool], log: Path
) -> StartedServer:
    """Start a server on `port`, or on another if that one is 0 or taken, and wait until it is ready.

    Raises: UnavailableError: it did not start; it says what its log says last. Nothing keeps running then.
    """
    for _ in range(_ATTEMPTS):
        chosen = port if port and port_is_free(port) else free_port()
        child = spawn(chosen)
        try:
            if _becomes_ready(child, lambda c=child, p=chosen: ready(c, p)):  # type: ignore[misc]
                return StartedServer(child=child, port=chosen)
        except BaseException:
            _kill(child)
            raise
        _kill(child)
        if port_is_free(chosen):
            break
        # Someone was faster at that port: another one.
    raise UnavailableError(f"the embedded {name} did not start: {last_line(log)}", hint=f"read {log}")


def _becomes_ready(child: Child, ready: Callable[[], bool]) -> bool:
    seen = False

    def decided() -> bool:
        nonlocal seen
        # A server that has ended is asked no more: whoever answers on its port would be a stranger.
        seen = not child.exited() and ready()
        return seen or child.exited()

    wait_until(decided, timeout_seconds=START_SECONDS, step_seconds=0.01)
    return seen


def _kill(child: Child) -> None:
    signal_process(child.identity, signal.SIGKILL)
    child.wait(10.0)


def last_line(log: Path) -> str:
    """What the server said last."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it said nothing"


def end_processes_in(folder: Path, programs: Collection[str], steps: Steps) -> None:
    """End every process of these programs whose working directory is `folder`."""
    for identity in find_processes(programs=programs, folder=folder):
        end_process(identity, steps)
