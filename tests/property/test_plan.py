"""What holds for every plan, whatever is desired and whatever was seen."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from pyfi.core.actions import (
    ORDER,
    Action,
    BuildEnvironment,
    CollectEnvironment,
    Keep,
    KillWorker,
    ReapWorker,
    Reason,
    StartWorker,
    StopBuild,
    StopWorker,
    Wait,
)
from pyfi.core.model import Desired, EnvironmentStatus, Halt, Observed, Presence
from pyfi.core.plan import plan, wanted
from tests.property.strategies import NOW, nodes
from tests.property.world import World

MANY = settings(max_examples=2000, deadline=None)
NODE = given(nodes())
Node = tuple[Desired, Observed]
HARMFUL = (StopWorker, KillWorker, ReapWorker, StopBuild, CollectEnvironment)


def actions_by_key(desired: Desired, observed: Observed) -> dict[str, Action]:
    return {action.key: action for action in plan(desired, observed, NOW)}


@MANY
@NODE
def test_total_one_key_one_action(node: Node) -> None:
    desired, observed = node
    keys = [action.key for action in plan(desired, observed, NOW)]
    assert len(keys) == len(set(keys))
    environments = {each.environment for each in desired.deployments if each.environment and desired.halt is Halt.NO}
    environments = {
        each.environment
        for each in desired.deployments
        if each.environment in environments and each.requested in {"running", "paused"}
    }
    expected = (
        set(wanted(desired))
        | {worker.key for worker in observed.workers}
        | environments
        | {environment.key for environment in observed.environments}
    )
    assert set(keys) == expected


@MANY
@given(nodes(), st.integers())
def test_deterministic_and_blind_to_order(node: Node, seed: int) -> None:
    desired, observed = node
    chance = random.Random(seed)

    def mixed(records: tuple) -> tuple:  # type: ignore[type-arg]
        copy = list(records)
        chance.shuffle(copy)
        return tuple(copy)

    again = plan(
        replace(desired, deployments=mixed(desired.deployments)),
        Observed(
            workers=mixed(observed.workers), pasts=mixed(observed.pasts), environments=mixed(observed.environments)
        ),
        NOW,
    )
    assert again == plan(desired, observed, NOW)


@MANY
@NODE
def test_what_frees_comes_before_what_takes(node: Node) -> None:
    desired, observed = node
    ranks = [ORDER.index(type(action)) for action in plan(desired, observed, NOW)]
    assert ranks == sorted(ranks)


@MANY
@NODE
def test_unknown_is_left_alone(node: Node) -> None:
    desired, observed = node
    actions = actions_by_key(desired, observed)
    for worker in observed.workers:
        if worker.presence is Presence.UNKNOWN:
            assert isinstance(actions[worker.key], Wait)
    for environment in observed.environments:
        if environment.status is EnvironmentStatus.UNKNOWN:
            assert isinstance(actions[environment.key], Wait)


@MANY
@NODE
def test_keep_means_healthy_and_current(node: Node) -> None:
    desired, observed = node
    actions = actions_by_key(desired, observed)
    wants = wanted(desired)
    for worker in observed.workers:
        if isinstance(actions[worker.key], Keep):
            want = wants[worker.key]
            assert worker.presence is Presence.ALIVE
            assert worker.draining_until is None
            assert worker.revision == want.deployment.revision
            assert want.has_cpu
    for environment in observed.environments:
        if isinstance(actions[environment.key], Keep):
            assert environment.status is EnvironmentStatus.READY


@MANY
@NODE
def test_starts_only_when_ready_absent_and_backoff_is_over(node: Node) -> None:
    desired, observed = node
    status = {environment.key: environment.status for environment in observed.environments}
    pasts = {past.key: past for past in observed.pasts}
    for action in plan(desired, observed, NOW):
        if isinstance(action, StartWorker):
            deployment = wanted(desired)[action.key].deployment
            assert desired.halt is Halt.NO
            assert action.key not in {worker.key for worker in observed.workers}
            assert deployment.environment is not None
            assert status[deployment.environment] is EnvironmentStatus.READY
            past = pasts.get(action.key)
            assert past is None or past.revision != deployment.revision or past.crashes.not_before <= NOW


@MANY
@NODE
def test_never_more_workers_than_cpus(node: Node) -> None:
    desired, observed = node
    present = sum(worker.presence is not Presence.GONE for worker in observed.workers)
    starts = [action for action in plan(desired, observed, NOW) if isinstance(action, StartWorker)]
    assert not starts or present + len(starts) <= desired.cpus
    for action in starts:
        assert (action.cpu in desired.cpu_ids) if desired.cpu_ids else action.cpu is None


@MANY
@NODE
def test_a_needed_environment_is_never_taken_away(node: Node) -> None:
    desired, observed = node
    used = {worker.environment for worker in observed.workers if worker.presence is not Presence.GONE}
    if desired.halt is Halt.NO:
        used |= {
            each.environment
            for each in desired.deployments
            if each.environment and each.requested in {"running", "paused"}
        }
    for action in plan(desired, observed, NOW):
        if isinstance(action, CollectEnvironment):
            assert action.key not in used


@MANY
@NODE
def test_nothing_is_killed_before_its_deadline(node: Node) -> None:
    desired, observed = node
    workers = {worker.key: worker for worker in observed.workers}
    for action in plan(desired, observed, NOW):
        if isinstance(action, KillWorker) and desired.halt is not Halt.KILL:
            deadline = workers[action.key].draining_until
            assert deadline is not None
            assert deadline <= NOW


@MANY
@NODE
def test_what_is_current_is_not_disturbed(node: Node) -> None:
    """Pausing, scaling the others, building: none of it touches a worker that is wanted as it is."""
    desired, observed = node
    wants = wanted(desired)
    actions = actions_by_key(desired, observed)
    for worker in observed.workers:
        want = wants.get(worker.key)
        if (
            want
            and want.has_cpu
            and worker.presence is Presence.ALIVE
            and worker.draining_until is None
            and worker.revision == want.deployment.revision
        ):
            assert not isinstance(actions[worker.key], HARMFUL)


@MANY
@NODE
def test_converges_and_then_is_quiet(node: Node) -> None:
    desired, observed = node
    world = World(observed)
    for _ in range(14):
        world.step(plan(desired, world.observed, world.now), desired=desired)
    final = plan(desired, world.observed, world.now)
    assert all(isinstance(action, Wait | Keep) for action in final), final
    unknown = [worker for worker in world.observed.workers if worker.presence is Presence.UNKNOWN]
    unreadable = {each.key for each in world.observed.environments if each.status is EnvironmentStatus.UNKNOWN}
    running = {worker.key for worker in world.observed.workers if worker.presence is Presence.ALIVE}
    should = {
        key
        for key, want in wanted(desired).items()
        if want.has_cpu and not want.deployment.invalid and want.deployment.environment not in unreadable
    }
    if not unknown:
        assert should <= running
        for worker in world.observed.workers:
            want = wanted(desired).get(worker.key)
            assert want
            assert want.has_cpu
            blocked = want.deployment.invalid or want.deployment.environment in unreadable
            assert blocked or worker.revision == want.deployment.revision


def test_no_property_is_empty() -> None:
    """Each kind of action, and each reason to wait, turns up often enough in what the strategies draw."""
    kinds: Counter[str] = Counter()
    reasons: Counter[Reason] = Counter()
    examples = 0

    @settings(max_examples=2000, deadline=None, database=None, derandomize=True)
    @NODE
    def count(node: Node) -> None:
        desired, observed = node
        nonlocal examples
        examples += 1
        for action in plan(desired, observed, NOW):
            event(type(action).__name__)
            kinds[type(action).__name__] += 1
            reasons[action.reason] += 1

    count()
    rare = {kind.__name__: kinds[kind.__name__] for kind in ORDER if kinds[kind.__name__] < examples * 0.02}
    assert not rare
    missing = {reason: reasons[reason] for reason in Reason if reasons[reason] < 10}
    assert not missing
    assert {type_.__name__ for type_ in (BuildEnvironment, StartWorker, ReapWorker)} <= kinds.keys()
