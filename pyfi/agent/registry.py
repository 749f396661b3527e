"""What an agent asks and tells the database: the `agent.*` functions, as methods."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pyfi.ledger.connection import Link, mapping

CHANNEL = "pyfi_model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the database knows this agent by. A newer registration of the node has a higher epoch."""

    node_id: str
    agent_id: str
    epoch: int
    network: str


class Registry(Protocol):
    """The database as an agent sees it. Every method raises DatabaseUnavailableError when it does not answer."""

    def register(self, name: str, hostname: str, cpus: int, facts: Mapping[str, Any]) -> Registration:
        """Become the agent of the node; what ran before under that name is superseded."""

    def heartbeat(self, epoch: int, facts: Mapping[str, Any]) -> bool:
        """Prove life. False: a newer agent has taken over."""

    def desired(self) -> Mapping[str, Any]:
        """What this node should run."""

    def offers(self) -> Sequence[Mapping[str, Any]]:
        """Processors that lack CPUs and may run here."""

    def place(self, processor_id: str, cpus: int) -> bool:
        """Take CPUs of it on this node. False: nothing was missing any more."""

    def report(self, epoch: int, document: Mapping[str, Any]) -> None:
        """Tell how workers and deployments are; workers that are not named are forgotten."""

    def secrets(self, deployment_id: str) -> Mapping[str, Mapping[str, str]]:
        """Name -> id, key_id and sealed value of the secrets that a deployment of this node names."""

    def worker_exited(self, worker_id: str, started: int, cause: str, *, asked: bool) -> int:
        """Give back what a dead worker held. `started`: the last token that it began. Returns how many calls."""

    def leave(self, epoch: int) -> None:
        """Say that this node offers nothing any more."""

    def listen(self) -> None:
        """Be told of changes from now on; forgets what was told before."""

    def readers(self) -> Sequence[int]:
        """What becomes readable on a change."""

    def has_news(self) -> bool:
        """Whether a change was told since `listen`."""

    def close(self) -> None:
        """Let go; may be called twice."""


class DatabaseRegistry:
    """The real one: one connection that listens and asks."""

    def __init__(self, database: str) -> None:
        """`database`: libpq URL of the node's login. Nothing connects yet."""
        self._link = Link(database, application="pyfi agent", channels=(CHANNEL,))

    def _ask(self, function: str, *values: object) -> Any:
        marks = ", ".join(["%s"] * len(values))
        ((answer,),) = self._link.rows(f"select agent.{function}({marks})", values)
        return answer

    def register(self, name: str, hostname: str, cpus: int, facts: Mapping[str, Any]) -> Registration:
        """See Registry."""
        answer = self._ask("register", name, hostname, cpus, json.dumps(facts))
        return Registration(
            node_id=answer["node_id"], agent_id=answer["agent_id"], epoch=answer["epoch"], network=answer["network"]
        )

    def heartbeat(self, epoch: int, facts: Mapping[str, Any]) -> bool:
        """See Registry."""
        return bool(self._ask("heartbeat", epoch, json.dumps(facts)))

    def desired(self) -> Mapping[str, Any]:
        """See Registry."""
        answer: Mapping[str, Any] = self._ask("desired")
        return answer

    def offers(self) -> Sequence[Mapping[str, Any]]:
        """See Registry."""
        answer: Sequence[Mapping[str, Any]] = self._ask("offers")
        return answer

    def place(self, processor_id: str, cpus: int) -> bool:
        """See Registry."""
        return bool(self._ask("place", processor_id, cpus))

    def report(self, epoch: int, document: Mapping[str, Any]) -> None:
        """See Registry."""
        self._ask("report", epoch, json.dumps(document))

    def secrets(self, deployment_id: str) -> Mapping[str, Mapping[str, str]]:
        """See Registry."""
        answer: Mapping[str, Mapping[str, str]] = self._ask("secrets", deployment_id)
        return answer

    def worker_exited(self, worker_id: str, started: int, cause: str, *, asked: bool) -> int:
        """See Registry."""
        return int(self._ask("worker_exited", worker_id, started, cause, asked))

    def leave(self, epoch: int) -> None:
        """See Registry."""
        self._ask("leave", epoch)

    def listen(self) -> None:
        """See Registry."""
        connection = self._link.connection()
        with mapping():
            connection.poll()
        connection.notifies.clear()

    def readers(self) -> Sequence[int]:
        """See Registry."""
        return [self._link.connection().fileno()] if self._link.is_open else []

    def has_news(self) -> bool:
        """See Registry."""
        # Told while another statement was read: the socket will not become readable for it again.
        return self._link.is_open and bool(self._link.connection().notifies)

    def close(self) -> None:
        """See Registry."""
        self._link.close()
