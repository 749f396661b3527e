"""Attacks of a hostile function, at each level. At level 0 each comes through: so the levels make the difference."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyfi.clock import wait_until
from pyfi.errors import EnvironmentBuildError
from pyfi.runner.environment import Spec, build
from pyfi.runner.frames import OK, Loaded
from pyfi.runner.link import GuestLink, guest_environment
from pyfi.runner.policy import Policy
from pyfi.runner.sandbox import Sandbox, why_not
from pyfi.system.processes import Child, User, is_alive, run, signal_process, spawn
from tests.integration.runner.test_environment import PROJECT
from tests.unit.runner.conftest import Driver

if TYPE_CHECKING:
    from tests.integration.runner.conftest import Repository

ATTACKS = """
import ctypes, os, signal, socket, subprocess, sys, time

def reads(path):
    return open(path).read()

def writes(path):
    with open(path, "a") as file:
        file.write("# evil")
    return True

def kills(pid):
    os.kill(pid, signal.SIGKILL)
    return True

def spies(pid):
    return open(f"/proc/{pid}/environ").read().split("\\0")

def attaches(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(pid, 0)
    libc.ptrace(17, pid, None, None)
    return True

def connects(port):
    socket.create_connection(("127.0.0.1", port), timeout=2).close()
    return True

def lists():
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())

def rises():
    status = open("/proc/self/status").read()
    if "NoNewPrivs:\\t1" in status:
        raise PermissionError("no new privileges")
    return True

def stays(path):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(path, "w") as file:
                file.write(str(os.getpid()))
            while True:
                time.sleep(60)
        os._exit(0)
    while not os.path.exists(path) or not open(path).read():
        time.sleep(0.01)
    return os.stat(path).st_ino

def works():
    import json, resource, tempfile, threading, multiprocessing
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    home = os.environ["HOME"]
    open(os.path.join(home, "mine"), "w").close()
    program = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
    core = resource.getrlimit(resource.RLIMIT_CORE)[1]
    return [os.getuid(), program.stdout.strip(), os.getcwd() == home, core, sorted(os.environ)]
"""
NAMES = ("reads", "writes", "kills", "spies", "attaches", "connects", "lists", "rises", "stays", "works")
UID = 456_789


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that other users can enter, and in it a virtualenv whose interpreter they can start."""
    folder = Path(tempfile.mkdtemp(prefix="pyfi-sandbox-"))
    folder.chmod(0o755)
    base = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    made = run(
        [base, "-m", "venv", "--without-pip", str(folder / "venv")], env={"PATH": os.defpath}, timeout_seconds=60
    )
    if made.returncode != 0:
        words = [sys.executable, "-m", "virtualenv", "-q", "--no-seed", "--no-download", "--python", base]
        made = run([*words, str(folder / "venv")], env={"PATH": os.defpath, "HOME": str(folder)}, timeout_seconds=60)
    assert made.returncode == 0, made.stderr
    run(["chmod", "-R", "a+rX", str(folder)], env={"PATH": os.defpath}, timeout_seconds=60)
    yield folder
    shutil.rmtree(folder)


class Ring:
    """One guest in a sandbox, and what it may attack: an agent's file, another's checkout, a process, a port."""

    def __init__(self, place: Path, sandbox: Sandbox, source: str = ATTACKS, names: tuple[str, ...] = NAMES) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=place))
        self.folder.chmod(0o755)
        self.sandbox = sandbox
        self.driver = Driver(self.folder, place / "venv/bin/python")
        for path in (self.driver.checkout, self.driver.home):
            path.chmod(0o755)
        env = guest_environment(self.driver.python, self.driver.home)
        options: dict[str, Any] = {"sandbox": sandbox, "checkout": self.driver.checkout}
        self.driver.link = GuestLink(self.driver.python, env, self.driver.mark, **options)
        self.private = self.folder / "node.json"
        self.private.write_text("k4nary")
        self.private.chmod(0o600)
        self.other = self.folder / "other.py"
        self.other.write_text("# theirs\n")
        self.other.chmod(0o644)
        self.siblings: list[Child] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.driver.write({"user": source})
        (self.driver.checkout / "user.py").chmod(0o644)
        loaded = self.driver.start(None, *names)
        assert isinstance(loaded, Loaded), loaded

    def sibling(self) -> Child:
        """Another process of the agent's user."""
        self.siblings.append(spawn(["sleep", "600"], env={"PATH": os.defpath, "TOKEN": "k4nary"}))
        return self.siblings[-1]

    def attack(self, name: str, *arguments: Any) -> tuple[bool, Any]:
        """Whether it came through, and what came of it."""
        outcome = self.driver.call(name, *arguments)
        return outcome.outcome == OK, outcome.first

    def close(self) -> None:
        self.driver.close()
        self.listener.close()
        for sibling in self.siblings:
            signal_process(sibling.identity, signal.SIGKILL)
            sibling.wait(5)


LEVELS = {
    "0": Sandbox(),
    "1": Sandbox(level=1, uid=UID),
    "2": Sandbox(level=2),
    "2 online": Sandbox(level=2, online=True),
}


@pytest.fixture(scope="module", params=LEVELS)
def ring(request: pytest.FixtureRequest, place: Path) -> Iterator[tuple[str, Ring]]:
    """A guest at each level."""
    sandbox = LEVELS[request.param]
    reason = why_not(sandbox.level)
    if reason:
        assert "FLOW_TEST_SANDBOX" not in os.environ, f"this run must try level {sandbox.level}: {reason}"
        pytest.skip(f"level {sandbox.level}: {reason}")
    made = Ring(place, sandbox)
    yield request.param, made
    made.close()


# Attack -> its arguments, and the levels at which it must come through; at all others it must not.
Arguments = Callable[[Ring], tuple[Any, ...]]
OUTCOMES: dict[str, tuple[str, Arguments, set[str]]] = {
    "the agent's file": ("reads", lambda ring: (str(ring.private),), {"0"}),
    "the machine's secrets": ("reads", lambda _: ("/etc/shadow",), {"0"}),
    "another's checkout": ("writes", lambda ring: (str(ring.other),), {"0"}),
    "its own checkout": ("writes", lambda ring: (str(ring.driver.checkout / "user.py"),), {"0"}),
    "a sibling's environment": ("spies", lambda ring: (ring.sibling().pid,), {"0"}),
    "a sibling's memory": ("attaches", lambda ring: (ring.sibling().pid,), {"0"}),
    "the database's port": ("connects", lambda ring: (ring.listener.getsockname()[1],), {"0", "1", "2 online"}),
    "rights by a program": ("rises", lambda _: (), {"0"}),
}


@pytest.mark.parametrize("attack", OUTCOMES)
def test_attack(attack: str, ring: tuple[str, Ring]) -> None:
    """Comes through exactly where it is said to."""
    level, fight = ring
    if attack in {"the machine's secrets"} and os.geteuid() != 0:
        pytest.skip("the agent's user is not root: it is not his either")
    name, arguments, through = OUTCOMES[attack]
    given = arguments(fight)
    before = Path(given[0]).read_bytes() if name == "writes" else b""
    came, what = fight.attack(name, *given)
    if name == "writes":
        # Where nothing of it is to be seen, it may make a file of that name in its own memory.
        came = Path(given[0]).read_bytes() != before
    assert came == (level in through), what
    assert came or "k4nary" not in str(what)


def test_who_else_is_there(ring: tuple[str, Ring]) -> None:
    """At level 2 nobody."""
    level, fight = ring
    sibling = fight.sibling()
    _, pids = fight.attack("lists")
    assert (sibling.pid in pids) == (level in {"0", "1"})
    assert level in {"0", "1"} or len(pids) <= 3


def test_it_still_works(ring: tuple[str, Ring]) -> None:
    """Its home, its temporary files, programs; as whom it is."""
    level, fight = ring
    came, what = fight.attack("works")
    assert came, what
    uid, answer, is_home, core, names = what
    assert (answer, is_home, core) == ("42", True, 0)
    assert uid == {"0": os.geteuid(), "1": UID}.get(level, 65534)
    assert not [name for name in names if "FLOW" in name]


@pytest.mark.parametrize("level", ["0", "2"])
def test_nothing_stays_behind(level: str, place: Path) -> None:
    """What begins a session of its own outlives a guest at level 0; at level 2 it ends with it."""
    reason = why_not(LEVELS[level].level)
    if reason:
        pytest.skip(reason)
    fight = Ring(place, LEVELS[level])
    try:
        path = fight.driver.home / "pid"
        came, what = fight.attack("stays", str(path))
        assert came, what
        needle = str(path).encode()

        def left() -> list[int]:
            found = []
            for entry in Path("/proc").glob("[0-9]*"):
                try:
                    if needle.rpartition(b"/")[0] in str((entry / "cwd").readlink()).encode():
                        found.append(int(entry.name))
                except OSError:
                    continue
            return found

        assert left()
        fight.driver.link.kill()
        if level == "2":
            assert wait_until(lambda: not left(), timeout_seconds=10)
        else:
            assert left()
            for pid in left():
                os.kill(pid, 9)
    finally:
        fight.close()


def test_a_sibling_dies_of_level_0_only(ring: tuple[str, Ring]) -> None:
    """Of a signal that it may send there."""
    level, fight = ring
    sibling = fight.sibling()
    came, _ = fight.attack("kills", sibling.pid)
    assert came == (level == "0")
    assert wait_until(lambda: is_alive(sibling.identity) != came, timeout_seconds=5)


@pytest.mark.parametrize(
    ("code", "told"), [("os.kill(os.getpid(), 9)", "signal 9 (SIGKILL)"), ("os._exit(7)", "exit 7")]
)
def test_how_it_ended_is_told(code: str, told: str, place: Path) -> None:
    """Bubblewrap's own way of saying it is translated."""
    if why_not(2):
        pytest.skip(why_not(2))
    fight = Ring(place, LEVELS["2"], f"import os\ndef ends():\n    {code}\n", ("ends",))
    try:
        fight.driver.send("ends")
        assert fight.driver.until_eof() == told
    finally:
        fight.close()


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/usr/bin/python3").exists(), reason="needs root and another Python")
def test_a_build_as_another_user(place: Path, repository: Repository) -> None:
    """What it installs runs as that user; afterwards it is ours, readable for his group and for nobody else."""
    root = place / "environments"
    commit = repository.commit(
        PROJECT | {"backend.py": f"import os\nassert os.getuid() == {UID}\n" + PROJECT["backend.py"]}
    )
    spec = Spec(
        repository=repository.url,
        commit=commit,
        policy=Policy(allow_file=True),
        python="/usr/bin/python3",
        sandbox=1,
        uid=UID,
    )
    root.mkdir(mode=0o711)
    root.chmod(0o711)
    made = build(spec, root)
    for path in (
        made.checkout,
        made.checkout.parent,
        made.checkout / "backend.py",
        made.python.parent.parent / "pyvenv.cfg",
    ):
        found = path.lstat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o027) == (0, UID, 0), path
    read = ["cat", str(made.checkout / "backend.py")]
    reader = {"env": {"PATH": os.defpath}, "timeout_seconds": 20.0}
    assert run(read, user=User(uid=UID, gid=UID), **reader).returncode == 0  # type: ignore[arg-type]
    assert run(read, user=User(uid=UID + 1, gid=UID + 1), **reader).returncode != 0  # type: ignore[arg-type]
    write = ["touch", str(made.checkout / "backend.py")]
    assert run(write, user=User(uid=UID, gid=UID), **reader).returncode != 0  # type: ignore[arg-type]


@pytest.mark.skipif(bool(why_not(2)), reason=why_not(2))
def test_a_build_in_bubblewrap(repository: Repository, tmp_path: Path) -> None:
    """It sees nothing of the node, and writes to its own folder only."""
    private = tmp_path / "node.json"
    private.write_text("k4nary")
    looks = f"import os\nassert not os.path.exists({str(private)!r})\nassert os.getuid() == 65534\n"
    commit = repository.commit(PROJECT | {"backend.py": looks + PROJECT["backend.py"]})
    spec = Spec(repository=repository.url, commit=commit, policy=Policy(allow_file=True))
    with pytest.raises(EnvironmentBuildError):
        build(spec, tmp_path / "environments")
    assert build(replace(spec, sandbox=2), tmp_path / "environments").installed
