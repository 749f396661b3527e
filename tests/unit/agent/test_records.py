"""What the database gives, as records; what makes a worker outdated."""

from __future__ import annotations

from typing import Any

import pytest

from pyfi.agent.records import offers_from, placed_from
from pyfi.core.model import Requested
from pyfi.errors import InvariantError

ROW: dict[str, Any] = {
    "id": "d1",
    "processor_id": "p1",
    "processor": "proc1",
    "owner": None,
    "network": "default",
    "cpus": 2,
    "generation": 3,
    "requested_status": "running",
    "gitrepo": "https://example.org/code",
    "commit": "0" * 40,
    "module": "code",
    "modulepath": None,
    "requirements": None,
    "time_limit_seconds": None,
    "soft_time_limit_seconds": None,
    "drain_seconds": None,
    "restart_token": 0,
    "owner_id": "u1",
    "environment": {},
    "index_url": None,
    "hashes_only": False,
    "sandbox": 0,
    "online": False,
    "git_secret": None,
    "index_secret": None,
    "secrets_changed": None,
    "sockets": [{"id": "s1", "name": "one", "task": "do_it", "address": "q.proc1.do_it"}],
}


def placed(**changes: Any) -> Any:
    document = {"settings": changes.pop("settings", {}), "deployments": [ROW | changes]}
    (own,) = placed_from(document, started_with=changes.pop("started_with", "x"))
    return own


def test_reads_a_deployment() -> None:
    own = placed()
    deployment = own.deployment
    assert (deployment.id, deployment.processor, deployment.cpus, deployment.sockets) == ("d1", "proc1", 2, 1)
    assert (deployment.requested, deployment.generation, deployment.drain_seconds) == (Requested.RUNNING, 3, 30.0)
    assert deployment.environment
    assert not deployment.invalid
    assert own.spec.commit == "0" * 40


@pytest.mark.parametrize(
    "change",
    [
        {"cpus": 7},
        {"requested_status": "paused"},
        {"requested_status": "stopped"},
        {"generation": 9},
        {"sockets": [ROW["sockets"][0] | {"name": "another"}]},
    ],
)
def test_what_does_not_restart_a_worker(change: dict[str, Any]) -> None:
    assert placed(**change).deployment.revision == placed().deployment.revision


@pytest.mark.parametrize(
    "change",
    [
        {"commit": "1" * 40},
        {"gitrepo": "https://example.org/other"},
        {"module": "other"},
        {"modulepath": "src"},
        {"requirements": "numpy"},
        {"time_limit_seconds": 3.0},
        {"soft_time_limit_seconds": 3.0},
        {"drain_seconds": 3.0},
        {"restart_token": 1},
        {"sockets": []},
        {"sockets": [ROW["sockets"][0] | {"task": "do_that"}]},
        {"sockets": [ROW["sockets"][0] | {"address": "q2.proc1.do_it"}]},
        {"id": "d2"},
        {"processor_id": "p2"},
    ],
)
def test_what_makes_a_worker_outdated(change: dict[str, Any]) -> None:
    assert placed(**change).deployment.revision != placed().deployment.revision


def test_other_credentials_make_workers_outdated() -> None:
    document = {"deployments": [ROW]}
    (one,), (other,) = (placed_from(document, started_with=each) for each in ("a", "b"))
    assert one.deployment.revision != other.deployment.revision


def test_the_order_of_sockets_does_not_matter() -> None:
    two = [ROW["sockets"][0], {"id": "s2", "name": "two", "task": "do_that", "address": "q.proc1.do_that"}]
    assert placed(sockets=two).deployment.revision == placed(sockets=two[::-1]).deployment.revision


def test_the_owner_is_in_the_name_when_it_is_not_the_networks() -> None:
    assert placed(owner="ann").deployment.processor == "proc1~ann"


def test_a_refused_repository_is_told_and_stops_no_other() -> None:
    document = {"deployments": [ROW | {"gitrepo": "/srv/code"}, ROW | {"id": "d2"}]}
    refused, fine = placed_from(document, started_with="x")
    assert refused.deployment.invalid
    assert refused.deployment.environment is None
    assert refused.spec is None
    assert not fine.deployment.invalid
    (allowed,) = placed_from(
        {"settings": {"allow_file_repositories": "true"}, "deployments": [ROW | {"gitrepo": "/srv/code"}]},
        started_with="x",
    )
    assert not allowed.deployment.invalid


@pytest.mark.parametrize("document", [{}, {"deployments": [{}]}, {"deployments": [ROW | {"requested_status": "odd"}]}])
def test_what_is_not_understood_is_our_bug(document: dict[str, Any]) -> None:
    with pytest.raises(InvariantError, match=r"agent\.desired"):
        placed_from(document, started_with="x")


def test_offers() -> None:
    (offer,) = offers_from([{"processor_id": "p1", "processor": "proc1", "missing": 2}])
    assert (offer.processor_id, offer.missing) == ("p1", 2)
    with pytest.raises(InvariantError, match=r"agent\.offers"):
        offers_from([{}])
