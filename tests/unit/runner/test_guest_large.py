"""Large values cross in parts, generators' items as they are yielded."""

from __future__ import annotations

import json

from pyfi.runner.frames import NOT_SERIALISABLE, OK, TOO_LARGE
from tests.unit.runner.conftest import Driver

SOURCE = """
import datetime
def same(x): return x
def nested(n):
    rows = [{"n": i, "text": "é\\U0001F600" * 20, "none": None, 1: [i] * 5} for i in range(n)]
    return {"rows": rows, "end": True}
def nan(): return [["x" * 1000] * 100, [float("nan")]]
def times(n): return [datetime.date(2020, 1, 1)] * n
def cycle():
    x = [list(range(9)) for _ in range(5000)]
    x.append(x)
    return x
def named(n, plugs):
    plugs["small"], plugs["big\\u00e9"], plugs["other"] = 1, "b" * n, ["c" * n]
def items(n, size):
    for i in range(n):
        yield str(i) * size
def late(plugs):
    yield 1
    yield 2
    plugs["x"] = "named"
    yield 3
def endless():
    while True:
        yield "x" * 100
def bad():
    yield 1
    yield {2}
"""
NAMES = ("same", "nested", "nan", "times", "cycle", "named", "items", "late", "endless", "bad")


def test_arguments_and_results_cross_in_parts(guest: Driver) -> None:
    """Whatever is in them, at any nesting."""
    guest.start(SOURCE, *NAMES)
    rows = {
        "rows": [{"n": i, "text": "é\U0001f600" * 20, "none": None, "1": [i] * 5} for i in range(5000)],
        "end": True,
    }
    outcome = guest.call("nested", 5000)
    assert outcome.first == rows
    assert outcome.done.first == b""
    assert guest.result("times", 30_000) == ["2020-01-01"] * 30_000
    data = json.dumps({"args": [rows], "kwargs": {}}).encode()
    for start in range(0, len(data), 100_000):
        guest.link.send_arguments(guest.token + 1, data[start : start + 100_000])
    assert guest.outcome(guest.send_raw(0, b"")).first == rows
    # Parts of a call that never came are forgotten.
    guest.link.send_arguments(guest.token + 100, b"[")
    assert guest.result("same", 1) == 1
    assert guest.outcome(guest.send_raw(0, b"")).first["error"] == "arguments"


def test_a_refusal_may_come_after_parts(guest: Driver) -> None:
    """It names the place all the same."""
    guest.start(SOURCE, *NAMES, result_limit_bytes=1_000_000)
    outcome = guest.call("nan")
    assert (outcome.outcome, outcome.first["message"][:16]) == (NOT_SERIALISABLE, "result[1][0] is ")
    assert guest.call("cycle").first["message"].startswith("result[5000] contains itself")
    outcome = guest.call("nested", 20_000)
    assert (outcome.outcome, outcome.first["error"]) == (TOO_LARGE, "result_too_large")
    assert sum(map(len, outcome.parts.values())) < 2_000_000


def test_named_plugs_may_be_large(guest: Driver) -> None:
    """Each by itself."""
    guest.start(SOURCE, *NAMES)
    outcome = guest.call("named", 500_000)
    assert outcome.second["plugs"] == {"small": 1, "bigé": "b" * 500_000, "other": ["c" * 500_000]}
    assert len(outcome.done.second) < 100


def test_items_come_one_by_one(guest: Driver) -> None:
    """Numbered from 1, large ones too; after a plug was named they go nowhere."""
    guest.start(SOURCE, *NAMES)
    outcome = guest.call("items", 3, 100_000)
    assert outcome.first == [str(i) * 100_000 for i in range(3)]
    assert [(item.seq, item.goes_on, bool(item.number)) for item in outcome.items] == [
        (n, True, True) for n in (1, 2, 3)
    ]
    outcome = guest.call("late")
    assert (outcome.outcome, outcome.first) == (OK, [1, 2, 3])
    assert [item.goes_on for item in outcome.items] == [True, True, False]


def test_an_endless_generator_ends_at_the_limit(guest: Driver) -> None:
    """Of the list's length; so does one that yields what is not JSON."""
    guest.start(SOURCE, *NAMES, result_limit_bytes=100_000)
    outcome = guest.call("endless")
    assert (outcome.outcome, outcome.first["error"]) == (TOO_LARGE, "result_too_large")
    assert len(outcome.items) == 99_998 // 103
    outcome = guest.call("bad")
    assert (outcome.outcome, outcome.first["message"][:17]) == (NOT_SERIALISABLE, "result[1] is a se")
