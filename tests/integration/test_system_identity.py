"""A process is who it says only while boot, namespace, number and start time agree."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from pyfi.clock import wait_until
from pyfi.system.processes import ProcessIdentity, identify, is_alive, signal_process, spawn

ENV = {"PATH": os.defpath}


def myself() -> ProcessIdentity:
    identity = identify(os.getpid())
    assert identity is not None
    return identity


def test_a_living_process_is_itself_also_after_a_round_trip_through_json() -> None:
    me = myself()
    assert me.pid == os.getpid()
    assert ProcessIdentity.from_json(me.to_json()) == me
    assert is_alive(ProcessIdentity.from_json(me.to_json()))


@pytest.mark.parametrize(
    "text", ["", "3", "[]", "{}", '{"pid": 1}', '{"boot_id": "", "pid_namespace": "", "pid": "x"}']
)
def test_what_is_no_identity_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        ProcessIdentity.from_json(text)


def test_a_reused_number_another_boot_and_another_namespace_are_other_processes() -> None:
    me = myself()
    assert not is_alive(replace(me, started=me.started - 1))
    assert not is_alive(replace(me, boot_id="another"))
    assert not is_alive(replace(me, pid_namespace="pid:[1]"))


def test_a_number_without_a_process_has_no_identity() -> None:
    assert identify(0) is None
    assert identify(-1) is None
    assert identify(2**22 + 1) is None


def test_a_zombie_counts_as_gone_before_it_is_reaped() -> None:
    child = spawn(["sleep", "1000"], env=ENV)
    assert is_alive(child.identity)
    assert signal_process(child.identity, signal.SIGKILL)
    assert wait_until(child.exited, timeout_seconds=10)
    os.kill(child.pid, 0)  # the number is still taken: nobody reaped it
    assert identify(child.pid) is None
    assert not is_alive(child.identity)
    assert child.wait(10) == -signal.SIGKILL


def test_a_name_with_brackets_and_spaces_does_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to("/bin/sleep")
    child = spawn([str(program), "1000"], env=ENV)
    try:
        assert is_alive(child.identity)
    finally:
        signal_process(child.identity, signal.SIGKILL)
        child.wait(10)
