"""Chains of plugs on a worker that has nothing else to do: each call is claimed with the end of the one before."""

from __future__ import annotations

import signal

import pytest

from tests.integration.db.scene import add_plug
from tests.integration.worker.stage import Stage

pytestmark = pytest.mark.timeout(120)


def test_a_chain_needs_one_wakeup(stage: Stage) -> None:
    tasks = ["echo", "note"]
    part = stage.processor(*tasks)
    add_plug(stage.scene.admin, f"{stage.tag}on", part.sockets["echo"], part.sockets["note"], part.queue)
    worker = stage.worker(part)
    for number in range(10):
        message = {"file": stage.path("starts"), "name": f"call{number}"}
        (first,) = stage.submit(part, "echo", message)
        stage.outcomes([first])
        ((child,),) = stage.scene.superuser.ask("select id from pyfi.call where parent_id = %s", first)
        assert stage.outcomes([child])[0].attempt == 1
        assert not stage.scene.superuser.ask("select id from pyfi.outbox where %s = any (ids)", child)
    assert stage.noted("starts") == [f"call{number}" for number in range(10)]
    assert worker.stop() == 0


def test_a_worker_that_is_killed_with_a_child_that_nobody_was_woken_for_loses_nothing(stage: Stage) -> None:
    """There is no message to be delivered again: its lease brings it back."""
    stage.scene.setting("lease", "3 seconds")
    part = stage.processor("echo", "hold")
    add_plug(stage.scene.admin, f"{stage.tag}on", part.sockets["echo"], part.sockets["hold"], part.queue)
    message = {"file": stage.path("starts"), "name": "child", "until": stage.path("go")}
    worker = stage.worker(part)
    (first,) = stage.submit(part, "echo", message)
    stage.until(stage.has_noted("starts", "child"), "the child runs")
    ((child, holder),) = stage.scene.superuser.ask("select id, worker_id from pyfi.call where parent_id = %s", first)
    assert holder == worker.id and stage.depth(part, "hold") == 0
    worker.signal(signal.SIGKILL)
    stage.touch("go")
    other = stage.worker(part)
    (outcome,) = stage.outcomes([child])
    assert outcome.result == "child" and stage.noted("starts") == ["child", "child"]
    assert stage.states([first]) == [("done", 1, 0)]
    assert other.stop() == 0
