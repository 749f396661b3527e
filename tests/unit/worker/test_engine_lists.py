"""An engine whose database, guest or time fails while calls are in any of its lists."""

from __future__ import annotations

from collections.abc import Callable

import psycopg2
import pytest

from pyfi.runner.frames import WITHDRAWN, Log
from pyfi.worker.turn import SQL
from tests.unit.worker.fakes import Bench, DataError, done, row


class Refused(psycopg2.Error):
    """The ledger's own error."""

    pgcode = "PF403"


def test_a_lost_answer_to_a_claim_is_asked_again_and_not_acknowledged(bench: Bench) -> None:
    ids = bench.deliver(3)
    bench.engine.pump()
    bench.database.lose(bench.engine)
    assert "resync" in bench.database.sent[-1][0] and bench.database.last[1] == []
    assert bench.channel.told == []
    bench.database.answer([])
    assert bench.database.claim == []  # first what got no answer
    bench.database.answer([])
    assert bench.database.claim == ids
    bench.database.answer([row("c", each, 7 + n) for n, each in enumerate(ids)])
    assert bench.channel.told == [("ack up to", 3)]
    assert bench.engine._report.duplicates == 0


def test_a_lost_answer_to_a_finish_is_told_again_and_what_is_held_is_kept(bench: Bench) -> None:
    """Finished and sent, finished and waiting, in the guest, given back: none of them may be released."""
    ids = bench.hold(6, first_token=11)
    bench.engine._on_done(done(11))
    assert bench.database.finished == ids[:1]
    bench.engine._on_done(done(12))
    bench.engine._report.back.append(bench.engine._calls.sent.pop(16))
    bench.database.lose(bench.engine)
    assert sorted(bench.database.last[1]) == [11, 12, 13, 14, 15, 16]
    assert bench.database.last[2] == 16
    bench.database.answer([])
    assert (bench.database.finished, bench.database.claim) == (ids[:1], [])
    bench.database.answer()
    assert (bench.database.finished, bench.database.back) == (ids[1:2], ids[5:])
    bench.database.lose(bench.engine)
    assert sorted(bench.database.last[1]) == [12, 13, 14, 15, 16]


def test_a_connection_that_is_lost_twice_keeps_the_order(bench: Bench) -> None:
    ids = bench.hold(2)
    bench.engine._on_done(done(1))
    for _ in range(3):
        bench.database.lose(bench.engine)
        bench.database.answer([])
    bench.engine._on_done(done(2))
    assert bench.database.finished == ids[:1]
    bench.database.answer()
    assert bench.database.finished == ids[1:]


def test_a_refused_value_fails_alone_and_every_other_is_told_once(bench: Bench) -> None:
    ids = bench.hold(9)
    bench.engine._on_log(Log(1, 1.0, 1, "a line"))
    for token in range(1, 10):
        bench.engine._on_done(done(token, first=b'"bad"' if token == 6 else b"1"))
        if token == 1:
            bench.engine._calls.window = 9
            bench.engine._feed()
    bench.database.answer()
    told: dict[str, str] = {ids[0]: "done"}
    lines = 0
    for _ in range(30):
        if bench.database.is_free:
            break
        values = bench.database.last[10] or []
        if '"bad"' in values:
            bench.database.refuse(DataError("invalid input"))
            continue
        lines += len(bench.database.last[16] or [])
        assert not told.keys() & set(bench.database.finished)
        told |= dict(zip(bench.database.finished, bench.database.outcomes, strict=True))
        bench.database.answer()
    assert told == {each: "failed" if each == ids[5] else "done" for each in ids}
    assert bench.codes == []


def test_a_refused_line_costs_only_that_line(bench: Bench) -> None:
    ids = bench.hold(2)
    bench.engine._calls.window = 2
    bench.engine._feed()
    database = bench.database
    bench.engine._report.duplicates = 1
    bench.engine.pump()
    for text in ("one", "bad", "three"):
        bench.engine._on_log(Log(1, 1.0, 1, text))
    bench.engine._on_done(done(1))
    database.answer()
    kept: list[str] = []
    finished: list[str] = []
    for _ in range(20):
        if database.is_free:
            break
        if "bad" in (database.last[20] or []):
            database.refuse(DataError("no"))
            continue
        kept += database.last[20] or []
        finished += database.finished
        database.answer()
    assert (kept, finished) == (["one", "three"], ids[:1])


def test_a_reason_that_is_refused_too_ends_the_worker_instead_of_trying_for_ever(bench: Bench) -> None:
    bench.hold(1)
    bench.engine._on_done(done(1))
    bench.database.refuse(DataError("no"))
    assert bench.database.outcomes == ["failed"]
    bench.database.refuse(DataError("no"))
    assert bench.codes == [70]
    assert bench.database.is_free


def test_a_worker_that_is_refused_ends_and_says_no_more(bench: Bench) -> None:
    bench.hold(3)
    bench.engine._on_done(done(1))
    bench.database.refuse(Refused("this worker is not enlisted"))
    assert bench.codes == [70]
    assert bench.engine.ending is not None and bench.engine.ending["action"] == "refused"
    count = len(bench.database.sent)
    bench.pass_seconds(11.0)
    bench.engine._on_done(done(2))
    bench.engine.drain(600.0)
    assert len(bench.database.sent) == count


def test_who_ran_when_the_guest_died_is_lost_and_the_others_wait(bench: Bench) -> None:
    ids = bench.hold(5)
    bench.engine._calls.window = 3
    bench.engine._feed()
    bench.guest.started = 2
    bench.guest.said = [done(1)]
    bench.guest.replace("signal 9")
    told = dict(zip(bench.database.finished, bench.database.outcomes, strict=True))
    bench.database.answer()
    told |= dict(zip(bench.database.finished, bench.database.outcomes, strict=True))
    assert told == {ids[0]: "done", ids[1]: "lost"}
    assert [call.id for call in bench.engine._calls.all()] == ids[2:]


def test_a_finish_that_races_with_the_time_limit_counts(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench(time_limit_seconds=2.0)
    ids = bench.hold(2)
    bench.guest.started, bench.guest.said = 1, [done(1, 2.1)]
    bench.pass_seconds(2.2)
    assert bench.guest.replaced == []
    assert (bench.database.finished, bench.database.outcomes) == (ids[:1], ["done"])


def test_the_time_limit_fails_one_and_the_next_starts_its_own(new_bench: Callable[..., Bench]) -> None:
    bench = new_bench(time_limit_seconds=2.0)
    ids = bench.hold(2)
    bench.guest.started = 1
    bench.pass_seconds(2.2)
    assert len(bench.guest.replaced) == 1
    assert (bench.database.finished, bench.database.outcomes) == (ids[:1], ["failed"])
    bench.engine._on_ready()
    assert bench.guest.sent == ids
    bench.pass_seconds(1.9)
    assert len(bench.guest.replaced) == 1


def test_a_lost_lease_ends_the_guest_and_tells_what_was_started(bench: Bench) -> None:
    """The fence decides whether it still counts; nothing is dropped in silence."""
    ids = bench.hold(3)
    bench.guest.started = 1
    bench.database.lose(bench.engine)
    bench.clock.seconds += 24.1
    bench.engine.tick()
    assert bench.guest.replaced == ["the lease could not be renewed"]
    assert bench.engine._calls.all() == []
    assert sorted(bench.engine._report.tokens()) == [1, 2, 3]
    bench.database.answer([])
    assert (bench.database.finished, bench.database.outcomes) == (ids[:1], ["lost"])
    assert bench.database.back == ids[1:]


def test_leases_are_renewed_by_what_the_database_answered(bench: Bench) -> None:
    ids = bench.hold(2)
    bench.pass_seconds(10.5)
    bench.database.answer([])  # it listens
    renewals = [parameters for sql, parameters in bench.database.sent if "renew" in sql]
    assert [parameters[1] for parameters in renewals] == [ids[:1]]  # the other was given back
    bench.database.answer([])
    bench.pass_seconds(24.0)
    assert bench.guest.replaced == []


def test_a_call_that_was_taken_away_is_ended_and_the_others_stay(bench: Bench) -> None:
    ids = bench.hold(3)
    bench.guest.started = 1
    bench.engine._drop(frozenset([ids[0], ids[2]]))
    assert len(bench.guest.replaced) == 1
    assert [call.id for call in bench.engine._calls.all()] == [ids[1]]
    assert bench.database.is_free  # nothing is told of what is somebody else's


def test_a_cancelled_call_in_the_guest_never_starts(bench: Bench) -> None:
    ids = bench.hold(3)
    bench.engine._calls.window = 3
    bench.engine._feed()
    bench.guest.started = 1
    bench.engine._drop(frozenset([ids[2]]))
    assert (bench.guest.replaced, bench.guest.withdrawn) == ([], [3])
    assert [call.id for call in bench.engine._calls.all()] == [ids[0]]


def test_behind_a_long_call_nothing_is_kept(bench: Bench) -> None:
    ids = bench.hold(6)
    bench.engine._calls.window = 4
    bench.engine._feed()
    bench.guest.started = 1
    bench.deliver(2)
    bench.pass_seconds(1.1)
    assert bench.guest.withdrawn == [4]
    assert [call.id for call in bench.engine._calls.all()] == ids[:1]
    told = [word for word, _ in bench.channel.told]
    assert told[-3:] == ["cancel", "requeue", "requeue"]
    bench.database.answer([])  # it listens
    assert "renew" in bench.database.sent[-1][0] and bench.database.last[3] == ids[0]
    bench.database.answer([])
    assert bench.database.back == ids[1:]


def test_one_that_was_about_to_start_is_given_back_when_the_guest_says_so(bench: Bench) -> None:
    ids = bench.hold(2)
    bench.engine._calls.window = 2
    bench.engine._feed()
    bench.guest.started = 2
    bench.pass_seconds(1.1)
    bench.database.answer([])  # it listens
    bench.database.answer([])
    bench.engine._on_done(done(1))
    bench.database.answer()
    bench.engine._on_done(done(2, outcome=WITHDRAWN, first=b""))
    assert bench.database.back == ids[1:]
    assert bench.engine._calls.all() == []


def test_who_hears_nothing_for_long_listens_anew(bench: Bench) -> None:
    """A broker may have forgotten its consumer."""
    bench.pass_seconds(29.9)
    assert bench.channel.told == []
    bench.pass_seconds(0.2)
    assert bench.channel.told == [("cancel", 0), ("consume", 0)]
    bench.pass_seconds(29.9)
    assert len(bench.channel.told) == 2
    bench.hold(1)
    bench.pass_seconds(0.9)
    bench.engine._on_done(done(1))
    bench.pass_seconds(29.5)
    assert [word for word, _ in bench.channel.told] == ["cancel", "consume", "ack up to"]


def test_a_guest_that_loads_for_long_holds_nothing(bench: Bench) -> None:
    bench.guest.is_ready = False
    bench.deliver(2)
    bench.pass_seconds(0.9)
    assert bench.channel.told == []
    bench.pass_seconds(0.2)
    assert [word for word, _ in bench.channel.told] == ["cancel", "requeue", "requeue"]
    bench.guest.is_ready = True
    bench.engine._on_ready()
    assert bench.channel.told[-1] == ("consume", 0)


def test_a_drain_returns_everything_at_once_and_hears_the_end(bench: Bench) -> None:
    ids = bench.hold(4)
    bench.deliver(3)
    bench.guest.started = 1
    turns: list[tuple[list[str], list[str]]] = []

    def turn(_seconds: float) -> None:
        bench.clock.seconds += 0.1
        if not bench.database.is_free:
            if bench.database.sent[-1][0] == SQL:
                turns.append((bench.database.back, bench.database.finished))
                bench.database.answer()
            else:
                bench.database.answer([])

    bench.engine.watcher.turn = turn  # type: ignore[method-assign]
    bench.guest.said = [done(1)]
    bench.engine.drain(2.0)
    assert turns[0] == (ids[1:], [])
    assert [word for word, _ in bench.channel.told][-4:] == ["cancel", "requeue", "requeue", "requeue"]
    assert turns[-1][1] == ids[:1]  # it was said when the guest had been ended: it counts


def test_confirmed_rows_are_forgotten_with_the_next_turn_or_the_next_tick(bench: Bench) -> None:
    bench.engine._forwarder.keep([7, 8])
    bench.engine.pump()
    assert bench.database.is_free
    bench.engine.tick()
    assert bench.database.last[2] == [7, 8]
    bench.database.lose(bench.engine)
    bench.database.answer([])
    assert bench.database.last[2] == [7, 8]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_duration_that_cannot_be_is_none(bench: Bench, seconds: float) -> None:
    ids = bench.hold(2)
    bench.engine._on_done(done(1, seconds))
    assert bench.database.finished == ids[:1] and bench.database.last[11] == [0.0]
    assert 0 < bench.engine._calls.room() < 64
