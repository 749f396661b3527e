"""A call's way through the guest: arguments, what is injected, outcomes."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pyfi.clock import SYSTEM
from pyfi.runner.frames import NO_SUCH_FUNCTION, OK, RAISED

if TYPE_CHECKING:
    from tests.unit.runner.conftest import Driver


def test_two_sockets_of_one_module_run_their_own_functions(guest: Driver) -> None:
    guest.start("def one(x): return ['one', x]\ndef two(x): return ['two', x]\n", "one", "two")
    assert guest.result("one", 1) == ["one", 1]
    assert guest.result("two", 2) == ["two", 2]
    assert guest.result("one", 3) == ["one", 3]


def test_arguments_arrive_as_the_values_that_were_sent(guest: Driver) -> None:
    guest.start("def f(*args, **kwargs): return [list(args), kwargs]\n", "f")
    sent = [1, 2.5, "é\U0001f600", None, True, [1, [2]], {"a": {"b": []}}]
    assert guest.result("f", *sent, key={"x": 1}) == [sent, {"key": {"x": 1}}]


def test_many_calls_in_one_write_are_answered_in_order_and_by_themselves(guest: Driver) -> None:
    guest.start("def f(x): return x\n", "f")
    tokens = [guest.send("f", number) for number in range(500)]
    seen: list[tuple[int, int]] = []
    while len(seen) < len(tokens):
        seen.extend((frame.token, json.loads(frame.first)) for frame in guest.frames())  # type: ignore[union-attr]
    assert seen == [(token, number) for number, token in enumerate(tokens)]


def test_large_arguments_and_results_pass(guest: Driver) -> None:
    guest.start("def f(x): return x + x\n", "f")
    text = "x" * 3_000_000
    assert guest.result("f", text) == text + text


SAMPLE = """
seen = []
def f(message, *args, plugs={}, output={}, **kwargs):
    seen.append((dict(plugs), dict(output), sorted(kwargs)))
    plugs["plug1"] = [message]
    output["data"] = {"key": message}
    return seen[-1]
"""


def test_plugs_and_output_are_fresh_for_every_call(guest: Driver) -> None:
    guest.start(SAMPLE, "f")
    for message in ("a", "b"):
        outcome = guest.call("f", message)
        assert outcome.first == [{}, {}, []]
        assert outcome.second == {"plugs": {"plug1": [message]}, "output": {"data": {"key": message}}}


def test_nothing_is_injected_into_a_function_that_only_takes_any_keyword(guest: Driver) -> None:
    guest.start("def f(*args, **kwargs): return sorted(kwargs)\n", "f")
    outcome = guest.call("f", 1)
    assert (outcome.first, outcome.done.second) == ([], b"")


def test_the_callers_own_argument_wins_over_an_injected_one(guest: Driver) -> None:
    guest.start("def f(output, plugs=None): return [output, plugs]\ndef g(x, *, call): return call\n", "f", "g")
    assert guest.result("f", "mine") == ["mine", {}]
    assert guest.result("f", "mine", "too") == ["mine", "too"]
    assert guest.result("f") == [{}, {}]
    assert guest.result("g", 1, call="mine") == "mine"


CALL = """
def f(call):
    call.log("half", "way")
    call.progress(0.5, "there")
    return [call.id, call.tracking, call.parent, call.attempt, call.deadline]
"""


def test_the_call_object_says_who_the_call_is(guest: Driver) -> None:
    guest.start(CALL, "f")
    own, root, parent = uuid4(), uuid4(), uuid4()
    outcome = guest.outcome(
        guest.send_raw(0, b'{"args":[],"kwargs":{}}', call_id=own, root_id=root, parent_id=parent, attempt=3)
    )
    assert outcome.first == [str(own), str(root), str(parent), 3, None]
    assert outcome.lines(3) == ["half way", "progress 50% there"]
    before = SYSTEM.now()
    outcome = guest.outcome(guest.send_raw(0, b'{"args":[],"kwargs":{}}', deadline_seconds=60.0))
    assert outcome.first[2] is None
    deadline = datetime.fromisoformat(outcome.first[4])
    assert before + timedelta(seconds=59) < deadline < SYSTEM.now() + timedelta(seconds=61)


def test_an_exception_is_reported_with_the_users_part_of_the_traceback(guest: Driver) -> None:
    guest.start("class Odd(Exception): pass\ndef g(): raise Odd('why')\ndef f(): g()\n", "f")
    outcome = guest.call("f")
    assert outcome.outcome == RAISED
    assert (outcome.first["error"], outcome.first["type"], outcome.first["message"]) == ("raised", "user.Odd", "why")
    assert "user.py" in outcome.first["traceback"] and "guest.py" not in outcome.first["traceback"]
    assert outcome.done.second == b""


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("f()", "RecursionError"),
        ("raise type('E', (Exception,), {'__str__': lambda s: 1/0})()", "user.E"),
        ("raise ValueError('nul \\0 and \\udc80')", "ValueError"),
    ],
)
def test_whatever_is_raised_fails_the_call_and_the_guest_goes_on(guest: Driver, statement: str, kind: str) -> None:
    guest.start(f"def f():\n    {statement}\ndef g(): return 1\n", "f", "g")
    outcome = guest.call("f")
    assert (outcome.outcome, outcome.first["type"]) == (RAISED, kind)
    # What the database can keep: no NUL, and no half of a surrogate pair.
    assert all("\0" not in text and text.encode() is not None for text in map(str, outcome.first.values()))
    assert guest.result("g") == 1


def test_arguments_that_do_not_fit_fail_before_the_function_starts(guest: Driver) -> None:
    guest.start(
        "def add_two(one, two, *, plugs={}): return one + two\n"
        "def k(*, key): return key\n"
        "def late(call, x): return x\n",
        "add_two",
        "k",
        "late",
    )
    for refused in (
        guest.call("add_two", 1),
        guest.call("add_two", 1, 2, 3),
        guest.call("add_two", 1, three=3),
        guest.call("add_two", 1, 2, three=3),
        guest.call("k"),
        guest.call("late", 1),
        guest.outcome(guest.send_raw(0, b"no json")),
        guest.outcome(guest.send_raw(0, b'{"args":[1,2]}')),
    ):
        assert (refused.outcome, refused.first["error"]) == (RAISED, "arguments"), refused.first
    assert "add_two: missing a required argument: 'two'" in guest.call("add_two", 1).first["message"]
    assert guest.link.started_token() == 0
    assert guest.result("late", x=1) == 1
    assert guest.result("add_two", 1, two=2) == 3
    assert guest.link.started_token() == guest.token


def test_a_function_that_is_not_there_is_named_and_the_others_work(guest: Driver) -> None:
    loaded = guest.start("def do_this(): return 1\nvalue = 3\n", "do_this", "do_thsi", "value", "__name__")
    assert loaded.functions[0] is None
    assert loaded.functions[1]["message"] == "module user has no function 'do_thsi'; did you mean 'do_this'?"
    assert loaded.functions[2]["error"] == loaded.functions[3]["error"] == "no_such_function"
    assert guest.call("do_thsi").outcome == NO_SUCH_FUNCTION
    assert guest.result("do_this") == 1


def test_builtins_and_classes_and_partials_are_functions_too(guest: Driver) -> None:
    guest.start(
        "import functools\nfrom math import hypot\nclass Point:\n    def __init__(self, x): pass\n"
        "part = functools.partial(max, 5)\nbiggest = max\n",
        "hypot",
        "part",
        "biggest",
    )
    assert guest.result("hypot", 3, 4) == 5.0
    assert guest.result("part", 7) == 7
    assert guest.result("biggest", [1, 9]) == 9


LAZY = """
import asyncio
async def one(x, *, output):
    output["loop"] = id(asyncio.get_running_loop())
    await asyncio.sleep(0)
    return x
def gen(n):
    yield from range(n)
async def agen(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i
def broken():
    yield 1
    raise ValueError("late")
async def cancelled():
    raise asyncio.CancelledError
"""


def test_coroutines_are_run_in_one_loop(guest: Driver) -> None:
    guest.start(LAZY, "one", "cancelled")
    first, failed, second = guest.call("one", 1), guest.call("cancelled"), guest.call("one", 2)
    assert (first.first, second.first, failed.outcome) == (1, 2, RAISED)
    assert first.second["output"] == second.second["output"]
    assert "each" not in first.second


def test_generators_give_the_list_and_say_that_each_item_goes_its_own_way(guest: Driver) -> None:
    guest.start(LAZY, "gen", "agen", "broken")
    for name in ("gen", "agen"):
        outcome = guest.call(name, 3)
        assert (outcome.outcome, outcome.first) == (OK, [0, 1, 2])
        assert outcome.second == {"plugs": {}, "output": {}, "each": True}
    assert guest.call("broken").first["message"] == "late"


def test_the_environment_is_scrubbed_and_the_folder_is_private(guest: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_DB", "postgresql://joe:secret@db/x")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    guest.link = guest.new_link(MODE="fast", FLOW_BROKER="amqp://x")
    guest.start("import os, sys\ndef f(): return [dict(os.environ), os.getcwd(), sys.argv, sys.path]\n", "f")
    environ, cwd, argv, path = guest.result("f")
    # The shell of the interpreter adds LC_CTYPE where the locale is C.
    assert set(environ) - {"LC_CTYPE"} == {"PATH", "LANG", "HOME", "TMPDIR", "VIRTUAL_ENV", "MODE"}
    assert (cwd, argv) == (str(guest.home), ["guest"])
    assert "/nowhere" not in path and not any(part.endswith("runner") for part in path)
