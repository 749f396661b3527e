"""Messages that somebody put into the queue: none of them ends a worker or keeps another call from running."""

from __future__ import annotations

import json
import zlib
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
import redis
from kombu import Connection

from pyfi.broker import wakeup
from pyfi.core.urls import broker_kind
from pyfi.ledger.calls import Calls
from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(120)

JSON = {"content_type": "application/json", "content_encoding": "utf-8"}
FORGED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "no headers": (b"[[],{},{}]", JSON),
    "no id": (b"[[],{},{}]", JSON | {"headers": {"task": wakeup.TASK}}),
    "no uuid": (b"[[],{},{}]", JSON | {"headers": {"task": wakeup.TASK, "id": "'; drop table pyfi.call; --"}}),
    "a number": (b"[[],{},{}]", JSON | {"headers": {"task": wakeup.TASK, "id": 7}}),
    "too many ids": (b"[[],{},{}]", JSON | {"headers": wakeup.headers([str(uuid4()) for _ in range(1000)])}),
    "an id and none": (b"[[],{},{}]", JSON | {"headers": wakeup.headers([str(uuid4()), "x"])}),
    "a list": (b"[[],{},{}]", JSON | {"headers": {"task": wakeup.TASK, "id": ["a"]}}),
    "unhashable task": (b"[[],{},{}]", JSON | {"headers": {"task": ["a"]}}),
    "unhashable task in the body": (b'{"task": ["a"], "id": {}}', JSON),
    "unknown task": (b"[1, 2]", JSON | {"headers": {"task": "os.system"}}),
    "pickle": (b"cos\nsystem\n(S'touch /nonexistent'\ntR.", {"content_type": "application/x-python-serialize"}),
    "pickle of an unknown task": (
        b"cos\nsystem\n(S'touch /nonexistent'\ntR.",
        {"content_type": "application/x-python-serialize", "headers": {"task": "x"}},
    ),
    "no JSON": (b"{", JSON),
    "empty": (b"", JSON),
    "not compressed": (b"no", JSON | {"headers": {"compression": "application/x-gzip"}}),
    "large": (b'"' + b"x" * (5 << 20) + b'"', JSON),
    "a bomb": (zlib.compress(b"[" + b" " * (10 << 20) + b"]"), JSON | {"headers": {"compression": "zlib"}}),
    "unknown encoding": (b"[]", {"content_type": "application/json", "content_encoding": "klingon"}),
    "unknown calls": (b"[[],{},{}]", JSON | {"headers": wakeup.headers([str(uuid4()) for _ in range(16)])}),
    "an unknown call": (b"[[],{},{}]", JSON | {"headers": wakeup.headers([str(uuid4())])}),
}


def publish(stage: Stage, address: str, body: bytes, **properties: Any) -> None:
    """Put a message straight into a queue."""
    with Connection(stage.broker) as connection, connection.Producer() as producer:
        producer.publish(body, exchange="", routing_key=address, **properties)


def test_forged_messages_disturb_nobody(stage: Stage) -> None:
    part = stage.processor("echo")
    worker = stage.worker(part)
    guest = [stage.run(part, "echo", 0)[0].result, worker.guest][1]
    address = stage.address(part, "echo")
    for number, (name, (body, properties)) in enumerate(FORGED.items()):
        publish(stage, address, body, **properties)
        (outcome,) = stage.run(part, "echo", number)
        assert (outcome.result, outcome.attempt) == (number, 1), name
    assert worker.guest == guest
    assert stage.depth(part, "echo") == 0
    assert worker.log.count("message ignored") == len(FORGED) - 2
    assert "/nonexistent" not in worker.log
    assert worker.stop() == 0
    assert len(worker.log) < 20_000


def test_wakeups_told_many_times_are_one_call(stage: Stage) -> None:
    part = stage.processor("note")
    worker = stage.worker(part)
    names = [f"call{number}" for number in range(20)]
    ids = stage.submit(part, "note", *({"file": stage.path("starts"), "name": name} for name in names))
    for _ in range(3):
        for each in ids:
            publish(stage, stage.address(part, "note"), wakeup.BODY, **JSON, headers=wakeup.headers([str(each)]))
    stage.outcomes(ids)
    stage.until(lambda: stage.depth(part, "note") == 0, "all wake-ups are taken")
    assert worker.stop() == 0
    assert sorted(stage.noted("starts")) == sorted(names)
    assert stage.states(ids) == [("done", 1, 0)] * 20


def test_what_is_no_message_at_all_disturbs_nobody(stage: Stage) -> None:
    """Redis takes anything into a list."""
    if broker_kind(stage.broker) != "redis":
        pytest.skip("RabbitMQ only takes messages")
    part = stage.processor("echo")
    worker = stage.worker(part)
    assert stage.run(part, "echo", 0)[0].result == 0
    address = stage.address(part, "echo")
    with redis.Redis.from_url(stage.broker) as client:
        for number, garbage in enumerate([b"\xff", b"{", b"[]", b"{}", b"7", json.dumps({"properties": 1}).encode()]):
            client.lpush(address, garbage)
            assert stage.run(part, "echo", number)[0].result == number, garbage
    assert worker.stop() == 0


def test_a_deleted_queue_is_declared_again(stage: Stage) -> None:
    """The wake-ups in it are gone; the ledger makes others."""
    part = stage.processor("echo")
    ids = stage.submit(part, "echo", *range(5))
    stage.delete_queue(part, "echo")
    worker = stage.worker(part)
    assert [outcome.result for outcome in stage.outcomes(ids)] == list(range(5))
    stage.delete_queue(part, "echo")
    if broker_kind(stage.broker) == "rabbitmq":
        stage.until(lambda: "Connection to broker lost" in worker.log, "the worker was told")
    assert [outcome.result for outcome in stage.run(part, "echo", *range(5))] == list(range(5))
    assert worker.stop() == 0


def test_a_queue_that_is_deleted_while_its_worker_does_not_listen(stage: Stage) -> None:
    """During a long call: to listen again fails then, and nothing else would tell the worker."""
    part = stage.processor("hold", "echo")
    long = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    held = stage.submit(part, "hold", long)
    worker = stage.worker(part)
    stage.until(lambda: stage.states(held) == [("running", 0, 0)], "the call is shown as long")
    stage.delete_queue(part, "hold")
    stage.delete_queue(part, "echo")
    stage.touch("go")
    assert stage.outcomes(held)[0].attempt == 1
    assert [outcome.result for outcome in stage.run(part, "echo", *range(5))] == list(range(5))
    assert worker.stop() == 0


def test_a_queue_that_the_broker_refuses_holds_up_no_other(stage: Stage) -> None:
    """Somebody made one of the same name, and of another kind; when it is gone its calls are done."""
    part = stage.processor("echo", "note")
    stage.delete_queue(part, "echo")
    address = stage.address(part, "echo")
    with Connection(stage.broker) as connection:
        if broker_kind(stage.broker) == "redis":
            connection.default_channel.client.set(address, "a text")
        else:
            connection.default_channel.queue_declare(address, durable=True, auto_delete=False)
    with closing(Calls(stage.scene.login(".admin").url)) as calls:
        first = calls.submit(part.sockets["echo"], ['{"args":[1],"kwargs":{}}'])
        text = json.dumps({"args": [{"file": stage.path("starts"), "name": "other"}], "kwargs": {}})
        second = calls.submit(part.sockets["note"], [text])
    stage.until(lambda: stage.depth(part, "note") == 1, "the relay has brought the other")
    assert stage.states(first + second) == [("queued", 0, 0)] * 2
    with Connection(stage.broker) as connection:
        if broker_kind(stage.broker) == "redis":
            connection.default_channel.client.delete(address)
        else:
            connection.default_channel.queue_delete(address)
    worker = stage.worker(part)
    assert [outcome.result for outcome in stage.outcomes(first + second)] == [1, "other"]
    assert worker.stop() == 0
