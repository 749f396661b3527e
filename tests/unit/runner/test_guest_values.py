"""Which values become JSON and how, and that the refused ones are named with their path."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import types
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pyfi.runner import guest_values
from pyfi.runner.frames import NOT_SERIALISABLE, TOO_LARGE
from pyfi.runner.guest_values import RefusedError, encode

if TYPE_CHECKING:
    from tests.unit.runner.conftest import Driver

LIMIT = 1 << 20


@dataclasses.dataclass
class Point:
    x: int
    inner: Any = None


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Attrs:
    """What attrs makes, without attrs."""

    def __init__(self) -> None:
        self.a = 1

    __attrs_attrs__ = (types.SimpleNamespace(name="a"),)


KEPT: list[tuple[Any, Any]] = [
    (None, None),
    (float(1), 1.0),
    ("é\U0001f600\\u0000", "é\U0001f600\\u0000"),
    ((1, (2,)), [1, [2]]),
    ({1: "a", None: "b", 2.5: "d"}, {"1": "a", "null": "b", "2.5": "d"}),
    (Point(1, [Point(2)]), {"x": 1, "inner": [{"x": 2, "inner": None}]}),
    (datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), "2026-01-02T03:04:05+00:00"),
    (datetime.date(2026, 1, 2), "2026-01-02"),
    (datetime.time(3, 4), "03:04:00"),
    (datetime.timedelta(minutes=1, microseconds=500000), 60.5),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (decimal.Decimal("1.10"), "1.10"),
    (pathlib.PurePosixPath("/a/b"), "/a/b"),
    ([Colour.RED, Level.HIGH], ["red", 3]),
    (types.MappingProxyType({"a": (1,)}), {"a": [1]}),
    (Attrs(), {"a": 1}),
]


@pytest.mark.parametrize(("value", "expected"), KEPT, ids=lambda value: type(value).__name__)
def test_kept(value: object, expected: object) -> None:
    assert json.loads(encode(value, LIMIT)) == expected


def _cycle() -> list[Any]:
    cycle: list[Any] = [1]
    cycle.append({"again": cycle})
    return cycle


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


REFUSED: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: {"a": [1, {2}]}, "set", "result['a'][1] is a set: it is not JSON"),
    (lambda: frozenset(), "frozenset", "result is a frozenset: it is not JSON"),
    (lambda: [b"x"], "bytes", "result[0] is a bytes: it is not JSON"),
    (lambda: bytearray(b"x"), "bytearray", "result is a bytearray: it is not JSON"),
    (lambda: {"a": float("nan")}, "float", "result['a'] is nan: JSON has no such number"),
    (lambda: [1e400], "float", "result[0] is inf: JSON has no such number"),
    (lambda: decimal.Decimal("NaN"), "decimal.Decimal", "result is a decimal.Decimal: it is NaN: JSON has no such"),
    (lambda: 1j, "complex", "result is a complex: it is not JSON"),
    (lambda: object(), "object", "result is a object: it is not JSON"),
    (lambda: Point, "type", "result is a type: it is not JSON"),
    (lambda: [Point(1, {1})], "set", "result[0]['inner'] is a set: it is not JSON"),
    (lambda: {(1, 2): 1}, "tuple", "result has a key that is a tuple: keys are text"),
    (lambda: {"a": {float("inf"): 1}}, "float", "a key of result['a'] is inf: JSON has no such number"),
    (_cycle, "list", "result[1]['again'] contains itself: a list in a cycle is not JSON"),
    (_deep, "list", "result is nested too deeply"),
    (lambda: ["a\0b"], "str", "result[0] holds a NUL or half a surrogate pair"),
    (lambda: {"\0": 1}, "str", "a key of result holds a NUL or half a surrogate pair"),
    (lambda: {"k": "\ud800"}, "str", "result['k'] holds a NUL or half a surrogate pair"),
    (lambda: [10**5000], "int", "result[0] is a number of too many digits"),
    (lambda: (x for x in [1]), "generator", "result is a generator: it is not JSON"),
]


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_refused_with_its_type_and_path(make: Callable[[], Any], kind: str, message: str) -> None:
    with pytest.raises(RefusedError) as caught:
        encode(make(), LIMIT)
    assert (caught.value.code, caught.value.kind) == (guest_values.NOT_JSON, kind)
    assert caught.value.message.startswith(message), caught.value.message


def test_the_limit_counts_bytes_of_json() -> None:
    assert encode("é" * 4, 10) == '"éééé"'.encode()
    with pytest.raises(RefusedError) as caught:
        encode("é" * 5, 11)
    assert (caught.value.code, caught.value.message) == (
        guest_values.TOO_LARGE,
        "result is more than 11 bytes as JSON, which is the limit",
    )
    with pytest.raises(RefusedError, match="larger than the limit of 3 bytes"):
        encode([1, 2, 3, 4], 3)


GUEST = """
import sys, decimal
def nan(): return [1, float("nan")]
def some_set(): return {1}
def big(): return "x" * 2000
def plug(plugs): plugs["p"] = {1}
def put(output): output["k"] = b"x"
def number(plugs): plugs[1] = 1
class Frame:
    def model_dump(self, mode): return {"mode": mode}
def fine(): return 1
"""


def test_a_refused_result_fails_the_call_and_the_guest_goes_on(guest: Driver) -> None:
    names = ("nan", "some_set", "big", "plug", "put", "fine")
    guest.start(GUEST, *names, result_limit_bytes=1000)
    expected = {
        "nan": (NOT_SERIALISABLE, "result_not_serialisable", "float", "result[1] is nan"),
        "some_set": (NOT_SERIALISABLE, "result_not_serialisable", "set", "result is a set"),
        "big": (TOO_LARGE, "result_too_large", "str", "result is larger than the limit of 1000 bytes"),
        "plug": (NOT_SERIALISABLE, "result_not_serialisable", "set", "plugs['p'] is a set"),
        "put": (NOT_SERIALISABLE, "result_not_serialisable", "bytes", "output['k'] is a bytes"),
    }
    for name, (number, code, kind, message) in expected.items():
        outcome = guest.call(name)
        assert (outcome.outcome, outcome.first["error"], outcome.first["type"]) == (number, code, kind)
        assert outcome.first["message"].startswith(message)
        assert outcome.done.second == b""
    assert guest.result("fine") == 1


def _module(name: str, monkeypatch: pytest.MonkeyPatch, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(guest_values.sys.modules, name, module)
    return module


def test_pydantic_models_are_dumped_when_pydantic_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        def model_dump(self, mode: str) -> dict[str, str]:
            return {"mode": mode}

    monkeypatch.delitem(guest_values.sys.modules, "pydantic", raising=False)
    with pytest.raises(RefusedError):
        encode(Model(), LIMIT)
    _module("pydantic", monkeypatch)
    assert encode([Model()], LIMIT) == b'[{"mode":"json"}]'


def test_text_for_records_is_what_the_database_keeps() -> None:
    assert guest_values.safe_text("a\0\ud800é", 100) == "a\\x00\\ud800é"
    assert guest_values.safe_text("x" * 10 + "end", 5) == "[...]xxend"
