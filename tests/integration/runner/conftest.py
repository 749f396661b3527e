"""Real git repositories."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyfi.system.processes import run


class Repository:
    """One repository of a test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def git(self, *arguments: str, stdin: bytes | None = None) -> str:
        env = {
            "PATH": os.defpath,
            "HOME": str(self.path),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ALLOW_PROTOCOL": "file",
            **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "Test"),
            **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "test@example.org"),
        }
        done = run(["git", *arguments], env=env, cwd=self.path, timeout_seconds=60, stdin_bytes=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def write(self, **files: str) -> None:
        """Write files given as `name__of__file="text"`."""
        self.write_files({name.replace("__", "."): text for name, text in files.items()})

    def write_files(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def commit(self, files: dict[str, str] | None = None) -> str:
        """Write files, commit all, return the commit."""
        self.write_files(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a commit")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def new_repository(tmp_path: Path) -> Callable[[str], Repository]:
    """Makes empty repositories by name."""
    return lambda name: Repository(tmp_path / name)


@pytest.fixture
def repository(new_repository: Callable[[str], Repository]) -> Repository:
    """An empty one."""
    return new_repository("repository")
