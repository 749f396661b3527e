"""What an agent keeps in its folder."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pyfi.agent import credentials, ending, state
from pyfi.agent.credentials import NodeCredentials
from pyfi.agent.folders import NodeFolder, WorkerFolder, held_for_child, is_held
from pyfi.agent.launch import child_environment
from pyfi.agent.state import WorkerState, boot_id, read_past, write_past
from pyfi.core.backoff import WORKER, Backoff, Crashes
from pyfi.core.model import DeploymentId, EnvironmentKey, Past, WorkerId, WorkerKey
from pyfi.errors import InvalidError, NotConfiguredError
from pyfi.system.processes import identify, kill_session, spawn

STATE = WorkerState(
    key=WorkerKey("proc1@n1#0"),
    id=WorkerId("w1"),
    deployment_id=DeploymentId("d1"),
    ordinal=0,
    generation=2,
    revision="r1",
    environment=EnvironmentKey("e1"),
    drain_seconds=30.0,
    started=100.0,
    boot=boot_id(),
    cpu=1,
    identity=identify(os.getpid()),
)
PAST = Past(
    key=STATE.key,
    worker_id=STATE.id,
    deployment_id=STATE.deployment_id,
    ordinal=0,
    generation=2,
    revision="r1",
    crashes=Crashes(in_a_row=3, restarts=4, not_before=500.0, last_exit="exit 1"),
)


@pytest.fixture
def folder(tmp_path: Path) -> WorkerFolder:
    made = NodeFolder.of(tmp_path, "n1").worker(STATE.key)
    made.path.mkdir(parents=True)
    return made


def test_a_state_comes_back_as_it_was(folder: WorkerFolder) -> None:
    for each in (STATE, replace(STATE, identity=None, draining_until=3.5, cpu=None)):
        each.write(folder.state)
        assert WorkerState.read(folder.state) == each
    assert stat.S_IMODE(folder.state.stat().st_mode) == 0o600
    folder.state.unlink()
    assert WorkerState.read(folder.state) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": "x"}'])
def test_a_damaged_state_is_not_an_absent_one(folder: WorkerFolder, text: str) -> None:
    folder.state.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError):
        WorkerState.read(folder.state)


def test_a_past_comes_back_and_a_new_boot_forgives_it(folder: WorkerFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_past(folder.past) is None
    write_past(folder.past, PAST)
    assert read_past(folder.past) == PAST
    monkeypatch.setattr(state, "boot_id", lambda: "another")
    after = read_past(folder.past)
    assert after is not None
    assert (after.crashes.not_before, after.crashes.in_a_row, after.crashes.restarts) == (0.0, 0, 4)
    folder.past.write_text("{", encoding="utf-8")
    assert read_past(folder.past) is None


def test_a_life_is_measured_within_one_boot_only() -> None:
    assert STATE.lived_seconds(160.0) == 60.0
    assert STATE.lived_seconds(90.0) == 0.0
    assert replace(STATE, boot="another").lived_seconds(160.0) == 0.0


def test_long_keys_have_folders_of_their_own(tmp_path: Path) -> None:
    node = NodeFolder.of(tmp_path, "n1")
    keys = [f"{'p' * 63}~{'o' * 63}@{'n' * 63}{'x' * 60}#{number}" for number in (1, 2)]
    paths = [node.worker(key).path for key in keys]
    assert len({path.name for path in paths}) == 2
    for path in paths:
        path.mkdir(parents=True)
    assert [each.path for each in node.all_workers()] == sorted(paths)


def test_a_lock_lasts_as_long_as_the_child_that_inherited_it(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    assert not is_held(path)
    with held_for_child(path) as lock:
        waiting = spawn(["sleep", "60"], env={"PATH": os.defpath}, pass_fds=(lock,))
    assert is_held(path)
    kill_session(waiting.identity)
    waiting.wait(5.0)
    assert not is_held(path)


def test_asking_does_not_take_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    path.touch()
    assert not is_held(path)
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert is_held(path)


def test_credentials(tmp_path: Path) -> None:
    path = NodeFolder.of(tmp_path, "n1").credentials
    with pytest.raises(NotConfiguredError, match="node-n1"):
        credentials.read(path)
    given = NodeCredentials(database="postgresql://a:canary@h/d", worker_database="b", broker="c")
    credentials.write(path, given)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert credentials.read(path) == given
    assert "canary" not in repr(given)
    path.write_text('{"database": "canary"}', encoding="utf-8")
    with pytest.raises(InvalidError) as caught:
        credentials.read(path)
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("code", "said", "cause"),
    [
        (-9, "whatever", "signal 9 (SIGKILL)"),
        (1, "", "exit 1"),
        (1, "Traceback\n  x\nValueError: no\n", "exit 1: ValueError: no"),
        (
            69,
            '{"message": "worker ended", "reason": "no postgresql://joe:canary@h/d"}',
            "exit 69: no postgresql://joe:***@h/d",
        ),
        (3, '{"action": "load_failed", "message": "code: No module"}', "code: No module"),
        (0, "bye", "exit 0"),
        (None, "last words", "it ended while no agent watched: last words"),
        (1, "\x1b[31mred", "exit 1: \ufffd[31mred"),
    ],
)
def test_causes(folder: WorkerFolder, code: int | None, said: str, cause: str) -> None:
    folder.log.write_text(said, encoding="utf-8")
    assert ending.cause_of(folder, code) == cause


def test_a_missing_log_and_mark_are_no_trouble(folder: WorkerFolder) -> None:
    assert ending.cause_of(folder, 1) == "exit 1"
    assert ending.started_token(folder) == 0
    folder.mark.write_bytes((2**40 + 5).to_bytes(8, "little"))
    assert ending.started_token(folder) == 2**40 + 5


@pytest.mark.parametrize(
    ("code", "said", "is_hopeless", "wait"),
    [
        (1, "", False, 1.0),
        (3, "", True, 30.0),
        (None, '{"action": "load_failed", "message": "x"}', True, 30.0),
        (None, '["load_failed"]', False, 1.0),
        (69, "", False, 1.0),
    ],
)
def test_how_an_end_is_remembered(
    folder: WorkerFolder, code: int | None, said: str, is_hopeless: bool, wait: float
) -> None:
    folder.log.write_text(said, encoding="utf-8")
    past = ending.remember(folder, STATE, code, "why", 1000.0, WORKER)
    assert (past.crashes.is_hopeless, past.crashes.not_before) == (is_hopeless, 1000.0 + wait)
    assert read_past(folder.past) == past


def test_a_service_that_is_away_never_spends_the_budget(folder: WorkerFolder) -> None:
    young = replace(STATE, started=1000.0)
    for _ in range(20):
        past = ending.remember(folder, young, 69, "no broker", 1000.0, Backoff(budget=3))
    assert not past.crashes.is_hopeless
    assert past.crashes.not_before == 1030.0


def test_the_past_of_another_revision_does_not_count(folder: WorkerFolder) -> None:
    write_past(folder.past, replace(PAST, revision="r0"))
    past = ending.remember(folder, replace(STATE, started=1000.0), 1, "why", 1000.0, WORKER)
    assert (past.crashes.in_a_row, past.crashes.restarts) == (1, 1)


def test_children_see_no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_DB", "postgresql://joe:canary@h/d")
    monkeypatch.setenv("FLOW_BROKER_PASSWORD", "canary")
    monkeypatch.setenv("PATH", "/bin")
    env = child_environment()
    assert env["PATH"] == "/bin"
    assert not {"FLOW_DB", "FLOW_BROKER_PASSWORD"} & env.keys()
    done = spawn([sys.executable, "-P", "-c", "import pyfi"], env=env, cwd=Path("/"), stdout=None, stderr=None)
    assert done.wait(30.0) == 0


@pytest.mark.parametrize("change", [{"boot_id": "another"}, {"pid_namespace": "pid:[1]"}])
def test_numbers_of_another_boot_or_container_are_never_signalled(
    folder: WorkerFolder, change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[object] = []
    monkeypatch.setattr(ending, "kill_session", killed.append)
    monkeypatch.setattr(ending, "is_alive", lambda _: False)
    assert STATE.identity is not None
    foreign = replace(STATE.identity, **change)  # type: ignore[arg-type]
    folder.guest.write_text(foreign.to_json(), encoding="utf-8")
    assert ending.end_sessions(folder, replace(STATE, identity=foreign))
    assert killed == []
    folder.guest.write_text(STATE.identity.to_json(), encoding="utf-8")
    assert ending.end_sessions(folder, STATE)
    assert killed == [STATE.identity, STATE.identity]


def test_state_files_hold_no_secret(folder: WorkerFolder) -> None:
    STATE.write(folder.state)
    assert set(json.loads(folder.state.read_text(encoding="utf-8"))) == set(WorkerState.__dataclass_fields__)
