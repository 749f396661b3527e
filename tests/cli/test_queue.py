"""`flow queue ls|peek|purge|send`, without a worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Flow
from tests.network import Network


@pytest.fixture
def scene(online: Network, flow: Flow, repository: Path) -> Iterator[Network]:
    """A processor; queues and sockets are the tests' own. Nothing of it stays."""
    flow("add", "processor", "-n", "qp", "-g", str(repository), "-m", "functions")
    yield online
    for table in ("event", "call", "outbox"):
        online.rows(f"delete from pyfi.{table}")
    flow("delete", "processor", "-n", "qp", "--cascade")
    for (name,) in online.rows("select name from pyfi.queue"):
        flow("delete", "queue", "-n", name)


def room(flow: Flow, queue: str, kind: str, *sockets: str) -> None:
    """A queue with sockets; a socket's name ends with its task."""
    flow("add", "queue", "-n", queue, "-t", kind)
    for name in sockets:
        task = name.rpartition(".")[2]
        flow("add", "socket", "-n", name, "-q", queue, "-pn", "qp", "-t", task)


def listed(flow: Flow, *words: str) -> list[dict[str, Any]]:
    """`flow queue ls` as JSON."""
    found: list[dict[str, Any]] = json.loads(flow("queue", "ls", "-o", "json", *words).out)
    return found


def test_ls_tells_how_full_each_socket_is(scene: Network, flow: Flow) -> None:
    """Waiting, delayed, running and parked are counted apart; an empty queue has a row of its own."""
    room(flow, "full", "direct", "a.echo", "b.echo")
    room(flow, "empty", "topic")
    for _ in range(4):
        flow("task", "run", "-s", "a.echo", "-nd", "--no-wait")
    ids = flow("ls", "calls", "-i").out.split()
    scene.rows("update pyfi.call set state = 'parked', error = '{}' where id = %s", (ids[0],))
    scene.rows("update pyfi.call set state = 'claimed' where id = %s", (ids[1],))
    scene.rows("update pyfi.call set not_before = now() + interval '1 hour' where id = %s", (ids[2],))
    scene.rows("update pyfi.call set created = now() - interval '90 s' where id = %s", (ids[3],))
    scene.rows("update pyfi.socket set concurrency = 3 where name = 'a.echo'")
    scene.rows("update pyfi.queue set max_length = 1000, message_ttl = 5000 where name = 'full'")
    rows = {(row["queue"], row["socket"]): row for row in listed(flow)}
    assert set(rows) == {("full", "a.echo"), ("full", "b.echo"), ("empty", None)}
    a = rows["full", "a.echo"]
    assert {key: a[key] for key in ("waiting", "delayed", "running", "parked", "consumers")} == {
        "waiting": 1,
        "delayed": 1,
        "running": 1,
        "parked": 1,
        "consumers": 0,
    }
    assert 90 <= a["oldest_seconds"] < 200
    assert (a["max_length"], a["message_ttl"], a["max_length_bytes"]) == (1000, 5000, None)
    assert rows["full", "b.echo"]["waiting"] == rows["empty", None]["waiting"] == 0
    assert a["address"] in flow("queue", "ls").out
    assert "max_length 1000, message_ttl 5000 ms, concurrency 3" in flow("queue", "ls", "-n", "full").out
    assert [row["queue"] for row in listed(flow, "-n", "empty")] == ["empty"]
    assert "did you mean full?" in flow("queue", "ls", "-n", "ful", code=1).err


def test_peek_shows_what_comes_first_and_changes_nothing(scene: Network, flow: Flow) -> None:
    """Due calls by priority and age, then those that wait for a time; long arguments are cut."""
    room(flow, "line", "direct", "a.echo", "b.echo")
    sent = []
    for n, name in enumerate(("a.echo", "b.echo", "a.echo", "b.echo")):
        sent.append(flow("task", "run", "-s", name, "-d", str(n), "--no-wait").out.strip())
    scene.rows("update pyfi.call set not_before = now() + interval '1 hour' where id = %s", (sent[0],))
    long = flow("task", "run", "-s", "a.echo", "-d", json.dumps("x" * 5000), "--no-wait").out.strip()
    large = flow("task", "run", "-s", "a.echo", "-d", json.dumps("y" * 80_000), "--no-wait").out.strip()
    scene.rows("update pyfi.call set priority = 5 where id = %s", (sent[3],))
    before = scene.rows("select c::text from pyfi.call c order by id")
    found = json.loads(flow("queue", "peek", "-n", "line", "-o", "json").out)
    assert [row["id"] for row in found] == [sent[3], sent[1], sent[2], long, large, sent[0]]
    assert len(found[3]["arguments"]) == 200
    assert found[4]["arguments"] == "80028 bytes"
    assert found[1]["arguments"] == '{"args": [1], "kwargs": {}}'
    assert (found[0]["due"], found[5]["due"] is None) == (None, False)
    assert flow("queue", "peek", "-n", "line", "-r", "2", "-o", "ids").out.split() == [sent[3], sent[1]]
    assert flow("queue", "peek", "-n", "line", "--socket", "b.echo", "-o", "ids").out.split() == [sent[3], sent[1]]
    assert sent[1] in flow("queue", "peek", "-n", "line").out
    assert scene.rows("select c::text from pyfi.call c order by id") == before
    assert "which queue?" in flow("queue", "peek", code=1).err


def test_purge_cancels_what_waits(scene: Network, flow: Flow) -> None:
    """Of that queue, older than said; what runs or is parked stays."""
    room(flow, "line", "direct", "a.echo")
    room(flow, "other", "direct", "c.echo")
    a = [flow("task", "run", "-s", "a.echo", "-nd", "--no-wait").out.strip() for _ in range(5)]
    (c,) = flow("task", "run", "-s", "c.echo", "-nd", "--no-wait").out.split()
    scene.rows("update pyfi.call set created = now() - interval '2 hours' where id = any (%s::uuid[])", (a[:2],))
    scene.rows("update pyfi.call set state = 'parked', error = '{}' where id = %s", (a[3],))
    scene.rows("update pyfi.call set state = 'running' where id = %s", (a[4],))
    refused = flow("queue", "purge", "-n", "line", code=1).err
    assert "purge would touch 3 calls" in refused
    assert "--yes does it" in refused
    assert "purge would touch 2 calls" in flow("queue", "purge", "-n", "line", "--older-than", "1h", "--dry-run").out
    old = flow("queue", "purge", "-n", "line", "--older-than", "1h", "--yes", "--reason", "stale")
    assert old.out == "2 cancelled\n"
    assert flow("queue", "purge", "-n", "line", "-y", "-o", "ids").out.split() == [a[2]]
    assert scene.rows("select id, state from pyfi.call where state <> 'cancelled' order by created") == sorted(
        [(a[3], "parked"), (a[4], "running"), (c, "queued")], key=lambda row: [*a, c].index(row[0])
    )
    assert "purged: by admin: stale" in flow("call", "show", a[0]).out
    assert flow("queue", "purge", "-n", "line", "--yes").out == "purge: no call is like that\n"
    assert "there is no queue lin" in flow("queue", "purge", "-n", "lin", "--yes", code=1).err


def test_send_to_each_kind_of_queue(scene: Network, flow: Flow) -> None:
    """direct: one of them; fanout: all on it; topic: all below it, too. Each is a first call of its own."""
    room(flow, "one", "direct", "a.echo", "b.echo")
    room(flow, "all", "fanout", "c.echo", "d.other")
    room(flow, "top", "topic", "e.echo")
    room(flow, "top.eu", "direct", "f.echo")
    room(flow, "top.eu.paid", "direct", "g.echo")
    room(flow, "toppled", "direct", "h.echo")
    room(flow, "none", "fanout")

    def sent(*words: str) -> list[str]:
        ids = flow("queue", "send", *words).out.split()
        rows = scene.rows(
            "select name, args::text, root_id = id and parent_id is null from pyfi.call where id = any (%s::uuid[])",
            (ids,),
        )
        assert len(rows) == len(ids)
        assert {row[1:] for row in rows} == {('{"args": ["x"], "kwargs": {}}', True)}
        return sorted(row[0] for row in rows)

    data = ("--data", '["x"]')
    assert {tuple(sent("-n", "one", *data)) for _ in range(20)} == {("a.echo",), ("b.echo",)}
    assert sent("-n", "all", *data) == ["c.echo", "d.other"]
    assert sent("-n", "all", "-t", "other", *data) == ["d.other"]
    assert sent("-n", "top", *data) == ["e.echo", "f.echo", "g.echo"]
    assert "queue none has no socket" in flow("queue", "send", "-n", "none", "-nd", code=1).err
    assert "hint: its tasks are echo" in flow("queue", "send", "-n", "one", "-t", "x", "-nd", code=1).err
    flow("add", "socket", "-n", "i.other", "-q", "one", "-pn", "qp", "-t", "other")
    several = flow("queue", "send", "-n", "one", "-nd", code=1).err
    assert "has sockets of several tasks: echo, other" in several
    assert "hint: name one: --task echo" in several
    assert "neither JSON nor" in flow("queue", "send", "-n", "one", "-d", "{", code=1).err


def test_send_to_all_or_to_none(scene: Network, flow: Flow, repository: Path) -> None:
    """One that refuses stops the whole: what was half sent would be sent twice by the next try."""
    room(flow, "all", "fanout", "a.echo")
    flow("add", "processor", "-n", "gone", "-g", str(repository), "-m", "functions")
    flow("add", "socket", "-n", "z.echo", "-q", "all", "-pn", "gone", "-t", "echo")
    flow("proc", "remove", "-n", "gone")
    assert "processor gone is removed" in flow("queue", "send", "-n", "all", "-nd", code=1).err
    assert scene.rows("select count(*) from pyfi.call") == [(0,)]
    flow("delete", "processor", "-n", "gone", "--cascade")
