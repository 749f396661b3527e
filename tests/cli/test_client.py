"""The client's objects: find or make by name, write what differs; nobody runs the calls here."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pyfi.client import api
from pyfi.client.api import Agent, Deployment, Handle, Network, Node, NotYetWarning, Plug, Processor, Queue, Socket
from pyfi.client.user import USER
from pyfi.db.model import AlchemyEncoder
from pyfi.errors import ConflictError, ForbiddenError, InvalidError, NotConfiguredError, NotFoundError, TryAgainError
from tests.network import Network as Net


@pytest.fixture(autouse=True)
def client(online: Net) -> Iterator[None]:
    """The process's connection is this module's network's, and is closed again."""
    api.disconnect()
    yield
    api.disconnect()


def processor(name: str, repository: Path, **more: object) -> Processor:
    """A processor of the shared repository."""
    return Processor(name=name, user=USER, module="functions", gitrepo=f"{repository}#egg=functions", **more)  # type: ignore[arg-type]


def test_user() -> None:
    """Asked only when it is looked at; another user's objects cannot be made."""
    assert (str(USER), USER.name) == ("<User admin>", "admin")
    Queue("users.queue", user="admin")
    with pytest.raises(ForbiddenError, match="you are admin, not joe"):
        Queue("users.queue2", user="joe")


def test_no_connection_without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Imports and classes do nothing; the first object says what is missing."""
    monkeypatch.delenv("FLOW_DB")
    monkeypatch.setenv("FLOW_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotConfiguredError):
        Queue("nowhere")


def test_find_or_make_and_write_what_differs(repository: Path) -> None:
    """The same name twice is the same row."""
    made = processor("made", repository, concurrency=6)
    again = processor("made", repository, concurrency=2)
    assert made.id == again.id
    assert (made.concurrency, again.concurrency) == (6, 2)
    assert Processor(name="made").row["concurrency"] == 2
    assert made.refresh()["concurrency"] == 2
    assert again.generation == made.generation, "nothing that a worker runs with has changed"
    with pytest.raises(InvalidError, match="no gitrepo to make it from"):
        Processor(name="unmade", module="functions")
    with pytest.raises(NotFoundError):
        Processor(name="unmade")


def test_processor_requests(repository: Path) -> None:
    """The verbs of `flow proc`."""
    one = processor("requested", repository)
    asked = []
    for verb in (one.stop, one.start, one.pause, one.resume, one.remove, one.restart):
        verb()
        asked.append(one.requested_status)
    assert asked == ["stopped", "running", "paused", "running", "removed", "running"]


def test_socket_and_plug(repository: Path) -> None:
    """As in the founding example: the queue is made from its dict, the row is JSON."""
    one, two = processor("one", repository), processor("two", repository)
    source = Socket(name="source", user=USER, processor=one, queue={"name": "client.q1"}, task="echo")
    target = Socket(name="target", user=USER, processor="two", queue=Queue("client.q2"), task="echo")
    shown = json.loads(json.dumps(source.socket, cls=AlchemyEncoder))
    assert (shown["name"], shown["queue"], shown["id"]) == ("source", "client.q1", str(source.id))
    plug = Plug(name="plug", processor=one, user=USER, source=source, queue={"name": "client.q3"}, target=target)
    assert (plug.type, plug.target_processor) == ("RESULT", "two")
    assert Plug(name="plug").id == plug.id
    assert Plug(name="plug", source="source", target="source", type="error").type == "ERROR"
    with pytest.raises(InvalidError, match="its source is a socket of processor one"):
        Plug(name="plug", processor=two, source=source, target=target, queue="client.q3")
    assert Socket(name="source", processor=one, queue="client.q2").queue == "client.q2"
    assert Socket(name="source", processor=one).task == "echo"


def test_what_a_socket_lacks_is_said(repository: Path) -> None:
    """One line each."""
    one = processor("lacking", repository)
    with pytest.raises(InvalidError, match="needs a processor"):
        Socket(name="lacking", queue="q")
    assert Socket(name="unqueued", processor=one, task="echo").queue == "lacking"
    with pytest.raises(InvalidError, match="is not the name of a Python function"):
        Socket(name="lacking", processor=one, queue={"name": "q"}, task="not a name")
    with pytest.raises(InvalidError, match="that is no queue"):
        Socket(name="lacking", processor=one, queue={"nom": "q"}, task="echo")
    with pytest.raises(NotFoundError, match="there is no socket lacking"):
        Socket(name="lacking")


def test_one_name_on_two_processors_means_both(repository: Path) -> None:
    """Calls are spread; where one is meant, it must be told which."""
    ids = {
        Socket(name="spread", processor=processor(name, repository), queue={"name": "spread.q"}, task="echo").id
        for name in ("spread1", "spread2")
    }
    both = Socket(name="spread")
    called = {both.delay(i).outcome().socket_id for i in range(40)}
    assert called == ids
    with pytest.raises(ConflictError, match="spread1/spread, spread2/spread"):
        Plug(name="p", source="spread", target="spread", queue={"name": "spread.q"})


def test_handle(repository: Path) -> None:
    """A call is there from the moment it is entered, for any client that has its id."""
    echo = Socket(name="h.echo", processor=processor("handles", repository), queue={"name": "h.q"}, task="echo")
    handle = echo.delay("some data", extra=[1, None])
    other = Handle(str(handle.id))
    assert (other.ready(), other.status) == (False, "queued")
    assert other.outcome().arguments == {"args": ["some data"], "kwargs": {"extra": [1, None]}}
    assert str(other.tree()) == f"h.echo  queued  attempt 0  {handle.id}"
    assert other.logs() == []
    with pytest.raises(TryAgainError, match=r"is queued, not done after 0\.01 s"):
        other.get(timeout=0.01)
    with pytest.raises(InvalidError, match="set is not JSON"):
        echo.delay({1, 2})
    with pytest.raises(NotFoundError):
        Handle(uuid4()).get(timeout=1)


def test_what_has_no_effect_yet_warns(repository: Path) -> None:
    """Nothing is silently ignored, nothing else warns."""
    with pytest.warns(NotYetWarning, match="beat has no effect yet"):
        one = processor("warned", repository, beat=True)
    with pytest.warns(NotYetWarning, match="interval has no effect yet"):
        Socket(name="warned", processor=one, queue={"name": "w.q"}, task="echo", interval=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Queue("w.limited", message_ttl=300000).message_ttl == 300000
        processor("warned", repository, beat=False)


def test_machines() -> None:
    """Networks, nodes, agents and deployments by constructor."""
    assert Network("lab").id == Network("lab").id
    node = Node("node1", "phoenix")
    assert Node("node1").hostname == "phoenix"
    assert Agent("agent1", node=node).node == "node1"
    assert Agent("agent1").node_id == node.id
    with pytest.raises(NotFoundError):
        Node("node2")


def test_deployment(repository: Path) -> None:
    """A count of CPUs on a node."""
    node, one = Node("node3", "radiant"), processor("deployed", repository)
    assert Deployment(processor=one, node=node).cpus == 1
    assert Deployment(processor="deployed", node="radiant", cpus=4).cpus == 4
    assert repr(one) == "<Processor deployed>"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = one.nothing


def test_a_connection_of_ones_own(online: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """URLs by argument instead of the environment."""
    monkeypatch.delenv("FLOW_DB")
    made = api.connect(db=online.database.libpq(), broker=online.broker)
    assert api.connection() is made
    assert Queue("own").name == "own"
