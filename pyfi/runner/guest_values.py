"""Which values become JSON, and how. Runs inside the user's virtualenv: standard library only.

docs/reference/functions.md is the promise that this file keeps. Third-party types are recognised only when their
package is imported already: a value of theirs cannot exist otherwise.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import math
import pathlib
import sys
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

NOT_JSON = "result_not_serialisable"
TOO_LARGE = "result_too_large"
_BROKEN_TEXT = "holds a NUL or half a surrogate pair, which the database cannot keep"


class RefusedError(Exception):
    """The value is not kept. code: NOT_JSON or TOO_LARGE; kind: the offender's type; message: which and why."""

    def __init__(self, code: str, kind: str, message: str) -> None:
        """One sentence for the user."""
        super().__init__(message)
        self.code = code
        self.kind = kind
        self.message = message


def type_name(value: object) -> str:
    """`set`, `numpy.ndarray`: the name a user would type."""
    return class_name(type(value))


def class_name(kind: type) -> str:
    """The name of a class, with its module unless that is `builtins`."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def plain(value: object) -> object:
    """`value` in terms nearer to JSON: the encoder's `default`.

    Raises: TypeError: values of this type are refused.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        # pandas' NaT is a datetime that is no time.
        return None if type(value).__name__ == "NaTType" else value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (uuid.UUID, pathlib.PurePath)):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return _decimal(value)
    if isinstance(value, Mapping):
        return dict(value)
    return _foreign(value)


def _decimal(value: decimal.Decimal) -> str:
    if not value.is_finite():
        raise TypeError(f"is {value}: JSON has no such number")
    return str(value)


def _foreign(value: object) -> object:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        return _numpy(value)
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return json.loads(value.to_json(orient="records", date_format="iso"))
    if pandas is not None and isinstance(value, (pandas.Series, pandas.Index)):
        return json.loads(pandas.Series(value).to_json(orient="values", date_format="iso"))
    if pandas is not None and value is pandas.NA:
        return None
    if "pydantic" in sys.modules and hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if fields := getattr(type(value), "__attrs_attrs__", None):
        return {field.name: getattr(value, field.name) for field in fields}
    raise TypeError("is not JSON")


def _numpy(value: Any) -> object:
    if value.dtype.kind in "mM":
        return value.astype(str).tolist()
    if value.dtype.kind in "SVc":
        raise TypeError("is not JSON")
    return value.tolist()


_text_of = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain).encode


_SCALARS = frozenset({type(None), bool, int, float, datetime.datetime, datetime.date, uuid.UUID, decimal.Decimal})
# A value of at most so many characters and entries is encoded at once; a larger one in pieces of about this size.
_SMALL = 16_384
_ITEM = 8


def is_small(value: object) -> bool:
    """Whether its JSON is certainly not long; False as soon as that is doubtful."""
    left, rest = _SMALL, [value]
    while rest and left >= 0:
        part = rest.pop()
        kind = type(part)
        if kind is str:
            left -= len(part)  # type: ignore[arg-type]
        elif kind is dict:
            left -= _ITEM * len(part)  # type: ignore[arg-type]
            if left >= 0:
                rest.extend(part)  # type: ignore[arg-type]
                rest.extend(part.values())  # type: ignore[attr-defined]
        elif kind is list or kind is tuple:
            left -= _ITEM * len(part)  # type: ignore[arg-type]
            if left >= 0:
                rest.extend(part)  # type: ignore[arg-type]
        elif kind not in _SCALARS:
            return False
    return left >= 0


def encode(value: object, limit_bytes: int, name: str = "result") -> bytes:
    """`value` as compact UTF-8 JSON. `name` is what messages call it: `result[0]["a"] is a set: ...`.

    Raises: RefusedError: it is not JSON, or longer than `limit_bytes`.
    """
    return b"".join(pieces(value, limit_bytes, name))


def pieces(value: object, limit_bytes: int, name: str = "result") -> Iterator[bytes]:
    """The same, piece by piece: of a long one there is never all of the text, and no more than the limit.

    Raises: RefusedError: perhaps after some pieces.
    """
    if isinstance(value, (str, list, tuple, dict)) and len(value) > limit_bytes:
        raise RefusedError(TOO_LARGE, type_name(value), f"{name} is larger than the limit of {limit_bytes} bytes")
    size, doubted = 0, False
    try:
        for text in [_text_of(value)] if is_small(value) else _fragments(value, ()):
            # Half a surrogate pair cannot be encoded; a NUL can, but jsonb refuses it and with it the transaction.
            encoded = text.encode()
            if not doubted and "\\u0000" in text:
                doubted = True
                _refuse_nul(value, name)
            size += len(encoded)
            if size > limit_bytes:
                break
            yield encoded
    except Exception as error:  # a user's __iter__ or model may raise anything
        raise _refusal(value, name, error) from None
    if size > limit_bytes:
        raise RefusedError(
            TOO_LARGE, type_name(value), f"{name} is more than {limit_bytes} bytes as JSON, which is the limit"
        )


def _refuse_nul(value: object, name: str) -> None:
    """What looks like one may be text about one."""
    if _offender(value, name, set()) is not None:
        raise ValueError


def _fragments(value: Any, above: tuple[int, ...]) -> Iterator[str]:
    """The JSON of a long value. What is small in it is encoded at once: the fast encoder knows no pieces."""
    if value is None or isinstance(value, (str, int, float)):
        if isinstance(value, str) and len(value) > _SMALL:
            yield '"'
            for start in range(0, len(value), _SMALL):
                yield _text_of(value[start : start + _SMALL])[1:-1]
            yield '"'
        else:
            yield _text_of(value)
        return
    if id(value) in above:
        raise ValueError("Circular reference detected")
    above = (*above, id(value))
    if isinstance(value, dict):
        yield from _batches("{}", iter(value.items()), above, as_dict=True)
    elif isinstance(value, (list, tuple)):
        yield from _batches("[]", iter(value), above, as_dict=False)
    else:
        yield from _fragments(plain(value), above)


def _batches(brackets: str, entries: Iterator[Any], above: tuple[int, ...], *, as_dict: bool) -> Iterator[str]:
    comma = brackets[0]
    while batch := list(itertools.islice(entries, 128)):
        if is_small(batch):
            inside = _text_of(dict(batch) if as_dict else batch)[1:-1]
            yield comma + inside
            comma = ","
            continue
        for entry in batch:
            yield comma
            comma = ","
            if as_dict:
                # The encoder's own words for a key: text, number, true or null.
                yield _text_of({entry[0]: None})[1:-5]
            yield from _fragments(entry[1] if as_dict else entry, above)
    yield brackets[1] if comma == "," else brackets


def _refusal(value: object, name: str, error: Exception) -> RefusedError:
    try:
        found = _offender(value, name, set())
    except RecursionError:
        found = (type_name(value), f"{name} is nested too deeply")
    kind, message = found or (type_name(value), f"{name} cannot become JSON: {type(error).__name__}: {error}")
    return RefusedError(NOT_JSON, kind, message)


def _offender(value: object, path: str, above: set[int]) -> tuple[str, str] | None:
    """The first part of `value` that JSON refuses: its type's name and a sentence with its path."""
    if value is None or isinstance(value, (bool, str, int, float)):
        reason = _scalar_problem(value)
        return (type_name(value), f"{path} {reason}") if reason else None
    if id(value) in above:
        return type_name(value), f"{path} contains itself: a {type_name(value)} in a cycle is not JSON"
    within = above | {id(value)}
    if isinstance(value, dict):
        return _offending_item(value, path, within)
    if isinstance(value, (list, tuple)):
        parts = (_offender(item, f"{path}[{index}]", within) for index, item in enumerate(value))
        return next((part for part in parts if part), None)
    try:
        simpler = plain(value)
    except Exception as error:  # a user's attribute may raise anything
        reason = str(error) if isinstance(error, TypeError) else f"failed to become JSON: {error!r}"
        return type_name(value), f"{path} is a {type_name(value)}: it {reason}"
    return _offender(simpler, path, within)


def _offending_item(value: dict[Any, Any], path: str, within: set[int]) -> tuple[str, str] | None:
    for key, item in value.items():
        if key is not None and not isinstance(key, (str, int, float, bool)):
            return type_name(key), f"{path} has a key that is a {type_name(key)}: keys are text"
        reason = _scalar_problem(key)
        if reason:
            return type_name(key), f"a key of {path} {reason}"
        found = _offender(item, f"{path}[{key!r}]", within)
        if found:
            return found
    return None


def _scalar_problem(value: object) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {float(value)}: JSON has no such number"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return _BROKEN_TEXT
        return _BROKEN_TEXT if "\0" in value else None
    if isinstance(value, int):
        try:
            int.__repr__(value)
        except ValueError as error:
            return f"is a number of too many digits: {error}"
    return None


def safe_text(text: str, most: int) -> str:
    """`text` as the database can keep it: half surrogates and NULs escaped, at most `most` characters (its end)."""
    if len(text) > most:
        text = "[...]" + text[-most:]
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
