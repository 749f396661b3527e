"""The founding documents' Python example, as printed there but for the repository's URL, and what a handle tells."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pyfi.client import api
from pyfi.client.api import Handle, Plug, Processor, Socket
from pyfi.errors import CallFailedError
from pyfi.system.processes import run
from tests.network import Network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FUNCTIONS = """\
import logging

def do_something(message):
    print("doing", message)
    logging.getLogger("mine").warning("careful")
    return {"message": "TEXT:" + str(message)}

def do_this(message):
    return "Do this: " + str(message)

def fail(message):
    raise ValueError("no " + message)
"""

OBJECTS = """\
import json
from pyfi.client.api import Plug, Processor, Socket
from pyfi.client.user import USER
from pyfi.db.model import AlchemyEncoder

# Log in a user first
print("USER", USER)
# Create a processor
processor = Processor(
    name="proc1",
    beat=True,
    user=USER,
    module="pyfi.processors.sample",
    branch="main",
    concurrency=6,
    gitrepo="REPOSITORY#egg=pyfi-processor",
)
processor2 = Processor(
    name="proc2",
    user=USER,
    module="pyfi.processors.sample",
    hostname="agent1",
    concurrency=6,
    branch="main",
    gitrepo="REPOSITORY#egg=pyfi-processor",
)
processor3 = Processor(
    name="proc3",
    user=USER,
    module="pyfi.processors.sample",
    hostname="agent2",
    concurrency=6,
    branch="main",
    gitrepo="REPOSITORY#egg=pyfi-processor",
)
# Create a socket on the processor to receive requests for the do_something python function(task)
do_something = Socket(
    name="pyfi.processors.sample.do_something",
    user=USER,
    interval=5,
    processor=processor,
    queue={"name": "pyfi.queue1"},
    task="do_something",
)
print(json.dumps(do_something.socket, indent=4, cls=AlchemyEncoder))
# Create a socket on the processor to receive requests for the do_this python function(task)
do_this = Socket(
    name="pyfi.processors.sample.do_this",
    user=USER,
    processor=processor2,
    queue={"name": "pyfi.queue2"},
    task="do_this",
)
do_this2 = Socket(
    name="pyfi.processors.sample.do_this",
    user=USER,
    processor=processor3,
    queue={"name": "pyfi.queue3"},
    task="do_this",
)
do_something2 = Socket(
    name="proc2.do_something",
    user=USER,
    processor=processor2,
    queue={"name": "pyfi.queue1"},
    task="do_something",
)
# Create a plug that connects one processor to a socket of another
plug = Plug(
    name="plug1",
    processor=processor,
    user=USER,
    source=do_something,
    queue={"name": "pyfi.queue3"},
    target=do_this,
)
"""


@contextmanager
def connected(net: Network, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process's client works with that network."""
    for name, value in net.environment.items():
        if name.startswith("FLOW_"):
            monkeypatch.setenv(name, value)
    api.disconnect()
    try:
        yield
    finally:
        api.disconnect()


def test_objects_as_printed(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script runs twice with the same end; then what it made answers, and the plug carries it on."""
    repository = net.repository({"pyfi/processors/sample.py": FUNCTIONS})
    script = net.home / "objects.py"
    script.write_text(OBJECTS.replace("REPOSITORY", str(repository)))
    outputs = []
    for _ in range(2):
        done = run([sys.executable, str(script)], env=net.environment, cwd=net.home, timeout_seconds=60)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout.decode())
    assert outputs[0].startswith("USER <User admin>\n{")
    assert json.loads(outputs[0].partition("\n")[2])["task"] == "do_something"
    assert len(net.json("ls", "sockets")) == 4
    assert [(row["source"], row["target_processor"]) for row in net.json("ls", "plugs")] == [
        ("pyfi.processors.sample.do_something", "proc2")
    ]
    net.start_agent("agent1")
    with connected(net, monkeypatch):
        Processor(name="proc1", concurrency=1)
        Processor(name="proc2", concurrency=1)
        do_something = Socket(name="pyfi.processors.sample.do_something")
        handle = do_something.delay("Some text!")
        assert handle.get(timeout=60) == {"message": "TEXT:Some text!"}
        (child,) = handle.tree().children
        assert Handle(child.row["id"]).get(timeout=60) == "Do this: {'message': 'TEXT:Some text!'}"
        assert do_something("again") == {"message": "TEXT:again"}
        assert handle.ready()
        assert handle.logs()[0] == "doing Some text!"
        assert any("careful" in line for line in handle.logs())


def test_failures_and_error_plugs(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that raises is an exception here too; its ERROR plug is told."""
    repository = net.repository({"sample.py": FUNCTIONS})
    net.start_agent()
    with connected(net, monkeypatch):
        processor = Processor(name="proc1", module="sample", gitrepo=str(repository), concurrency=1)
        fail = Socket(name="fail", processor=processor, queue={"name": "q"}, task="fail")
        told = Socket(name="told", processor=processor, queue={"name": "q"}, task="do_this")
        Plug(name="failures", source=fail, target=told, queue={"name": "q"}, type="ERROR")
        handle = fail.delay("luck")
        with pytest.raises(CallFailedError, match="ValueError: no luck") as caught:
            handle.get(timeout=60)
        assert 'raise ValueError("no " + message)' in str(caught.value.error["traceback"])
        assert handle.status == "failed"
        (child,) = handle.tree().children
        assert "'type': 'ValueError'" in Handle(child.row["id"]).get(timeout=60)
