"""Limits as they are typed: written, shown, lifted; and what a full queue and a held processor say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Flow
from tests.network import Network


def read(flow: Flow, *words: str) -> Any:
    """What `ls ... -o json` gives."""
    return json.loads(flow("-o", "json", "ls", *words).out)


@pytest.fixture
def socket(online: Network, flow: Flow, repository: Path, request: pytest.FixtureRequest) -> str:
    """A socket on a queue and a processor of its name."""
    name = request.node.originalname.replace("_", "-")
    flow("add", "processor", "-n", name, "-g", str(repository), "-m", "functions", "-rs", "stopped")
    flow("add", "queue", "-n", name)
    flow("add", "socket", "-n", name, "-q", name, "-pn", name, "-t", "greet")
    return name


def test_limits_of_a_socket(socket: str, flow: Flow) -> None:
    flow("update", "socket", "-n", socket, "-c", "3", "--rate", "90/m", "--burst", "7")
    (row,) = read(flow, "sockets", "-n", socket)
    assert (row["concurrency"], row["rate"], row["burst"]) == (3, 1.5, 7)
    flow("update", "socket", "-n", socket, "-c", "none", "--rate", "none", "--burst", "none")
    (row,) = read(flow, "sockets", "-n", socket)
    assert (row["concurrency"], row["rate"], row["burst"]) == (None, None, None)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--rate", "10", "is no rate"),
        ("--rate", "0/s", "is no rate"),
        ("--rate", "10/day", "is no rate"),
        ("--rate", "99999999/s", "is no rate"),
        ("--burst", "0", "no whole number"),
        ("-c", "-1", "no whole number"),
        ("-c", "5000", "no whole number"),
    ],
)
def test_what_is_no_limit(online: Network, flow: Flow, option: str, value: str, says: str) -> None:
    assert says in flow("update", "socket", "-n", "any", option, value, code=2).err


def test_limits_of_a_queue(online: Network, flow: Flow) -> None:
    words = ("--max-length", "5", "--max-length-bytes", "5000", "--message-ttl", "60000", "--expires", "1000")
    flow("add", "queue", "-n", "limited", *words)
    (row,) = read(flow, "queues", "-n", "limited")
    assert (row["max_length"], row["max_length_bytes"], row["message_ttl"], row["expires"]) == (5, 5000, 60000, 1000)
    flow("update", "queue", "-n", "limited", "--max-length", "none", "--expires", "none")
    (row,) = read(flow, "queues", "-n", "limited")
    assert (row["max_length"], row["max_length_bytes"], row["expires"]) == (None, 5000, None)


def test_a_full_queue_is_said_at_once_or_after_a_while(socket: str, flow: Flow) -> None:
    flow("update", "queue", "-n", socket, "--max-length", "2")
    task = ("task", "run", "-s", socket, "-d", "1", "--no-wait", "--room-timeout")
    flow(*task, "0")
    flow(*task, "0")
    assert f"queue {socket} is full: it may hold 2 calls" in flow(*task, "0", code=75).err
    assert "is full" in flow(*task, "0.5", code=75).err
    flow("update", "queue", "-n", socket, "--max-length", "3")
    flow(*task, "0")


def test_a_priority(socket: str, flow: Flow) -> None:
    id_ = flow("task", "run", "-s", socket, "-d", "1", "--no-wait", "--priority", "-3").out.strip()
    assert json.loads(flow("-o", "json", "call", "show", id_).out)["priority"] == -3
    assert "11 is not in the range" in flow("task", "run", "-s", socket, "-nd", "--priority", "11", code=2).err


def test_a_held_processor_is_shown_and_let_go(socket: str, online: Network, flow: Flow) -> None:
    flow("proc", "start", "-n", socket)
    hold = "update pyfi.processor set held_since = now(), held_reason = '5 calls crashed' where name = %s"
    online.rows(hold, (socket,))
    (row,) = read(flow, "processors", "-n", socket)
    assert (row["status"], row["reason"]) == ("held", "5 calls crashed")
    assert "held" in flow("ls", "processors").out
    waits = flow("task", "run", "-s", socket, "-d", "1", "--timeout", "1.5", code=75).err
    assert f"{socket} is held, 5 calls crashed: flow proc resume -n {socket}" in waits
    flow("proc", "resume", "-n", socket)
    (row,) = read(flow, "processors", "-n", socket)
    assert row["status"] != "held"


def test_what_is_kept_is_a_setting(online: Network, flow: Flow) -> None:
    assert flow("setting", "set", "keep_days", "0.5").out == "keep_days = 0.5\n"
    flow("setting", "set", "keep_calls", "1000")
    flow("setting", "set", "hold_after", "3")
    for key, value in (("keep_days", "0"), ("keep_days", "ever"), ("keep_days", "nan"), ("keep_calls", "0")):
        assert "is no" in flow("setting", "set", key, value, code=1).err
    for key in ("keep_days", "keep_calls", "hold_after"):
        flow("setting", "unset", key)
