"""The bytes between host and guest, as the host writes and reads them. pyfi/runner/guest.py is the other end.

A frame is 4 bytes length of what follows (big-endian), 1 byte kind, then the body. Arguments and results are JSON that
passes through untouched.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from pyfi.errors import PyfiError

OK, RAISED, NOT_SERIALISABLE, TOO_LARGE, NO_SUCH_FUNCTION, WITHDRAWN = range(6)
STDOUT, STDERR, LOGGING = 1, 2, 3

_LOAD, _CALL, _ARGUMENTS = 1, 2, 3
_LOADED, _LOAD_FAILED, _LOG, _DONE, _PART, _ITEM = 10, 11, 12, 13, 14, 15
_LENGTH = struct.Struct(">I")
_CALL_HEADER = struct.Struct(">IBQH16s16s16sHd")
_LOG_BODY = struct.Struct(">QdB")
_DONE_BODY = struct.Struct(">QBdI")
_PART_BODY = struct.Struct(">QI")
_ITEM_BODY = struct.Struct(">QQBI")
_NO_PARENT = bytes(16)
_LONGEST_FRAME_BYTES = 4 << 20


class GuestProtocolError(PyfiError):
    """The guest said something that is no frame: a user's function wrote to its socket, or tried to."""

    code = "guest_protocol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a guest is to load.

    modulepath: the folder below the checkout from which the module's name starts, or the module's file; None: the
    checkout itself. installed: the checkout was installed into the virtualenv. functions: number -> name.
    soft_time_limit_seconds: after so long a function is told; 0: never.
    """

    checkout: str
    module: str
    functions: Mapping[int, str]
    modulepath: str | None = None
    installed: bool = False
    result_limit_bytes: int = 256 << 20
    inline_bytes: int = 1 << 16
    log_limit_bytes: int = 1 << 20
    soft_time_limit_seconds: float = 0.0
    log_limit_lines: int = 10_000

    @property
    def longest_frame_bytes(self) -> int:
        """No honest guest sends more at once: long values come in parts."""
        return _LONGEST_FRAME_BYTES + 4 * self.inline_bytes + self.log_limit_bytes

    def pack(self) -> bytes:
        """The LOAD frame."""
        body = json.dumps(
            {
                "checkout": self.checkout,
                "modulepath": self.modulepath,
                "installed": self.installed,
                "module": self.module,
                "functions": {str(number): name for number, name in self.functions.items()},
                "result_limit_bytes": self.result_limit_bytes,
                "inline_bytes": self.inline_bytes,
                "log_limit_bytes": self.log_limit_bytes,
                "soft_time_limit_seconds": self.soft_time_limit_seconds,
                "log_limit_lines": self.log_limit_lines,
            }
        ).encode()
        return _LENGTH.pack(1 + len(body)) + bytes([_LOAD]) + body


def pack_call(
    token: int,
    function: int,
    arguments: bytes,
    *,
    call_id: UUID,
    root_id: UUID,
    parent_id: UUID | None,
    attempt: int,
    deadline_seconds: float,
) -> bytes:
    """The CALL frame. arguments: JSON `{"args":[...],"kwargs":{...}}`. deadline_seconds: from now, 0: none."""
    return (
        _CALL_HEADER.pack(
            _CALL_HEADER.size - 4 + len(arguments),
            _CALL,
            token,
            function,
            call_id.bytes,
            root_id.bytes,
            parent_id.bytes if parent_id else _NO_PARENT,
            min(attempt, 0xFFFF),
            deadline_seconds,
        )
        + arguments
    )


def pack_arguments(token: int, data: bytes) -> bytes:
    """The ARGUMENTS frame: a part of the arguments of the CALL of that token, which then has none of its own."""
    return _LENGTH.pack(9 + len(data)) + bytes([_ARGUMENTS]) + token.to_bytes(8, "big") + data


class Loaded(NamedTuple):
    """The module was imported. functions: number -> None, or the error's record: the module has no such function."""

    functions: dict[int, dict[str, str] | None]


class LoadFailed(NamedTuple):
    """The module could not be imported; the guest ends now."""

    type: str
    message: str
    traceback: str


class Log(NamedTuple):
    """One line (or a record of several) that a call printed or logged. token 0: before the first call."""

    token: int
    at: float
    stream: int
    text: str


class Done(NamedTuple):
    """A call's outcome.

    first: the result's JSON when outcome is OK, else the error's: error, type, message, traceback.
    second: empty, or JSON `{"plugs": {...}, "output": {...}}`, with `"result": number` and `"large": {plug: number}`
    for values that came as parts, and with `"each":true` at its end when the function was a generator, whose items
    came before. WITHDRAWN: it was never started.
    """

    token: int
    outcome: int
    seconds: float
    first: bytes
    second: bytes


class Part(NamedTuple):
    """The next bytes of the running call's large value of that number."""

    token: int
    number: int
    data: bytes


class Item(NamedTuple):
    """What a generator yielded as its seq-th: JSON, or with number the large value that came as parts.

    goes_on: it is for the RESULT plugs; no more when the function has named one.
    """

    token: int
    seq: int
    goes_on: bool
    number: int
    value: bytes


Frame = Loaded | LoadFailed | Log | Done | Part | Item


def printable(text: str) -> str:
    """`text` as the database can keep it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def unpack(buffer: bytearray, longest_bytes: int) -> Iterator[Frame]:
    """Take every complete frame from the front of `buffer`.

    Raises: GuestProtocolError: what is there is no frame.
    """
    position, end = 0, len(buffer)
    try:
        while end - position > 4:
            (length,) = _LENGTH.unpack_from(buffer, position)
            if not 1 <= length <= longest_bytes:
                raise GuestProtocolError(f"the guest announced a frame of {length} bytes")
            if position + 4 + length > end:
                break
            kind, body = buffer[position + 4], bytes(memoryview(buffer)[position + 5 : position + 4 + length])
            position += 4 + length
            yield _read(kind, body)
    finally:
        del buffer[:position]


def _read(kind: int, body: bytes) -> Frame:
    try:
        if kind == _DONE:
            token, outcome, seconds, first = _DONE_BODY.unpack_from(body)
            middle = _DONE_BODY.size + first
            if outcome > WITHDRAWN or middle > len(body):
                raise GuestProtocolError("the guest sent an outcome that is none")
            return Done(token, outcome, seconds, body[_DONE_BODY.size : middle], body[middle:])
        if kind == _PART:
            token, number = _PART_BODY.unpack_from(body)
            return Part(token, number, body[_PART_BODY.size :])
        if kind == _ITEM:
            token, seq, goes_on, number = _ITEM_BODY.unpack_from(body)
            return Item(token, seq, bool(goes_on), number, body[_ITEM_BODY.size :])
        if kind == _LOG:
            token, at, stream = _LOG_BODY.unpack_from(body)
            return Log(token, at, stream, printable(body[_LOG_BODY.size :].decode("utf-8", "replace")))
        if kind == _LOADED:
            functions = json.loads(body)["functions"]
            return Loaded({int(number): error for number, error in functions.items()})
        if kind == _LOAD_FAILED:
            record = json.loads(body)
            return LoadFailed(record["type"], record["message"], record["traceback"])
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GuestProtocolError(f"the guest sent a broken frame: {type(error).__name__}") from error
    raise GuestProtocolError(f"the guest sent a frame of unknown kind {kind}")
