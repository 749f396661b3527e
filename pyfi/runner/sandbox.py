"""What a function's process may reach besides its own code: three levels.

0: a process of its own with a scrubbed environment, as the agent's user. 1: another Unix user, who can gain no rights.
2: bubblewrap: namespaces of its own, in which nothing is there but the system, read-only, and its own folders.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyfi.settings import environment
from pyfi.system.processes import Limits, User, run

HIGHEST = 2
_BWRAP = "bwrap"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_CONFIGURATION = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ssl", "/etc/ca-certificates", "/etc/pki"),
    *("/etc/localtime", "/etc/nsswitch.conf", "/etc/hosts", "/etc/resolv.conf", "/etc/mime.types", "/etc/alternatives"),
)
_NOBODY = "65534"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """level: 0, 1 or 2. uid: who the process is at level 1. online: whether it has the network at level 2."""

    level: int = 0
    uid: int | None = None
    online: bool = False

    @property
    def user(self) -> User | None:
        """As whom to start it."""
        return User(uid=self.uid, gid=self.uid) if self.level == 1 and self.uid is not None else None

    @property
    def limits(self) -> Limits:
        """What it may use up."""
        return Limits(processes=4096 if self.user else None, no_new_privileges=self.level > 0)

    def argv(self, words: Sequence[str], *, home: Path, readable: Sequence[Path]) -> list[str]:
        """The command line that starts `words` inside.

        Args: home: the one folder that it may write to. readable: what it sees besides the system.
        """
        if self.level < HIGHEST:
            return list(words)
        return [*_bwrap(home, readable, online=self.online), "--", *words]


OPEN = Sandbox()


def guest_files(beside: Path) -> Path:
    """The guest's program where another user can read it: copies in a folder of ours."""
    folder = beside / "guest"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    for path in Path(__file__).parent.glob("guest*.py"):
        copied = folder / path.name
        shutil.copyfile(path, copied)
        copied.chmod(0o644)
    return folder / "guest.py"


def interpreter_folders(python: Path) -> list[Path]:
    """Where a virtualenv's interpreter lives, and the virtualenv itself."""
    base = Path(os.path.realpath(python)).parent.parent
    return [python.parent.parent, *([] if str(base) in {"/usr", "/"} else [base])]


def hand_over(folder: Path, user: User) -> None:
    """Make everything in a folder, which only we wrote, the user's."""
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(path) / name, user.uid, user.gid, follow_symlinks=False)
    os.chown(folder, user.uid, user.gid)


def take_back(folder: Path, user: User) -> None:
    """Make it ours again: readable for the user's group, writable for nobody else, whatever he has put there."""
    me = os.geteuid()
    for _, folders, files, at in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, me, user.gid, dir_fd=at, follow_symlinks=False)
            try:
                opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
            except OSError:
                continue  # a link, or something that no process reads
            try:
                mode = os.fstat(opened).st_mode
                os.fchmod(opened, 0o750 if mode & 0o100 else 0o640)
            finally:
                os.close(opened)
    os.chown(folder, me, user.gid)
    folder.chmod(0o750)


def _bwrap(home: Path, readable: Sequence[Path], *, online: bool) -> list[str]:
    words = [_BWRAP, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += [] if online else ["--unshare-net"]
    words += ["--uid", _NOBODY, "--gid", _NOBODY, "--hostname", "sandbox", "--die-with-parent", "--cap-drop", "ALL"]
    for place in _SYSTEM:
        path = Path(place)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), place]
        elif path.is_dir():
            words += ["--ro-bind", place, place]
    for place in _CONFIGURATION:
        words += ["--ro-bind-try", place, place]
    words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]  # noqa: S108 # its own
    for path in readable:
        words += ["--ro-bind", str(path), str(path)]
    return [*words, "--bind", str(home), str(home), "--chdir", str(home)]


@cache
def why_not(level: int) -> str:
    """Why this machine does not give that level to the agent's user; '' when it does."""
    if level == 1:
        return "" if os.geteuid() == 0 else "only root can start processes as other users"
    if level < HIGHEST:
        return ""
    if sys.platform != "linux":
        return "bubblewrap is Linux's"
    env = {"PATH": environment().get("PATH", os.defpath)}
    words = [*_bwrap(Path("/tmp"), [], online=False), "--", "/usr/bin/env", "true"]  # noqa: S108 # nothing is written
    try:
        done = run(words, env=env, timeout_seconds=20)
    except FileNotFoundError:
        return "bubblewrap is not installed"
    except (OSError, TimeoutError) as error:
        return f"bubblewrap does not start: {error}"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return "" if done.returncode == 0 else f"bubblewrap does not work here: {said[-1] if said else done.returncode}"


def highest() -> int:
    """The highest level that works here without saying who guests are to be."""
    return HIGHEST if not why_not(HIGHEST) else 0
