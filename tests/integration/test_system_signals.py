"""Signals reach exactly who is meant; a session ends as a whole."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyfi.clock import wait_until
from pyfi.system.identity import records
from pyfi.system.processes import (
    Child,
    end_process,
    find_processes,
    is_alive,
    kill_session,
    open_pidfd,
    signal_group,
    signal_process,
    spawn,
)
from pyfi.system.signals import session_members

ENV = {"PATH": os.defpath}


@pytest.fixture
def sleeper() -> Iterator[Child]:
    child = spawn(["sleep", "1000"], env=ENV)
    yield child
    signal_process(child.identity, signal.SIGKILL)
    child.wait(10)


def members(session: int) -> set[int]:
    return {entry.pid for entry in records() if entry.session == session and not entry.gone}


def test_a_number_that_another_process_has_now_is_never_signalled(sleeper: Child) -> None:
    earlier = replace(sleeper.identity, started=sleeper.identity.started - 1)
    assert not signal_process(earlier, signal.SIGKILL)
    assert not signal_group(earlier, signal.SIGKILL)
    assert open_pidfd(earlier) is None
    assert kill_session(earlier) == 0
    assert end_process(earlier, [(signal.SIGKILL, 1.0)])
    assert is_alive(sleeper.identity)


def test_a_signal_reaches_the_process_and_then_nobody(sleeper: Child) -> None:
    watched = open_pidfd(sleeper.identity)
    assert watched is not None
    assert signal_process(sleeper.identity, signal.SIGKILL)
    assert select.select([watched], [], [], 10)[0] == [watched]
    os.close(watched)
    assert sleeper.wait(10) == -signal.SIGKILL
    assert not signal_process(sleeper.identity, signal.SIGKILL)
    assert open_pidfd(sleeper.identity) is None


def test_a_group_can_be_signalled_while_its_leader_is_an_unreaped_zombie() -> None:
    child = spawn(["/bin/sh", "-c", "sleep 1000 & exit 0"], env=ENV)
    assert wait_until(child.exited, timeout_seconds=10)
    assert len(members(child.pid)) == 1
    assert signal_group(child.identity, signal.SIGKILL)
    assert wait_until(lambda: not members(child.pid), timeout_seconds=10)
    assert child.wait(10) == 0
    assert not signal_group(child.identity, signal.SIGKILL)


def test_who_leads_no_group_has_none_to_signal(sleeper: Child) -> None:
    member = spawn(["sleep", "1000"], env=ENV, new_session=False)
    try:
        assert not signal_group(member.identity, signal.SIGCONT)
    finally:
        signal_process(member.identity, signal.SIGKILL)
        member.wait(10)


def test_a_session_ends_as_a_whole_though_its_leader_is_dead_and_reaped() -> None:
    child = spawn(["/bin/sh", "-c", "set -m; sleep 1000 & sleep 1000 & exit 0"], env=ENV)
    assert child.wait(10) == 0
    assert len(members(child.pid)) == 2
    assert {entry.pid for entry in session_members(child.identity)} == members(child.pid)
    assert kill_session(child.identity) == 2
    assert not members(child.pid)
    assert kill_session(child.identity) == 0


def test_a_session_given_by_its_number_ends_too() -> None:
    child = spawn(["/bin/sh", "-c", "sleep 1000 & wait"], env=ENV)
    assert wait_until(lambda: len(members(child.pid)) == 2, timeout_seconds=10)
    assert kill_session(child.pid) == 2
    assert child.wait(10) == -signal.SIGKILL


def test_what_multiplies_while_it_is_killed_is_gone_in_the_end() -> None:
    child = spawn(["/bin/sh", "-c", "while :; do sleep 0.3 & sleep 0.01; done"], env=ENV)
    assert wait_until(lambda: len(members(child.pid)) > 5, timeout_seconds=10)
    assert kill_session(child.identity) > 1  # sleeps end meanwhile: how many it finds is not ours to say
    assert not members(child.pid)
    child.wait(10)


def test_our_own_session_is_never_killed() -> None:
    for session in (os.getsid(0), 0, -1):
        with pytest.raises(ValueError, match="our own"):
            kill_session(session)


def test_who_ignores_one_signal_gets_the_next_and_is_reaped() -> None:
    child = spawn(["/bin/sh", "-c", "trap '' TERM; echo; while :; do sleep 0.05; done"], env=ENV)
    assert end_process(child.identity, [(signal.SIGTERM, 0.2), (signal.SIGKILL, 10.0)])
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, os.WNOHANG)
    kill_session(child.identity)
    ignoring = spawn(["/bin/sh", "-c", "trap '' TERM; kill -TERM $$; exec sleep 1000"], env=ENV)
    assert wait_until(lambda: Path(f"/proc/{ignoring.pid}/comm").read_text() == "sleep\n", timeout_seconds=10)
    assert not end_process(ignoring.identity, [(signal.SIGTERM, 0.2)])
    assert end_process(ignoring.identity, [(signal.SIGKILL, 10.0)])


def test_processes_are_found_by_program_and_folder(tmp_path: Path, sleeper: Child) -> None:
    child = spawn(["sleep", "1000"], env=ENV, cwd=tmp_path)
    program = Path(f"/proc/{child.pid}/exe").readlink().name
    try:
        assert find_processes(programs=[program], folder=tmp_path) == (child.identity,)
        assert find_processes(programs=["vi"], folder=tmp_path) == ()
        assert find_processes(programs=[program], folder=tmp_path.parent) == ()
    finally:
        end_process(child.identity, [(signal.SIGKILL, 10.0)])
    assert find_processes(programs=[program], folder=tmp_path) == ()
