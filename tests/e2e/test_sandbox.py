"""Agents that keep functions and builds in a sandbox, on their whole way."""

from __future__ import annotations

import json
import os

import pytest

from pyfi.runner.sandbox import why_not
from tests.network import Network

pytestmark = pytest.mark.e2e

CODE = """
import os, socket

def look(*args, **named):
    message = args[0] if args else named
    found = {}
    for root, _, names in os.walk(message["home"]):
        for name in names:
            try:
                found[os.path.join(root, name)] = open(os.path.join(root, name), errors="replace").read()
            except OSError:
                pass
    return [sorted(path for path, text in found.items() if ("postgres" + "ql://") in text), os.getuid()]

def reach(*args, **named):
    message = args[0] if args else named
    try:
        socket.create_connection(("127.0.0.1", message["port"]), timeout=2).close()
        return True
    except OSError:
        return False
"""


def call(net: Network, socket: str, **message: object) -> object:
    done = net.flow("-o", "json", "task", "run", "-s", socket, "-d", json.dumps(message))
    return json.loads(done.stdout)


@pytest.fixture
def confined() -> None:
    """Level 2 works here; a run that must try it fails otherwise."""
    if reason := why_not(2):
        assert "FLOW_TEST_SANDBOX" not in os.environ, f"this run must try level 2: {reason}"
        pytest.skip(f"level 2: {reason}")


@pytest.mark.usefixtures("confined")
def test_a_processor_may_ask_for_more_than_its_node_gives_to_all(net: Network) -> None:
    """The same function finds logins at level 0 and none at level 2, and has the network only if it asks for it."""
    repository = net.repository({"functions.py": CODE})
    for name, words in (("open", ()), ("shut", ("--sandbox", "2")), ("online", ("--sandbox", "2", "--online"))):
        net.flow("add", "processor", "-n", name, "-g", str(repository), "-m", "functions", "-c", "1", *words)
        net.flow("add", "queue", "-n", name)
        for task in ("look", "reach"):
            net.flow("add", "socket", "-n", f"{name}.{task}", "-q", name, "-pn", name, "-t", task)
    net.start_agent(cpus=3)
    home = str(net.home / "flow")
    found, _ = call(net, "open.look", home=home)  # type: ignore[misc]
    assert [path for path in found if path.endswith("node.json")]
    assert call(net, "shut.look", home=home) == [[], 65534]
    port = net.database.port
    assert [call(net, f"{name}.reach", port=port) for name in ("open", "shut", "online")] == [True, False, True]
    assert "level 0 on node1; this machine gives level 2" in net.flow("doctor", code=None).stdout.decode()


BACKEND = """
import json, os, zipfile
found = []
for root, _, names in os.walk(HOME):
    for name in names:
        try:
            text = open(os.path.join(root, name), errors="replace").read()
        except OSError:
            continue
        if name.endswith(".json") and "worker_database" in text:
            found.append(name)

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "mine-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        source = open("mine.py").read() + f"\\nFOUND = {found!r}\\n"
        wheel.writestr("mine.py", source)
        wheel.writestr("mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n")
        wheel.writestr("mine-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mine-1.0.dist-info/RECORD", "")
    return name
"""
PYPROJECT = (
    '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    '[project]\nname = "mine"\nversion = "1.0"\n'
)


@pytest.mark.usefixtures("confined")
def test_a_hostile_build_reads_the_nodes_logins_at_level_0_only(net: Network) -> None:
    """What runs while a package is built is kept in the same sandbox as what runs later."""
    backend = BACKEND.replace("HOME", repr(str(net.home / "flow")), 1)
    module = "def told(*args, **named):\n    return FOUND\n"
    repository = net.repository({"mine.py": module, "backend.py": backend, "pyproject.toml": PYPROJECT})
    for name, words in (("open", ()), ("shut", ("--sandbox", "2"))):
        net.flow("add", "processor", "-n", name, "-g", str(repository), "-m", "mine", "-c", "1", *words)
        net.flow("add", "queue", "-n", name)
        net.flow("add", "socket", "-n", f"{name}.told", "-q", name, "-pn", name, "-t", "told")
    net.start_agent()
    assert "node.json" in call(net, "open.told")  # type: ignore[operator]
    assert call(net, "shut.told") == []
