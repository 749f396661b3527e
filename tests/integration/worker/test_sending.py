"""The client's wake-ups: sent without waiting for the broker, and their rows forgotten later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID

import pytest

from pyfi.core.urls import broker_kind
from pyfi.ledger.calls import Calls
from pyfi.ledger.sending import SETTLE_ROWS
from tests.integration.worker.proxy import Proxy
from tests.integration.worker.stage import PATIENCE_SECONDS, Stage

pytestmark = pytest.mark.timeout(120)
ECHO = json.dumps({"args": [1], "kwargs": {}})


@pytest.fixture
def way(broker: str) -> Iterator[Proxy]:
    """Between the client and its broker."""
    made = Proxy(broker, 6379 if broker_kind(broker) == "redis" else 5672)
    yield made
    made.close()


@pytest.fixture
def calls(stage: Stage, way: Proxy) -> Iterator[Calls]:
    """A client on that way."""
    made = Calls(stage.scene.login(".admin").url, way.url)
    yield made
    made.close()


def rows(stage: Stage, ids: list[UUID]) -> int:
    """How many outbox rows name one of these calls."""
    return int(stage.scene.superuser.one("select count(*) from pyfi.outbox where ids && %s::uuid[]", ids))


def test_one_call_waits_for_no_confirm(stage: Stage, calls: Calls, way: Proxy) -> None:
    """The broker is mute from now on: entering returns all the same, and the relay brings the wake-up."""
    if broker_kind(stage.broker) == "redis":
        pytest.skip("Redis answers to each publish")
    part = stage.processor("echo")
    calls.submit(part.sockets["echo"], [ECHO])
    way.fall_silent()
    second = calls.submit(part.sockets["echo"], [ECHO])
    assert rows(stage, second) == 1
    way.refuse()
    stage.worker(part)
    assert calls.wait(second, PATIENCE_SECONDS)[second[0]].result == 1


def test_rows_of_what_was_confirmed_are_forgotten_in_batches(stage: Stage, calls: Calls) -> None:
    part = stage.processor("echo")
    ids = [call for _ in range(SETTLE_ROWS + 1) for call in calls.submit(part.sockets["echo"], [ECHO])]
    assert rows(stage, ids) < SETTLE_ROWS
    calls.close()
    assert rows(stage, ids) == 0
    stage.until(lambda: stage.depth(part, "echo") == SETTLE_ROWS + 1, "the wake-ups are as many")


def test_confirms_are_taken_from_the_connection_that_stays(stage: Stage, calls: Calls, way: Proxy) -> None:
    part = stage.processor("echo")
    calls.submit(part.sockets["echo"], [ECHO])
    connections = way.accepted
    for _ in range(3 * SETTLE_ROWS):
        calls.submit(part.sockets["echo"], [ECHO])
    assert way.accepted == connections


def test_of_several_calls_all_are_confirmed(stage: Stage, calls: Calls) -> None:
    part = stage.processor("echo")
    ids = calls.submit(part.sockets["echo"], [ECHO] * 1500)
    assert rows(stage, ids) == 0
    stage.until(
        lambda: stage.depth(part, "echo") == 67 + 72, "the wake-ups are as many"
    )  # of a thousand: 15 calls a message; of five hundred: 7
    worker = stage.worker(part)
    assert {outcome.state for outcome in calls.wait(ids, PATIENCE_SECONDS).values()} == {"done"}
    assert worker.stop() == 0
    stage.until(lambda: stage.depth(part, "echo") == 0, "the wake-ups are as many")


def test_a_row_whose_queue_is_gone_is_left_to_the_relay(stage: Stage, calls: Calls) -> None:
    if broker_kind(stage.broker) == "redis":
        pytest.skip("Redis makes lists as they are needed")
    part = stage.processor("echo")
    calls.submit(part.sockets["echo"], [ECHO])
    stage.delete_queue(part, "echo")
    lost = calls.submit(part.sockets["echo"], [ECHO])
    calls.close()
    assert rows(stage, lost) == 1
    stage.until(lambda: rows(stage, lost) == 0, "the relay has brought it")
    stage.until(lambda: stage.depth(part, "echo") >= 1, "the wake-ups are as many")


def test_an_end_that_was_heard_while_waiting_for_another_is_not_waited_for(stage: Stage, calls: Calls) -> None:
    """Who entered a call waits without looking first; but not when its end was announced meanwhile."""
    part = stage.processor("echo")
    worker = stage.worker(part)
    first, second = (calls.submit(part.sockets["echo"], [ECHO])[0] for _ in range(2))
    calls.wait([first, second], PATIENCE_SECONDS)
    third, fourth = (calls.submit(part.sockets["echo"], [ECHO])[0] for _ in range(2))
    stage.outcomes([third, fourth])
    calls.wait([fourth], PATIENCE_SECONDS)
    waited: list[str] = []
    found = calls.wait([third], PATIENCE_SECONDS, lambda kind, _ids: waited.append(kind))
    assert (found[third].result, waited) == (1, [])
    assert worker.stop() == 0


def test_what_was_entered_before_is_looked_at_first(stage: Stage, calls: Calls) -> None:
    """The same id again, done long ago: nothing will be announced."""
    part = stage.processor("echo")
    stage.worker(part)
    ids = calls.submit(part.sockets["echo"], [ECHO])
    calls.wait(ids, PATIENCE_SECONDS)
    waited: list[str] = []
    calls.submit(part.sockets["echo"], [ECHO], ids)
    assert calls.wait(ids, PATIENCE_SECONDS, lambda kind, _ids: waited.append(kind))[ids[0]].result == 1
    assert waited == []


def test_a_connection_that_was_cut_while_idle_is_noticed_before_the_next_call(
    stage: Stage, calls: Calls, way: Proxy
) -> None:
    """A message written to it would vanish, and the call wait for the relay."""
    part = stage.processor("echo")
    calls.submit(part.sockets["echo"], [ECHO])
    way.cut()
    stage.until(lambda: not way.is_carrying, "the connection is cut")
    second = calls.submit(part.sockets["echo"], [ECHO])
    calls.close()
    assert rows(stage, second) == 0
    stage.until(lambda: stage.depth(part, "echo") >= 2, "the wake-ups are as many")
