"""The processes that an agent waits for: its own children, and workers it took over."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pyfi.system.processes import Child, ProcessIdentity, open_pidfd


class Watched:
    """Exit codes of children, and a descriptor for each process that becomes readable at its end."""

    def __init__(self) -> None:
        """Nobody yet."""
        self._children: dict[ProcessIdentity, Child] = {}
        self._adopted: dict[ProcessIdentity, int] = {}

    def keep(self, child: Child) -> None:
        """Wait for a child of ours."""
        self._children[child.identity] = child

    def adopt(self, identity: ProcessIdentity) -> bool:
        """Wait for a process that an earlier agent started. False: it was known already."""
        if identity in self._children or identity in self._adopted:
            return False
        opened = open_pidfd(identity)
        self._adopted[identity] = -1 if opened is None else opened
        return True

    def exit_code(self, identity: ProcessIdentity) -> int | None:
        """How a dead process ended; None: it was not our child. Its descriptor is not watched any more."""
        adopted = self._adopted.pop(identity, -1)
        if adopted >= 0:
            os.close(adopted)
        child = self._children.get(identity)
        return child.poll() if child else None

    def forget(self, identity: ProcessIdentity) -> None:
        """It was reaped."""
        self.exit_code(identity)
        self._children.pop(identity, None)

    def readers(self) -> Sequence[int]:
        """A descriptor of every process that is not known to have ended."""
        own = [child.fileno() for child in self._children.values() if child.fileno() >= 0]
        return [*own, *(opened for opened in self._adopted.values() if opened >= 0)]

    def close(self) -> None:
        """Wait for nobody; the processes go on."""
        for identity in list(self._adopted):
            self.exit_code(identity)
        self._children.clear()
