"""One agent's passes over real workers and the real database functions."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from pyfi.system.processes import is_alive, signal_process
from tests.integration.agent.place import Place


def test_starts_a_worker_for_each_cpu_and_then_is_quiet(place: Place) -> None:
    processor = place.add("proc1", concurrency=2)
    agent = place.agent(cpus=3)
    place.until(agent, lambda: place.is_running("proc1@n1#0") and place.is_running("proc1@n1#1"))
    assert place.status(processor) == ("running", "")
    rows = place.workers()
    assert rows.keys() == {"proc1@n1#0", "proc1@n1#1"}
    for key, row in rows.items():
        assert row["pid"] == place.identity(key).pid
        assert row["pid"] in place.starts(key)
    place.passes(agent, 3)
    assert place.registry is not None
    told = place.registry.reports
    assert agent.run_once() is False
    assert place.registry.reports == told
    assert {key: row["pid"] for key, row in place.workers().items()} == {key: row["pid"] for key, row in rows.items()}


def test_a_worker_is_told_its_secrets_by_a_private_file_only(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_DB", "postgresql://joe:canary@db/flow")
    place.add("proc1")
    place.until(place.agent(), lambda: place.is_running("proc1@n1#0"))
    folder = place.folder.worker("proc1@n1#0")
    assert stat.S_IMODE(folder.config.stat().st_mode) == 0o600
    assert "canary" in folder.config.read_text(encoding="utf-8")
    if sys.platform == "linux":
        proc = Path(f"/proc/{place.identity('proc1@n1#0').pid}")
        assert b"canary" not in (proc / "cmdline").read_bytes()
        assert b"canary" not in (proc / "environ").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins")
def test_workers_are_pinned_and_spread(place: Place) -> None:
    place.add("proc1", concurrency=2)
    place.until(place.agent(), lambda: all(place.is_running(f"proc1@n1#{n}") for n in (0, 1)))
    pinned = [os.sched_getaffinity(place.identity(f"proc1@n1#{n}").pid) for n in (0, 1)]
    assert all(len(cpus) == 1 for cpus in pinned)
    assert len(os.sched_getaffinity(0)) == 1 or pinned[0] != pinned[1]


def test_pause_and_scaling_leave_the_others_alone(place: Place) -> None:
    processor = place.add("proc1", concurrency=2)
    agent = place.agent()
    place.until(agent, lambda: all(place.is_running(f"proc1@n1#{n}") for n in (0, 1)))
    first, second = place.identity("proc1@n1#0"), place.identity("proc1@n1#1")
    place.change(processor, requested_status="paused")
    place.until(agent, lambda: place.status(processor)[0] == "paused")
    place.passes(agent)
    assert is_alive(first)
    assert is_alive(second)
    place.change(processor, requested_status="running", concurrency=1)
    place.until(agent, lambda: place.workers().keys() == {"proc1@n1#0"})
    assert is_alive(first)
    assert not is_alive(second)
    assert place.starts("proc1@n1#0") == [first.pid]


def test_stop_drains_start_brings_it_back_remove_forgets_it(place: Place) -> None:
    processor = place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running("proc1@n1#0"))
    first, guest = place.identity("proc1@n1#0"), place.guest("proc1@n1#0")
    place.change(processor, requested_status="stopped")
    place.until(agent, lambda: place.status(processor)[0] == "stopped")
    assert place.workers() == {}
    assert not is_alive(first)
    assert not is_alive(guest)
    assert place.registry is not None
    assert [cause for _, _, cause in place.registry.exited] == ["drained"]
    place.change(processor, requested_status="running")
    place.until(agent, lambda: place.is_running("proc1@n1#0"))
    place.change(processor, requested_status="removed")
    place.until(agent, lambda: place.status(processor) == ("", ""))
    assert place.workers() == {}


def test_restart_and_a_new_socket_start_it_anew(place: Place) -> None:
    processor = place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running("proc1@n1#0"))
    first = place.workers()["proc1@n1#0"]
    place.change(processor, restart_token=1)
    place.until(agent, lambda: place.is_running("proc1@n1#0") and place.workers()["proc1@n1#0"]["id"] != first["id"])
    assert len(place.starts("proc1@n1#0")) == 2
    assert place.workers()["proc1@n1#0"]["restarts"] == 0


def test_without_a_socket_nothing_runs_but_the_environment_stands(place: Place) -> None:
    processor = place.add("proc1", sockets=0)
    agent = place.agent()
    place.until(agent, lambda: place.status(processor) == ("ready", "it has no socket yet"))
    assert place.workers() == {}


def test_what_ignores_a_drain_is_killed_at_its_deadline_with_its_guest(place: Place) -> None:
    processor = place.add("proc1", "stubborn")
    agent = place.agent()
    place.until(agent, lambda: place.is_running("proc1@n1#0"))
    worker, guest = place.identity("proc1@n1#0"), place.guest("proc1@n1#0")
    place.change(processor, requested_status="stopped")
    place.until(agent, lambda: place.workers().get("proc1@n1#0", {}).get("status") == "draining")
    place.passes(agent)
    assert is_alive(worker)
    place.clock.ahead += 30.0
    place.until(agent, lambda: place.status(processor)[0] == "stopped")
    assert not is_alive(worker)
    assert not is_alive(guest)


def test_a_killed_worker_gives_back_what_its_mark_says_and_its_guest_ends(place: Place) -> None:
    place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running("proc1@n1#0"))
    former, guest = place.state("proc1@n1#0"), place.guest("proc1@n1#0")
    assert former is not None
    signal_process(place.identity("proc1@n1#0"), signal.SIGKILL)
    place.until(agent, lambda: place.workers()["proc1@n1#0"]["status"] == "backoff")
    assert place.registry is not None
    assert place.registry.exited == [(former.id, 7, "signal 9 (SIGKILL)")]
    assert not is_alive(guest)
    row = place.workers()["proc1@n1#0"]
    assert (row["last_exit"], row["restarts"], row["pid"]) == ("signal 9 (SIGKILL)", 1, None)
    place.clock.ahead += 1.0
    place.until(agent, lambda: place.is_running("proc1@n1#0"))
    row = place.workers()["proc1@n1#0"]
    assert (row["last_exit"], row["restarts"]) == ("signal 9 (SIGKILL)", 1)


def test_a_worker_that_serves_is_back_after_a_second_however_often_it_is_killed(place: Place) -> None:
    place.add("proc1")
    agent = place.agent()
    for kills in range(1, 10):
        place.until(agent, lambda: place.is_running("proc1@n1#0"))
        signal_process(place.identity("proc1@n1#0"), signal.SIGKILL)
        place.until(agent, lambda: place.workers().get("proc1@n1#0", {}).get("restarts") == kills)  # noqa: B023 # at once
        place.clock.ahead += 1.0


def test_a_crash_loop_backs_off_and_is_held_when_its_budget_is_spent(place: Place) -> None:
    processor = place.add("proc1", "crashes")
    agent = place.agent()
    key = "proc1@n1#0"
    for crashes in range(1, 8):
        place.until(agent, lambda: place.workers().get(key, {}).get("restarts") == crashes)  # noqa: B023 # at once
        place.until(agent, lambda: place.workers()[key]["status"] == "backoff")
        assert place.workers()[key]["last_exit"] == "exit 1: no such luck"
        place.clock.ahead += 2.0 ** (crashes - 1) - 0.9
        place.passes(agent)
        assert len(place.starts(key)) == crashes
        place.clock.ahead += 1.0
    place.until(agent, lambda: place.workers().get(key, {}).get("restarts") == 8)
    place.until(agent, lambda: place.workers()[key]["status"] == "failed")
    assert place.status(processor) == ("failed", "held: exit 1: no such luck")
    place.clock.ahead += 298.0
    place.passes(agent)
    assert len(place.starts(key)) == 8
    place.change(processor, restart_token=1)
    place.until(agent, lambda: len(place.starts(key)) == 9)


def test_what_cannot_be_loaded_is_failed_with_its_reason_and_tried_again_later(place: Place) -> None:
    processor = place.add("proc1", "cannot_be_loaded")
    agent = place.agent()
    place.until(agent, lambda: place.workers().get("proc1@n1#0", {}).get("status") == "failed")
    assert place.workers()["proc1@n1#0"]["last_exit"] == "cannot_be_loaded: No module named x"
    assert place.status(processor) == ("failed", "held: cannot_be_loaded: No module named x")
    place.clock.ahead += 31.0
    place.until(agent, lambda: len(place.starts("proc1@n1#0")) == 2)


def test_two_owners_may_have_a_processor_of_one_name(place: Place) -> None:
    place.add("proc1", owner=place.scene.ann)
    place.add("proc1", owner=place.scene.bob)
    place.until(place.agent(), lambda: all(place.is_running(f"proc1~{owner}@n1#0") for owner in ("ann", "bob")))


def test_a_processor_without_a_node_is_placed_on_free_cpus_only(place: Place) -> None:
    pinned = place.add("pinned", concurrency=2)
    free = place.add("free", concurrency=3, hostname=None)
    agent = place.agent(cpus=3)
    place.until(agent, lambda: place.status(pinned)[0] == "running" and len(place.workers()) == 3)
    place.passes(agent)
    assert sorted(place.workers()) == ["free@n1#0", "pinned@n1#0", "pinned@n1#1"]
    assert place.status(free)[0] in {"running", "starting"}
