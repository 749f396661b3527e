"""What an agent does when something is not as it should be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pyfi.agent import wiring
from pyfi.agent.folders import is_held
from pyfi.agent.wiring import Parts
from pyfi.core.actions import Keep, StartWorker, Wait
from pyfi.core.model import Halt, Limits
from pyfi.errors import DatabaseUnavailableError
from pyfi.runner import environment
from pyfi.system.processes import is_alive
from tests.integration.agent.place import TINY, Place

KEY = "proc1@n1#0"


def environments(place: Place) -> list[str]:
    """Keys of those that stand."""
    root = place.folder.environments
    return [path.name for path in root.iterdir() if environment.find(root, path.name)] if root.is_dir() else []


def test_a_failing_build_is_told_backs_off_and_is_tried_at_once_when_asked(place: Place) -> None:
    processor = place.add("proc1", requirements="/no/such/package")
    agent = place.agent()
    place.until(agent, lambda: place.status(processor)[0] == "failed")
    assert "environment:" in place.status(processor)[1]
    assert place.workers() == {}
    (log,) = place.folder.builds.glob("*.out")
    before = log.stat().st_mtime_ns
    place.passes(agent)
    assert log.stat().st_mtime_ns == before
    place.change(processor, restart_token=1)
    place.until(
        agent, lambda: log.exists() and log.stat().st_mtime_ns > before and place.status(processor)[0] == "failed"
    )
    again = log.stat().st_mtime_ns
    place.clock.ahead += 11.0
    place.until(agent, lambda: log.exists() and log.stat().st_mtime_ns > again)


def test_an_update_that_cannot_be_built_leaves_the_former_code_serving(place: Place) -> None:
    processor = place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY))
    former = place.identity(KEY)
    place.change(processor, commit="0" * 40)
    place.until(agent, lambda: place.status(processor)[0] == "failed")
    assert "1 workers of the former revision serve" in place.status(processor)[1]
    place.passes(agent)
    assert is_alive(former)
    place.change(processor, commit=place.repository.commit({"serves.py": "def task0():\n    return 2\n"}))
    place.until(agent, lambda: len(place.starts(KEY)) == 2 and place.is_running(KEY))
    assert not is_alive(former)
    checkout = Path(json.loads(place.folder.worker(KEY).config.read_text())["environment"]["checkout"])
    assert "return 2" in (checkout / "serves.py").read_text()


def test_a_refused_repository_fails_its_own_processor_only(place: Place) -> None:
    refused = place.add("refused", gitrepo="ext::sh -c true")
    place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY) and place.status(refused)[0] == "failed")
    assert place.status(refused)[1].startswith("the repository URL")


def test_paths_are_refused_until_the_administrator_allows_them(place: Place) -> None:
    place.scene.setting("allow_file_repositories", "false")
    processor = place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.status(processor)[0] == "failed")
    place.scene.setting("allow_file_repositories", "true")
    place.until(agent, lambda: place.is_running(KEY))


@pytest.mark.parametrize(("sockets", "status"), [(0, "ready"), (1, "running")])
def test_an_environment_is_deleted_when_nobody_needed_it_for_long(place: Place, sockets: int, status: str) -> None:
    processor = place.add("proc1", sockets=sockets)
    agent = place.agent()
    place.until(agent, lambda: place.status(processor)[0] == status)
    (key,) = environments(place)
    place.clock.ahead += 7200.0
    place.passes(agent)
    assert environments(place) == [key]
    place.change(processor, requested_status="removed")
    place.until(agent, lambda: place.status(processor) == ("", ""))
    place.passes(agent)
    assert environments(place) == [key]
    place.clock.ahead += 3600.0
    place.until(agent, lambda: environments(place) == [])


def test_a_superseded_agent_ends_and_leaves_the_workers(place: Place) -> None:
    place.add("proc1")
    first, second = place.agent(), place.agent()
    place.until(first, lambda: place.is_running(KEY))
    place.until(second, lambda: place.is_running(KEY))
    first.run_once()
    assert first.is_superseded
    assert place.ended == ["n1"]
    assert not second.is_superseded
    assert len(place.starts(KEY)) == 1
    assert is_alive(place.identity(KEY))


def test_a_lost_connection_is_made_again_and_everything_read(place: Place) -> None:
    processor = place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY))
    worker = place.identity(KEY)
    place.scene.superuser.ask(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'pyfi agent' and datname = current_database()"
    )
    with pytest.raises(DatabaseUnavailableError):
        place.passes(agent)
    assert is_alive(worker)
    place.change(processor, requested_status="stopped")
    place.until(agent, lambda: place.status(processor)[0] == "stopped")


def test_a_change_told_in_the_middle_of_a_pass_is_not_missed(place: Place) -> None:
    place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY))
    place.passes(agent, 3)
    assert agent.run_once() is False
    registry = place.registry
    assert registry is not None
    report = registry.report

    def meanwhile(*arguments: object) -> None:
        place.scene.superuser.ask("select pg_notify('pyfi_model', 'processor')")
        report(*arguments)  # type: ignore[arg-type]

    registry.report = meanwhile  # type: ignore[method-assign, assignment]
    place.clock.ahead += 61.0  # an unchanged report is repeated
    assert agent.run_once() is True
    registry.report = report  # type: ignore[method-assign]
    assert agent.run_once() is False


def test_without_the_database_workers_go_on_and_a_stop_still_drains_them(place: Place) -> None:
    place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY))
    worker, state = place.identity(KEY), place.state(KEY)
    assert state is not None
    registry = place.registry
    assert registry is not None

    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError

    for name in ("listen", "heartbeat", "desired", "offers", "report", "worker_exited", "leave"):
        setattr(registry, name, away)
    with pytest.raises(DatabaseUnavailableError):
        agent.run_once()
    assert is_alive(worker)
    agent.halt(Halt.DRAIN)
    place.wait(lambda: not agent.run_once() and place.ended == ["n1"])
    assert not is_alive(worker)
    # The next agent tells what this one could not.
    next_agent = place.agent()
    next_agent.run_once()
    assert place.registry is not None
    assert [entry[:2] for entry in place.registry.exited] == [(state.id, 7)]


def test_a_worker_whose_agent_died_before_noting_who_it_is_is_found(place: Place) -> None:
    place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY))
    state = place.state(KEY)
    assert state is not None
    replace(state, identity=None).write(place.folder.worker(KEY).state)
    after = place.agent()
    place.until(after, lambda: place.is_running(KEY))
    assert place.identity(KEY) == state.identity
    assert len(place.starts(KEY)) == 1


def test_a_worker_that_never_started_is_started_at_once(place: Place) -> None:
    place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY))
    state = place.state(KEY)
    assert state is not None
    agent.halt(Halt.KILL)
    place.wait(lambda: not agent.run_once() and place.ended == ["n1"])
    replace(state, identity=None, draining_until=None).write(place.folder.worker(KEY).state)
    after = place.agent()
    place.until(after, lambda: place.is_running(KEY))
    assert place.workers()[KEY]["restarts"] == 0


@pytest.mark.parametrize("damage", ["unreadable", "another container's"])
def test_what_cannot_be_identified_is_left_alone_while_it_lives(place: Place, damage: str) -> None:
    processor = place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY))
    folder, state = place.folder.worker(KEY), place.state(KEY)
    assert state is not None
    assert state.identity is not None
    if damage == "unreadable":
        folder.state.write_text("{", encoding="utf-8")
    else:
        replace(state, identity=replace(state.identity, pid_namespace="pid:[1]")).write(folder.state)
    after = place.agent()
    place.change(processor, requested_status="stopped")
    place.passes(after)
    assert is_alive(state.identity)
    assert is_held(folder.alive)
    place.change(processor, requested_status="running")
    place.clock.ahead += 1000.0
    place.passes(after)
    assert len(place.starts(KEY)) == 1
    assert folder.state.exists()
    assert place.registry is not None
    assert place.registry.exited == []
    state.write(folder.state)
    place.until(place.agent(), lambda: place.is_running(KEY))


def test_a_dead_container_is_not_waited_for(place: Place) -> None:
    """Its process numbers mean nothing here, but nobody holds its lock any more."""
    place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY))
    folder, state = place.folder.worker(KEY), place.state(KEY)
    assert state is not None
    assert state.identity is not None
    agent.halt(Halt.KILL)
    place.wait(lambda: not agent.run_once() and place.ended == ["n1"])
    replace(state, identity=replace(state.identity, pid_namespace="pid:[1]")).write(folder.state)
    after = place.agent()
    place.until(after, lambda: place.workers().get(KEY, {}).get("status") == "backoff")
    place.clock.ahead += 1.0
    place.until(after, lambda: place.is_running(KEY))


def test_a_preview_changes_nothing(place: Place) -> None:
    processor = place.add("proc1")
    agent = place.agent()
    place.until(agent, lambda: place.is_running(KEY))

    def seen(parts: Parts) -> Sequence[object]:
        return [action for action in wiring.preview(place.home, "n1", parts=parts) if action.key == KEY]

    parts = Parts(worker_argv=TINY, limits=Limits())
    assert [type(action) for action in seen(parts)] == [Keep]
    place.change(processor, restart_token=1)
    worker = place.identity(KEY)
    assert [action.reason for action in seen(parts)] == ["outdated"]  # type: ignore[attr-defined]
    assert is_alive(worker)
    assert place.state(KEY).draining_until is None  # type: ignore[union-attr]
    assert agent.preview()[0].reason == "outdated"
    assert not isinstance(agent.preview()[0], StartWorker | Wait)
