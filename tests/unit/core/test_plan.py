"""Single decisions of the plan that need more than one key."""

from __future__ import annotations

from dataclasses import replace

from pyfi.core.actions import Reason, StartWorker, Wait
from pyfi.core.model import DeploymentId, Desired, Environment, EnvironmentStatus, Observed, Presence, WorkerKey
from pyfi.core.plan import plan, wanted
from tests.unit.core.decision_table import BASE, ENV, NOW, WORKER

READY = (Environment(key=ENV, status=EnvironmentStatus.READY),)
OTHER = replace(BASE, id=DeploymentId("d2"), processor="proc2")


def test_every_deployment_gets_its_first_worker_before_any_gets_its_second() -> None:
    desired = Desired(node="n", cpus=3, deployments=(replace(BASE, cpus=3), replace(OTHER, cpus=2)))
    assert [key for key, want in wanted(desired).items() if want.has_cpu] == ["proc1@n#0", "proc2@n#0", "proc1@n#1"]


def test_a_count_beyond_the_nodes_cpus_makes_no_keys() -> None:
    desired = Desired(node="n", cpus=2, deployments=(replace(BASE, cpus=10**9),))
    assert list(wanted(desired)) == ["proc1@n#0", "proc1@n#1"]


def test_workers_are_spread_over_the_cpus() -> None:
    desired = Desired(node="node1", cpus=4, cpu_ids=(0, 1, 2), deployments=(replace(BASE, cpus=4),))
    observed = Observed(workers=(replace(WORKER, cpu=1),), environments=READY)
    starts = {action.key: action.cpu for action in plan(desired, observed, NOW) if isinstance(action, StartWorker)}
    assert starts == {"proc1@node1#1": 0, "proc1@node1#2": 2, "proc1@node1#3": 0}


def test_a_dead_worker_holds_no_cpu_and_one_that_could_not_be_seen_does() -> None:
    desired = Desired(node="node1", cpus=1, deployments=(OTHER,))
    for presence, expected in ((Presence.GONE, StartWorker), (Presence.UNKNOWN, Wait)):
        observed = Observed(workers=(replace(WORKER, presence=presence),), environments=READY)
        (own,) = [action for action in plan(desired, observed, NOW) if action.key == "proc2@node1#0"]
        assert isinstance(own, expected)


def test_two_deployments_of_one_name_never_share_a_key() -> None:
    twin = replace(BASE, id=DeploymentId("a-twin"))
    desired = Desired(node="node1", cpus=2, deployments=(BASE, twin))
    other_way = replace(desired, deployments=(twin, BASE))
    actions = plan(desired, Observed(environments=READY), NOW)
    assert actions == plan(other_way, Observed(environments=READY), NOW)
    assert [action.deployment_id for action in actions if isinstance(action, StartWorker)] == ["a-twin"]


def test_a_worker_beyond_the_nodes_cpus_is_stopped_for_that() -> None:
    worker = replace(WORKER, key=WorkerKey("proc1@node1#5"), ordinal=5)
    desired = Desired(node="node1", cpus=2, deployments=(replace(BASE, cpus=9),))
    reasons = {action.key: action.reason for action in plan(desired, Observed(workers=(worker,)), NOW)}
    assert reasons[worker.key] is Reason.NO_CPU
