"""A stack that runs, as it is recorded in stack.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyfi.settings import write_private
from pyfi.stack import postgres, valkey
from pyfi.stack.folder import StackFolder
from pyfi.system.locks import FileLock
from pyfi.system.processes import Child, ProcessIdentity, end_process, is_alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that runs.

    db: the superuser's URL of the database `pyfi`: for `db init` and `db migrate` alone. broker, backend: Redis URLs.
    foreground: it ends with the process that started it. started: by this very call of `up`.
    """

    home: Path
    db: str = field(repr=False)
    broker: str = field(repr=False)
    backend: str = field(repr=False)
    postgres: ProcessIdentity
    valkey: ProcessIdentity
    foreground: bool
    started: bool = False
    children: tuple[Child, ...] = ()

    def is_alive(self) -> bool:
        """Whether both servers run."""
        return is_alive(self.postgres) and is_alive(self.valkey)

    def readers(self) -> Sequence[int]:
        """Descriptors that become readable when a server that this process started ends."""
        return [child.fileno() for child in self.children if child.fileno() >= 0]

    def end(self) -> None:
        """Stop the two processes; the data stay."""
        end_process(self.postgres, postgres.STOP)
        end_process(self.valkey, valkey.STOP)
        for child in self.children:
            child.poll()

    def stop(self) -> None:
        """Stop exactly this stack, whoever started it, and take its record away; may be called twice."""
        folder = StackFolder(self.home / "stack")
        with FileLock(folder.lock):
            recorded = read(folder)
            if recorded is not None and (recorded.postgres, recorded.valkey) == (self.postgres, self.valkey):
                folder.urls.unlink(missing_ok=True)
            self.end()


def write(folder: StackFolder, running: Running) -> None:
    """Record it; 0600."""
    record = {
        "db": running.db,
        "broker": running.broker,
        "backend": running.backend,
        "foreground": running.foreground,
        "postgres": asdict(running.postgres),
        "valkey": asdict(running.valkey),
    }
    write_private(folder.urls, json.dumps(record, indent=1))


def read(folder: StackFolder) -> Running | None:
    """The stack that was recorded, alive or not; None: there is no record, or none that can be read."""
    try:
        record = json.loads(folder.urls.read_text(encoding="utf-8"))
        return Running(
            home=folder.path.parent,
            db=record["db"],
            broker=record["broker"],
            backend=record["backend"],
            foreground=bool(record["foreground"]),
            postgres=ProcessIdentity.from_json(json.dumps(record["postgres"])),
            valkey=ProcessIdentity.from_json(json.dumps(record["valkey"])),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
