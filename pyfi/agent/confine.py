"""In which sandbox a processor's functions run on this node, and as whom."""

from __future__ import annotations

import json
import os
import pwd
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pyfi.errors import ForbiddenError, InvalidError
from pyfi.runner.sandbox import HIGHEST, OPEN, Sandbox, why_not
from pyfi.settings import write_private

_RANGE = re.compile(r"([0-9]{1,10})-([0-9]{1,10})\Z")
_MOST_UIDS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the agent was started with. level: for all processors. uids: who functions may be at level 1."""

    level: int = 0
    uids: range | None = None


UNCONFINED = Wanted()


def wanted(level: int | None, user: str | None) -> Wanted:
    """From the options of `flow agent start`; `user`: a name, or a range of numbers, of which each processor gets one.

    Raises: InvalidError: there is no such user, or it is root. ForbiddenError: the machine does not give the level.
    """
    uids = None if user is None else _uids(user)
    level = level if level is not None else 1 if uids else 0
    if level == 1 and uids is None:
        raise InvalidError("level 1 needs to know who functions are to be", hint="-u USER, or -u 300000-300999")
    for each in {level, 1 if uids else 0}:
        if reason := why_not(each):
            raise ForbiddenError(f"this machine does not give sandbox level {each}: {reason}", hint="flow doctor")
    return Wanted(level=level, uids=uids)


def _uids(user: str) -> range:
    found = _RANGE.match(user)
    if found:
        first, last = int(found[1]), int(found[2])
        if not 1000 <= first <= last < 1 << 32 or last - first >= _MOST_UIDS:
            raise InvalidError(f"{user!r} is no range of user numbers", hint="from 1000 on: -u 300000-300999")
        return range(first, last + 1)
    try:
        uid = pwd.getpwnam(user).pw_uid
    except (KeyError, ValueError):
        raise InvalidError(
            f"there is no user {user[:60]!r} on this machine", hint="useradd, or -u 300000-300999"
        ) from None
    if uid in {0, os.geteuid()}:
        raise InvalidError(f"{user!r} is who the agent is: functions are to be somebody else")
    return range(uid, uid + 1)


class Confinement:
    """Which sandbox each processor gets; remembers who was given which number."""

    def __init__(self, given: Wanted, path: Path) -> None:
        """`path`: the file where numbers are remembered, so that files keep their owners."""
        self._given, self._path = given, path

    @property
    def level(self) -> int:
        """What processors get that ask for nothing."""
        return self._given.level

    @property
    def most(self) -> int:
        """What they may ask for here."""
        return HIGHEST if not why_not(HIGHEST) else 1 if self._given.uids else 0

    def of(self, processor_id: str, asked: int, online: bool) -> Sandbox:
        """The sandbox of a processor.

        Raises: ForbiddenError: it asks for more than this node gives; or all numbers are taken.
        """
        level = max(self._given.level, asked)
        if level > self.most:
            raise ForbiddenError(f"it asks for sandbox level {asked}, this node gives {self.most}: {why_not(HIGHEST)}")
        if level == 0:
            return OPEN
        if level == 1 and self._given.uids is None:
            level = HIGHEST
        uid = self._uid(processor_id, self._given.uids) if level == 1 and self._given.uids else None
        return Sandbox(level=level, uid=uid, online=online)

    def _uid(self, processor_id: str, uids: range) -> int:
        if len(uids) == 1:
            return uids[0]
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            taken = {str(key): int(value) for key, value in kept.items()}
        except (OSError, ValueError, AttributeError):
            taken = {}
        if taken.get(processor_id) in uids:
            return taken[processor_id]
        used = set(taken.values())
        free = next((uid for uid in uids if uid not in used), None)
        if free is None:
            raise ForbiddenError(f"all of the {len(uids)} users of this node are taken", hint="flow agent start -u")
        write_private(self._path, json.dumps(taken | {processor_id: free}))
        return free


def _closed(path: Path) -> Path | None:
    """The first folder above it that not everybody may enter."""
    return next((above for above in reversed(path.parents) if not above.stat().st_mode & 0o001), None)


def enterable(folder: Path) -> None:
    """Let other users enter (not list) the folders that lead to what they may read.

    Raises: ForbiddenError: one above the data folder is closed to them.
    """
    # The data folder itself is opened below; what is above it is not ours to open.
    if (above := _closed(folder.parent)) is not None:
        raise ForbiddenError(
            f"users of a sandbox cannot enter {above}, which leads to the data folder",
            hint="FLOW_HOME=/var/lib/pyfi flow agent start ...",
        )
    program = Path(os.path.realpath(sys.executable))
    if (above := _closed(program)) is not None:
        raise ForbiddenError(
            f"users of a sandbox cannot enter {above}, which leads to the interpreter {program}",
            hint="install PyFI with a Python that all users may start, such as /usr/bin/python3",
        )
    for each in (folder.parent, folder, folder / "workers", folder / "environments"):
        each.mkdir(parents=True, exist_ok=True, mode=0o700)
        each.chmod(0o711)
