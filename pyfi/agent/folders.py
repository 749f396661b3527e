"""Where a node keeps its state: one folder, in it one for each worker.

<home>/node-<name>/node.json        how to log in (0600)
<home>/node-<name>/agent.lock       held by the one agent
<home>/node-<name>/environments/    see runner.environment
<home>/node-<name>/builds/          what builds were asked for and said
<home>/node-<name>/workers/<key>/   config.json mark state.json past.json guest.json alive worker.log home/
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LONGEST_NAME = 200  # file systems end at 255 bytes


@dataclass(frozen=True, slots=True)
class WorkerFolder:
    """The files of one worker key."""

    path: Path

    @property
    def config(self) -> Path:
        """What the worker is told; holds credentials, 0600."""
        return self.path / "config.json"

    @property
    def mark(self) -> Path:
        """Eight bytes: the last claim token that was started, little endian."""
        return self.path / "mark"

    @property
    def state(self) -> Path:
        """The incarnation that runs or was not yet reaped."""
        return self.path / "state.json"

    @property
    def past(self) -> Path:
        """How the last incarnations ended."""
        return self.path / "past.json"

    @property
    def guest(self) -> Path:
        """The guest's identity, written by the worker once it serves."""
        return self.path / "guest.json"

    @property
    def log(self) -> Path:
        """What the worker prints."""
        return self.path / "worker.log"

    @property
    def alive(self) -> Path:
        """Locked for as long as the worker lives, see `held_for_child`."""
        return self.path / "alive"

    @property
    def home(self) -> Path:
        """The guest's home."""
        return self.path / "home"


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """The folder of one node."""

    path: Path

    @classmethod
    def of(cls, home: Path, node: str) -> NodeFolder:
        """By the data folder and the node's name."""
        return cls(home / f"node-{node}")

    @property
    def credentials(self) -> Path:
        """How the agent and its workers log in."""
        return self.path / "node.json"

    @property
    def lock(self) -> Path:
        """Held by the one agent of this node on this machine."""
        return self.path / "agent.lock"

    @property
    def environments(self) -> Path:
        """The root that runner.environment builds in."""
        return self.path / "environments"

    @property
    def builds(self) -> Path:
        """Specifications and answers of builds."""
        return self.path / "builds"

    @property
    def workers(self) -> Path:
        """One folder for each key."""
        return self.path / "workers"

    def worker(self, key: str) -> WorkerFolder:
        """The folder of a key; a key too long for a file name is cut and told apart by its hash."""
        name = key
        if len(key.encode()) > _LONGEST_NAME:
            name = f"{key[: _LONGEST_NAME // 2]}~{hashlib.sha256(key.encode()).hexdigest()[:20]}"
        return WorkerFolder(self.workers / name)

    def all_workers(self) -> Iterator[WorkerFolder]:
        """Every worker folder that there is."""
        if self.workers.is_dir():
            for path in sorted(self.workers.iterdir()):
                if path.is_dir():
                    yield WorkerFolder(path)


@contextmanager
def held_for_child(path: Path) -> Iterator[int]:
    """A locked descriptor to hand to a child: the lock lasts until the last process that inherited it has ended.

    Unlike a process id it tells of life across pid namespaces, and before anybody could write down who the child is.
    """
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield opened
    finally:
        # Closed, never unlocked: unlocking would free the child's lock too.
        os.close(opened)


def is_held(path: Path) -> bool:
    """Whether some process still has that lock."""
    try:
        opened = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False
