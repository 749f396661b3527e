"""Enrolment: the logins of a node are kept as long as they work, so that workers that outlived an agent keep theirs."""

from __future__ import annotations

import json

import pytest

from pyfi import settings
from pyfi.agent.folders import NodeFolder
from pyfi.cli.watching import EVERY_SECONDS, watch
from pyfi.control import nodes
from pyfi.control.login import open_database
from pyfi.errors import ForbiddenError, NotConfiguredError, NotFoundError
from pyfi.node.serving import enrolled
from tests.cli.conftest import Flow
from tests.network import Network


def test_enrolment_is_kept_while_it_works(online: Network) -> None:
    """The second start takes the same logins; the file is private."""
    here = settings.load()
    first = enrolled(here, "kept")
    path = NodeFolder.of(here.home, "kept").credentials
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["broker"] == online.broker
    assert enrolled(here, "kept") == first


@pytest.mark.usefixtures("checks_passwords")
def test_enrolment_that_was_renewed_elsewhere(online: Network) -> None:
    """The kept logins work no more: new ones are made."""
    here = settings.load()
    first = enrolled(here, "renewed")
    database = open_database(here)
    try:
        nodes.enroll(database, "renewed", hostname="elsewhere")
    finally:
        database.close()
    second = enrolled(here, "renewed")
    assert second.database != first.database
    assert "elsewhere" not in str(online.json("ls", "nodes", "-n", "renewed"))


def test_logins_of_another_database_are_not_taken(online: Network) -> None:
    """The data folder may have served another installation before."""
    first = enrolled(settings.load(), "moved")
    assert nodes.still_enrolled(first.database, online.database.place)
    assert not nodes.still_enrolled(first.database, online.database.at("another").place)
    assert not nodes.still_enrolled(first.worker_database, online.database.place), "a worker's login is no node's"


def test_nodes_and_workers_cannot_enrol(online: Network) -> None:
    """Only an administrator does."""
    from pyfi.core.urls import parse_database
    from pyfi.db.session import Database

    database = Database(parse_database(enrolled(settings.load(), "low").database))
    try:
        with pytest.raises(ForbiddenError):
            nodes.enroll(database, "low2", hostname="x")
    finally:
        database.close()


def test_enrolment_needs_a_broker_and_a_network(online: Network, monkeypatch: pytest.MonkeyPatch, flow: Flow) -> None:
    """Before anything is made."""
    with pytest.raises(NotFoundError, match="no network"):
        enrolled(settings.load(), "none", "no-such-network")
    monkeypatch.delenv("FLOW_BROKER")
    with pytest.raises(NotConfiguredError, match="no message broker"):
        enrolled(settings.load(), "none")
    assert "no message broker" in flow("agent", "start", "-n", "none", code=69).err
    assert not any(row["name"] == "none" for row in online.json("ls", "nodes"))


def test_plan_of_a_machine_that_is_no_node(flow: Flow) -> None:
    """The hint enrols it."""
    done = flow("agent", "plan", "-n", "nobody", code=69)
    assert done.err == "error: node-nobody is not enrolled on this machine\nhint: flow agent start enrols it\n"


class Ticks:
    """A clock that ends the watching after some rounds."""

    def __init__(self, rounds: int) -> None:
        self.slept: list[float] = []
        self.rounds = rounds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == self.rounds:
            raise KeyboardInterrupt


def test_watch_draws_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Every two seconds, until interrupted."""
    clock = Ticks(3)
    with pytest.raises(KeyboardInterrupt):
        watch(lambda: print("drawn"), clock=clock)  # type: ignore[arg-type]
    assert capsys.readouterr().out == "drawn\n" * 3
    assert clock.slept == [EVERY_SECONDS] * 3
