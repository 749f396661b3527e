"""What an agent tells a worker: one JSON file that only their user can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pyfi.errors import InvalidError


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """database: libpq URL of the worker's login. environment: key, python, checkout, installed. cpu: to be pinned to.

    commit: of the code. sandbox: level, uid and online of runner.sandbox.Sandbox. guest_secrets: variables of the
    guest that are in no file. mark: the file of the start mark. home: the guest's private folder. Seconds are
    seconds; None is no limit.
    """

    worker_id: str
    key: str
    node: str
    database: str
    broker: str
    processor_id: str
    generation: int
    module: str
    environment: Mapping[str, Any]
    mark: str
    home: str
    ordinal: int = 0
    commit: str | None = None
    backend: str | None = None
    modulepath: str | None = None
    time_limit_seconds: float | None = None
    soft_time_limit_seconds: float | None = None
    drain_seconds: float = 30.0
    cpu: int | None = None
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    guest_environment: Mapping[str, str] = field(default_factory=dict)
    guest_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the ledger says of values: up to inline_bytes in a call's row, above largest_bytes refused.

    log_bytes, log_lines: what one attempt may write to each of its streams.
    """

    inline_bytes: int = 1 << 16
    largest_bytes: int = 256 << 20
    log_bytes: int = 1 << 20
    log_lines: int = 10_000


def read(path: Path, secrets: str = "") -> WorkerConfig:
    """Read the file.

    Args: secrets: what came by standard input: nothing, or JSON of the variables that are secrets.

    Raises: InvalidError: it is missing, unreadable, or lacks a field.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        known = {each.name for each in fields(WorkerConfig)} - {"guest_secrets"}
        found = {key: value for key, value in told.items() if key in known}
        return WorkerConfig(**found, guest_secrets=json.loads(secrets or "{}"))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InvalidError(f"the worker's configuration {path} cannot be read: {error}") from error
