"""Connections that are cut again and again under load: nothing is lost, nothing is done twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from pyfi.core.urls import broker_kind
from tests.integration.worker.proxy import Proxy
from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(170)

CALLS = 600
CUTS = 6


@pytest.fixture
def broker_proxy(broker: str) -> Iterator[Proxy]:
    """What stands between a worker and its broker."""
    made = Proxy(broker, 6379 if broker_kind(broker) == "redis" else 5672)
    yield made
    made.close()


@pytest.fixture
def database_proxy(stage: Stage) -> Iterator[Proxy]:
    """What stands between a worker and its database."""
    made = Proxy(stage.worker_database, 5432)
    yield made
    made.close()


def cut_while_working(stage: Stage, cut: Callable[[], int], **config: str) -> list[UUID]:
    """Calls that note their start; each time some more are done the connections are cut."""
    part = stage.processor("note")
    worker = stage.worker(part, **config)
    names = [f"call{number}" for number in range(CALLS)]
    ids: list[UUID] = []
    step = CALLS // CUTS
    for start in range(0, CALLS, step):
        messages = [{"file": stage.path("starts"), "name": name} for name in names[start : start + step]]
        ids += stage.submit(part, "note", *messages)
        wanted = len(stage.noted("starts")) + step // 4
        stage.until(lambda most=wanted: len(stage.noted("starts")) >= most, "calls start")
        stage.until(lambda: cut() > 0, "there is something to cut")
    assert [outcome.result for outcome in stage.outcomes(ids)] == names
    assert Counter(stage.noted("starts")) == Counter(names)
    assert stage.states(ids) == [("done", 1, 0)] * CALLS
    assert worker.stop() == 0
    assert "stumbled" not in worker.log
    return ids


def test_the_database_ends_the_connections_again_and_again(stage: Stage) -> None:
    cut_while_working(stage, stage.cut)


def test_the_way_to_the_database_is_cut_again_and_again(stage: Stage, database_proxy: Proxy) -> None:
    cut_while_working(stage, database_proxy.cut, database=database_proxy.url)


def test_the_broker_is_cut_again_and_again(stage: Stage, broker_proxy: Proxy) -> None:
    cut_while_working(stage, broker_proxy.cut, broker=broker_proxy.url)


def test_a_call_is_finished_while_the_broker_is_away(stage: Stage, broker_proxy: Proxy) -> None:
    """The worker holds its call: a broker that cannot be reached changes nothing for it."""
    part = stage.processor("hold", "echo")
    long = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    (held,) = stage.submit(part, "hold", long)
    worker = stage.worker(part, broker=broker_proxy.url)
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    broker_proxy.refuse()
    stage.until(lambda: worker.log.count("broker away") > 1, "the worker has noticed")
    stage.touch("go")
    assert stage.outcomes([held])[0].attempt == 1
    broker_proxy.open()
    assert stage.run(part, "echo", 1)[0].result == 1
    assert worker.stop() == 0


def test_a_broker_that_falls_silent_does_not_stop_the_worker(stage: Stage, broker_proxy: Proxy) -> None:
    """It is connected, and answers nothing any more."""
    part = stage.processor("hold", "echo")
    long = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    (held,) = stage.submit(part, "hold", long)
    worker = stage.worker(part, broker=broker_proxy.url)
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    broker_proxy.fall_silent()
    stage.until(lambda: stage.states([held]) == [("running", 0, 0)], "the lease is renewed")
    stage.touch("go")
    assert stage.outcomes([held])[0].attempt == 1
    broker_proxy.refuse()
    broker_proxy.open()
    assert stage.run(part, "echo", 1)[0].result == 1
    assert worker.stop() == 0


def test_a_worker_that_cannot_reach_its_broker_ends_when_told(stage: Stage, broker_proxy: Proxy) -> None:
    broker_proxy.refuse()
    worker = stage.worker(stage.processor("echo"), broker=broker_proxy.url)
    stage.until(lambda: worker.log.count("broker away") > 1, "it tries")
    assert worker.stop() == 0


def test_calls_wait_for_the_database_and_are_told_when_it_is_back(stage: Stage, database_proxy: Proxy) -> None:
    part = stage.processor("hold")
    long = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    (held,) = stage.submit(part, "hold", long)
    worker = stage.worker(part, database=database_proxy.url)
    stage.until(stage.has_noted("starts", "long"), "the long call runs")
    database_proxy.refuse()
    stage.until(lambda: worker.log.count("database lost") > 1, "the worker has noticed")
    stage.touch("go")
    behind = stage.submit(part, "hold", long | {"name": "behind"})
    database_proxy.open()
    assert [outcome.attempt for outcome in stage.outcomes([held, *behind])] == [1, 1]
    assert worker.stop() == 0


def test_the_second_address_of_the_server_is_tried(stage: Stage) -> None:
    """As with localhost, of which the server often serves only one address; the new socket has the old one's number."""
    part = stage.processor("echo")
    worker = stage.worker(part, database=stage.worker_database + "?host=127.0.0.9,127.0.0.1")
    assert stage.run(part, "echo", 1)[0].result == 1
    assert worker.stop() == 0


def test_what_a_crash_of_the_database_forgot_is_taken_for_nothing_else(stage: Stage) -> None:
    """A claim is not flushed: the call waits again and its token may be given again, while the guest has both still."""
    part = stage.processor("hold", "echo")
    worker = stage.worker(part)
    stage.run(part, "echo", *range(5))
    held = {"file": stage.path("starts"), "name": "held", "until": stage.path("go")}
    (first,) = stage.submit(part, "hold", held)
    stage.until(stage.has_noted("starts", "held"), "the call runs")
    token = stage.scene.call(first)["claim"]
    forget = (
        "with c as (update pyfi.call set state = 'queued', claim = null, worker_id = null, lease_until = null"
        " where id = %s returning id, socket_id), o as (insert into pyfi.outbox (address, ids)"
        " select s.address, array[c.id] from c join pyfi.socket s on s.id = c.socket_id)"
        " select setval('ledger.claim_token', %s)"
    )
    stage.scene.superuser.ask(forget, first, token - 1)
    stage.until(lambda: stage.cut() > 0, "its connection is cut")
    ids = stage.submit(part, "echo", *range(10))
    stage.until(lambda: "claimed" in {row[0] for row in stage.states(ids)}, "the worker claims again")
    stage.touch("go")
    assert [outcome.result for outcome in stage.outcomes([first, *ids])] == ["held", *range(10)]
    assert worker.stop() == 0
