"""The ledger against the conservation laws: whatever crashes, expires, is cut, cancelled, lost or said twice, no call
is lost, none is finished twice, children are exactly what plugs make of finished parents, joins exactly what their
parts make, and attempts are what was started.

A real Postgres, a model beside it. The broker is a list that may lose and double; workers are told what a guest would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from pyfi.core.ids import uuid7
from tests.integration.db.conftest import _clone, installation, scene, server  # noqa: F401 # fixtures
from tests.integration.db.scene import Part, Scene, add_part, add_plug, arguments
from tests.integration.db.workers import FAILED, LOST, Claimed, Told, Turn, Worker, start_worker, submit

RETRIES = 1
MAX_LOSSES = 2
# Socket -> targets of its RESULT plugs, and of its ERROR plugs.
RESULT_PLUGS: dict[str, list[str]] = {"a": ["b", "c"], "b": ["c"], "c": [], "d": []}
ERROR_PLUGS: dict[str, list[str]] = {"a": ["c"], "b": [], "c": [], "d": []}
# Socket -> the argument of d that its results lead to.
ARGUMENTS = {"b": "x", "c": "y"}

# What may happen, as often as it stands here. One rule: many would be tried in vain as long as there are no calls.
HAPPENINGS = (
    *("enter",) * 2,
    *("work",) * 6,
    *("deliver",) * 6,
    *("end",) * 8,
    *("begin",) * 4,
    *("reconnect", "become_due", "resume") * 4,
    *("renew", "let_go", "claim_again", "say_of_a_ghost") * 2,
    *("relay", "relay_and_crash", "lose_wakeup", "double_wakeup", "forge_wakeup"),
    *("crash", "expire", "rewake", "pause"),
    *("outlive", "discard"),
    *("cancel", "retry") * 2,
)

FLOOR = ("done", "failed", "parked", "joined", "cancelled while held", "retried", "discarded", "outlived")


@dataclass(frozen=True, slots=True)
class Chance:
    """What fate decides: which of several, how many, how they end, whether the answer arrives."""

    pick: int
    count: int
    outcomes: tuple[str, ...]
    answered: bool


chances = st.builds(
    Chance,
    pick=st.integers(0, 99),
    count=st.integers(1, 5),
    outcomes=st.lists(st.sampled_from(["done", "done", "failed", "lost"]), min_size=1, max_size=4).map(tuple),
    answered=st.sampled_from([True] * 5 + [False]),
)


def joined(hand: Hand) -> bool:
    """It is connected."""
    return not hand.cut


def waits(hand: Hand) -> bool:
    """It is connected, and has something that was not begun."""
    return not hand.cut and bool(hand.waiting())


def busy(hand: Hand) -> bool:
    """It is connected, and has something."""
    return not hand.cut and bool(hand.held)


@dataclass(slots=True)
class Truth:
    """What a call must be. holder: the worker's id that has it. shown: seen running.

    token: of the last claim; whoever mends or ends a call otherwise erases it, and a late word of it is refused.
    """

    socket: str
    root: UUID
    parent: UUID | None = None
    state: str = "queued"
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    waits: bool = False
    holder: UUID | None = None
    token: int = 0
    shown: bool = False
    result: str | None = None
    children: int = 0

    def lose(self) -> None:
        """A start that came to nothing."""
        self.attempt, self.losses = self.attempt + 1, self.losses + 1
        self.give_back("parked" if self.losses >= MAX_LOSSES else "queued")

    def give_back(self, state: str = "queued") -> None:
        """Nobody holds it."""
        self.state, self.holder, self.shown = state, None, False


@dataclass(slots=True)
class Hand:
    """A worker process. held: what it believes to hold, by token. mark: the last token whose function it started.

    unsaid: a turn without an answer, to be said again. cut: its connection was lost, it must resync first.
    """

    worker: Worker
    held: list[Claimed] = field(default_factory=list)
    mark: int = 0
    unsaid: list[Told] = field(default_factory=list)
    cut: bool = False

    def started(self) -> list[Claimed]:
        """In the guest, begun and not yet answered."""
        return [call for call in self.held if call.token <= self.mark]

    def waiting(self) -> list[Claimed]:
        """Not begun."""
        return [call for call in self.held if call.token > self.mark]


class Ledger(RuleBasedStateMachine):
    """Rules are what can happen; after each the tables must be what the model says."""

    def __init__(self, place: Scene, total: Counter[str]) -> None:
        super().__init__()
        self.scene, self.total = place, total

    @initialize(mood=st.sampled_from(["", "failed", "lost"]))
    def furnish(self, mood: str) -> None:
        """An empty ledger, four sockets, two workers. In a bad mood most calls end so, up to the caps."""
        self.mood = mood
        self.scene.reset()
        self.scene.setting("max_losses", str(MAX_LOSSES))
        self.scene.setting("lease", "1 hour")
        ann = self.scene.ann
        self.part: Part = add_part(ann, "p", "a", "b", "c", "d", retries=RETRIES)
        for kind, plugs in (("RESULT", RESULT_PLUGS), ("ERROR", ERROR_PLUGS)):
            for source, targets in plugs.items():
                for target in targets:
                    sockets = self.part.sockets
                    add_plug(ann, f"{kind}-{target}", sockets[source], sockets[target], self.part.queue, kind)
        for source, argument in ARGUMENTS.items():
            sockets = self.part.sockets
            add_plug(ann, f"to-{argument}", sockets[source], sockets["d"], self.part.queue, argument=argument)
        self.truths: dict[UUID, Truth] = {}
        self.happened: Counter[str] = Counter()
        self.parts: Counter[tuple[UUID, str]] = Counter()
        self.joined: Counter[UUID] = Counter()
        self.broker: list[UUID] = []
        self.forgiven: set[UUID] = set()
        self.ghosts: list[tuple[Hand, Claimed]] = []
        self.accepted: set[int] = set()
        self.paused = False
        self.hands = [self.newborn(n) for n in range(2)]
        self.starts: Counter[UUID] = Counter()
        self.unseen: Counter[UUID] = Counter()

    def able(self, chance: Chance, can: Callable[[Hand], object]) -> int | None:
        """One of the hands that can do something now."""
        numbers = [number for number, hand in enumerate(self.hands) if can(hand)]
        return numbers[chance.pick % len(numbers)] if numbers else None

    def newborn(self, number: int) -> Hand:
        """A new incarnation."""
        return Hand(start_worker(self.scene, self.part.processor, key=f"w{number}"))

    def fate(self, statement: str, *values: object) -> None:
        """What time or chance would do."""
        self.scene.superuser.ask(statement, *values)

    @rule(happenings=st.lists(st.tuples(st.sampled_from(HAPPENINGS), chances), min_size=4, max_size=12))
    def happen(self, happenings: list[tuple[str, Chance]]) -> None:
        """Some things, one after the other; what cannot happen now does not."""
        for what, chance in happenings:
            getattr(self, what)(chance)

    # Submission, wake-ups

    def enter(self, chance: Chance) -> None:
        """Some calls, twice the same: the second time changes nothing."""
        # Few, so that one call has a long story.
        count, socket = 1 + chance.count // 5, "ab"[chance.pick % 2]
        ids = [uuid7(len(self.truths) + n, n) for n in range(count)]
        for _ in range(2):
            submit(self.scene.ann, self.part.sockets[socket], *[arguments(n) for n in range(count)], ids=ids)
        self.truths |= {id_: Truth(socket, id_) for id_ in ids}

    def relay(self, _chance: Chance, *, crashes: bool = False) -> None:
        """Everything due goes to the broker; a relay that crashes before its commit does it again later."""
        self.fate("update pyfi.outbox set due = now()")
        agent = self.scene.agent()
        agent.connection.autocommit = False
        rows = agent.ask("select id, ids from ledger.take_outbox(1000)")
        self.broker += sorted((id_ for _, ids in rows for id_ in ids), key=list(self.truths).index)
        agent.ask("select ledger.forget(%s::bigint[])", [row for row, _ in rows])
        (agent.connection.rollback if crashes else agent.connection.commit)()
        agent.connection.autocommit = True

    def relay_and_crash(self, chance: Chance) -> None:
        """Published, and not forgotten."""
        self.relay(chance, crashes=True)

    def lose_wakeup(self, chance: Chance) -> None:
        """The broker forgets a message."""
        if self.broker:
            self.forgiven.add(self.broker.pop(chance.pick % len(self.broker)))

    def double_wakeup(self, chance: Chance) -> None:
        """The broker delivers a message again."""
        if self.broker:
            self.broker.append(self.broker[chance.pick % len(self.broker)])

    def forge_wakeup(self, chance: Chance) -> None:
        """Any id may be named."""
        if self.truths:
            self.broker.append(list(self.truths)[chance.pick % len(self.truths)])

    # Workers

    def deliver(self, chance: Chance) -> None:
        """The broker hands out what it has; if that is nothing, what the relay brings."""
        if not self.broker:
            self.relay(chance)
        number = self.able(chance, joined)
        if self.broker and number is not None:
            self.claim(number, chance.count, answered=chance.answered)

    def claim(self, number: int, count: int, *, answered: bool) -> None:
        """What was delivered is claimed; a lost answer leaves calls claimed that nobody knows of."""
        hand = self.hands[number]
        named, self.broker = self.broker[:count], self.broker[count:]
        due = {id_ for id_ in named if self.truths[id_].state == "queued" and not self.truths[id_].waits}
        expected = set() if self.paused else due
        # A relay of this story brings retries early; the sweeper's rule finds them when they are due.
        self.forgiven |= {id_ for id_ in named if self.truths[id_].waits}
        turn = hand.worker.turn(claim=named)
        assert {call.id for call in turn.claimed} == expected
        assert turn.accepting is not self.paused
        for call in turn.claimed:
            truth = self.truths[call.id]
            assert call.attempt == truth.attempt + 1 and call.token > hand.mark
            truth.state, truth.holder, truth.token = "claimed", hand.worker.id, call.token
        if self.paused:
            self.forgiven |= due
        if answered:
            hand.held += turn.claimed
        else:
            hand.cut = True

    def work(self, chance: Chance) -> None:
        """A worker does all that it can get."""
        self.deliver(chance)
        number = self.able(chance, busy)
        if number is not None:
            hand = self.hands[number]
            while hand.waiting():
                self.start(hand)
            outcomes = [self.mood or "done"] * len(hand.held) if chance.pick % 3 else chance.outcomes
            self.finish(hand, outcomes, answered=True, room=chance.pick % 3)

    def begin(self, chance: Chance) -> None:
        """Some guest begins its next call."""
        number = self.able(chance, waits)
        if number is not None:
            self.start(self.hands[number])

    def start(self, hand: Hand) -> None:
        """The mark says so before the function runs."""
        call = hand.waiting()[0]
        hand.mark = call.token
        # A guest may start what its worker holds no more: the fence drops that, and nobody counts it.
        self.starts[call.id] += self.holds(hand, call)

    def renew(self, chance: Chance) -> None:
        """Names what is held no more; shows the head as running."""
        number = self.able(chance, busy)
        if number is None:
            return
        hand = self.hands[number]
        head = next(iter(hand.started()), None)
        lost = hand.worker.renew(*hand.held, running=head)
        gone = [call for call in hand.held if not self.holds(hand, call)]
        assert sorted(lost) == sorted(call.id for call in gone)
        if head is not None and head not in gone:
            self.truths[head.id].state, self.truths[head.id].shown = "running", True
        self.bury(hand, gone)

    def holds(self, hand: Hand, call: Claimed) -> bool:
        """Whether that is so."""
        truth = self.truths[call.id]
        return (truth.holder, truth.token) == (hand.worker.id, call.token)

    def bury(self, hand: Hand, calls: list[Claimed]) -> None:
        """The worker lets go; somebody may still say something of it one day."""
        hand.held = [call for call in hand.held if call not in calls]
        self.ghosts += [(hand, call) for call in calls]

    def end(self, chance: Chance) -> None:
        """Some guest answers."""
        number = self.able(chance, busy)
        if number is not None:
            hand = self.hands[number]
            if not hand.started():
                self.start(hand)
            outcomes = chance.outcomes if chance.pick % 4 == 0 else [self.mood or each for each in chance.outcomes]
            self.finish(hand, outcomes, answered=chance.answered, room=chance.pick % 3)

    def finish(self, hand: Hand, outcomes: Sequence[str], *, answered: bool, room: int = 0) -> None:
        """The guest's answers, in its order, those of lost claims too; without an answer it is said again later.

        The first `room` children are the worker's own at once.
        """
        values = {"failed": FAILED, "lost": LOST}
        told = [
            Told(call=call, outcome=outcome, value=values.get(outcome, str(call.token)))
            for call, outcome in zip(hand.started(), outcomes, strict=False)
        ]
        hand.held = [call for call in hand.held if call not in [each.call for each in told]]
        turn = self.say(hand, told, room)
        self.ghosts += [(hand, each.call) for each in told]
        if answered:
            hand.held += turn.claimed
        else:
            hand.cut, hand.unsaid = True, told

    def say(self, hand: Hand, told: list[Told], room: int) -> Turn:
        """Finish for the first time."""
        expected = [each for each in told if self.holds(hand, each.call)]
        turn = hand.worker.turn(finish=told, room=room)
        assert sorted(turn.finished) == sorted(each.call.id for each in expected)
        for each in expected:
            self.settle(each)
            self.accepted.add(each.call.token)
        self.join({self.truths[each.call.id].root for each in expected})
        made = sum(self.truths[each.call.id].children for each in expected)
        assert len(turn.claimed) == (0 if self.paused else min(room, made))
        for call in turn.claimed:
            truth = self.truths[call.id]
            assert call.attempt == 1 and call.token > hand.mark
            truth.state, truth.holder, truth.token = "claimed", hand.worker.id, call.token
        # Retries are due when the machine says so.
        self.fate("update pyfi.call set not_before = now() + interval '1 hour' where not_before > '2001-01-01'")
        return turn

    def settle(self, told: Told) -> None:
        """What the ledger must have made of it."""
        truth = self.truths[told.call.id]
        targets: list[str] = []
        if told.outcome == "done":
            truth.attempt, truth.result = truth.attempt + 1, told.value
            truth.give_back("done")
            targets = RESULT_PLUGS[truth.socket]
        elif told.outcome == "lost":
            truth.lose()
        else:
            truth.attempt, truth.failures = truth.attempt + 1, truth.failures + 1
            truth.waits = truth.failures <= RETRIES
            truth.give_back("queued" if truth.waits else "failed")
            targets = [] if truth.waits else ERROR_PLUGS[truth.socket]
        self.bear(told.call.id, targets)
        if truth.state == "done" and truth.socket in ARGUMENTS:
            self.parts[truth.root, ARGUMENTS[truth.socket]] += 1

    def bear(self, id_: UUID, targets: list[str]) -> None:
        """The children that plugs make of a call that has ended; joins are nobody's alone."""
        truth = self.truths[id_]
        truth.children = len(targets)
        found = [(child["name"], UUID(child["id"])) for child in self.scene.children(id_)]
        made = [(name, child) for name, child in found if name != "d"]
        assert sorted(name for name, _ in made) == sorted(targets)
        self.truths |= {child: Truth(name, truth.root, id_) for name, child in made}

    def join(self, roots: set[UUID]) -> None:
        """As many calls of d as there are parts for both of its arguments, and the parents are known ones."""
        for root in roots:
            rows = self.scene.superuser.ask(
                "select id, parent_id from pyfi.call where root_id = %s and name = 'd'", root
            )
            self.happened["joined"] += len(rows) - self.joined[root]
            self.joined[root] = min(self.parts[root, argument] for argument in ARGUMENTS.values())
            assert len(rows) == self.joined[root]
            for id_, parent in rows:
                assert self.truths[parent].socket in ARGUMENTS
                self.truths.setdefault(id_, Truth("d", root, parent))

    def say_of_a_ghost(self, chance: Chance) -> None:
        """A finish that comes too late, or again with another outcome: it changes nothing (the invariant looks)."""
        spoken = [(hand, call) for hand, call in self.ghosts if hand in self.hands]
        # Rather of calls that somebody holds by now, the same worker perhaps: there a late word could do harm.
        harmful = [(hand, call) for hand, call in spoken if self.truths[call.id].holder is not None]
        if chosen := harmful or spoken:
            hand, call = chosen[chance.pick % len(chosen)]
            turn = hand.worker.turn(finish=[Told(call=call, outcome=chance.outcomes[0], value=FAILED)])
            # Answered as finished if it was this very claim that was finished, and nobody claimed the call since.
            known = call.token in self.accepted and self.truths[call.id].token == call.token
            assert turn.finished == ([call.id] if known else [])

    def let_go(self, chance: Chance) -> None:
        """What was not begun may go to others."""
        number = self.able(chance, waits)
        if number is not None:
            self.give_back(self.hands[number], self.hands[number].waiting()[-chance.count :])

    def give_back(self, hand: Hand, calls: list[Claimed]) -> None:
        """Untouched."""
        hand.worker.turn(back=calls)
        for call in calls:
            if self.holds(hand, call):
                self.truths[call.id].give_back()
        self.bury(hand, calls)

    def claim_again(self, chance: Chance) -> None:
        """Given back, and delivered to the same worker: what it says of the first claim is not of the second."""
        number = self.able(chance, waits)
        if number is not None:
            calls = self.hands[number].waiting()
            self.give_back(self.hands[number], calls)
            self.broker = [call.id for call in calls] + self.broker
            self.claim(number, len(calls), answered=True)

    def reconnect(self, chance: Chance) -> None:
        """Give back what a lost answer claimed, say again what got none."""
        number = self.able(chance, lambda hand: hand.cut)
        hand = self.hands[chance.pick % 2 if number is None else number]
        hand.worker.resync(*hand.held, *[each.call for each in hand.unsaid])
        known = {call.token for call in hand.held}
        for truth in self.truths.values():
            if truth.holder == hand.worker.id and truth.token not in known:
                truth.give_back()
        if hand.unsaid:
            again = hand.worker.turn(finish=hand.unsaid, room=2)
            assert (again.outbox, again.claimed) == ([], [])
        hand.cut, hand.unsaid = False, []

    # People

    def one(self, chance: Chance, *states: str) -> UUID | None:
        """A call in one of these states."""
        found = [id_ for id_, truth in self.truths.items() if truth.state in states]
        return found[chance.pick % len(found)] if found else None

    def cancel(self, chance: Chance) -> None:
        """A call with all that it led to, as far as that has not ended."""
        # Half of the time rather one that a worker has.
        held = self.one(chance, "claimed", "running") if chance.pick % 2 else None
        id_ = held or self.one(chance, "queued", "claimed", "running", "parked", "done", "failed")
        if id_ is None:
            return
        tree, marks = {id_}, {hand.worker.id: hand.mark for hand in self.hands}
        # Whoever came later is later in the list, too.
        for child, truth in self.truths.items():
            if truth.parent in tree:
                tree.add(child)
        open_ids = [each for each in tree if self.truths[each].state not in {"done", "failed", "cancelled"}]
        ended = self.scene.ann.one("select ledger.cancel(%s::uuid[], 'a story', false)", [id_])
        assert sorted(ended) == sorted(open_ids)
        for each in open_ids:
            truth = self.truths[each]
            if truth.holder is not None:
                self.unseen[each] += truth.token <= marks[truth.holder]
                self.happened["cancelled while held"] += 1
            truth.waits, truth.token = False, 0
            truth.give_back("cancelled")

    def retry(self, chance: Chance) -> None:
        """A parked call may run again, as often as one that was never lost."""
        id_ = self.one(chance, "parked")
        if id_ is not None:
            new = uuid7(len(self.truths), 99)
            rows = self.scene.ann.ask(
                "select id, outcome from ledger.retry(%s::uuid[], %s::uuid[], false, '')", [id_], [new]
            )
            assert rows == [(id_, "queued")]
            truth = self.truths[id_]
            truth.state, truth.losses, truth.token = "queued", 0, 0
            self.happened["retried"] += 1

    def discard(self, chance: Chance) -> None:
        """Or never."""
        id_ = self.one(chance, "parked")
        if id_ is not None:
            rows = self.scene.ann.ask("select id, outcome from ledger.give_up(%s::uuid[], 'discard', '')", [id_])
            assert rows == [(id_, "cancelled")]
            self.truths[id_].state, self.truths[id_].token = "cancelled", 0
            self.happened["discarded"] += 1

    def outlive(self, chance: Chance) -> None:
        """A call waits longer than it may: it failed, without a start, and its ERROR plugs hear of it."""
        id_ = self.one(chance, "queued")
        if id_ is not None:
            self.fate("update pyfi.call set expires = now() - interval '1 s' where id = %s", id_)
            self.sweep()
            truth = self.truths[id_]
            truth.state, truth.waits, truth.token = "failed", False, 0
            self.bear(id_, ERROR_PLUGS[truth.socket])
            self.happened["outlived"] += 1

    # Misfortune

    def crash(self, chance: Chance) -> None:
        """The process dies; its agent sees it and reads the mark. A new one is started."""
        number = chance.pick % 2
        hand = self.hands[number]
        count = self.scene.agent().one("select agent.worker_exited(%s, %s, 'signal 9')", hand.worker.id, hand.mark)
        mine = [truth for truth in self.truths.values() if truth.holder == hand.worker.id]
        assert count == len(mine)
        for truth in mine:
            if truth.token <= hand.mark:
                truth.lose()
            else:
                truth.give_back()
        self.hands[number] = self.newborn(number)

    def expire(self, chance: Chance) -> None:
        """Nobody renewed. What was seen running counts, and the first that it held; the worker may not know yet."""
        hand = self.hands[chance.pick % 2]
        held = "worker_id = %s and lease_until is not null"
        self.fate(f"update pyfi.call set lease_until = now() - interval '1 s' where {held}", hand.worker.id)
        self.sweep()
        mine = {id_: truth for id_, truth in self.truths.items() if truth.holder == hand.worker.id}
        first = min((truth.token for truth in mine.values()), default=0)
        for id_, truth in mine.items():
            counts = truth.shown or truth.token == first
            self.unseen[id_] += (truth.token <= hand.mark) - counts
            if counts:
                truth.lose()
            else:
                truth.give_back()

    def sweep(self) -> None:
        """With a lease that the server is up for longer than."""
        self.scene.setting("lease", "0 seconds")
        self.scene.agent("n2").ask("select ledger.sweep()")
        self.scene.setting("lease", "1 hour")

    def become_due(self, _chance: Chance) -> None:
        """The retries' time has come."""
        self.fate("update pyfi.call set not_before = '2000-01-01' where not_before is not null")
        for truth in self.truths.values():
            truth.waits = False

    def rewake(self, _chance: Chance) -> None:
        """The sweeper finds what waits without a wake-up."""
        self.fate("update pyfi.call set woken = '2000-01-01' where state = 'queued'")
        due = Counter(f"ann:p.p.{truth.socket}" for truth in self.due())
        stale = dict(self.scene.agent().ask("select * from ledger.stale(1)"))
        assert stale == ({} if self.paused else due)
        for address in due:
            assert self.scene.agent().one("select ledger.rewake(%s, 1, 1000)", address) == due[address]
        # What is not due yet was not woken.
        self.forgiven = {id_ for id_ in self.forgiven if self.truths[id_].waits}

    def due(self) -> list[Truth]:
        """What could be claimed."""
        return [truth for truth in self.truths.values() if truth.state == "queued" and not truth.waits]

    def pause(self, _chance: Chance) -> None:
        """No claims any more."""
        self.scene.ann.ask("update pyfi.processor set requested_status = 'paused'")
        self.paused = True

    def resume(self, _chance: Chance) -> None:
        """Everything that waits is woken, if it was paused."""
        self.scene.ann.ask("update pyfi.processor set requested_status = 'running'")
        self.paused = False

    # Laws

    @invariant()
    def tables_are_what_the_model_says(self) -> None:
        """Each call, and no other."""
        rows = self.scene.superuser.ask(
            "select id, state, attempt, failures, losses, coalesce(not_before > now(), false), result::text,"
            " case when state in ('claimed', 'running') then claim end from pyfi.call"
        )
        seen: dict[UUID, tuple[Any, ...]] = {row[0]: row[1:] for row in rows}
        assert seen == {
            id_: (t.state, t.attempt, t.failures, t.losses, t.waits, t.result, t.token if t.holder else None)
            for id_, t in self.truths.items()
        }

    @invariant()
    def attempts_are_starts(self) -> None:
        """But for those under way, and those whose lease ran out before anybody saw them running."""
        marks = {hand.worker.id: hand.mark for hand in self.hands}
        for id_, truth in self.truths.items():
            under_way = truth.holder is not None and truth.token <= marks[truth.holder]
            assert self.starts[id_] == truth.attempt + under_way + self.unseen[id_]

    @invariant()
    def nothing_is_lost(self) -> None:
        """What waits has a wake-up under way, unless the broker lost it: then the sweeper's rule finds it."""
        rows = self.scene.superuser.ask("select ids from pyfi.outbox")
        under_way = {id_ for (ids,) in rows for id_ in ids} | {*self.broker}
        for id_, truth in self.truths.items():
            if truth.state == "queued" and not truth.waits and id_ not in self.forgiven:
                assert id_ in under_way, (id_, truth)

    def teardown(self) -> None:
        """Heal, and let everything run to its end: all is settled, and the children are all there."""
        if not hasattr(self, "truths"):
            return
        chance = Chance(0, 1, ("done",), True)
        self.resume(chance)
        for number in range(2):
            self.crash(replace(chance, pick=number))
        hand = self.hands[0]
        while self.due() or any(truth.waits for truth in self.truths.values()):
            self.become_due(chance)
            self.rewake(chance)
            ids = [id_ for id_, truth in self.truths.items() if truth in self.due()]
            self.broker = ids
            self.claim(0, len(ids), answered=True)
            while hand.waiting():
                self.start(hand)
            if hand.started():
                self.finish(hand, ["done"] * len(ids), answered=True)
            self.tables_are_what_the_model_says()
        assert {truth.state for truth in self.truths.values()} <= {"done", "failed", "parked", "cancelled"}
        roots = self.scene.superuser.one("select count(*) from pyfi.call where parent_id is null")
        children = sum(truth.children for truth in self.truths.values()) + self.joined.total()
        assert len(self.truths) == roots + children
        assert [law for law, count, _ in self.scene.admin.ask("select * from ledger.laws()") if count] == []
        self.total += self.happened + Counter(truth.state for truth in self.truths.values())


def run(place: Scene, examples: int) -> None:
    """The machine on that database; nothing of interest may happen too seldom."""
    total: Counter[str] = Counter()
    run_state_machine_as_test(
        lambda: Ledger(place, total),
        settings=settings(
            max_examples=examples, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    print(total)
    assert min(total[each] for each in FLOOR) >= examples // 100, total


def test_conservation(scene: Scene) -> None:  # noqa: F811 # the fixture
    """A few dozen stories."""
    run(scene, 40)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_conservation_at_length(scene: Scene) -> None:  # noqa: F811 # the fixture
    """Many."""
    run(scene, 600)
