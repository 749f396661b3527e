"""What a person types as data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyfi.control.arguments import Arguments, encoded, parsed
from pyfi.errors import InvalidError


@pytest.mark.parametrize(
    ("data", "args", "kwargs"),
    [
        ("['some data']", ["some data"], {}),
        ('["a", {"b": null}]', ["a", {"b": None}], {}),
        ("('a', 1)", ["a", 1], {}),
        ('{"one": 1, "two": true}', [], {"one": 1, "two": True}),
        ("{'one': None}", [], {"one": None}),
        ("7", [7], {}),
        ('"text"', ["text"], {}),
        ("'text'", ["text"], {}),
        ("null", [None], {}),
        ("None", [None], {}),
        ("[]", [], {}),
        ("  [1]\n", [1], {}),
    ],
)
def test_data(data: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """JSON, else a Python literal: list, dict, or one argument."""
    assert json.loads(parsed(data).text()) == {"args": args, "kwargs": kwargs}


@pytest.mark.parametrize("data", ["", "text", "__import__('os')", "1 +", "[1", "open('x')", "{1: 2}", "(" * 5000])
def test_what_is_no_data(data: str) -> None:
    """Nothing is evaluated."""
    with pytest.raises(InvalidError):
        parsed(data)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", float("nan"), object()])
def test_values_that_json_cannot_say(value: object) -> None:
    """They are refused before a call is made."""
    with pytest.raises(InvalidError, match="not JSON"):
        encoded([value], {})
    with pytest.raises(InvalidError):
        Arguments((value,)).text()
