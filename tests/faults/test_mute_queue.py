"""A quorum queue whose leader answers nobody, while its broker does: it is made anew, and nothing waits for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest

from pyfi.broker.publish import Publisher, QueueMuteError
from pyfi.broker.wakeup import packed
from pyfi.core.urls import broker_kind
from tests.conftest import Services
from tests.faults.servers import RabbitMQ, servers
from tests.network import FUNCTIONS, Network, network

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

CALLS = 20


@pytest.fixture
def broker(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RabbitMQ, Network]]:
    """A RabbitMQ of the test's own, and a network on it."""
    if broker_kind(services.broker) == "redis":
        pytest.skip("Redis has no queue that could lose its leader")
    home = tmp_path_factory.mktemp("mute")
    with (
        servers(home, "rabbitmq") as own,
        network(own.postgres.url, own.broker.url, own.valkey.backend, home / "net") as net,
    ):
        assert isinstance(own.broker, RabbitMQ)
        yield own.broker, net


def test_a_queue_without_a_leader_is_made_anew(broker: tuple[RabbitMQ, Network]) -> None:
    rabbitmq, net = broker
    net.processor("echo", concurrency=1, repository=net.repository({"functions.py": FUNCTIONS}))
    net.start_agent(cpus=1)
    ((socket, address),) = net.rows("select id, address from pyfi.socket")
    calls = net.calls()

    def run(count: int) -> None:
        ids = calls.submit(UUID(socket), [json.dumps({"args": [n], "kwargs": {}}) for n in range(count)])
        named = [str(each) for each in ids]
        done = "select count(*) from pyfi.call where id = any (%s::uuid[]) and state = 'done'"
        net.until(lambda: net.rows(done, (named,)) == [(count,)], "all are done", seconds=150)

    run(1)
    rabbitmq.suspend(address)
    with closing(Publisher(rabbitmq.url)) as publisher:
        with pytest.raises(QueueMuteError) as refusal:
            publisher.publish(packed(address, ["00000000-0000-7000-8000-000000000000"]))
        assert refusal.value.addresses == {address}
        run(CALLS)
        net.until(lambda: "queue made anew" in net.logs(), "the relay has made it anew", seconds=150)
        publisher.publish(packed(address, ["00000000-0000-7000-8000-000000000000"]))
    run(CALLS)
