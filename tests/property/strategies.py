"""Nodes as the properties see them: what is desired and what was seen, with times around the deadlines.

Drawn evenly by a seeded generator, and the seed by hypothesis: its own cluster, and some decisions hardly came up.
"""

from __future__ import annotations

import random

from hypothesis import strategies as st

from pyfi.core.backoff import Crashes
from pyfi.core.model import (
    Deployment,
    DeploymentId,
    Desired,
    Environment,
    EnvironmentKey,
    EnvironmentStatus,
    Halt,
    Observed,
    Past,
    Presence,
    Requested,
    Worker,
    WorkerId,
    WorkerKey,
)
from pyfi.core.names import worker_key

NOW = 1000.0
NODE = "node1"
AROUND_NOW = (NOW - 50, NOW - 0.001, NOW, NOW + 0.001, NOW + 50)
PROCESSORS = ("p1", "p2", "p3")
PLACES = [(processor, ordinal) for processor in PROCESSORS for ordinal in range(3)]
REVISIONS = ("r1", "r2")
ENVIRONMENTS = (EnvironmentKey("e1"), EnvironmentKey("e2"), EnvironmentKey("e3"), EnvironmentKey("e4"))


def _deployment(chance: random.Random, processor: str) -> Deployment:
    is_invalid = chance.random() < 0.1
    return Deployment(
        id=DeploymentId(f"d-{processor}"),
        processor=processor,
        network="default",
        requested=chance.choice([Requested.RUNNING] * 5 + list(Requested)),
        cpus=chance.randint(0, 3),
        sockets=chance.choice([0, 1, 1, 2]),
        generation=chance.randint(1, 3),
        revision=chance.choice(REVISIONS),
        environment=None if is_invalid else chance.choice(ENVIRONMENTS),
        restart_token=chance.randint(0, 1),
        invalid="no commit" if is_invalid else "",
    )


def _desired(chance: random.Random) -> Desired:
    chosen = chance.sample(PROCESSORS, chance.randint(0, 3))
    return Desired(
        node=NODE,
        cpus=chance.randint(0, 6),
        cpu_ids=chance.choice([(), (0,), (0, 1), (0, 1, 2, 3)]),
        deployments=tuple(_deployment(chance, processor) for processor in chosen),
        halt=chance.choice([Halt.NO] * 10 + [Halt.DRAIN, Halt.KILL]),
    )


def _worker(chance: random.Random, processor: str, ordinal: int) -> Worker:
    return Worker(
        key=WorkerKey(worker_key("default", processor, NODE, ordinal)),
        id=WorkerId(f"w-{processor}-{ordinal}"),
        deployment_id=DeploymentId(f"d-{processor}"),
        ordinal=ordinal,
        generation=chance.randint(1, 3),
        revision=chance.choice(REVISIONS),
        environment=chance.choice(ENVIRONMENTS),
        presence=chance.choice([Presence.ALIVE] * 3 + list(Presence)),
        drain_seconds=30.0,
        draining_until=chance.choice([None, None, chance.choice(AROUND_NOW)]),
        cpu=chance.choice([None, 0, 1]),
        pid=100 + ordinal,
        is_serving=chance.random() < 0.5,
    )


def _crashes(chance: random.Random) -> Crashes:
    return Crashes(in_a_row=chance.randint(1, 9), not_before=chance.choice(AROUND_NOW), last_exit="exit 1")


def _past(chance: random.Random, processor: str, ordinal: int) -> Past:
    return Past(
        key=WorkerKey(worker_key("default", processor, NODE, ordinal)),
        worker_id=WorkerId(f"former-{processor}-{ordinal}"),
        deployment_id=DeploymentId(f"d-{processor}"),
        ordinal=ordinal,
        generation=chance.randint(1, 3),
        revision=chance.choice(REVISIONS),
        crashes=_crashes(chance),
    )


def _environment(chance: random.Random, key: EnvironmentKey) -> Environment:
    ready = [EnvironmentStatus.READY] * 3
    return Environment(
        key=key,
        status=chance.choice([*ready, *EnvironmentStatus]),
        crashes=_crashes(chance),
        token=chance.randint(0, 1),
        idle_seconds=chance.choice([0.0, 3599.9, 3600.0, 3600.1]),
    )


def _observed(chance: random.Random) -> Observed:
    return Observed(
        workers=tuple(_worker(chance, *place) for place in chance.sample(PLACES, chance.randint(0, 4))),
        pasts=tuple(_past(chance, *place) for place in chance.sample(PLACES, chance.randint(0, 7))),
        environments=tuple(_environment(chance, key) for key in ENVIRONMENTS if chance.random() < 0.7),
    )


def nodes() -> st.SearchStrategy[tuple[Desired, Observed]]:
    """What a node should run, and what was seen on it."""

    def drawn(seed: int) -> tuple[Desired, Observed]:
        chance = random.Random(seed)
        return _desired(chance), _observed(chance)

    return st.integers(0, 2**32).map(drawn)
