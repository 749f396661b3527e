"""The agent: one pass after another over one node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyfi import logs
from pyfi.agent import facts
from pyfi.agent.apply import Applier
from pyfi.agent.builds import Builds
from pyfi.agent.confine import Confinement
from pyfi.agent.folders import NodeFolder
from pyfi.agent.observe import Observer
from pyfi.agent.records import Placed, offers_from, placed_from
from pyfi.agent.registry import Registry
from pyfi.agent.report import Document, document, gist
from pyfi.agent.watched import Watched
from pyfi.clock import SYSTEM, Clock
from pyfi.core import environments
from pyfi.core.actions import Action, Keep, ReapWorker, Wait
from pyfi.core.model import Desired, Halt, Limits, Observed, Presence, Requested
from pyfi.core.place import bids
from pyfi.core.plan import plan
from pyfi.errors import UnavailableError
from pyfi.faultpoints import fault

log = logs.get(__name__)

POLL_SECONDS = 10.0
STARTING_SECONDS = 15.0
LOOK_AGAIN_SECONDS = 0.2  # while a worker starts: when it serves is written into a file, which tells nobody
REPORT_SECONDS = 60.0  # an unchanged report is repeated that often, should somebody have changed the rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What this agent is of. cpus: how many workers at most. started_with: see records.placed_from."""

    name: str
    hostname: str
    cpus: int
    cpu_ids: tuple[int, ...]
    port: int | None
    started_with: str
    confinement: Confinement


class Agent:
    """A Service. Its passes must run in a thread that lives as long as the process: builds die with that thread."""

    name = "agent"

    def __init__(
        self,
        node: Node,
        folder: NodeFolder,
        registry: Registry,
        observer: Observer,
        applier: Applier,
        builds: Builds,
        watched: Watched,
        *,
        limits: Limits,
        on_end: Callable[[], None],
        clock: Clock = SYSTEM,
    ) -> None:
        """`on_end`: called when there is nothing more to do for this agent, see `halt`."""
        self._node, self._folder, self._registry = node, folder, registry
        self._observer, self._applier, self._builds, self._watched = observer, applier, builds, watched
        self._limits, self._on_end, self._clock = limits, on_end, clock
        self._halt = Halt.NO
        self._epoch: int | None = None
        self._last_placed: tuple[Placed, ...] = ()
        self._told: tuple[Document, float] | None = None
        self.interval_seconds = POLL_SECONDS  # until the next thing is due, at most the slow poll
        self.is_superseded = False

    def halt(self, how: Halt) -> None:
        """Drain (or kill) all workers in the coming passes, then end. Safe in a signal handler; wake the loop after."""
        self._halt = how

    def run_once(self) -> bool:
        """Read all, do what is due.

        Raises: UnavailableError: the database does not answer; workers go on.
        """
        if self._halt is not Halt.NO:
            return self._last_passes()
        if not self._is_current():
            self.is_superseded = True
            log.error("agent superseded", extra={"action": "supersede", "node": self._node.name})
            self._on_end()
            return False
        placed = self._last_placed = self._take(self._placed())
        desired = self._desired(placed)
        observed, actions, changed = self._pass(desired, placed)
        self._report(desired, observed, actions)
        return bool(changed) or self._registry.has_news()

    def _is_current(self) -> bool:
        self._registry.listen()
        if self._epoch is None:
            registration = self._registry.register(self._node.name, self._node.hostname, self._node.cpus, self._facts())
            self._epoch = registration.epoch
            log.info("agent registered", extra={"node": self._node.name, "epoch": self._epoch})
            return True
        return self._registry.heartbeat(self._epoch, facts.changing(self._folder.path))

    def _facts(self) -> dict[str, Any]:
        confined = self._node.confinement
        return facts.constant(port=self._node.port) | {"sandbox": confined.level, "sandbox_most": confined.most}

    def _placed(self) -> tuple[Placed, ...]:
        return placed_from(
            self._registry.desired(), started_with=self._node.started_with, confine=self._node.confinement.of
        )

    def _take(self, placed: tuple[Placed, ...]) -> tuple[Placed, ...]:
        """Offer this node's free CPUs to processors that lack some."""
        going = {Requested.RUNNING, Requested.PAUSED}
        used = sum(each.deployment.cpus for each in placed if each.deployment.requested in going)
        if used >= self._node.cpus:
            return placed
        won = False
        for bid in bids(offers_from(self._registry.offers()), self._node.cpus - used):
            if self._registry.place(bid.processor_id, bid.cpus):
                won = True
                log.info("processor placed", extra={"action": "place", "processor": bid.processor_id, "cpus": bid.cpus})
        return self._placed() if won else placed

    def _desired(self, placed: Sequence[Placed]) -> Desired:
        return Desired(
            node=self._node.name,
            cpus=self._node.cpus,
            cpu_ids=self._node.cpu_ids,
            deployments=tuple(each.deployment for each in placed),
            halt=self._halt,
        )

    def _look(self, desired: Desired) -> Observed:
        now = self._clock.monotonic()
        self._observer.needed(set(environments.needed(desired)), now)
        return self._observer.look(now)

    def _pass(self, desired: Desired, placed: Sequence[Placed]) -> tuple[Observed, tuple[Action, ...], int]:
        observed = self._look(desired)
        now = self._clock.monotonic()
        actions = plan(desired, observed, now, limits=self._limits)
        by_id = {each.deployment.id: each for each in placed}
        try:
            changed = self._applier.apply(actions, self._observer.states, by_id, now)
        finally:
            if any(not isinstance(action, Wait | Keep) for action in actions):
                observed = self._look(desired)
        self.interval_seconds = self._due(actions, observed)
        return observed, actions, changed

    def _due(self, actions: Sequence[Action], observed: Observed) -> float:
        now = self._clock.monotonic()
        moments = [action.until for action in actions if isinstance(action, Wait) and action.until is not None]
        serving = {worker.key for worker in observed.workers if worker.is_serving}
        moments += [
            now + LOOK_AGAIN_SECONDS
            for key, (_, state) in self._observer.states.items()
            if key not in serving and now - state.started < STARTING_SECONDS
        ]
        return max(0.05, min([POLL_SECONDS, *(moment - now for moment in moments)]))

    def _report(self, desired: Desired, observed: Observed, actions: Sequence[Action]) -> None:
        if self._epoch is None:
            return
        now = self._clock.monotonic()
        told = document(desired, observed, actions, now)
        new = gist(told, now)
        if self._told and self._told[0] == new and now - self._told[1] < REPORT_SECONDS:
            return
        self._told = None
        fault("agent.reporting")
        self._registry.report(self._epoch, told)
        fault("agent.reported")
        self._told = (new, now)

    def _last_passes(self) -> bool:
        """Ends the workers, with the database or without it: what cannot be told now, the next agent tells."""
        desired = self._desired(self._last_placed)
        changed, tried = 0, set[str]()
        try:
            observed, actions, changed = self._pass(desired, ())
            tried = {action.key for action in actions if isinstance(action, ReapWorker)}
            self._report(desired, observed, actions)
        except UnavailableError as error:
            log.warning("agent stops untold", extra={"reason": error.message})
            observed = self._look(desired)
            tried = {worker.key for worker in observed.workers}
        living = {worker.key for worker in observed.workers if worker.presence is Presence.ALIVE}
        dead = {worker.key for worker in observed.workers if worker.presence is Presence.GONE}
        if living or self._builds.running or dead - tried:
            return bool(changed or dead - tried)
        self._leave()
        self._on_end()
        return False

    def _leave(self) -> None:
        if self._epoch is None:
            return
        try:
            self._registry.leave(self._epoch)
        except UnavailableError as error:
            log.warning("agent leaves untold", extra={"reason": error.message})

    def preview(self) -> tuple[Action, ...]:
        """What a pass would do now, without doing it or telling anybody."""
        desired = self._desired(self._placed())
        return plan(desired, self._look(desired), self._clock.monotonic(), limits=self._limits)

    def readers(self) -> Sequence[int]:
        """News of the database, ends of workers and builds."""
        return [*self._registry.readers(), *self._watched.readers(), *self._builds.readers()]

    def close(self) -> None:
        """Let go of everything but the workers."""
        self._builds.close()
        self._watched.close()
        self._registry.close()
