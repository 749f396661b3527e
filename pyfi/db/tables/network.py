"""Machines and what runs on them: networks, nodes, agents, workers, schedulers, settings."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from pyfi.db.base import NAME_RULE, Base, Identified, InNetwork, Owned, one_of, reference


class Network(Owned, Base):
    """The outermost scope of names and of sharing."""

    __tablename__ = "network"
    __table_args__ = (UniqueConstraint("name"), NAME_RULE)

    description: Mapped[str | None] = mapped_column(doc="what it is for")


class Scheduler(InNetwork, Base):
    """How a network's deployments are placed."""

    __tablename__ = "scheduler"
    __table_args__ = (
        UniqueConstraint("network_id", "owner_id", "name"),
        NAME_RULE,
        one_of("strategy", "BALANCED", "EFFICIENT"),
    )

    strategy: Mapped[str] = mapped_column(server_default="BALANCED", doc="spread out, or fill up")


class Node(InNetwork, Base):
    """A machine that may run one agent. `login` and `worker_login` are the Postgres roles of its processes."""

    __tablename__ = "node"
    __table_args__ = (
        UniqueConstraint("network_id", "name"),
        NAME_RULE,
        CheckConstraint("cpus is null or cpus between 0 and 4096", name="cpus"),
    )

    hostname: Mapped[str] = mapped_column(doc="the machine's own name")
    scheduler_id: Mapped[uuid.UUID | None] = mapped_column(
        reference("scheduler", ondelete="SET NULL"), index=True, doc="who places on it"
    )
    login: Mapped[str | None] = mapped_column(unique=True, doc="the agent's Postgres role; none before it is enrolled")
    worker_login: Mapped[str | None] = mapped_column(unique=True, doc="the Postgres role of its workers")
    cpus: Mapped[int | None] = mapped_column(doc="how many workers its agent gives")
    status: Mapped[str] = mapped_column(
        server_default="unknown", doc="`unknown`, `running`, `stopped`; shown as `lost` once the lease is over"
    )
    lease_until: Mapped[datetime | None] = mapped_column(doc="until when its agent's last heartbeat counts")
    facts: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default=text("'{}'"), doc="what the agent tells of the machine: memory, load, disk, versions"
    )


class Agent(InNetwork, Base):
    """The process on a node that reconciles. A newer registration raises `epoch`; the older one steps back."""

    __tablename__ = "agent"
    __table_args__ = (UniqueConstraint("node_id"), NAME_RULE)

    node_id: Mapped[uuid.UUID] = mapped_column(reference("node", ondelete="CASCADE"), doc="its machine")
    epoch: Mapped[int] = mapped_column(server_default=text("0"), doc="counts registrations; only the newest is heard")
    pid: Mapped[int | None] = mapped_column(doc="its process")
    port: Mapped[int | None] = mapped_column(doc="of its health page, on loopback")
    status: Mapped[str] = mapped_column(server_default="unknown", doc="`unknown`, `running`, `stopped`; see `node`")
    seen: Mapped[datetime | None] = mapped_column(doc="its last heartbeat")


class Worker(Identified, Base):
    """One incarnation of the process that serves one CPU of a deployment; `key` is its deterministic name."""

    __tablename__ = "worker"
    __table_args__ = (
        UniqueConstraint("node_id", "key"),
        one_of("status", "starting", "running", "draining", "exited", "backoff", "failed", "lost"),
    )

    key: Mapped[str] = mapped_column(doc="processor@node#ordinal")
    node_id: Mapped[uuid.UUID] = mapped_column(reference("node", ondelete="CASCADE"), doc="where it runs")
    # A worker outlives its deployment by the time it drains: only then may it finish what it holds.
    deployment_id: Mapped[uuid.UUID | None] = mapped_column(
        reference("deployment", ondelete="SET NULL"), index=True, doc="what it is for; none while it drains after that"
    )
    processor_id: Mapped[uuid.UUID] = mapped_column(
        reference("processor", ondelete="CASCADE"), index=True, doc="whose calls it takes"
    )
    ordinal: Mapped[int] = mapped_column(doc="0 for the deployment's first CPU")
    pid: Mapped[int | None] = mapped_column(doc="its process")
    status: Mapped[str] = mapped_column(server_default="starting", doc="how it is, as its agent sees it")
    reason: Mapped[str] = mapped_column(server_default="", doc="why")
    generation: Mapped[int] = mapped_column(server_default=text("0"), doc="of the processor when it was started")
    restarts: Mapped[int] = mapped_column(server_default=text("0"), doc="how often its key was started again")
    last_exit: Mapped[str | None] = mapped_column(doc="how the one before it ended")
    next_try: Mapped[datetime | None] = mapped_column(doc="when its key may start again")
    sockets: Mapped[list[uuid.UUID]] = mapped_column(
        ARRAY(Uuid(as_uuid=True)),
        server_default=text("'{}'"),
        doc="the sockets it enlisted for: it can claim no others",
    )
    commit: Mapped[str | None] = mapped_column(doc="of the code that it runs")


class Setting(Base):
    """A value of this installation: key and text."""

    __tablename__ = "setting"

    key: Mapped[str] = mapped_column(primary_key=True, doc="its name")
    value: Mapped[str] = mapped_column(doc="its value as text")
    updated: Mapped[datetime] = mapped_column(server_default=func.now(), doc="when it was last written")
