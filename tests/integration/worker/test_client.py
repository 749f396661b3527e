"""Submitting and waiting while the connections of the one who does are cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from pyfi.broker.publish import WINDOW, Publisher
from pyfi.core.urls import broker_kind, parse_database
from pyfi.errors import BrokerUnavailableError, DatabaseUnavailableError
from pyfi.ledger.calls import Calls
from tests.integration.db.scene import Part
from tests.integration.worker.proxy import Proxy
from tests.integration.worker.stage import PATIENCE_SECONDS, Stage

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def database(stage: Stage) -> Iterator[Proxy]:
    """Between the client and its database."""
    made = Proxy(stage.scene.login(".admin").url.libpq(), 5432)
    yield made
    made.close()


@pytest.fixture
def way(broker: str) -> Iterator[Proxy]:
    """Between the client and its broker."""
    made = Proxy(broker, 6379 if broker_kind(broker) == "redis" else 5672)
    yield made
    made.close()


@pytest.fixture
def calls(database: Proxy, way: Proxy) -> Iterator[Calls]:
    """A client on both ways."""
    made = Calls(parse_database(database.url), way.url)
    yield made
    made.close()


def echo(calls: Calls, part: Part, *values: object) -> list[UUID]:
    """Submit calls."""
    return calls.submit(part.sockets["echo"], [json.dumps({"args": [value], "kwargs": {}}) for value in values])


def test_connections_that_were_cut_while_idle_are_not_noticed(
    stage: Stage, calls: Calls, database: Proxy, way: Proxy
) -> None:
    part = stage.processor("echo")
    stage.worker(part)
    first = echo(calls, part, 1)
    assert calls.wait(first, PATIENCE_SECONDS)[first[0]].result == 1
    assert database.cut() and way.cut()
    second = echo(calls, part, 2)
    database.cut()
    assert calls.wait(second, PATIENCE_SECONDS)[second[0]].result == 2
    database.cut()
    assert calls.outcomes(first)[first[0]].result == 1
    database.cut()
    assert calls.logs(first[0]) == []


def test_a_wait_goes_on_when_its_connection_is_cut(stage: Stage, calls: Calls, database: Proxy) -> None:
    part = stage.processor("hold")
    message = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    ids = calls.submit(part.sockets["hold"], [json.dumps({"args": [message], "kwargs": {}})])
    stage.worker(part)
    cuts: list[int] = []

    def on_wake(_kind: str, _ids: frozenset[UUID]) -> None:
        if len(cuts) < 3:
            cuts.append(database.cut())
        else:
            stage.touch("go")

    assert calls.wait(ids, PATIENCE_SECONDS, on_wake)[ids[0]].result == "long"
    assert cuts == [1, 1, 1]


def test_what_was_entered_is_accepted_whatever_happens_to_the_wakeup(stage: Stage, calls: Calls, way: Proxy) -> None:
    part = stage.processor("echo")
    stage.worker(part)
    way.refuse()
    ids = echo(calls, part, *range(5))
    found = calls.wait(ids, PATIENCE_SECONDS)
    assert [found[each].result for each in ids] == list(range(5))


def test_a_database_that_is_away_is_said(stage: Stage, calls: Calls, database: Proxy) -> None:
    part = stage.processor("echo")
    ids = echo(calls, part, 1)
    database.refuse()
    with pytest.raises(DatabaseUnavailableError):
        echo(calls, part, 2)
    with pytest.raises(DatabaseUnavailableError):
        calls.wait(ids, PATIENCE_SECONDS)
    database.open()
    assert len(calls.outcomes(ids)) == 1


def test_a_publisher_declares_again_what_was_deleted_and_connects_again(stage: Stage, way: Proxy) -> None:
    part = stage.processor("echo")
    address, publisher = stage.address(part, "echo"), Publisher(way.url)
    try:
        publisher.publish([(address, [str(uuid4())])])
        stage.delete_queue(part, "echo")
        publisher.publish([(address, [str(uuid4())])] * 3)
        assert stage.depth(part, "echo") >= 3
        way.cut()
        publisher.publish([(address, [str(uuid4())])])
        way.refuse()
        with pytest.raises(BrokerUnavailableError):
            publisher.publish([(address, [str(uuid4())])])
        way.open()
        publisher.publish([(address, [str(uuid4())])])
        assert stage.depth(part, "echo") >= 5
    finally:
        publisher.close()


def test_many_wakeups_are_confirmed_in_windows(stage: Stage, way: Proxy) -> None:
    part = stage.processor("echo")
    address, publisher = stage.address(part, "echo"), Publisher(way.url)
    try:
        publisher.publish([(address, [str(uuid4())]) for _ in range(2 * WINDOW + 1)])
        assert not publisher._confirms.are_open
    finally:
        publisher.close()
    assert stage.depth(part, "echo") == 2 * WINDOW + 1
