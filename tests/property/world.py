"""A node that does what the plan says, without processes: for convergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyfi.core.actions import (
    Action,
    BuildEnvironment,
    CollectEnvironment,
    Keep,
    KillWorker,
    ReapWorker,
    StartWorker,
    StopBuild,
    StopWorker,
    Wait,
)
from pyfi.core.model import (
    Desired,
    Environment,
    EnvironmentStatus,
    Observed,
    Presence,
    Worker,
    WorkerId,
)
from tests.property.strategies import NOW

PASS_SECONDS = 100.0


class World:
    """Every disturbance is over: builds succeed, workers live, those told to drain go before the next pass."""

    def __init__(self, observed: Observed) -> None:
        self.now = NOW
        self.workers = {worker.key: worker for worker in observed.workers}
        self.environments = {environment.key: environment for environment in observed.environments}
        self.pasts = observed.pasts

    @property
    def observed(self) -> Observed:
        return Observed(
            workers=tuple(self.workers.values()),
            pasts=self.pasts,
            environments=tuple(self.environments.values()),
        )

    def step(self, actions: Sequence[Action], *, desired: Desired) -> None:
        before = sum(worker.presence is not Presence.GONE for worker in self.workers.values())
        for action in actions:
            self._apply(action, desired)
        after = sum(worker.presence is not Presence.GONE for worker in self.workers.values())
        assert after <= max(desired.cpus, before), "never more workers than CPUs"
        self.now += PASS_SECONDS
        for key, worker in self.workers.items():
            if worker.draining_until is not None and worker.presence is Presence.ALIVE:
                self.workers[key] = replace(worker, presence=Presence.GONE)
        for key, environment in self.environments.items():
            if environment.status is EnvironmentStatus.BUILDING:
                self.environments[key] = replace(environment, status=EnvironmentStatus.READY)
            elif environment.status is EnvironmentStatus.READY:
                self.environments[key] = replace(environment, idle_seconds=environment.idle_seconds + PASS_SECONDS)

    def _apply(self, action: Action, desired: Desired) -> None:
        match action:
            case StopWorker(key=key, drain_seconds=drain):
                self.workers[key] = replace(self.workers[key], draining_until=self.now + drain)
            case KillWorker(key=key):
                self.workers[key] = replace(self.workers[key], presence=Presence.GONE)
            case ReapWorker(key=key):
                del self.workers[key]
            case StopBuild(key=environment) | CollectEnvironment(key=environment):
                del self.environments[environment]
            case BuildEnvironment(key=environment):
                self.environments[environment] = Environment(key=environment, status=EnvironmentStatus.BUILDING)
            case StartWorker():
                self._start(action, desired)
            case Wait() | Keep():
                pass

    def _start(self, action: StartWorker, desired: Desired) -> None:
        assert action.key not in self.workers, "never two of one worker"
        deployment = next(each for each in desired.deployments if each.id == action.deployment_id)
        assert deployment.environment is not None
        self.workers[action.key] = Worker(
            key=action.key,
            id=WorkerId(f"new-{action.key}-{self.now}"),
            deployment_id=deployment.id,
            ordinal=action.ordinal,
            generation=deployment.generation,
            revision=deployment.revision,
            environment=deployment.environment,
            presence=Presence.ALIVE,
            drain_seconds=deployment.drain_seconds,
            cpu=action.cpu,
            is_serving=True,
        )
