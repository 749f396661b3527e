"""What a child gets, and what becomes of it."""

from __future__ import annotations

import gc
import os
import select
import signal
import stat
import threading
from pathlib import Path

import pytest

from pyfi.clock import wait_until
from pyfi.system.processes import ProcessIdentity, is_alive, signal_process, spawn, user_namespaces_work
from tests.integration.python_child import python_child, says

ENV = {"PATH": os.defpath}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")


def test_it_gets_exactly_this_environment_folder_input_and_umask(tmp_path: Path) -> None:
    said = tmp_path / "said"
    child = spawn(
        ["/bin/sh", "-c", "env; pwd; cat; umask"],
        env={"ONE": "1", "PATH": os.defpath},
        cwd=tmp_path,
        stdin_bytes=b"from stdin\n",
        stdout=said,
    )
    assert child.wait(10) == 0
    lines = said.read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if "=" in line}
    assert {"ONE", "PATH"} <= names <= {"ONE", "PATH", "PWD", "_", "SHLVL", "OLDPWD"}
    assert lines[-3:] == [str(tmp_path.resolve()), "from stdin", "0077"]
    assert stat.S_IMODE(said.stat().st_mode) == 0o600


@pytest.mark.parametrize("launched", [False, True])
def test_nothing_of_our_environment_reaches_it(launched: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/no/such/folder")
    die = signal.SIGKILL if launched else None
    child = spawn(["env"], env={"PATH": os.defpath}, stdout=tmp_path / "said", die_with_parent=die)
    assert child.wait(10) == 0
    assert (tmp_path / "said").read_text().splitlines() == [f"PATH={os.defpath}"]


def test_output_is_appended_to_a_file_and_never_through_a_link(tmp_path: Path) -> None:
    said = tmp_path / "said"
    for word in ("one", "two"):
        assert spawn(["echo", word], env=ENV, stdout=said).wait(10) == 0
    assert said.read_text() == "one\ntwo\n"
    (tmp_path / "link").symlink_to(said)
    with pytest.raises(OSError):
        spawn(["echo", "three"], env=ENV, stdout=tmp_path / "link")


def test_without_streams_it_reads_nothing_and_says_it_nowhere() -> None:
    assert spawn(["/bin/sh", "-c", "read x; test $? = 1 && echo lost"], env=ENV).wait(10) == 0


@pytest.mark.parametrize("launched", [False, True])
def test_descriptors_are_passed_and_no_others(launched: bool, tmp_path: Path) -> None:
    passed, kept = (os.open("/dev/null", os.O_RDONLY) for _ in range(2))
    os.set_inheritable(kept, True)
    try:
        child = spawn(
            ["ls", "/proc/self/fd"],
            env=ENV,
            stdout=tmp_path / "said",
            pass_fds=[passed],
            die_with_parent=signal.SIGKILL if launched else None,
        )
        assert child.wait(10) == 0
    finally:
        os.close(passed)
        os.close(kept)
    # Three streams, what was passed, and ls' own look into the folder.
    said = set((tmp_path / "said").read_text().split())
    assert {"0", "1", "2", str(passed)} <= said
    assert str(kept) not in said
    assert len(said) == 5


@pytest.mark.parametrize("launched", [False, True])
def test_a_program_that_is_not_there_is_an_error_of_spawn(launched: bool) -> None:
    with pytest.raises(FileNotFoundError, match="no_such_program"):
        spawn(["no_such_program"], env=ENV, die_with_parent=signal.SIGKILL if launched else None)
    with pytest.raises(FileNotFoundError):
        spawn(["true"], env=ENV, cwd=Path("/no/such/folder"))


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("launched", [False, True])
def test_failed_and_finished_children_leave_no_descriptor_open(launched: bool) -> None:
    def once() -> None:
        die = signal.SIGKILL if launched else None
        with pytest.raises(FileNotFoundError):
            spawn(["no_such_program"], env=ENV, die_with_parent=die)
        child = spawn(["true"], env=ENV, stdin_bytes=b"x", die_with_parent=die)
        assert child.wait(10) == 0
        assert child.fileno() == -1
        dropped = spawn(["true"], env=ENV, die_with_parent=die)
        assert wait_until(dropped.exited, timeout_seconds=10)
        os.waitpid(dropped.pid, 0)

    once()
    gc.collect()
    before = open_descriptors()
    for _ in range(3):
        once()
    gc.collect()
    assert open_descriptors() <= before


def test_the_exit_code_is_kept_and_a_signal_is_negative() -> None:
    child = spawn(["/bin/sh", "-c", "exit 7"], env=ENV)
    assert child.wait(10) == 7
    assert child.poll() == 7
    killed = spawn(["sleep", "1000"], env=ENV)
    assert killed.poll() is None
    assert killed.wait(0.01) is None
    signal_process(killed.identity, signal.SIGTERM)
    assert killed.wait(10) == -signal.SIGTERM


def test_its_descriptor_becomes_readable_when_it_ends() -> None:
    child = spawn(["sleep", "1000"], env=ENV)
    assert select.select([child], [], [], 0) == ([], [], [])
    signal_process(child.identity, signal.SIGKILL)
    assert select.select([child], [], [], 10)[0] == [child]
    assert child.poll() == -signal.SIGKILL


def test_a_child_that_someone_else_reaped_has_ended() -> None:
    child = spawn(["true"], env=ENV)
    os.waitpid(child.pid, 0)
    assert child.wait(10) == 255


def test_dropping_the_object_leaves_the_process_alone() -> None:
    child = spawn(["sleep", "1000"], env=ENV)
    identity = child.identity
    del child
    gc.collect()
    assert is_alive(identity)
    signal_process(identity, signal.SIGKILL)
    os.waitpid(identity.pid, 0)


@pytest.mark.parametrize("launched", [False, True])
def test_it_is_a_session_of_its_own_and_hears_broken_pipes(launched: bool, tmp_path: Path) -> None:
    # A Python that becomes another program has SIGPIPE ignored, and hands that on unless told otherwise.
    reading, writing = os.pipe()
    os.close(reading)
    child = spawn(
        ["/bin/sh", "-c", "read line; while :; do echo x; done"],
        env=ENV,
        stdout=writing,
        die_with_parent=signal.SIGKILL if launched else None,
    )
    os.close(writing)
    assert child.wait(10) == -signal.SIGPIPE
    sleeping = spawn(["sleep", "1000"], env=ENV, die_with_parent=signal.SIGKILL if launched else None)
    try:
        assert os.getsid(sleeping.pid) == sleeping.pid != os.getsid(0)
    finally:
        signal_process(sleeping.identity, signal.SIGKILL)
        sleeping.wait(10)


def test_it_hears_ctrl_c_also_when_we_do_not() -> None:
    """A shell starts what it puts in the background deaf for it, and a child would inherit that."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child = spawn(["/bin/sleep", "60"], env=ENV)
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal_process(child.identity, signal.SIGINT)
    assert child.wait(10) == -signal.SIGINT


def test_it_runs_on_the_cpu_that_was_asked_for() -> None:
    cpu = max(os.sched_getaffinity(0))
    child = spawn(["sleep", "1000"], env=ENV, cpu=cpu)
    try:
        assert os.sched_getaffinity(child.pid) == {cpu}
    finally:
        signal_process(child.identity, signal.SIGKILL)
        child.wait(10)


def test_it_starts_from_any_thread_while_others_start_theirs(tmp_path: Path) -> None:
    codes: list[int | None] = []

    def several() -> None:
        codes.extend(spawn(["true"], env=ENV, die_with_parent=signal.SIGKILL).wait(30) for _ in range(5))

    threads = [threading.Thread(target=several) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 20


PARENT = """
import os, signal, sys
from pathlib import Path
from pyfi.system.processes import spawn
child = spawn(["sleep", "1000"], env={"PATH": os.defpath}, as_nobody=sys.argv[1] == "nobody",
              die_with_parent=signal.SIGTERM if sys.argv[2] == "die" else None)
print(child.identity.to_json(), flush=True)
sys.stdin.read()
"""


def spawned_by_a_parent_that_is_killed(user: str, die: str) -> ProcessIdentity:
    with python_child(PARENT, user, die) as parent:
        identity = ProcessIdentity.from_json(says(parent))
        assert is_alive(identity)
        parent.kill()
        parent.wait(10)
    return identity


@pytest.mark.parametrize("user", ["same", pytest.param("nobody", marks=as_root)])
def test_it_dies_with_a_parent_that_is_killed(user: str) -> None:
    identity = spawned_by_a_parent_that_is_killed(user, "die")
    assert wait_until(lambda: not is_alive(identity), timeout_seconds=10)


def test_it_outlives_a_parent_that_is_killed_if_not_asked_to_die() -> None:
    identity = spawned_by_a_parent_that_is_killed("same", "outlive")
    assert is_alive(identity)
    assert signal_process(identity, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(identity), timeout_seconds=10)


@as_root
def test_as_nobody_programs_see_nobody_and_reach_files_of_a_private_folder(tmp_path: Path) -> None:
    if not user_namespaces_work():
        pytest.skip("user namespaces are forbidden here")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    child = spawn(
        ["/bin/sh", "-c", f"id -u; id -g; touch {private}/made"], env=ENV, stdout=tmp_path / "said", as_nobody=True
    )
    assert child.wait(10) == 0
    assert (tmp_path / "said").read_text() == "65534\n65534\n"
    assert (private / "made").stat().st_uid == 0


@as_root
def test_as_nobody_without_namespaces_it_is_the_real_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyfi.system.spawn.user_namespaces_work", lambda: False)
    said = tmp_path / "said"
    groups = os.getgroups()
    os.setgroups([0, 4])
    try:
        child = spawn(["/bin/sh", "-c", f"id -u; id -G; ls {tmp_path}"], env=ENV, stdout=said, as_nobody=True)
    finally:
        os.setgroups(groups)
    assert child.wait(10) != 0  # it may not look into root's folder
    assert said.read_text() == "65534\n65534\n"
