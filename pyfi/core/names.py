"""Names: which are allowed, and those that are derived."""

from __future__ import annotations

import re

from pyfi.errors import InvalidError

NAME = re.compile(r"[A-Za-z0-9._-]{1,63}\Z")
RULE = "1 to 63 letters, digits, '.', '_' or '-', not beginning with '-'"
DEFAULT_NETWORK = "default"


def checked_name(kind: str, name: str) -> str:
    """`name` itself.

    Raises: InvalidError: it breaks the rule for names (docs/reference/names.md).

    >>> checked_name("queue", "pyfi.queue1")
    'pyfi.queue1'
    """
    if not NAME.match(name) or name.startswith("-") or name in {".", ".."}:
        raise InvalidError(f"{kind} name {name!r} is not allowed: {RULE}")
    return name


def broker_queue(network: str, queue: str, processor: str, task: str) -> str:
    """The broker queue of one socket.

    >>> broker_queue("default", "pyfi.queue1", "proc1", "do_this")
    'pyfi.queue1.proc1.do_this'
    """
    own = f"{queue}.{processor}.{task}"
    return own if network == DEFAULT_NETWORK else f"{network}:{own}"


def worker_key(network: str, processor: str, node: str, ordinal: int) -> str:
    """The deterministic name of one worker of a deployment: a second start of it collides instead of doubling.

    >>> worker_key("default", "proc1", "node1", 0)
    'proc1@node1#0'
    """
    own = f"{processor}@{node}#{ordinal}"
    return own if network == DEFAULT_NETWORK else f"{network}:{own}"
