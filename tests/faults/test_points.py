"""Every fault point with every action: whatever dies, stops, raises or hears no answer, each call ends as it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Services
from tests.faults.servers import has_rabbitmq, servers
from tests.faults.tier import Tier, cases
from tests.network import network

pytestmark = [pytest.mark.faults, pytest.mark.timeout(200)]

# In every run: one of each kind of process, each kind of action.
SLICE = [
    ("client.publishing", "kill"),
    ("relay.published", "kill"),
    ("worker.claimed", "kill"),
    ("worker.finishing", "drop"),
    ("worker.finished", "kill"),
    ("agent.exit_told", "kill"),
]


@pytest.fixture(scope="module")
def tier(services: Services, broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    """On the services of this run."""
    with network(services.db, broker, services.backend, tmp_path_factory.mktemp("tier")) as net:
        yield from _furnished(Tier(net))


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def own_tier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    """On servers of its own, with each kind of broker."""
    if request.param == "rabbitmq" and not has_rabbitmq():
        pytest.skip("RabbitMQ's server program is not on this machine")
    home: Path = tmp_path_factory.mktemp(request.param)
    with (
        servers(home, request.param) as own,
        network(own.postgres.url, own.broker.url, own.valkey.backend, home / "net") as net,
    ):
        yield from _furnished(Tier(net))


def _furnished(made: Tier) -> Iterator[Tier]:
    made.furnish()
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(("point", "action"), SLICE)
def test_a_slice(tier: Tier, point: str, action: str) -> None:
    """The worst of them."""
    tier.run(point, action)


@pytest.mark.nightly
@pytest.mark.parametrize(("point", "action"), cases())
def test_all(own_tier: Tier, point: str, action: str) -> None:
    """All of them."""
    own_tier.run(point, action)
