"""`flow listen`: one JSON object a line with the founding fields, each once."""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

import pytest

from pyfi.system.processes import signal_process, spawn
from tests.network import Network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FUNCTIONS = """\
def do_something(message):
    print("doing", message)
    return "Message:" + message

def fail(message):
    raise ValueError(message)
"""
ADAPTOR = """\
class Keep:
    def put(self, item):
        with open("kept", "a") as file:
            file.write(item["state"] + " ")
"""


class Ear:
    """A `flow listen` that runs beside the test."""

    def __init__(self, net: Network, name: str, *words: str) -> None:
        self.net = net
        self.out, self.err = net.home / f"{name}.out", net.home / f"{name}.err"
        self.child = spawn(
            [sys.executable, "-m", "pyfi", "listen", *words],
            env=net.environment,
            cwd=net.home,
            stdout=self.out,
            stderr=self.err,
        )
        net.until(lambda: "Listening to" in self.err.read_text(), f"{words} listens")

    def messages(self) -> list[dict[str, Any]]:
        """What was heard so far."""
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def end(self) -> int | None:
        """Ctrl-C."""
        signal_process(self.child.identity, signal.SIGINT)
        return self.child.wait(20)


def test_listen(net: Network) -> None:
    """Task, log, event and global, by room, processor and socket; an adaptor gets the same."""
    (net.home / "mine.py").write_text(ADAPTOR)
    repository = net.repository({"sample.py": FUNCTIONS})
    net.flow("add", "queue", "-n", "pyfi.queue1")
    net.flow("add", "processor", "-n", "proc1", "-g", str(repository), "-m", "sample", "-c", "1")
    for task in ("do_something", "fail"):
        net.flow("add", "socket", "-n", f"proc1.{task}", "-q", "pyfi.queue1", "-pn", "proc1", "-t", task)
    net.start_agent(cpus=1)
    ears = {
        "task": Ear(net, "task", "--name", "pyfi.queue1.proc1", "--channel", "task"),
        "log": Ear(net, "log", "-n", "proc1", "-c", "log"),
        "event": Ear(net, "event", "-n", "proc1.fail", "-c", "event"),
        "global": Ear(net, "global", "-c", "global"),
        "kept": Ear(net, "kept", "-n", "pyfi.queue1.proc1.do_something.task", "-c", "task", "-a", "mine.Keep"),
    }
    try:
        net.flow("task", "run", "-s", "proc1.do_something", "-d", "'Hello World!'")
        net.flow("task", "run", "-s", "proc1.fail", "-d", "'no'", code=1)
        net.flow("update", "queue", "-n", "pyfi.queue1", "-t", "topic")
        net.until(lambda: len(ears["task"].messages()) >= 6, "six task messages")
        net.until(lambda: len(ears["event"].messages()) >= 3, "three events")
        net.until(lambda: any(m["kind"] == "queue" for m in ears["global"].messages()), "the queue's change")
        net.until(lambda: bool(ears["log"].messages()), "a line")
        net.until(lambda: (net.home / "kept").exists() and "postrun" in (net.home / "kept").read_text(), "adaptor")
    finally:
        codes = {name: ear.end() for name, ear in ears.items()}
    assert set(codes.values()) == {130}
    heard = ears["task"].messages()
    assert [message["state"] for message in heard] == ["received", "running", "postrun"] * 2
    assert {message["room"] for message in heard} == {"pyfi.queue1.proc1"}
    assert (heard[2]["channel"], heard[2]["module"], heard[2]["task"]) == ("task", "sample", "do_something")
    assert (heard[2]["message"], heard[2]["outcome"]) == ("Message:Hello World!", "done")
    assert (heard[5]["message"]["type"], heard[5]["outcome"]) == ("ValueError", "failed")
    (line,) = ears["log"].messages()
    assert (line["message"], line["state"], line["attempt"]) == ("doing Hello World!", "stdout", 1)
    assert [message["state"] for message in ears["event"].messages()] == ["received", "prerun", "postrun"]
    assert (net.home / "kept").read_text().split() == ["received", "running", "postrun"]
