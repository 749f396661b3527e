"""Another Python process that a test may kill; none outlives its test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def python_child(code: str, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """Run `code` with this process's modules; its streams are text. It is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def says(process: subprocess.Popen[str]) -> str:
    """Its next line."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    """Send it a line."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
