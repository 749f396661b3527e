"""The node's process as a whole: crashes, signals, a second one, its health."""

from __future__ import annotations

import json
import signal
import socket
import sys
import urllib.error
import urllib.request

import pytest

from pyfi.system.processes import identify, is_alive, signal_process
from tests.integration.agent.place import SLOW, WAIT_SECONDS, Place

KEY = "proc1@n1#0"
SOONER_THAN_THE_POLL = 6.5  # seconds; the poll comes after 7 s at the earliest


def node_status(place: Place) -> str:
    return str(place.scene.superuser.one("select status from pyfi.node where name = 'n1'"))


def test_workers_outlive_a_killed_agent_and_the_next_one_adopts_them(place: Place) -> None:
    place.add("proc1")
    first = place.process()
    place.wait(lambda: place.is_running(KEY))
    worker, guest, before = place.identity(KEY), place.guest(KEY), place.workers()[KEY]
    signal_process(first.identity, signal.SIGKILL)
    assert first.wait(5.0) == -signal.SIGKILL
    assert is_alive(worker)
    second = place.process()
    place.wait(lambda: "worker adopted" in place.error(second))
    assert place.identity(KEY) == worker
    assert is_alive(guest)
    assert place.starts(KEY) == [worker.pid]
    assert place.workers()[KEY]["id"] == before["id"]
    # The adopted one is watched like a child: its end is noticed at once.
    signal_process(worker, signal.SIGKILL)
    place.wait(lambda: len(place.starts(KEY)) == 2, seconds=SOONER_THAN_THE_POLL)
    place.wait(lambda: place.is_running(KEY))
    assert place.workers()[KEY]["last_exit"] == "it ended while no agent watched"
    assert not is_alive(guest)


def test_a_worker_that_died_with_its_agent_is_started_anew_once(place: Place) -> None:
    place.add("proc1")
    first = place.process()
    place.wait(lambda: place.is_running(KEY))
    worker, guest = place.identity(KEY), place.guest(KEY)
    for identity in (first.identity, worker):
        signal_process(identity, signal.SIGKILL)
    first.wait(5.0)
    place.process()
    place.wait(lambda: len(place.starts(KEY)) == 2)
    place.wait(lambda: place.is_running(KEY))
    assert place.identity(KEY) != worker
    assert len(place.starts(KEY)) == 2
    assert not is_alive(guest)


def test_a_change_is_told_and_a_dead_worker_noticed_at_once(place: Place) -> None:
    sleeper = place.process()
    place.wait(lambda: node_status(place) == "running")
    processor = place.add("proc1")
    place.wait(lambda: place.status(processor) != ("", ""), seconds=SOONER_THAN_THE_POLL)
    place.wait(lambda: place.is_running(KEY))
    worker = place.identity(KEY)
    signal_process(worker, signal.SIGKILL)
    place.wait(lambda: len(place.starts(KEY)) == 2, seconds=SOONER_THAN_THE_POLL)
    assert sleeper.poll() is None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains_and_stops_the_workers_then_the_node(place: Place, how: signal.Signals) -> None:
    processor = place.add("proc1", concurrency=2)
    agent = place.process()
    place.wait(lambda: place.is_running(KEY) and place.is_running("proc1@n1#1"))
    workers = [place.identity(KEY), place.identity("proc1@n1#1"), place.guest(KEY)]
    signal_process(agent.identity, how)
    assert agent.wait(WAIT_SECONDS) == 0
    assert not any(map(is_alive, workers))
    assert node_status(place) == "stopped"
    assert place.workers() == {}
    assert place.status(processor) == ("stopped", "its node's agent was stopped")
    assert place.error(agent).count('"reason": "drained"') == 2


def test_a_second_signal_kills_what_does_not_drain(place: Place) -> None:
    place.add("proc1", "stubborn")
    agent = place.process()
    place.wait(lambda: place.is_running(KEY))
    worker, guest = place.identity(KEY), place.guest(KEY)
    signal_process(agent.identity, signal.SIGTERM)
    place.wait(lambda: place.workers().get(KEY, {}).get("status") == "draining")
    assert is_alive(worker)
    signal_process(agent.identity, signal.SIGTERM)
    assert agent.wait(WAIT_SECONDS) == 0
    assert not is_alive(worker)
    assert not is_alive(guest)


def test_a_second_agent_is_refused_and_told_who_is_there(place: Place) -> None:
    first = place.process()
    second = place.process()
    assert second.wait(WAIT_SECONDS) == 1
    assert f"node n1 has an agent on this machine already: process {first.pid}" in place.error(second)
    assert first.poll() is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_build_ends_with_its_agent(place: Place) -> None:
    place.add("proc1")
    agent = place.process(builder=SLOW)
    pid = place.folder.environments / "builder"
    place.wait(lambda: pid.exists() and pid.read_text() != "")
    builder = identify(int(pid.read_text()))
    assert builder is not None
    signal_process(agent.identity, signal.SIGKILL)
    place.wait(lambda: not is_alive(builder))


def test_a_signal_ends_a_build_too(place: Place) -> None:
    place.add("proc1")
    agent = place.process(builder=SLOW)
    pid = place.folder.environments / "builder"
    place.wait(lambda: pid.exists() and pid.read_text() != "")
    signal_process(agent.identity, signal.SIGTERM)
    assert agent.wait(WAIT_SECONDS) == 0


def test_health_is_what_the_passes_are(place: Place) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    agent = place.process(port=port)
    place.wait(lambda: node_status(place) == "running")

    def health(path: str = "/health") -> tuple[int, dict[str, object]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {}

    place.wait(lambda: health()[1]["services"]["agent"]["reason"] == "")  # type: ignore[index]
    status, document = health()
    assert (status, document["status"]) == (200, "ok")
    assert health("/other")[0] == 404
    assert place.scene.superuser.one("select port from pyfi.agent where name = 'n1'") == port
    assert agent.poll() is None


def test_a_taken_health_port_is_told_in_one_line(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        agent = place.process(port=taken.getsockname()[1])
        assert agent.wait(WAIT_SECONDS) == 1
    assert "the health port 127.0.0.1:" in place.error(agent)
    assert "Traceback" not in place.error(agent)


def test_a_node_that_is_not_enrolled_says_so(place: Place) -> None:
    place.folder.credentials.unlink()
    agent = place.process()
    assert agent.wait(WAIT_SECONDS) == 1
    assert "node-n1 is not enrolled on this machine" in place.error(agent)
