"""A slice of `make chaos` in every run: kill -9 of processes, crashes of servers, while a flow branches and joins."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyfi.core.urls import broker_kind
from tests.conftest import Services
from tests.faults.chaos import chaos, some_seed
from tests.faults.servers import has_rabbitmq

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


def test_nothing_is_lost_and_nothing_commits_twice(services: Services, tmp_path: Path) -> None:
    """On servers of its own, with the kind of broker of this run."""
    broker = broker_kind(services.broker) if has_rabbitmq() else "redis"
    seed = some_seed()
    print(f"seed {seed}")
    verdict = chaos(tmp_path, broker, calls=200, seed=seed, kills=8, crashes=1)
    print(verdict.line())
    assert verdict.is_good, verdict.complaints()
    assert sum(verdict.harm.values()) >= 8
