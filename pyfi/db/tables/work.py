"""The ledger's tables. Only the ledger's functions write them: no login role may."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    REAL,
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from pyfi.db.base import Base, one_of, reference

OPEN_STATES = ("queued", "claimed", "running", "parked")
TERMINAL_STATES = ("done", "failed", "cancelled")


class Call(Base):
    """One invocation of a socket.

    `claim` is the token of the last claim: the fence. `attempt` counts the starts of the function, `failures` those
    that raised, `losses` those whose guest or worker died. Plain uuids point at sockets and plugs, so that history
    outlives them.
    """

    __tablename__ = "call"
    __table_args__ = (
        one_of("state", *OPEN_STATES, *TERMINAL_STATES),
        CheckConstraint("num_nonnulls(args, args_payload) = 1", name="args"),
        Index("call_created_idx", "created", "id"),
        Index("call_root_idx", "root_id", postgresql_where=text("parent_id is not null")),
        CheckConstraint("frame in ('pipeline', 'parallel')", name="frame"),
        CheckConstraint("(socket_id is null) = (frame is not null)", name="socket_id"),
        Index("call_member_idx", "parent_id", "slot", postgresql_where=text("slot is not null")),
        Index(
            "call_queued_idx",
            "socket_id",
            text("(not_before is null)"),
            text("priority DESC"),
            "created",
            postgresql_where=text("state = 'queued'"),
        ),
        Index("call_limited_idx", "socket_id", postgresql_where=text("limited and state in ('claimed', 'running')")),
        CheckConstraint("priority between -10 and 10", name="priority"),
        Index("call_replay_idx", "replay_of", postgresql_where=text("replay_of is not null")),
        Index("call_trouble_idx", "state", "created", "id", postgresql_where=text("state in ('failed', 'parked')")),
        Index("call_expires_idx", "expires", postgresql_where=text("state = 'queued' and expires is not null")),
        Index("call_held_idx", "worker_id", postgresql_where=text("state in ('claimed', 'running')")),
        {"postgresql_with": {"fillfactor": "85", "autovacuum_vacuum_scale_factor": "0.05"}},
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, doc="chosen by the submitter, or computed from the parent")
    root_id: Mapped[uuid.UUID] = mapped_column(doc="the first call of the flow; its own id for a first call")
    parent_id: Mapped[uuid.UUID | None] = mapped_column(doc="the call that caused it")
    plug_id: Mapped[uuid.UUID | None] = mapped_column(doc="the plug that carried it here")
    replay_of: Mapped[uuid.UUID | None] = mapped_column(doc="the call that it repeats, for a replay")
    slot: Mapped[int | None] = mapped_column(doc="of a member of a composition: its place in the frame `parent_id`")
    frame: Mapped[str | None] = mapped_column(doc="of a composition: `pipeline` or `parallel`; its steps are `args`")
    socket_id: Mapped[uuid.UUID | None] = mapped_column(doc="what is called; none for a composition")
    name: Mapped[str] = mapped_column(doc="the socket's name at that time")
    owner_id: Mapped[uuid.UUID] = mapped_column(doc="who made the first call")
    socket_owner_id: Mapped[uuid.UUID] = mapped_column(doc="whose socket it is")
    state: Mapped[str] = mapped_column(server_default="queued", doc="see [the ledger](ledger.md)")
    hops: Mapped[int] = mapped_column(server_default=text("0"), doc="plugs between it and the first call")
    attempt: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("0"), doc="starts of the function that are over"
    )
    failures: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), doc="starts that raised")
    losses: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), doc="starts whose guest or worker died")
    wakes: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), doc="wake-ups that had to be sent again")
    priority: Mapped[int] = mapped_column(
        SmallInteger, server_default=text("0"), doc="-10 to 10, higher ones first; children have their parent's"
    )
    limited: Mapped[bool | None] = mapped_column(doc="claimed under its socket's rules, and counted by them")
    claim: Mapped[int | None] = mapped_column(BigInteger, doc="token of the last claim: the fence")
    worker_id: Mapped[uuid.UUID | None] = mapped_column(doc="who holds it, or finished it")
    commit: Mapped[str | None] = mapped_column(doc="the commit of the code that its last attempt ran")
    lease_until: Mapped[datetime | None] = mapped_column(doc="when a claim that is not renewed ends")
    not_before: Mapped[datetime | None] = mapped_column(doc="when it is due: a delayed call, or a retry")
    expires: Mapped[datetime | None] = mapped_column(doc="when it must have started, at the latest by `deadline`")
    deadline: Mapped[datetime | None] = mapped_column(doc="when it must have ended; its children inherit it")
    key: Mapped[str | None] = mapped_column(doc="the idempotency key it was submitted with")
    args: Mapped[Any | None] = mapped_column(JSON, doc='`{"args": [...], "kwargs": {...}}`, as it was submitted')
    args_payload: Mapped[uuid.UUID | None] = mapped_column(doc="instead of `args`: the payload that holds them")
    result: Mapped[Any | None] = mapped_column(JSON, doc="what the function returned")
    result_payload: Mapped[uuid.UUID | None] = mapped_column(doc="instead of `result`: the payload that holds it")
    error: Mapped[Any | None] = mapped_column(JSON, doc="code, type, message and traceback of the last failure")
    output: Mapped[Any | None] = mapped_column(JSON, doc="what the function put into `output`")
    plugs: Mapped[list[str] | None] = mapped_column(ARRAY(Text), doc="the plugs that the function named; null: none")
    created: Mapped[datetime] = mapped_column(
        server_default=func.now(), doc="when it was submitted; within a submission a microsecond apart"
    )
    woken: Mapped[datetime] = mapped_column(server_default=func.now(), doc="when a wake-up was last written for it")
    claimed: Mapped[datetime | None] = mapped_column(doc="when it was last claimed")
    started: Mapped[datetime | None] = mapped_column(
        doc="of the last attempt; below a second reckoned back from the finish"
    )
    finished: Mapped[datetime | None] = mapped_column(doc="when its final state was written")
    seconds: Mapped[float | None] = mapped_column(REAL, doc="how long the last attempt took")


class Frame(Base):
    """How far a composition is: a call with `frame`, whose members return into it."""

    __tablename__ = "frame"

    call_id: Mapped[uuid.UUID] = mapped_column(
        reference("call", ondelete="CASCADE"), primary_key=True, doc="the composition"
    )
    need: Mapped[int] = mapped_column(doc="how many members it has")
    have: Mapped[int] = mapped_column(server_default=text("0"), doc="of a parallel: how many have come back")
    step: Mapped[int] = mapped_column(server_default=text("0"), doc="of a pipeline: which step runs, from 0")
    keeps_errors: Mapped[bool] = mapped_column(doc="a member's failure is its result, and ends nothing")
    early: Mapped[list[uuid.UUID]] = mapped_column(
        ARRAY(Uuid(as_uuid=True)), server_default="{}", doc="members that came back parked: they are not counted again"
    )


class Junction(Base):
    """Where plugs to arguments of one socket meet, for one first call; locked while parts arrive."""

    __tablename__ = "junction"

    root_id: Mapped[uuid.UUID] = mapped_column(
        reference("call", ondelete="CASCADE"), primary_key=True, doc="the first call of the flow"
    )
    socket_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, doc="what will be called")


class Slot(Base):
    """A part that arrived for one argument. The n-th parts of all arguments make the n-th call."""

    __tablename__ = "slot"
    __table_args__ = (UniqueConstraint("root_id", "socket_id", "source_id", "plug_id", "seq"),)

    root_id: Mapped[uuid.UUID] = mapped_column(
        reference("call", ondelete="CASCADE"), primary_key=True, doc="the first call of the flow"
    )
    socket_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, doc="what will be called")
    argument: Mapped[str] = mapped_column(primary_key=True, doc="the argument's name")
    round: Mapped[int] = mapped_column(BigInteger, primary_key=True, doc="the how manieth for this argument, from 1")
    source_id: Mapped[uuid.UUID] = mapped_column(doc="the call that it came from")
    plug_id: Mapped[uuid.UUID] = mapped_column(doc="the plug that carried it")
    seq: Mapped[int] = mapped_column(BigInteger, doc="which item of a generator's, from 1; 0: the result")
    value: Mapped[str | None] = mapped_column(doc="what arrived, as JSON text; none after the call was made")
    payload: Mapped[uuid.UUID | None] = mapped_column(doc="of a large value: it goes on with this payload")
    tail: Mapped[str | None] = mapped_column(doc="and ends with this")


class Outbox(Base):
    """Wake-ups that must still be published: one row per transaction and broker queue."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, doc="rises")
    address: Mapped[str] = mapped_column(doc="the broker's queue")
    ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid(as_uuid=True)), doc="the calls to wake up")
    due: Mapped[datetime] = mapped_column(
        server_default=func.now(),
        index=True,
        doc="when a relay takes it; two seconds later if the writer publishes too",
    )


class Event(Base):
    """An unusual fact about a call; the usual three (received, prerun, postrun) are read off the call itself."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, doc="rises")
    call_id: Mapped[uuid.UUID] = mapped_column(index=True, doc="of which call")
    name: Mapped[str] = mapped_column(doc="`retry`, `lost`, `parked`, ...: [all](ledger.md#events)")
    note: Mapped[str] = mapped_column(server_default="", doc="why")
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), doc="of which attempt")
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), doc="when")


class Log(Base):
    """A line that a call printed or logged. `stream`: 1 stdout, 2 stderr, 3 logging."""

    __tablename__ = "log"
    __table_args__ = (Index("log_call_id_idx", "call_id", "claim", "number", unique=True),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, doc="rises")
    call_id: Mapped[uuid.UUID] = mapped_column(reference("call", ondelete="CASCADE"), doc="of which call")
    attempt: Mapped[int] = mapped_column(SmallInteger, doc="of which attempt")
    claim: Mapped[int | None] = mapped_column(BigInteger, doc="of which claim")
    number: Mapped[int | None] = mapped_column(doc="counts the lines of a claim: told twice, a line is kept once")
    stream: Mapped[int] = mapped_column(SmallInteger, doc="1, 2 or 3")
    at: Mapped[datetime] = mapped_column(doc="when, by its node's clock")
    text: Mapped[str] = mapped_column(doc="the line")


class Counter(Base):
    """What the ledger refused: duplicate deliveries, fenced finishes."""

    __tablename__ = "counter"

    name: Mapped[str] = mapped_column(primary_key=True, doc="`duplicate deliveries` or `fenced finishes`")
    value: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), doc="how many so far")


class Retention(Base):
    """How far the deletion of old calls has come. One row."""

    __tablename__ = "retention"

    key: Mapped[str] = mapped_column(primary_key=True, doc="`calls`")
    looked_to: Mapped[datetime] = mapped_column(
        server_default=text("'-infinity'"), doc="calls made until then were looked at in this pass"
    )
    created_before: Mapped[datetime | None] = mapped_column(doc="what `keep_calls` means in this pass")
    next: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"), doc="when the next pass begins")
    deleted: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), doc="calls deleted so far")
