"""A worker that was stopped longer than its lease comes back: what it finished late is refused."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from uuid import UUID

import pytest

from pyfi.system.processes import ProcessIdentity, identify, signal_process
from tests.network import Network

pytestmark = [pytest.mark.faults, pytest.mark.timeout(200)]

FUNCTIONS = """
import os, time

def slow(message):
    fd = os.open(message["file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, b"start\\n")
    os.close(fd)
    time.sleep(4)
    return os.getpid()
"""
FENCE = "c.claim = u.claim and c.worker_id = p_worker and "


def stop_and_come_back(net: Network, tmp_path: Path) -> None:
    """Asserts that the result is the second worker's, not the late one's."""
    starts = tmp_path / "starts"
    net.processor("slow", concurrency=2, repository=net.repository({"functions.py": FUNCTIONS}))
    net.rows("insert into pyfi.setting values ('lease', '2 seconds')")
    net.start_agent()
    net.until(lambda: len(list(net.home.glob("flow/node-node1/workers/*/guest.json"))) == 2, "two workers")
    ((socket,),) = net.rows("select id from pyfi.socket")
    calls = net.calls()
    (call,) = calls.submit(UUID(socket), [json.dumps({"args": [{"file": str(starts)}], "kwargs": {}})])

    def state() -> tuple[str, str]:
        return net.rows("select state, worker_id from pyfi.call where id = %s", (str(call),))[0]

    def runs_not_at(other: str | None) -> bool:
        now, at = state()
        return now == "running" and at != other

    net.until(lambda: runs_not_at(None), "the call runs")
    first = state()[1]
    late = worker(net, first)
    assert signal_process(late, signal.SIGSTOP)
    try:
        net.until(lambda: runs_not_at(first), "another worker runs it")
        second_guest = guest_beside(net, state()[1])
    finally:
        signal_process(late, signal.SIGCONT)
    outcome = calls.wait([call], 30)[call]
    assert outcome.state == "done"
    assert outcome.result == second_guest.pid
    assert outcome.attempt == len(starts.read_text().split()) == 2
    net.until(
        lambda: net.rows("select value from pyfi.counter where name = 'fenced finishes'") == [(1,)], "one refused"
    )


def folder(net: Network, worker_id: str) -> Path:
    """The folder of a worker's incarnation."""
    for path in net.home.glob("flow/node-node1/workers/*/config.json"):
        if json.loads(path.read_text())["worker_id"] == worker_id:
            return path.parent
    raise AssertionError(f"no folder of worker {worker_id}")


def worker(net: Network, worker_id: str) -> ProcessIdentity:
    """The process of a worker."""
    ((pid,),) = net.rows("select pid from pyfi.worker where id = %s", (worker_id,))
    found = identify(pid)
    assert found is not None
    return found


def guest_beside(net: Network, worker_id: str) -> ProcessIdentity:
    """The guest of a worker."""
    return ProcessIdentity.from_json((folder(net, worker_id) / "guest.json").read_text())


def test_a_late_finish_is_refused(net: Network, tmp_path: Path) -> None:
    """The claim's token is the fence."""
    stop_and_come_back(net, tmp_path)


def test_without_the_fence_the_late_finish_would_win(net: Network, tmp_path: Path) -> None:
    """The test above can fail: take the fence out of the ledger and it does."""
    ((source,),) = net.rows("select pg_get_functiondef(oid) from pg_proc where proname = 'turn'")
    assert FENCE in source
    net.rows(source.replace(FENCE, ""))
    with pytest.raises(AssertionError):
        stop_and_come_back(net, tmp_path)
