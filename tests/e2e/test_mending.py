"""Retry, replay and queues against workers that run."""

from __future__ import annotations

import pytest

from tests.network import FUNCTIONS, Network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def commit_of(net: Network) -> str:
    """Of the processor, as it is wanted now."""
    return str(net.json("describe", "processor", "proc")["commit"])


def test_calls_run_again_at_the_same_or_a_newer_commit(net: Network) -> None:
    """What a call ran at is kept; a replay runs what is deployed, or nothing if it must be what was."""
    net.processor("echo", "fail")
    net.start_agent()
    net.flow("task", "run", "-s", "proc.echo", "-d", '"first"')
    net.flow("task", "run", "-s", "proc.fail", "-d", '"first"', code=1)
    (done,) = net.json("ls", "calls", "--state", "done")
    (failed,) = net.json("ls", "calls", "--failed", "--error", "no first")
    old = commit_of(net)
    shown = net.json("call", "show", done["id"])
    assert shown["commit"] == old

    (row,) = [row for row in net.json("queue", "ls") if row["socket"] == "proc.echo"]
    assert (row["consumers"], row["waiting"]) == (1, 0)
    assert net.flow("queue", "send", "-n", "proc.queue", "-t", "echo", "-d", "1").stdout.strip()
    net.until(lambda: len(net.json("ls", "calls", "--state", "done")) == 2, "what was sent is done")

    net.flow("call", "retry", failed["id"], "--reason", "again")
    net.until(lambda: len(net.json("ls", "calls", "--failed")) == 2, "the retry fails as well")
    net.flow("call", "replay", done["id"], "--same-commit")
    net.until(lambda: len(net.json("ls", "calls", "--state", "done")) == 3, "the replay is done")

    net.repository({"functions.py": FUNCTIONS.replace("return message\n", 'return ["changed", message]\n', 1)})
    net.flow("update", "processor", "-n", "proc", "--branch", "main")
    new = commit_of(net)
    assert new != old
    refused = net.flow("call", "replay", done["id"], "--same-commit", code=1).stderr.decode()
    assert f"ran at commit {old}, processor proc is at {new}" in refused
    made = net.flow("call", "replay", done["id"], "--at", new[:10], "-o", "ids").stdout.decode().strip()
    net.until(lambda: net.json("call", "show", made)["state"] == "done", "the replay at the newer commit is done")
    shown = net.json("call", "show", made)
    assert (shown["commit"], shown["result"], shown["replay_of"]) == (new, ["changed", "first"], done["id"])


def test_peeking_disturbs_no_worker(net: Network) -> None:
    """Each call runs once, in its order, however often somebody looks while it waits."""
    net.processor("mark")
    ((socket,),) = net.rows("select id from pyfi.socket")
    ledger, marks = net.calls(), net.home / "marks"
    names = [f"{n:03}" for n in range(60)]
    texts = [f'{{"args": [{{"id": "{name}", "file": "{marks}", "seconds": 0.02}}], "kwargs": {{}}}}' for name in names]
    ids = [str(ledger.submit(socket, [text])[0]) for text in texts]
    assert net.flow("queue", "peek", "-n", "proc.queue", "-r", "60", "-o", "ids").stdout.decode().split() == ids
    net.start_agent()
    net.until(marks.exists, "the first call has begun")
    seen: list[int] = []
    while left := net.flow("queue", "peek", "-n", "proc.queue", "-r", "60", "-o", "ids").stdout.decode().split():
        assert left == ids[-len(left) :], "what waits is the end of the line"
        seen.append(len(left))
    assert seen == sorted(seen, reverse=True)
    net.until(lambda: net.rows("select count(*) from pyfi.call where state = 'done'") == [(60,)], "all are done")
    assert net.rows("select distinct attempt, losses, wakes from pyfi.call") == [(1, 0, 0)]
    # Each once; what a worker gave back to whoever is idle may come a little later.
    assert sorted(marks.read_text().split()) == names
