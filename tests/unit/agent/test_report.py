"""What is told, and when it is news."""

from __future__ import annotations

from dataclasses import replace

from pyfi.agent.report import document, gist
from pyfi.core.backoff import Crashes
from pyfi.core.model import Desired, Environment, EnvironmentStatus, Observed, Presence, WorkerId
from pyfi.core.plan import plan
from tests.unit.core.decision_table import BASE, ENV, NOW, PAST, WORKER

DESIRED = Desired(node="node1", cpus=1, deployments=(BASE,))
READY = (Environment(key=ENV, status=EnvironmentStatus.READY),)
CRASHED = replace(PAST, crashes=Crashes(in_a_row=1, restarts=1, not_before=NOW + 5, last_exit="exit 1"))


def told(observed: Observed, now: float = NOW) -> dict[str, list[dict[str, object]]]:
    return document(DESIRED, observed, plan(DESIRED, observed, now), now)


def test_a_running_worker_and_its_deployment() -> None:
    seen = replace(WORKER, is_serving=True, pid=7)
    assert told(Observed(workers=(seen,), environments=READY)) == {
        "workers": [
            {
                "id": "w1",
                "key": "proc1@node1#0",
                "deployment_id": "d1",
                "ordinal": 0,
                "pid": 7,
                "status": "running",
                "reason": "current",
                "generation": 2,
                "restarts": 0,
                "last_exit": None,
                "next_try_seconds": None,
            }
        ],
        "deployments": [{"id": "d1", "status": "running", "reason": "", "observed_generation": 2}],
    }


def test_a_countdown_is_no_news_and_a_new_moment_is() -> None:
    observed = Observed(pasts=(CRASHED,), environments=READY)
    one, other = told(observed), told(observed, NOW + 2)
    assert one != other
    assert gist(one, NOW) == gist(other, NOW + 2)
    later = Observed(
        pasts=(replace(CRASHED, crashes=replace(CRASHED.crashes, not_before=NOW + 9)),), environments=READY
    )
    assert gist(told(later), NOW) != gist(one, NOW)


def test_what_has_no_identity_has_no_row() -> None:
    lost = replace(WORKER, id=WorkerId(""), presence=Presence.UNKNOWN)
    assert told(Observed(workers=(lost,), environments=READY))["workers"] == []
