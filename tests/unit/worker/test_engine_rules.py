"""Deadlines, cancels and stops, as the engine sees them."""

from __future__ import annotations

from pyfi.worker.attention import LISTEN_ON_SECONDS
from tests.unit.worker.fakes import Bench, row


def statements(bench: Bench) -> list[str]:
    """The words of what was sent."""
    return [sql.split()[0] for sql, _ in bench.database.sent]


def hold_until(bench: Bench, *milliseconds: int) -> list[str]:
    """Calls that are held, each with its time left."""
    ids = bench.deliver(len(milliseconds))
    bench.engine.pump()
    rows = [row("t", each, left) for each, left in zip(ids, milliseconds, strict=True)]
    bench.database.answer([row("c", each, 1 + number) for number, each in enumerate(ids)] + rows)
    return ids


def test_a_running_call_is_ended_at_its_deadline(bench: Bench) -> None:
    """The one behind it never starts: the ledger ends it."""
    ids = hold_until(bench, 500, 600)
    bench.guest.started = 1
    bench.pass_seconds(0.4)
    assert bench.guest.replaced == []
    bench.pass_seconds(0.3)
    assert len(bench.guest.replaced) == 1
    assert (bench.database.finished, bench.database.outcomes) == (ids[:1], ["failed"])
    sent = len(bench.guest.sent)
    bench.engine._on_ready()
    assert len(bench.guest.sent) == sent
    bench.database.answer()
    assert bench.database.back == ids[1:]


def test_it_listens_while_a_call_is_long_and_looks_when_told(bench: Bench) -> None:
    """Before it shows the call as running, so that nothing is missed; a cancelled one ends its guest."""
    ids = bench.hold(1)
    bench.guest.started = 1
    bench.pass_seconds(0.5)
    assert "listen" not in statements(bench)
    bench.pass_seconds(0.6)
    assert statements(bench)[-1] == "listen"
    bench.database.answer([])
    assert "renew" in bench.database.sent[-1][0]
    bench.database.answer([])
    count = len(bench.database.sent)
    bench.pass_seconds(0.25)
    assert len(bench.database.sent) == count
    bench.engine._attention.on_told()
    bench.pass_seconds(0.25)
    assert "renew" in bench.database.sent[-1][0]
    bench.database.answer([(ids[0],)])
    assert bench.guest.replaced == ["the call was taken away"]
    assert bench.engine._calls.all() == []


def test_it_listens_no_more_when_calls_are_short_again(bench: Bench) -> None:
    """Each notification of the database would wake it."""
    bench.hold(1)
    bench.guest.started = 1
    bench.pass_seconds(1.1)
    bench.database.answer([])
    bench.database.answer([])
    bench.engine._calls.done(1, 0.1)
    bench.pass_seconds(1.0)
    assert "unlisten" not in statements(bench)
    bench.pass_seconds(LISTEN_ON_SECONDS)
    assert statements(bench)[-1] == "unlisten"
    bench.database.answer([])
    bench.pass_seconds(LISTEN_ON_SECONDS)
    assert statements(bench)[-1] == "unlisten"


def test_a_new_connection_listens_anew(bench: Bench) -> None:
    """The old one's listening went with it."""
    bench.hold(1)
    bench.guest.started = 1
    bench.pass_seconds(1.1)
    bench.database.lose(bench.engine)
    bench.database.answer([])
    bench.pass_seconds(0.25)
    assert statements(bench).count("listen") == 2
