"""What a person types as data becomes the arguments of a call."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyfi.errors import InvalidError


@dataclass(frozen=True, slots=True)
class Arguments:
    """Positional and keyword arguments; values are what JSON can say."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None

    def text(self) -> str:
        """The ledger's form.

        Raises: InvalidError: a value is not JSON.
        """
        return encoded(self.args, self.kwargs or {})


def encoded(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """The ledger's form: `{"args": [...], "kwargs": {...}}`.

    Raises: InvalidError: a value is not JSON; the message names its type.
    """
    try:
        return json.dumps({"args": list(args), "kwargs": dict(kwargs)}, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidError(
            f"the arguments are not JSON: {error}", hint="numbers, text, lists, dicts, true, null"
        ) from None


def parsed(data: str) -> Arguments:
    """JSON, else a Python literal: a list is the positional arguments, a dict the keyword arguments, all else one.

    Raises: InvalidError: it is neither.

    >>> parsed("['some data']").args
    ('some data',)
    >>> dict(parsed('{"a": 1}').kwargs)
    {'a': 1}
    """
    value = _value(data)
    if isinstance(value, list | tuple):
        return Arguments(tuple(value))
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise InvalidError("the keys of the data are names of arguments: they must be text")
        return Arguments(kwargs=value)
    return Arguments((value,))


def _value(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        pass
    try:
        return ast.literal_eval(data.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise InvalidError(
            f"the data {_short(data)} are neither JSON nor a Python literal",
            hint="""--data "['some data']"; text is written in quotes: --data '"some data"'""",
        ) from None


def _short(data: str) -> str:
    return repr(data if len(data) <= 60 else data[:57] + "...")
