"""The broker makes a call fast, not possible: while a worker cannot reach it, it asks the ledger what waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyfi.core.urls import broker_kind
from tests.integration.db.scene import add_plug
from tests.integration.worker.proxy import Proxy
from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(120)

BASIC_CONSUME = b"\x00\x3c\x00\x14"  # class 60, method 20 of AMQP 0-9-1
CALLS = 150  # more than a worker takes at once


@pytest.fixture
def way(broker: str) -> Iterator[Proxy]:
    """Between a worker and its broker."""
    made = Proxy(broker, 6379 if broker_kind(broker) == "redis" else 5672)
    yield made
    made.close()


def test_a_worker_that_never_found_its_broker_runs_calls_and_what_follows(stage: Stage, way: Proxy) -> None:
    way.refuse()
    part = stage.processor("echo", "note")
    add_plug(stage.scene.admin, f"{stage.tag}edge", part.sockets["echo"], part.sockets["note"], part.queue)
    messages = [{"file": stage.path("starts"), "name": str(number)} for number in range(CALLS)]
    worker = stage.worker(part, broker=way.url)
    ids = stage.submit(part, "echo", *messages)
    stage.outcomes(ids)
    stage.until(lambda: len(stage.noted("starts")) == CALLS, "what follows has run too")
    assert sorted(stage.noted("starts"), key=int) == [message["name"] for message in messages]
    assert worker.stop() == 0


def test_when_the_broker_is_back_its_wakeups_name_what_is_done(stage: Stage, way: Proxy) -> None:
    part = stage.processor("echo")
    worker = stage.worker(part, broker=way.url)
    stage.run(part, "echo", 0)
    way.refuse()
    ids = stage.submit(part, "echo", *range(CALLS))
    stage.outcomes(ids)
    assert stage.depth(part, "echo") > 0
    way.open()
    stage.until(lambda: stage.depth(part, "echo") == 0, "they are acknowledged")
    assert stage.states(ids) == [("done", 1, 0)] * CALLS
    stage.run(part, "echo", 0)
    assert worker.stop() == 0


def test_a_broker_that_is_there_and_lets_nobody_consume_holds_up_no_call(stage: Stage, way: Proxy) -> None:
    """As RabbitMQ does with a quorum queue that has no leader."""
    if broker_kind(stage.broker) == "redis":
        pytest.skip("Redis knows no such state")
    way.fall_silent_from(BASIC_CONSUME)
    part = stage.processor("echo")
    worker = stage.worker(part, broker=way.url)
    ids = stage.submit(part, "echo", *range(CALLS))
    stage.outcomes(ids)
    way.speak()
    stage.until(lambda: stage.depth(part, "echo") == 0, "it consumes again")
    assert stage.states(ids) == [("done", 1, 0)] * CALLS
    assert worker.stop() == 0
