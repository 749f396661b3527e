"""`flow demo` on a machine without any service, twice, and the command that it ends with."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import psutil
import pytest

from pyfi.system.processes import Completed, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def shell(home: Path, *argv: str) -> Completed:
    """A command of somebody whose HOME is empty."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    passed = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}
    return run(argv, env=env | passed | {"PYTHONPATH": str(Path(__file__).parents[2])}, cwd=home, timeout_seconds=200)


def left(data: Path) -> list[list[str]]:
    """The command lines and working folders of processes that have to do with the demo's data."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), process.cwd()]
            if any(str(data) in word for word in words):
                found.append(words)
    return found


def test_the_demo_twice_and_what_it_tells_to_paste(tmp_path: Path) -> None:
    """Exit 0 with the tree, attempt 2 in it; nothing runs afterwards; the last line works when pasted."""
    for _ in range(2):
        done = shell(tmp_path, sys.executable, "-m", "pyfi", "demo")
        text = done.stdout.decode()
        assert done.returncode == 0, (text, done.stderr)
        assert "demo.append_and_sleep  done  attempt 2" in text
        assert "└── demo.do_something  done  attempt 1" in text
        assert "    └── demo.do_this  done  attempt 1" in text
    data = next(path for path in tmp_path.rglob("demo") if (path / "trace.txt").is_file())
    assert left(data) == []
    pasted = shell(tmp_path, "/bin/sh", "-c", text.rstrip().splitlines()[-1])
    assert pasted.returncode == 0, pasted.stderr
    assert pasted.stdout.decode().count("demo.append_and_sleep") >= 2
    assert left(data) == []
