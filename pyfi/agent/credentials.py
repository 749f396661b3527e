"""How an agent and its workers log in: node.json, written when the node is enrolled."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyfi.errors import InvalidError, NotConfiguredError
from pyfi.settings import write_private


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCredentials:
    """database, worker_database: libpq URLs of the node's and of its workers' login. broker, backend: URLs."""

    database: str = field(repr=False)
    worker_database: str = field(repr=False)
    broker: str = field(repr=False)
    backend: str | None = field(default=None, repr=False)


def write(path: Path, credentials: NodeCredentials) -> None:
    """Keep them so that only this user can read them."""
    write_private(path, json.dumps(asdict(credentials)))


def read(path: Path) -> NodeCredentials:
    """What was kept.

    Raises:
        NotConfiguredError: the node is not enrolled on this machine.
        InvalidError: the file cannot be read or lacks something.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return NodeCredentials(
            database=kept["database"],
            worker_database=kept["worker_database"],
            broker=kept["broker"],
            backend=kept.get("backend"),
        )
    except FileNotFoundError:
        raise NotConfiguredError(
            f"{path.parent.name} is not enrolled on this machine", hint="flow agent start enrols it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidError(
            f"the credentials of {path.parent.name} cannot be read: {type(error).__name__}",
            hint=f"delete {path}; flow agent start writes new ones",
        ) from error
