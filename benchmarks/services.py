"""Which servers a run uses: those that FLOW_TEST_* name, else the machine's, else an embedded stack of its own."""

# ruff: noqa: TID251  # FLOW_TEST_* are the benchmark's own settings, not the product's
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from pyfi.broker.publish import Publisher
from pyfi.core.urls import DatabaseUrl, parse_database
from pyfi.errors import PyfiError
from pyfi.ledger.connection import Link
from pyfi.stack.stack import up

MACHINE = {
    "DB": "postgresql://postgres@127.0.0.1:5432/postgres",
    "BROKER": "amqp://guest:guest@127.0.0.1:5672//",
    "BACKEND": "redis://127.0.0.1:6379/0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """database: a superuser's. versions: the products, for people."""

    database: DatabaseUrl
    broker: str = field(repr=False)
    backend: str = field(repr=False)
    versions: tuple[str, ...]


def _asked(db: str, broker: str, backend: str) -> Services:
    """Connect to each.

    Raises: PyfiError, redis.RedisError: one does not answer.
    """
    database = parse_database(db)
    link, publisher = Link(database.libpq(), application="pyfi bench"), Publisher(broker)
    try:
        ((version,),) = link.rows("show server_version")
        with redis.Redis.from_url(backend, socket_connect_timeout=5) as client:
            store = str(client.info("server")["redis_version"])
        versions = (f"PostgreSQL {version.split()[0]}", publisher.check(), f"results in Redis {store}")
        return Services(database=database, broker=broker, backend=backend, versions=versions)
    finally:
        link.close()
        publisher.close()


@contextmanager
def embedded(folder: Path) -> Iterator[Services]:
    """A stack that ends with the block."""
    stack = up(folder, foreground=True)
    try:
        yield _asked(stack.db, stack.broker, stack.backend)
    finally:
        stack.stop()


@contextmanager
def found() -> Iterator[Services]:
    """The servers; an embedded stack ends with the block."""
    named = {name: os.environ[f"FLOW_TEST_{name}"] for name in MACHINE if f"FLOW_TEST_{name}" in os.environ}
    try:
        services = _asked(*(named.get(name, MACHINE[name]) for name in ("DB", "BROKER", "BACKEND")))
    except (PyfiError, redis.RedisError):
        if named:
            raise
        services = None
    if services is not None:
        yield services
        return
    with tempfile.TemporaryDirectory(prefix="pyfi-bench-stack-") as folder, embedded(Path(folder)) as services:
        yield services
