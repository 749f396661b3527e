"""The founding quickstart, typed as printed; the repository is a local copy of processors_example."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pyfi.broker.publish import Publisher
from pyfi.core.urls import broker_kind
from tests.network import Network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EXAMPLE = Path(__file__).parents[2] / "processors_example"
DO_SOMETHING, DO_THIS = "pyfi.processors.sample.do_something", "pyfi.processors.sample.do_this"


def example_repository(net: Network) -> Path:
    """processors_example as a git repository."""
    shutil.copytree(EXAMPLE, net.home / "example", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    return net.repository({"NOTE": "a copy"}, name="example")


def quickstart(net: Network, repository: Path) -> None:
    """Queue, processor and sockets with the seed's words."""
    net.flow(*["add", "queue", "-n", "pyfi.queue1", "-t", "direct"])
    net.flow(
        *f"add processor -n proc1 -g {repository} -m pyfi.processors.sample -h localhost -c 5".split(),
    )
    net.flow(*f"add socket -n {DO_SOMETHING} -q pyfi.queue1 -pn proc1 -t do_something".split())
    net.flow(*f"add socket -n {DO_THIS} -q pyfi.queue1 -pn proc1 -t do_this".split())


def test_the_quickstart_answers(net: Network) -> None:
    """From an empty database to the printed line, by data, by stdin, and through a pipe of two tasks."""
    quickstart(net, example_repository(net))
    net.start_agent(cpus=1)
    done = net.flow("task", "run", "--socket", DO_THIS, "--data", "['some data']")
    assert done.stdout.decode() == "Do this: ['some data']\n"
    first = net.flow("task", "run", "-s", DO_SOMETHING, stdin=b"HI THERE!\n").stdout
    assert first == b"Message:HI THERE!\n"
    second = net.flow("task", "run", "-s", DO_THIS, stdin=first + b" add some text").stdout.decode()
    assert second == "Do this: ['Message:HI THERE!\\n add some text']\n"
    calls = net.flow("ls", "calls").stdout.decode()
    assert "finished" in calls
    assert "Page 1 of 1 of 3 total records" in calls
    (call_id,) = [row["id"] for row in net.json("ls", "calls") if row["name"] == DO_SOMETHING]
    shown = net.flow("ls", "call", "--id", call_id).stdout.decode()
    for word in ("Provenance", "Task Parent", "Events", "received", "prerun", "postrun"):
        assert word in shown
    assert "Message:HI THERE!" in net.flow("ls", "call", "--id", call_id, "-r").stdout.decode()


def test_the_broker_has_one_lasting_queue_for_each_socket(net: Network) -> None:
    """On RabbitMQ quorum and durable: declaring them otherwise is refused."""
    quickstart(net, example_repository(net))
    net.start_agent(cpus=1)
    net.flow("task", "run", "--socket", DO_THIS, "--data", "['some data']")
    address = "pyfi.queue1.proc1.do_this"
    publisher = Publisher(net.broker)
    try:
        assert publisher.depth(address) == 0
        if broker_kind(net.broker) == "rabbitmq":
            from amqp.exceptions import PreconditionFailed
            from kombu import Connection

            for durable, kind in ((True, "classic"), (False, "quorum")):
                with Connection(net.broker) as connection, pytest.raises((PreconditionFailed, Exception)) as refused:
                    connection.default_channel.queue_declare(
                        address, durable=durable, auto_delete=False, arguments={"x-queue-type": kind}
                    )
                assert "PRECONDITION" in str(refused.value) or "invalid" in str(refused.value)
    finally:
        publisher.close()
