"""What people connect: processors, deployments, tasks, arguments, queues, sockets, plugs, gates.

`requested_status` and the columns a user writes are desired; `status`, `reason`, `status_since` are observed.
`generation` is raised by a trigger when something changes that a worker runs with.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, SmallInteger, Text, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from pyfi.db.base import NAME_RULE, Base, Identified, InNetwork, Owned, one_of, reference


class Queue(InNetwork, Base):
    """Where calls wait. Lengths are counts and bytes, `message_ttl` and `expires` milliseconds; none: no limit."""

    __tablename__ = "queue"
    __table_args__ = (
        UniqueConstraint("network_id", "owner_id", "name"),
        NAME_RULE,
        one_of("type", "direct", "topic", "fanout"),
        CheckConstraint("max_length > 0", name="max_length"),
        CheckConstraint("max_length_bytes > 0", name="max_length_bytes"),
        CheckConstraint("message_ttl > 0", name="message_ttl"),
        CheckConstraint("expires > 0", name="expires"),
    )

    type: Mapped[str] = mapped_column(server_default="direct", doc="who gets what a plug carries: one socket, or all")
    durable: Mapped[bool] = mapped_column(server_default=text("true"), doc="kept; calls are rows and always durable")
    max_length: Mapped[int | None] = mapped_column(doc="most calls that may wait in it")
    max_length_bytes: Mapped[int | None] = mapped_column(BigInteger, doc="most bytes that may wait in it")
    message_ttl: Mapped[int | None] = mapped_column(BigInteger, doc="how long after its entry a call may still begin")
    expires: Mapped[int | None] = mapped_column(BigInteger, doc="how long it stays without socket and plug")


class Processor(InNetwork, Base):
    """A user's code: a git repository at a commit, and a module in it."""

    __tablename__ = "processor"
    __table_args__ = (
        UniqueConstraint("network_id", "owner_id", "name"),
        NAME_RULE,
        one_of("requested_status", "running", "paused", "stopped", "removed"),
        one_of(
            "status", "ready", "starting", "running", "paused", "stopping", "stopped", "updating", "failed", "removed"
        ),
        CheckConstraint("concurrency between 1 and 4096", name="concurrency"),
        CheckConstraint("retries between 0 and 100", name="retries"),
        CheckConstraint("backoff_seconds between 0 and 31536000", name="backoff_seconds"),
        CheckConstraint("backoff_factor between 1 and 100", name="backoff_factor"),
        CheckConstraint("backoff_max_seconds between 0 and 31536000", name="backoff_max_seconds"),
        CheckConstraint("max_losses between 1 and 10000", name="max_losses"),
        CheckConstraint("time_limit_seconds > 0", name="time_limit_seconds"),
        CheckConstraint(
            "soft_time_limit_seconds > 0"
            " and (time_limit_seconds is null or soft_time_limit_seconds < time_limit_seconds)",
            name="soft_time_limit_seconds",
        ),
        CheckConstraint("drain_seconds >= 0", name="drain_seconds"),
        CheckConstraint("gitrepo !~* '^https?://[^/]*@' and gitrepo !~ '^[^/]*//[^/@]*:[^/]*@'", name="gitrepo"),
        CheckConstraint("index_url !~ '@'", name="index_url"),
        CheckConstraint("jsonb_typeof(environment) = 'object'", name="environment"),
        CheckConstraint("sandbox between 0 and 2", name="sandbox"),
    )

    gitrepo: Mapped[str] = mapped_column(doc="the repository's URL; never with a password")
    branch: Mapped[str | None] = mapped_column(doc="what an update resolves anew: a branch, a tag or HEAD")
    commit: Mapped[str] = mapped_column(doc="what runs")
    module: Mapped[str] = mapped_column(doc="the Python module with its functions")
    modulepath: Mapped[str | None] = mapped_column(doc="where in the repository the module is, if not at the top")
    requirements: Mapped[str | None] = mapped_column(doc="what is installed besides: lines, or a file's name")
    hostname: Mapped[str | None] = mapped_column(doc="the one node or machine it may run on")
    concurrency: Mapped[int | None] = mapped_column(doc="CPUs to occupy; none: the sum of its sockets', at least one")
    retries: Mapped[int] = mapped_column(server_default=text("0"), doc="runs of a call after one that raised")
    backoff_seconds: Mapped[float] = mapped_column(server_default=text("1"), doc="wait before the first retry")
    backoff_factor: Mapped[float] = mapped_column(
        server_default=text("2"), doc="each next wait is so many times longer"
    )
    backoff_max_seconds: Mapped[float] = mapped_column(server_default=text("300"), doc="longest wait before a retry")
    retry_on: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{}'"), doc="exceptions that are retried, by class or base class; none: all"
    )
    no_retry_on: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default=text("'{}'"), doc="exceptions that are not, whatever `retry_on` says"
    )
    max_losses: Mapped[int | None] = mapped_column(
        doc="losses of a call until it is parked; none: the installation's setting"
    )
    time_limit_seconds: Mapped[float | None] = mapped_column(doc="longest run of one call")
    soft_time_limit_seconds: Mapped[float | None] = mapped_column(doc="after so long the function is told")
    drain_seconds: Mapped[float] = mapped_column(server_default=text("30"), doc="what a running call gets to end")
    description: Mapped[str | None] = mapped_column(doc="what it does")
    environment: Mapped[dict[str, str]] = mapped_column(
        JSONB, server_default=text("'{}'"), doc="variables of its functions' process; `secret:NAME` stands for a secret"
    )
    index_url: Mapped[str | None] = mapped_column(doc="the package index instead of the node's; never with a password")
    index_secret: Mapped[str | None] = mapped_column(doc="the name of the secret that the index asks for")
    git_secret: Mapped[str | None] = mapped_column(doc="the name of the secret that the repository asks for")
    hashes_only: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="only what is named with its hash is installed"
    )
    sandbox: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("0"), doc="the least sandbox level that it may run in: 0, 1 or 2"
    )
    online: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="may use the network where a sandbox takes it away"
    )
    locked: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="takes no new calls from people and no changes until it is unlocked"
    )
    public_logs: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="whose READ_LOG reaches it may read its calls' log lines"
    )
    requested_status: Mapped[str] = mapped_column(server_default="running", doc="how it is to be")
    restart_token: Mapped[int] = mapped_column(
        server_default=text("0"), doc="raised by each restart that was asked for"
    )
    generation: Mapped[int] = mapped_column(
        server_default=text("1"), doc="raised by a trigger when something changes that a worker runs with"
    )
    status: Mapped[str] = mapped_column(server_default="ready", doc="how it is")
    reason: Mapped[str] = mapped_column(server_default="no agent has taken it yet", doc="why")
    status_since: Mapped[datetime] = mapped_column(server_default=func.now(), doc="since when")
    crashed: Mapped[list[uuid.UUID]] = mapped_column(
        ARRAY(Uuid(as_uuid=True)), server_default="{}", doc="different calls whose guest died, one after the other"
    )
    held_since: Mapped[datetime | None] = mapped_column(doc="since when it takes no calls, as its code crashes")
    held_reason: Mapped[str | None] = mapped_column(doc="the last crash")


class Deployment(Identified, Base):
    """A processor placed on a node with a count of CPUs: the unit of planning."""

    __tablename__ = "deployment"
    __table_args__ = (
        UniqueConstraint("processor_id", "node_id"),
        CheckConstraint("cpus between 1 and 4096", name="cpus"),
        one_of("origin", "placed", "user"),
    )

    processor_id: Mapped[uuid.UUID] = mapped_column(reference("processor", ondelete="CASCADE"), doc="what runs")
    node_id: Mapped[uuid.UUID] = mapped_column(reference("node", ondelete="CASCADE"), index=True, doc="where")
    cpus: Mapped[int] = mapped_column(doc="with how many workers")
    origin: Mapped[str] = mapped_column(server_default="user", doc="made by a person, or placed by a node's bid")
    status: Mapped[str] = mapped_column(server_default="ready", doc="how it is there; the processor's words")
    reason: Mapped[str] = mapped_column(server_default="", doc="why")
    status_since: Mapped[datetime] = mapped_column(server_default=func.now(), doc="since when")
    observed_generation: Mapped[int] = mapped_column(server_default=text("0"), doc="the generation its agent has seen")


class Task(Identified, Base):
    """One function of a processor's module."""

    __tablename__ = "task"
    __table_args__ = (
        UniqueConstraint("processor_id", "name"),
        CheckConstraint("name ~ '^[A-Za-z_][A-Za-z0-9_]{0,62}$'", name="name"),
    )

    processor_id: Mapped[uuid.UUID] = mapped_column(reference("processor", ondelete="CASCADE"), doc="whose module")
    name: Mapped[str] = mapped_column(doc="the function's name")


class Argument(Identified, Base):
    """One argument of a task, by position."""

    __tablename__ = "argument"
    __table_args__ = (UniqueConstraint("task_id", "name"), CheckConstraint("position >= 0", name="position"))

    task_id: Mapped[uuid.UUID] = mapped_column(reference("task", ondelete="CASCADE"), doc="whose")
    name: Mapped[str] = mapped_column(doc="the parameter's name")
    position: Mapped[int] = mapped_column(doc="0 for the first")
    kind: Mapped[str] = mapped_column(doc="how it is given: by position, by name")


class Socket(Owned, Base):
    """One task bound to one queue: the way in. `address` is its own queue on the broker, set by a trigger."""

    __tablename__ = "socket"
    __table_args__ = (
        UniqueConstraint("processor_id", "name"),
        UniqueConstraint("address"),
        NAME_RULE,
        CheckConstraint("concurrency between 1 and 4096", name="concurrency"),
        CheckConstraint("rate > 0 and rate <= 1000000", name="rate"),
        CheckConstraint("burst between 1 and 1000000", name="burst"),
    )

    processor_id: Mapped[uuid.UUID] = mapped_column(reference("processor", ondelete="CASCADE"), doc="who serves it")
    task_id: Mapped[uuid.UUID] = mapped_column(reference("task"), index=True, doc="the function that it calls")
    queue_id: Mapped[uuid.UUID] = mapped_column(reference("queue"), index=True, doc="the queue that its calls wait in")
    concurrency: Mapped[int | None] = mapped_column(
        doc="most calls at once, in the whole network; also the CPUs that it asks of a processor without a count"
    )
    rate: Mapped[float | None] = mapped_column(doc="most calls in a second, in the whole network")
    burst: Mapped[int | None] = mapped_column(doc="calls that may begin at once; none: those of a second")
    description: Mapped[str | None] = mapped_column(doc="what it does")
    address: Mapped[str] = mapped_column(server_default="", doc="its queue on the broker")


class Throttle(Base):
    """What the rules of a socket have come to. There is one for each socket with a cap, a rate, a queue with limits
    before or behind it, or a call with a priority; without one its calls are claimed by their ids.
    """

    __tablename__ = "throttle"

    socket_id: Mapped[uuid.UUID] = mapped_column(
        reference("socket", ondelete="CASCADE"), primary_key=True, doc="whose rules"
    )
    waits_in: Mapped[list[uuid.UUID]] = mapped_column(
        ARRAY(Uuid(as_uuid=True)), server_default="{}", doc="queues with limits that its calls wait in"
    )
    feeds: Mapped[list[uuid.UUID]] = mapped_column(
        ARRAY(Uuid(as_uuid=True)), server_default="{}", doc="queues with limits that its plugs fill"
    )
    tokens: Mapped[float] = mapped_column(server_default=text("0"), doc="calls that the rate left over when last used")
    filled: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"), doc="when that was")
    owed: Mapped[int] = mapped_column(
        BigInteger, server_default=text("0"), doc="wake-ups that came when no call could be claimed"
    )
    woken: Mapped[datetime] = mapped_column(
        server_default=text("'-infinity'"), doc="when the delayed wake-up is or was due"
    )


class Backlog(Base):
    """How full a queue with limits is. The counts are as old as `counted`: long queues are not counted each time."""

    __tablename__ = "backlog"

    queue_id: Mapped[uuid.UUID] = mapped_column(
        reference("queue", ondelete="CASCADE"), primary_key=True, doc="which queue"
    )
    sockets: Mapped[list[uuid.UUID]] = mapped_column(
        ARRAY(Uuid(as_uuid=True)), server_default="{}", doc="whose calls wait in it"
    )
    feeders: Mapped[list[uuid.UUID]] = mapped_column(
        ARRAY(Uuid(as_uuid=True)), server_default="{}", doc="sockets that pause while it is full"
    )
    length: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), doc="calls that waited")
    bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), doc="bytes of their arguments, as stored")
    counted: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"), doc="when")
    awaited: Mapped[bool] = mapped_column(server_default=text("false"), doc="somebody pauses until there is room")


class Plug(Owned, Base):
    """An edge: what the source socket returns (RESULT) or how it fails (ERROR) becomes a call of the target."""

    __tablename__ = "plug"
    __table_args__ = (
        UniqueConstraint("source_id", "name"),
        NAME_RULE,
        one_of("type", "RESULT", "ERROR"),
        CheckConstraint("argument ~ '^[A-Za-z_][A-Za-z0-9_]{0,62}$'", name="argument"),
    )

    source_id: Mapped[uuid.UUID] = mapped_column(
        reference("socket", ondelete="CASCADE"), doc="whose outcome it carries"
    )
    target_id: Mapped[uuid.UUID] = mapped_column(reference("socket"), index=True, doc="what it calls")
    queue_id: Mapped[uuid.UUID] = mapped_column(
        reference("queue"),
        index=True,
        doc="`fanout`, `topic`: all sockets that it reaches are called besides the target",
    )
    type: Mapped[str] = mapped_column(server_default="RESULT", doc="what it carries: results or errors")
    argument: Mapped[str | None] = mapped_column(doc="the argument that it fills; none: the first")
    description: Mapped[str | None] = mapped_column(doc="what it is for")


class Gate(Owned, Base):
    """Lets a plug's data pass, or holds it."""

    __tablename__ = "gate"
    __table_args__ = (UniqueConstraint("plug_id"), NAME_RULE)

    plug_id: Mapped[uuid.UUID] = mapped_column(reference("plug", ondelete="CASCADE"), doc="whose data")
    open: Mapped[bool] = mapped_column(server_default=text("true"), doc="lets pass")
