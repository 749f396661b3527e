"""A worker's side of the ledger, without Celery and guest: enlist, turn, renew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID, uuid4

from tests.integration.db.scene import Login, Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A call that a worker holds."""

    id: UUID
    token: int
    attempt: int
    socket: UUID
    arguments: str
    root: UUID
    parent: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a call ended, as a worker says it. value: JSON of the result or of the error. plugs: named data."""

    call: Claimed
    outcome: str = "done"
    value: str | None = "null"
    seconds: float = 0.25
    output: str | None = None
    plugs: dict[str, str] = field(default_factory=dict)
    payload: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a turn answered. outbox: row id, address, call ids. accepting: the processor takes calls. held: it crashes.

    tokens: named ids that stood for whatever is next.

    broken: call and item that an earlier attempt had sent otherwise.
    """

    finished: list[UUID]
    outbox: list[tuple[int, str, list[UUID]]]
    claimed: list[Claimed]
    accepting: bool
    broken: list[tuple[UUID, int]] = field(default_factory=list)
    held: bool = False
    tokens: list[UUID] = field(default_factory=list)


_NUMBERS = count(1)

FAILED = json.dumps({"error": "raised", "type": "ValueError", "message": "no", "traceback": "..."})
LOST = json.dumps({"error": "lost", "type": "Lost", "message": "signal 9"})

TURN = """
select kind, id, num, attempt, socket, text, root, parent, ids from ledger.turn(%s, %s::uuid[], %s::bigint[], %s, %s,
  %s::uuid[], %s::bigint[], %s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::real[], %s::text[],
  %s::uuid[], %s::text[], %s::text[],
  %s::uuid[], %s::smallint[], %s::double precision[], %s::smallint[], %s::text[], %s,
  p_payloads => %s::uuid[], p_plug_payloads => %s::uuid[], p_log_claims => %s::bigint[], p_log_numbers => %s::int[],
  p_item_ids => %s::uuid[], p_item_claims => %s::bigint[], p_item_seqs => %s::bigint[], p_item_values => %s::text[],
  p_item_payloads => %s::uuid[], p_more => %s)
"""


@dataclass(slots=True, kw_only=True)
class Worker:
    """One incarnation of a worker."""

    login: Login
    processor: UUID
    id: UUID = field(default_factory=uuid4)
    key: str = "w"
    commit: str = "0" * 40

    def enlist(self) -> dict[str, object]:
        """Come to life."""
        asked = "select ledger.enlist(%s, %s, %s, 0, 4711, 1, %s)"
        return dict(self.login.one(asked, self.id, self.key, self.processor, self.commit))

    def turn(
        self,
        *,
        claim: Sequence[UUID] = (),
        finish: Sequence[Told] = (),
        back: Sequence[Claimed] = (),
        forget: Sequence[int] = (),
        logs: Sequence[tuple[UUID, int, float, int, str]] = (),
        duplicates: int = 0,
        fenced: int = 0,
        room: int = 0,
        items: Sequence[tuple[Claimed, int, str | UUID | None]] = (),
        more: int = 0,
    ) -> Turn:
        """One turn. A log line is call, attempt, unix time, stream, text. An item: call, place, value or payload."""
        yielded = [
            (c.id, c.token, seq, each if isinstance(each, str) else None, each if isinstance(each, UUID) else None)
            for c, seq, each in items
        ]
        named = [(told.call.id, name, value) for told in finish for name, value in told.plugs.items()]
        rows = self.login.ask(
            TURN,
            self.id,
            list(claim) or None,
            list(forget) or None,
            duplicates,
            fenced,
            [call.id for call in back] or None,
            [call.token for call in back] or None,
            *(_columns([(t.call.id, t.call.token, t.outcome, t.value, t.seconds, t.output) for t in finish], 6)),
            *(_columns(named, 3)),
            *(_columns(list(logs), 5)),
            room,
            [told.payload for told in finish] if any(told.payload for told in finish) else None,
            None,
            [0 for _ in logs] or None,
            [next(_NUMBERS) for _ in logs] or None,
            *(_columns(yielded, 4)),
            [row[4] for row in yielded] if any(row[4] for row in yielded) else None,
            more,
        )
        return Turn(
            finished=[row[1] for row in rows if row[0] == "f"],
            outbox=[(row[2], row[5], _ids(row[8])) for row in rows if row[0] == "o"],
            claimed=[
                Claimed(id=r[1], token=r[2], attempt=r[3], socket=r[4], arguments=r[5], root=r[6], parent=r[7])
                for r in rows
                if r[0] == "c"
            ],
            accepting=all(row[0] != "p" for row in rows),
            broken=[(row[1], row[2]) for row in rows if row[0] == "n"],
            held=any(row[0] == "h" for row in rows),
            tokens=[id_ for row in rows if row[0] == "r" for id_ in _ids(row[8])],
        )

    def claim(self, *ids: UUID) -> list[Claimed]:
        """A turn that only claims."""
        return self.turn(claim=ids).claimed

    def claim_one(self, id_: UUID) -> Claimed:
        """Claim a call that can be claimed."""
        (claimed,) = self.claim(id_)
        return claimed

    def finish(self, call: Claimed, value: str = "null", **more: str) -> Turn:
        """A turn that only finishes one call well."""
        return self.turn(finish=[Told(call=call, value=value, plugs=more)])

    def fail(self, call: Claimed, outcome: str = "failed", value: str | None = None) -> Turn:
        """A turn that only says that a call failed, or was lost."""
        told = value if value is not None else FAILED if outcome == "failed" else LOST
        return self.turn(finish=[Told(call=call, outcome=outcome, value=told)])

    def put(self, call: Claimed, payload: UUID, start: int, data: bytes | None, source: UUID | None = None) -> int:
        """A piece of a large value; gives the length then."""
        asked = "select ledger.put(%s, %s, %s, %s, %s::bigint, %s, %s)"
        return int(self.login.one(asked, self.id, call.id, call.token, payload, start, data, source))

    def written(self, call: Claimed, value: str, piece: int = 100_000) -> UUID:
        """A large value, written piece by piece."""
        payload, data = uuid4(), value.encode()
        for start in range(0, len(data), piece):
            self.put(call, payload, start, data[start : start + piece])
        return payload

    def renew(self, *calls: Claimed, running: Claimed | None = None) -> list[UUID]:
        """Ids that the worker holds no more."""
        rows = self.login.ask(
            "select id from ledger.renew(%s, %s::uuid[], %s::bigint[], %s)",
            self.id,
            [call.id for call in calls],
            [call.token for call in calls],
            running.id if running else None,
        )
        return [id_ for (id_,) in rows]

    def resync(self, *held: Claimed, seen: int = 0) -> int:
        """After a cut connection."""
        tokens = [call.token for call in held]
        return int(self.login.one("select ledger.resync(%s, %s::bigint[], %s)", self.id, tokens, seen))


def _columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object] | None]:
    return [[row[i] for row in rows] for i in range(width)] if rows else [None] * width


def _ids(value: object) -> list[UUID]:
    return list(value) if isinstance(value, list) else [UUID(each) for each in str(value).strip("{}").split(",")]


def deploy(scene: Scene, processor: UUID, node: str = "n1", cpus: int = 1) -> None:
    """Place a processor on a node, as its administrator does."""
    scene.admin.ask(
        "insert into pyfi.deployment (processor_id, node_id, cpus) select %s, id, %s from pyfi.node where name = %s",
        processor,
        cpus,
        node,
    )


def start_worker(scene: Scene, processor: UUID, node: str = "n1", key: str = "w") -> Worker:
    """Deploy if need be, and enlist a worker."""
    worker = Worker(login=scene.worker(node), processor=processor, key=key)
    if not scene.admin.ask(
        "select 1 from pyfi.deployment d, pyfi.node n where n.id = d.node_id and d.processor_id = %s and n.name = %s",
        processor,
        node,
    ):
        deploy(scene, processor, node)
    worker.enlist()
    return worker


def submit(
    login: Login, socket: UUID, *texts: str, ids: Sequence[UUID] | None = None, soon: bool = False
) -> list[UUID]:
    """Enter calls; with one text one call."""
    chosen = list(ids) if ids is not None else [uuid4() for _ in texts]
    login.ask("select ledger.submit(%s::uuid[], %s, %s::text[], %s)", chosen, socket, list(texts), soon)
    return chosen
