"""The one kind of message: ids of calls in the header, and a body that a stock Celery worker could read too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

TASK = "pyfi.run"
# [args, kwargs, embed]: an empty body would end a Celery worker whose strategy is not ours.
BODY = b"[[],{},{}]"
CONTENT_TYPE = "application/json"
CONTENT_ENCODING = "utf-8"

# A message costs the broker and the worker the same whether it names one call or several.
MOST_IDS = 16
# What is entered together is spread over at least so many messages, so that as many workers share it.
SHARES = 64

_ID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_IDS = re.compile(f"{_ID}(?:,{_ID}){{0,{MOST_IDS - 1}}}")

Wakeup = tuple[str, Sequence[str]]
"""One message: a broker queue, and the ids of one to MOST_IDS calls."""


def headers(ids: Sequence[str]) -> dict[str, str]:
    """What names the calls; `task` is what a stock Celery worker would ask for."""
    return {"task": TASK, "id": ",".join(ids)}


def ids_of(message_headers: Any) -> list[str]:
    """The ids named by a message; none when anything in it is no id, or there are too many."""
    named = message_headers.get("id") if isinstance(message_headers, dict) else None
    return named.split(",") if isinstance(named, str) and _IDS.fullmatch(named) else []


def share(count: int) -> int:
    """How many of so many calls one message should name, when nothing is known of their durations."""
    return max(1, min(MOST_IDS, count // SHARES))


def packed(address: str, ids: Sequence[str], at_once: int | None = None) -> list[Wakeup]:
    """Messages for these calls of one queue, each naming `at_once` (else: their `share`), in their order."""
    size = share(len(ids)) if at_once is None else max(1, min(MOST_IDS, at_once))
    return [(address, ids[start : start + size]) for start in range(0, len(ids), size)]
