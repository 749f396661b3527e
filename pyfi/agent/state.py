"""What the agent writes down about a worker, so that the next agent can take it over."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from pyfi.core.backoff import NEVER, Crashes
from pyfi.core.model import DeploymentId, EnvironmentKey, Past, WorkerId, WorkerKey
from pyfi.settings import write_private
from pyfi.system.processes import ProcessIdentity, identify


@cache
def boot_id() -> str:
    """Which start of this machine we are in: monotonic times of another one mean nothing."""
    own = identify(os.getpid())
    return own.boot_id if own else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """One incarnation. Times are monotonic seconds of the boot `boot`.

    identity: None until the process was started and known.
    """

    key: WorkerKey
    id: WorkerId
    deployment_id: DeploymentId
    ordinal: int
    generation: int
    revision: str
    environment: EnvironmentKey
    drain_seconds: float
    started: float
    boot: str
    cpu: int | None = None
    draining_until: float | None = None
    identity: ProcessIdentity | None = None

    def write(self, path: Path) -> None:
        """Keep it, atomically."""
        document = {each.name: getattr(self, each.name) for each in fields(self)}
        document["identity"] = json.loads(self.identity.to_json()) if self.identity else None
        write_private(path, json.dumps(document))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What was kept; None: nothing.

        Raises:
            OSError: it is there and cannot be read.
            ValueError: it is there and is no such record.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(**_checked(cls, document) | {"identity": _identity(document["identity"])})

    def lived_seconds(self, now: float) -> float:
        """Since it was started; 0 when that was before this boot."""
        return max(0.0, now - self.started) if self.boot == boot_id() else 0.0


def _checked(cls: type, document: Any) -> dict[str, Any]:
    names = {each.name for each in fields(cls)}
    if not isinstance(document, dict) or document.keys() != names:
        raise ValueError(f"no {cls.__name__}")
    return document


def _identity(document: Any) -> ProcessIdentity | None:
    return None if document is None else ProcessIdentity.from_json(json.dumps(document))


def write_past(path: Path, past: Past) -> None:
    """Keep how a key's last worker ended."""
    write_private(path, json.dumps(asdict(past) | {"boot": boot_id()}))


def read_past(path: Path) -> Past | None:
    """What was kept; None: nothing, or nothing readable: a lost history only means an earlier try.

    After a restart of the machine nothing waits any more.
    """
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        document = json.loads(path.read_text(encoding="utf-8"))
        boot = document.pop("boot")
        past = Past(**document | {"crashes": Crashes(**document["crashes"])})
        if boot != boot_id():
            return replace(past, crashes=replace(NEVER, restarts=past.crashes.restarts))
        return past
    return None
