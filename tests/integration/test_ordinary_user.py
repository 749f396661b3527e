"""All that is tested of processes and the stack as root is true for an ordinary user, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

UID = 65534
HERE = Path(__file__).parent


@pytest.fixture
def their_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="pyfi-"))  # tmp_path lies in root's private folder
    os.chown(home, UID, UID)
    yield home
    shutil.rmtree(home)


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def python_for_everybody(folder: Path) -> Path:
    """This very Python; linked into `folder` when it lives where an ordinary user may not go."""
    executable = Path(sys.executable).resolve()
    try:
        subprocess.run([executable, "-c", ""], user=UID, group=UID, extra_groups=[], env={}, cwd="/", check=True)
    except (PermissionError, subprocess.CalledProcessError):
        library = Path(sysconfig.get_path("stdlib"))
        shutil.copytree(
            library,
            folder / "lib" / library.name,
            copy_function=link,
            ignore=shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "tkinter"),
        )
        for shared in library.parent.glob("libpython*.so*"):
            link(str(shared), str(folder / "lib" / shared.name))
        (folder / "bin").mkdir()
        link(str(executable), str(folder / "bin" / executable.name))
        return folder / "bin" / executable.name
    return executable


@pytest.mark.skipif(os.geteuid() != 0, reason="this user is an ordinary one")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("room", ["system", "stack"])
def test_as_an_ordinary_user(room: str, their_home: Path) -> None:
    python = python_for_everybody(their_home / "python")
    files = sorted(str(path) for path in HERE.glob(f"test_{room}_*.py"))
    assert files
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={their_home}/tests", *files],
        user=UID,
        group=UID,
        extra_groups=[],
        cwd=HERE.parent.parent,
        env={
            "PATH": os.defpath,
            "HOME": str(their_home),
            "TMPDIR": str(their_home),
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LD_LIBRARY_PATH": str(their_home / "python" / "lib"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
