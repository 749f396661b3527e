"""Values by reference, as a user's login sees them: uploaded before their call is submitted, read piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg2

PIECE_BYTES = 1 << 20

Ask = Callable[[str, tuple[Any, ...]], list[tuple[Any, ...]]]


def uploaded(ask: Ask, text: str) -> UUID:
    """Bring a text into the ledger piece by piece; no call has it yet.

    Raises: InvalidError: it is too large.
    """
    payload, size = uuid4(), 0
    for start in range(0, len(text), PIECE_BYTES):
        piece = text[start : start + PIECE_BYTES].encode()
        ask("select ledger.upload(%s::uuid, %s::bigint, %s)", (str(payload), size, psycopg2.Binary(piece)))
        size += len(piece)
    return payload


def pieces(ask: Ask, call_id: UUID, what: str) -> Iterator[bytes]:
    """The bytes of a call's large `arguments` or `result`.

    Raises: NotFoundError.
    """
    start = 0
    while True:
        ((data,),) = ask(
            "select ledger.read_payload(%s::uuid, %s, %s::bigint, %s)", (str(call_id), what, start, PIECE_BYTES)
        )
        if not data:
            return
        start += len(data)
        yield bytes(data)


def value(ask: Ask, call_id: UUID, what: str) -> Any:
    """The value itself.

    Raises: NotFoundError.
    """
    return json.loads(b"".join(pieces(ask, call_id, what)))
