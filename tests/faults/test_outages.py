"""A server is away for a while: calls are accepted, workers live on without a hot loop, all is done in the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from pyfi.clock import SYSTEM
from pyfi.core.urls import broker_kind
from tests.conftest import Services
from tests.faults.servers import Servers, has_rabbitmq, servers
from tests.network import Network, network

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

CALLS = 40
# How long a server is away: in each run, and at length.
MOMENT_SECONDS, LONG_SECONDS = 3.0, 30.0
HOT_SHARE = 0.25  # of a processor


@dataclass(frozen=True, slots=True)
class Place:
    """A network with two workers, on servers of its own."""

    net: Network
    own: Servers
    socket: UUID
    starts: Path

    def submit(self, count: int, seconds: float = 0.01) -> list[UUID]:
        """Calls that write down their starts."""
        message = {"file": str(self.starts), "seconds": seconds}
        calls = self.net.calls()
        texts = [json.dumps({"args": [message], "kwargs": {}}) for _ in range(count)]
        ids = [id_ for text in texts for id_ in calls.submit(self.socket, [text])]
        calls.close()
        return ids

    def are_done(self, ids: list[UUID]) -> bool:
        """All of them."""
        found = self.net.rows(
            "select count(*) from pyfi.call where id = any (%s::uuid[]) and state = 'done'", ([str(i) for i in ids],)
        )
        return found == [(len(ids),)]

    def workers(self) -> list[psutil.Process]:
        """The processes of both."""
        pids = [pid for (pid,) in self.net.rows("select pid from pyfi.worker where status = 'running' order by pid")]
        return [psutil.Process(pid) for pid in pids]

    def log_lines(self, words: str) -> int:
        """How often workers wrote that."""
        logs = self.net.home.glob("flow/node-node1/workers/*/worker.log")
        return sum(path.read_text(errors="replace").count(words) for path in logs)


@pytest.fixture(scope="module")
def place(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """With the kind of broker of this run."""
    home = tmp_path_factory.mktemp("outages")
    broker = broker_kind(services.broker) if has_rabbitmq() else "redis"
    source = (Path(__file__).parent / "functions.py").read_text()
    with (
        servers(home, broker) as own,
        network(own.postgres.url, own.broker.url, own.valkey.backend, home / "net") as net,
    ):
        net.processor("first", concurrency=2, repository=net.repository({"functions.py": source}))
        net.start_agent(cpus=2)
        ((socket,),) = net.rows("select id from pyfi.socket")
        made = Place(net, own, UUID(socket), net.home / "starts")
        net.until(lambda: len(made.workers()) == 2, "two workers")
        assert made.submit(1)
        yield made


def away(seconds: float) -> None:
    """While a server is away there is nothing to ask: only time passes."""
    until = SYSTEM.monotonic() + seconds
    while (left := until - SYSTEM.monotonic()) > 0:
        SYSTEM.sleep(left)


def broker_away(place: Place, seconds: float) -> None:
    """Asserts that calls are accepted while it is away, and run afterwards."""
    place.own.broker.crash()
    began = SYSTEM.monotonic()
    ids = place.submit(CALLS)
    assert len(ids) == CALLS
    away(seconds - (SYSTEM.monotonic() - began))
    place.own.broker.start()
    place.net.until(lambda: place.are_done(ids), "all that was accepted", seconds=120)


def database_away(place: Place, seconds: float) -> None:
    """Asserts that the workers live on and find it again, quietly, and that no lease ran out meanwhile."""
    ids = place.submit(4 * CALLS, seconds=0.05)
    place.net.until(lambda: place.are_done(ids[:2]), "some are done")
    workers, lost = place.workers(), place.log_lines("database lost")
    place.own.postgres.crash()
    busy, began = sum(sum(each.cpu_times()[:2]) for each in workers), SYSTEM.monotonic()
    away(seconds)
    spent, passed = sum(sum(each.cpu_times()[:2]) for each in workers) - busy, SYSTEM.monotonic() - began
    tries = place.log_lines("database lost") - lost
    place.own.postgres.start()
    place.net.until(lambda: place.are_done(ids), "all of them", seconds=180)
    assert [each.pid for each in place.workers()] == [each.pid for each in workers]
    # Each waits twice as long as before, from a tenth of a second to five.
    assert 0 < tries <= len(workers) * 20
    assert spent < HOT_SHARE * passed * len(workers)
    assert place.net.rows("select count(*) from pyfi.event where note = 'the lease ran out'") == [(0,)]
    attempts = dict(place.net.rows("select id, attempt from pyfi.call where state = 'done'"))
    started = Counter(place.starts.read_text().split())
    # A claim that the crash forgot is a start more; nothing else.
    assert all(0 <= started[id_] - n <= 1 for id_, n in attempts.items())
    assert [law for law in place.net.json("doctor", "--ledger") if law["violations"]] == []


def test_calls_are_accepted_while_the_broker_is_away(place: Place) -> None:
    """And all of them run."""
    broker_away(place, MOMENT_SECONDS)


def test_workers_outlive_a_crash_of_the_database(place: Place) -> None:
    """By themselves."""
    database_away(place, MOMENT_SECONDS)


@pytest.mark.nightly
def test_calls_are_accepted_while_the_broker_is_long_away(place: Place) -> None:
    """Half a minute."""
    broker_away(place, LONG_SECONDS)


@pytest.mark.nightly
def test_workers_outlive_a_long_outage_of_the_database(place: Place) -> None:
    """Half a minute: longer than a lease."""
    database_away(place, LONG_SECONDS)
