"""Level 1 on its whole way: an agent that root starts, with functions that are other Unix users."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyfi.agent.confine import enterable
from pyfi.errors import ForbiddenError
from pyfi.runner.sandbox import why_not
from pyfi.system.processes import Child, User, run, signal_process, spawn
from tests.conftest import Services
from tests.network import Network, network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

UIDS = range(456_700, 456_800)
CODE = """
import os, signal

def look(*args, **named):
    message = args[0] if args else named
    found = []
    for root, _, names in os.walk(message["home"]):
        for name in names:
            try:
                if ("postgres" + "ql://") in open(os.path.join(root, name), errors="replace").read():
                    found.append(name)
            except OSError:
                pass
    return [sorted(set(found)), os.getuid()]

def touch(*args, **named):
    message = args[0] if args else named
    done = {}
    for name, act in {
        "key ring": lambda: open(os.path.join(message["home"], "keyring.json")).read(),
        "agent's environment": lambda: open(f"/proc/{message['agent']}/environ").read(),
        "agent": lambda: os.kill(message["agent"], 0),
        "shadow": lambda: open("/etc/shadow").read(),
    }.items():
        try:
            act()
            done[name] = True
        except OSError:
            done[name] = False
    return done
"""


def interpreters() -> list[Path]:
    """Pythons that may have what ours has installed: of the same version."""
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [Path(os.path.realpath(sys.executable))]
    return found + [Path(folder) / name for folder in ("/usr/bin", "/usr/local/bin") for name in (minor, "python3")]


def succeeds(words: list[str], user: User | None = None) -> bool:
    """Whether it can be started and ends well."""
    try:
        env = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()}
        return run(words, env=env, timeout_seconds=60, user=user).returncode == 0
    except OSError:
        return False


def virtualenv_of(base: Path, folder: Path) -> Path:
    """One that has all that ours has, PyFI too; gives its interpreter."""
    shutil.rmtree(folder, ignore_errors=True)
    made = succeeds([str(base), "-m", "venv", "--without-pip", str(folder)])
    if not made:
        words = ["-m", "virtualenv", "-q", "--no-seed", "--no-download", "--python", str(base), str(folder)]
        succeeds([sys.executable, *words])
    for packages in folder.glob("lib/python*/site-packages"):
        (packages / "ours.pth").write_text(f"{Path(__file__).parents[2]}\n{sysconfig.get_path('purelib')}\n")
        # The client of Redis wants it of Pythons before 3.11.3, ours may be newer.
        (packages / "async_timeout.py").write_text("from asyncio import timeout\n")
    succeeds(["chmod", "-R", "a+rX", str(folder)])
    return folder / "bin/python"


@pytest.fixture(scope="module")
def python() -> Iterator[Path]:
    """An interpreter that other users can start, with all of PyFI."""
    place = Path(tempfile.mkdtemp(prefix="pyfi-python-"))
    place.chmod(0o755)
    reason, found = why_not(1), None
    for base in interpreters() if not reason else []:
        each = virtualenv_of(base, place / "venv")
        stranger = User(uid=UIDS[0], gid=UIDS[0])
        if succeeds([str(each), "-c", "import psycopg2, redis.asyncio, pyfi.node.main"]) and succeeds(
            [str(each), "-I", "-S", "-c", "import json, mmap, socket"], stranger
        ):
            found = each
            break
    try:
        if found is None:
            reason = reason or "no Python of this version that other users may start"
            assert "FLOW_TEST_SANDBOX" not in os.environ, f"this run must try level 1: {reason}"
            pytest.skip(f"level 1: {reason}")
        yield found
    finally:
        shutil.rmtree(place)


@pytest.fixture
def net(services: Services, broker: str) -> Iterator[Network]:
    """A network in a folder that others can enter."""
    place = Path(tempfile.mkdtemp(prefix="pyfi-level-1-"))
    place.chmod(0o755)
    with network(services.db, broker, services.backend, place / "net") as made:
        made.home.chmod(0o755)
        yield made
    shutil.rmtree(place)


def call(net: Network, socket: str, **message: object) -> Any:
    words = ("task", "run", "-s", socket, "-d", json.dumps(message), "--timeout", "40")
    done = net.flow("-o", "json", *words, code=None)
    why = net.flow("-o", "json", "ls", "processors").stdout.decode() if done.returncode else ""
    assert done.returncode == 0, (done.stderr.decode(), why, net.logs())
    return json.loads(done.stdout)


def started(net: Network, python: Path, *words: str) -> Child:
    """An agent of that interpreter, which is root's."""
    log = net.home / f"agent{len(net.agents)}.log"
    argv = [str(python), "-m", "pyfi", "agent", "start", "-n", "node1", "-cp", "2", *words]
    agent = spawn(argv, env=net.environment, cwd=net.home, stdout=log, stderr=log)
    net.agents.append(agent)
    return agent


def test_functions_are_strangers_to_the_agent_and_to_each_other(net: Network, python: Path) -> None:
    """The same functions read the node's logins and the key ring at level 0; of another user's they read nothing."""
    repository = net.repository({"functions.py": CODE})
    for name in ("one", "two"):
        net.flow("add", "processor", "-n", name, "-g", str(repository), "-m", "functions", "-c", "1")
        for task in ("look", "touch"):
            net.flow("add", "socket", "-n", f"{name}.{task}", "-pn", name, "-t", task)
    home = str(net.home / "flow")
    agent = started(net, python)
    found, uid = call(net, "one.look", home=home)
    assert "node.json" in found and uid == os.getuid()
    assert call(net, "one.touch", home=home, agent=agent.pid) == dict.fromkeys(
        ("key ring", "agent's environment", "agent", "shadow"), True
    )
    assert "level 0 on node1" in net.flow("doctor", code=None).stdout.decode()
    signal_process(agent.identity, signal.SIGTERM)
    assert agent.wait(30) is not None
    agent = started(net, python, "-u", f"{UIDS.start}-{UIDS.stop - 1}")
    net.until(lambda: b"level 1 on node1" in net.flow("doctor", code=None).stdout, "level 1 is in force")
    seen = {}
    for name in ("one", "two"):
        found, seen[name] = call(net, f"{name}.look", home=home)
        assert found == [], name
        touched = call(net, f"{name}.touch", home=home, agent=agent.pid)
        assert touched == dict.fromkeys(("key ring", "agent's environment", "agent", "shadow"), False)
    assert set(seen.values()) <= set(UIDS) and seen["one"] != seen["two"]


def test_a_python_that_others_cannot_start_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """By the folder that is closed."""
    tmp_path.chmod(0o700)
    with pytest.raises(ForbiddenError, match="cannot enter"):
        enterable(tmp_path / "flow" / "node")
