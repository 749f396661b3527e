"""What goes into the one statement, what is read from it, and how much of it at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyfi.worker import report
from pyfi.worker.held import Finished, Held, Line, Yielded
from pyfi.worker.report import Report
from pyfi.worker.turn import SQL, Turn, read
from tests.unit.worker.fakes import SOCKET, DataError, row

A_CALL = Held("b", 7, 2, SOCKET, "{}", "r", None)


def finished(name: str, value: str = "1", **plugs: str) -> Finished:
    """A good outcome."""
    return Finished(name, 7, "done", value, 0.5, None, tuple(plugs.items()))


def test_what_is_absent_is_null() -> None:
    assert Turn(worker_id="w").parameters() == ("w", None, None, 0, 0, *[None] * 16, 0, 0, *[None] * 9)
    assert SQL.count("%s") == len(Turn(worker_id="w").parameters())


def test_parameters_are_columns() -> None:
    turn = Turn(
        worker_id="w",
        claim=["a"],
        forget=[1, 2],
        duplicates=3,
        fenced=4,
        back=[A_CALL],
        finished=[
            finished("c", "1", x="[1]", y="2"),
            finished("d")._replace(value=None, payload="p1", large=(("z", "p3"),)),
        ],
        lines=[Line("e", 1, 2.5, 3, "text", 8, 9)],
        items=[Yielded("f", 10, 1, "[3]", None), Yielded("f", 10, 2, None, "p2")],
        room=6,
        more=3,
    )
    assert turn.parameters() == (
        *("w", ["a"], [1, 2], 3, 4, ["b"], [7]),
        *(["c", "d"], [7, 7], ["done", "done"], ["1", None], [0.5, 0.5], [None, None]),
        *(["c", "c", "d"], ["x", "y", "z"], ["[1]", "2", None]),
        *(["e"], [1], [2.5], [3], ["text"]),
        6,
        3,
        *([None, "p1"], [None, None, "p3"], [8], [9]),
        *(["f", "f"], [10, 10], [1, 2], ["[3]", None], [None, "p2"]),
    )


def test_a_reply_is_read_by_kind() -> None:
    reply = read([row("f", "c"), row("o", None, 9, text="q", ids=["k", "l"]), row("c", "a", 11, attempt=4)], 0.0)
    assert (reply.finished, reply.outbox, reply.accepting) == ({"c"}, [(9, "q", ["k", "l"])], True)
    assert reply.claimed == [Held("a", 11, 4, SOCKET, "{}", "a", None)]
    assert not read([row("p", None)], 0.0).accepting
    assert read([row("h", None)], 0.0).is_held and not reply.is_held


def test_tokens_are_no_duplicates() -> None:
    """Of five that were named one was claimed, two stood for others; two nobody was to claim."""
    reply = read([row("r", None, ids=["b", "c"]), row("c", "a", 11), row("c", "other", 12)], 0.0)
    assert reply.count_duplicates(["a", "b", "c", "d", "e"]) == 2
    assert read([row("p", None)], 0.0).count_duplicates(["a"]) == 0


def test_a_deadline_is_kept_by_our_own_clock() -> None:
    reply = read([row("t", "b", 1500), row("c", "a", 11), row("c", "b", 12)], 100.0)
    assert [call.ends for call in reply.claimed] == [None, 101.5]


@pytest.mark.parametrize(
    ("more", "idle", "empty"),
    [
        ({}, True, True),
        ({"forget": [1]}, True, False),
        ({"duplicates": 1}, False, False),
        ({"fenced": 1}, False, False),
        ({"claim": ["a"]}, False, False),
        ({"back": [A_CALL]}, False, False),
        ({"finished": [finished("c")]}, False, False),
        ({"items": [Yielded("f", 10, 1, "1", None)]}, False, False),
        ({"lines": [Line("e", 1, 2.5, 3, "text")]}, False, False),
    ],
    ids=lambda value: next(iter(value), "nothing") if isinstance(value, dict) else "",
)
def test_what_is_worth_a_turn(more: dict[str, object], idle: bool, empty: bool) -> None:
    turn = replace(Turn(worker_id="w"), **more)  # type: ignore[arg-type]
    assert (turn.is_idle, turn.is_empty) == (idle, empty)


def test_a_turn_takes_all_that_there_is() -> None:
    told = Report("w")
    told.finished.append(finished("c"))
    told.line(A_CALL, 2.5, 3, "text")
    told.item(Yielded("f", 10, 1, "1", None))
    told.back.append(A_CALL)
    told.duplicates, told.fenced = 2, 3
    turn = told.turn(["a"], [1], 4)
    assert turn.room == 4
    assert (turn.claim, turn.forget, turn.duplicates, turn.fenced) == (["a"], [1], 2, 3)
    assert (len(turn.finished), len(turn.lines), len(turn.items), turn.back) == (1, 1, 1, [A_CALL])
    assert told.is_empty and told.turn([], []).is_empty
    assert told.turn([], [], 4).room == 0  # nothing follows from nothing


def test_large_results_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that is too long would be cut off again and again."""
    monkeypatch.setattr(report, "MOST_BYTES", 10)
    told = Report("w")
    told.finished += [
        finished("a", "x" * 4),
        finished("b", "x", p="y" * 5),
        finished("c", "x"),
        finished("d", "x" * 99),
    ]
    told.finished.append(finished("e"))
    portions = [[each.id for each in told.turn([], []).finished] for _ in range(4)]
    assert portions == [["a", "b"], ["c"], ["d"], ["e"]]


def test_lines_are_kept_before_the_outcome_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_LINES", 2)
    told = Report("w")
    told.finished.append(finished("a"))
    for number in range(5):
        told.line(A_CALL, 2.5, 3, str(number))
    told.finished.append(finished(A_CALL.id))
    turns = [told.turn([], []) for _ in range(3)]
    assert [[line.text for line in turn.lines] for turn in turns] == [["0", "1"], ["2", "3"], ["4"]]
    # Those of others do not wait for them.
    assert [[each.id for each in turn.finished] for turn in turns] == [["a"], [], [A_CALL.id]]
    assert len({line[5:] for turn in turns for line in turn.lines}) == 5


def test_who_has_much_to_tell_is_full_until_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "FULL_LINES", 2)
    monkeypatch.setattr(report, "FULL_ITEMS", 2)
    monkeypatch.setattr(report, "FULL_BYTES", 100)
    for tell in (
        lambda told: [told.line(A_CALL, 2.5, 3, "x") for _ in range(3)],
        lambda told: [told.item(Yielded("f", 10, n, "1", None)) for n in range(3)],
        lambda told: told.line(A_CALL, 2.5, 3, "x" * 101),
        lambda told: told.item(Yielded("f", 10, 1, "x" * 101, None)),
    ):
        told = Report("w")
        assert not told.is_full
        tell(told)  # type: ignore[no-untyped-call]
        assert told.is_full
        told.turn([], [])
        assert not told.is_full and told.is_empty


def test_an_item_that_cannot_be_kept_fails_its_call_alone() -> None:
    told = Report("w")
    items = [Yielded("f", 10, n, str(n), None) for n in range(4)]
    assert told.refused(Turn(worker_id="w", claim=["a"], items=items, finished=[finished("c")]), DataError("no"))
    kept: list[Turn] = []
    while (part := told.again()) is not None:
        if items[2] in part.items:
            assert told.refused(part, DataError("no"))
        else:
            kept.append(part)
    assert [item.seq for part in kept for item in part.items] == [0, 1, 3]
    assert {each.id: each.outcome for part in kept for each in part.finished} == {"c": "done", "f": "failed"}


def test_what_got_no_answer_is_held_and_claims_nothing() -> None:
    told = Report("w")
    told.finished.append(finished("c"))
    told.back.append(replace(A_CALL, token=8))
    told.unanswered(told.turn(["a"], [5], 3))
    told.finished.append(finished("d")._replace(token=9))
    assert sorted(told.tokens()) == [7, 8, 9]
    assert not told.is_empty
    again = told.again()
    assert again is not None and (again.claim, again.forget, again.room) == ((), [5], 0)
    assert told.again() is None


def test_of_a_refused_turn_every_other_part_is_kept_once() -> None:
    told = Report("w")
    bad = finished("bad")
    turn = Turn(
        worker_id="w",
        claim=["a"],
        forget=[1],
        duplicates=2,
        fenced=3,
        back=[A_CALL],
        finished=[*map(finished, "cdefg"), bad],
        lines=[Line("e", 1, 2.5, 3, str(number)) for number in range(3)],
    )
    assert told.refused(turn, DataError("no"))
    kept: list[Turn] = []
    while (part := told.again()) is not None:
        if bad in part.finished:
            assert told.refused(part, DataError("no"))
        else:
            kept.append(part)
    assert sorted(each.id for part in kept for each in part.finished) == ["bad", *"cdefg"]
    (reason,) = [each for part in kept for each in part.finished if each.id == "bad"]
    assert reason.outcome == "failed" and "result_not_storable" in reason.value
    assert [line.text for part in kept for line in part.lines] == ["0", "1", "2"]
    assert [sum(values) for values in zip(*((p.duplicates, p.fenced) for p in kept), strict=True)] == [2, 3]
    assert [part.forget for part in kept if part.forget] == [[1]]
    assert [part.back for part in kept if part.back] == [[A_CALL]]
    assert not any(part.claim for part in kept)


def test_a_turn_without_values_cannot_be_made_smaller() -> None:
    assert not Report("w").refused(Turn(worker_id="w", claim=["a"]), DataError("no"))
