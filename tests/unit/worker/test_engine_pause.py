"""A worker that gives wake-ups back: the broker delivers while it is told, and nothing of that is lost."""

from __future__ import annotations

from pyfi.worker.held import LONGEST_WINDOW
from tests.unit.worker.fakes import Bench, Message, done, row


def test_what_is_delivered_while_pausing_is_neither_lost_nor_stumbled_over(bench: Bench) -> None:
    """It knows that its calls are slow, returns what it cannot do soon, and is given one more just then."""
    late = Message("01a1f7d8-470c-7506-aa2f-19b4b3015e4c", 99, bench.channel)

    def deliver_late() -> None:
        bench.engine.inbox.deliver(late)
        bench.engine.pump()

    bench.consumer.during_cancel = deliver_late
    bench.engine._calls.done(0, 0.5)
    ids = bench.deliver(LONGEST_WINDOW)
    bench.engine.pump()
    taken = bench.database.claim
    assert taken == ids[: len(taken)] and 0 < len(taken) < LONGEST_WINDOW
    returned = [tag for word, tag in bench.channel.told if word == "requeue"]
    assert sorted(returned) == [*range(len(taken) + 1, LONGEST_WINDOW + 1), 99]
    bench.database.answer([row("c", each, 7 + n) for n, each in enumerate(taken)])
    bench.engine._on_done(done(7, 0.5))
    assert bench.database.finished == [taken[0]]


def test_quick_calls_never_pause(bench: Bench) -> None:
    """A full prefetch of short calls stays here: telling the broker would cost more than doing them."""
    bench.engine._calls.done(0, 0.0001)
    bench.deliver(3 * LONGEST_WINDOW)
    bench.engine.pump()
    assert bench.channel.told == []


def test_a_worker_with_long_calls_takes_the_next_message_when_it_has_room(bench: Bench) -> None:
    """Not before: it would only hold the messages back."""
    bench.engine._calls.done(0, 3.0)
    (only, *_rest) = bench.deliver(3)
    bench.engine.pump()
    assert bench.database.claim == [only]
    assert [word for word, _ in bench.channel.told] == ["cancel", "requeue", "requeue"]
    bench.database.answer([row("c", only, 1)])
    bench.pass_seconds(0.25)
    assert ("consume", 0) not in bench.channel.told
    bench.engine._on_done(done(1, 3.0))
    assert bench.channel.told[-1] == ("consume", 0)


def test_of_calls_that_turn_out_long_the_newest_go_to_others(bench: Bench) -> None:
    """They were claimed before anybody knew; each would run less than a second, all of them together not."""
    ids = bench.hold(6)
    bench.engine._on_done(done(1, 0.4))
    assert (bench.database.finished, bench.database.back) == (ids[:1], ids[3:])
    assert [call.id for call in bench.engine._calls.all()] == ids[1:3]


def test_quick_calls_are_all_kept(bench: Bench) -> None:
    ids = bench.hold(6)
    bench.engine._on_done(done(1, 0.01))
    assert (bench.database.finished, bench.database.back) == (ids[:1], [])


def test_of_a_list_of_long_calls_one_is_taken_and_the_rest_returned(bench: Bench) -> None:
    """At once: the message goes to the next worker, who finds one call of it taken."""
    bench.engine._calls.done(0, 3.0)
    ids = bench.deliver_list(16)
    bench.engine.pump()
    assert bench.database.claim == ids[:1]
    assert bench.channel.told == [("cancel", 0), ("requeue", 1)]
    bench.database.answer([row("c", ids[0], 1)])
    assert len(bench.channel.told) == 2
