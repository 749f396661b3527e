"""Processes that a run starts: each ends with its block, and with this process however that ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyfi.system.processes import Child, kill_session, signal_process, spawn

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 20.0


class BenchmarkError(Exception):
    """A side did not do its work, so there is no figure."""


@contextmanager
def running(name: str, argv: Sequence[str], folder: Path, extra: Mapping[str, str] | None = None) -> Iterator[Child]:
    """Start `argv` with a small environment; SIGTERM at the block's end, then the whole session is killed."""
    output = folder / f"{name}.log"
    env = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        **(extra or {}),
    }
    child = spawn(argv, env=env, cwd=folder, stdout=output, stderr=output, die_with_parent=signal.SIGKILL)
    try:
        yield child
        _require_running(name, child)
    except BenchmarkError as error:
        raise BenchmarkError(f"{error}\n{name} said:\n{tail(output)}") from error
    finally:
        try:
            signal_process(child.identity, signal.SIGTERM)
            child.wait(STOP_SECONDS)
        finally:
            kill_session(child.identity, wait_seconds=2.0)
            child.wait(2.0)


def _require_running(name: str, child: Child) -> None:
    if child.poll() is not None:
        raise BenchmarkError(f"{name} ended by itself, exit {child.poll()}")


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a file."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
