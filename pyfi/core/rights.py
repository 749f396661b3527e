"""Rights: the closed list, what each brings along, and which of them a user has.

A grant is a word with a scope. A general word (ALL, CREATE, READ, UPDATE, DELETE) covers the specific ones; a right
that cannot be used without seeing something brings the right to see it. What is revoked from a user is gone, whatever
else would give it. `pyfi.db.generated` writes the same lists into the database's functions, so that there is one list.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyfi.errors import InvalidError

NOUNS = ("PROCESSOR", "AGENT", "NODE", "PLUG", "PRIVILEGE", "QUEUE", "ROLE", "SCHEDULER", "SOCKET", "USER")
GENERAL = ("ALL", "CREATE", "READ", "UPDATE", "DELETE")
OPERATIONS = tuple(f"{word}_PROCESSOR" for word in ("START", "STOP", "PAUSE", "RESUME", "LOCK", "UNLOCK"))
VIEWS = ("VIEW_PROCESSOR", "VIEW_PROCESSOR_CONFIG", "VIEW_PROCESSOR_CODE")
EDITS = ("EDIT_PROCESSOR_CONFIG", "EDIT_PROCESSOR_CODE")
LISTS = (
    *("LS_PROCESSORS", "LS_USERS", "LS_USER", "LS_PLUGS", "LS_SOCKETS", "LS_QUEUES", "LS_AGENTS", "LS_NODES"),
    *("LS_SCHEDULERS", "LS_WORKERS"),
)
RIGHTS = (
    *GENERAL,
    *("DB_DROP", "DB_INIT", "START_AGENT", "RUN_TASK", "CANCEL_TASK"),
    *OPERATIONS,
    *VIEWS,
    *EDITS,
    *LISTS,
    *(f"{verb}_{noun}" for verb in ("ADD", "UPDATE", "DELETE", "READ") for noun in NOUNS),
    "READ_LOG",
)

SCOPES = ("own", "network", "all")
# Everybody reads his own rows; it can be revoked like anything else.
EVERYBODY = "READ"

# What each right brings along: nothing can be changed that is not seen.
BRINGS: Mapping[str, tuple[str, ...]] = {
    **{f"READ_{noun}": (f"LS_{noun}S",) for noun in NOUNS if f"LS_{noun}S" in LISTS and noun != "USER"},
    "READ_PROCESSOR": ("VIEW_PROCESSOR",),
    "READ_USER": ("LS_USER",),
    "LS_USERS": ("LS_USER",),
    "LS_SOCKETS": ("LS_PROCESSORS", "LS_QUEUES"),
    "LS_PLUGS": ("LS_SOCKETS",),
    "LS_WORKERS": ("LS_PROCESSORS",),
    "LS_AGENTS": ("LS_NODES",),
    "RUN_TASK": ("LS_SOCKETS",),
    "CANCEL_TASK": ("LS_SOCKETS",),
    "VIEW_PROCESSOR": ("LS_PROCESSORS",),
    "VIEW_PROCESSOR_CONFIG": ("VIEW_PROCESSOR",),
    "VIEW_PROCESSOR_CODE": ("VIEW_PROCESSOR",),
    "EDIT_PROCESSOR_CONFIG": ("VIEW_PROCESSOR_CONFIG",),
    "EDIT_PROCESSOR_CODE": ("VIEW_PROCESSOR_CODE",),
    **dict.fromkeys(OPERATIONS, ("VIEW_PROCESSOR",)),
    **{f"{verb}_{noun}": (f"READ_{noun}",) for verb in ("UPDATE", "DELETE") for noun in NOUNS},
    "UPDATE_PROCESSOR": ("READ_PROCESSOR", *EDITS),
}

# Columns of a processor that need a right of their own, to be read and to be written.
CODE_COLUMNS = (
    *("gitrepo", "branch", "commit", "modulepath", "requirements"),
    *("index_url", "index_secret", "git_secret", "hashes_only"),
)
CONFIG_COLUMNS = (
    *("hostname", "concurrency", "retries", "time_limit_seconds", "soft_time_limit_seconds", "drain_seconds"),
    *("backoff_seconds", "backoff_factor", "backoff_max_seconds", "retry_on", "no_retry_on", "max_losses"),
    *("environment", "sandbox", "online"),
)

# Columns of a processor that agents and triggers write.
OBSERVED_COLUMNS = ("generation", "status", "reason", "status_since", "crashed", "held_since", "held_reason")

# What a statement asks for that more than one right allows. Nobody is given these.
ANY_OF: Mapping[str, tuple[str, ...]] = {
    "CHANGE_PROCESSOR": ("UPDATE_PROCESSOR", *EDITS, *OPERATIONS),
    "ADD_TASK": ("ADD_PROCESSOR", "ADD_SOCKET", "UPDATE_PROCESSOR", "UPDATE_SOCKET"),
    "ADD_DEPLOYMENT": ("ADD_PROCESSOR", "UPDATE_PROCESSOR", "EDIT_PROCESSOR_CONFIG"),
}


# Rows without a right of their own noun, and what they take instead.
NEEDED: Mapping[str, Mapping[str, str]] = {
    "deployment": {"add": "ADD_DEPLOYMENT", "change": "EDIT_PROCESSOR_CONFIG", "delete": "EDIT_PROCESSOR_CONFIG"},
    "task": dict.fromkeys(("add", "change", "delete"), "ADD_TASK"),
}


def needed(verb: str, kind: str) -> str:
    """The right that adding, changing or deleting an object of that kind takes: the noun's own, else the general word.

    >>> needed("change", "queue")
    'UPDATE_QUEUE'
    """
    if kind in NEEDED:
        return NEEDED[kind][verb]
    specific = {"add": "ADD", "change": "UPDATE", "delete": "DELETE"}[verb] + f"_{kind.upper()}"
    return specific if specific in RIGHTS else {"add": "CREATE", "change": "UPDATE", "delete": "DELETE"}[verb]


def shown(right: str) -> str:
    """The right as people read it; of several that would do, each.

    >>> shown("ADD_TASK")
    'ADD_PROCESSOR, ADD_SOCKET, UPDATE_PROCESSOR or UPDATE_SOCKET'
    """
    *others, last = ANY_OF.get(right, (right,))
    return f"{', '.join(others)} or {last}" if others else last


def to_change_processor(columns: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The rights that writing these columns of a processor takes; the database's trigger asks the same."""
    wanted = []
    for column, value in columns.items():
        if now.get(column) == value:
            continue
        if column in CODE_COLUMNS:
            wanted.append("EDIT_PROCESSOR_CODE")
        elif column in CONFIG_COLUMNS:
            wanted.append("EDIT_PROCESSOR_CONFIG")
        elif column == "locked":
            wanted.append("LOCK_PROCESSOR" if value else "UNLOCK_PROCESSOR")
        elif column == "requested_status":
            to = {"paused": "PAUSE", "running": "RESUME" if now.get(column) == "paused" else "START"}
            wanted.append(f"{to.get(str(value), 'STOP')}_PROCESSOR")
        else:
            wanted.append("START_PROCESSOR" if column == "restart_token" else "UPDATE_PROCESSOR")
    return list(dict.fromkeys(wanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One word that a user has, or that was taken from him.

    source: `user`, `role NAME`, `everybody` or `administrator`.
    """

    right: str
    scope: str = "own"
    source: str = "user"
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """A right that a user really has. by: the granted word, where it is another one."""

    right: str
    scope: str
    source: str
    by: str


def checked_right(text: str) -> str:
    """The right's word, however it is spelled.

    Raises: InvalidError: it is none; with the nearest one, else the whole list.

    >>> checked_right("add_processor")
    'ADD_PROCESSOR'
    """
    word = text.strip().upper()
    if word in RIGHTS:
        return word
    close = difflib.get_close_matches(word, RIGHTS, n=1)
    hint = f"did you mean {close[0]}? flow ls rights lists them" if close else f"rights are {', '.join(RIGHTS)}"
    raise InvalidError(f"there is no right {text!r}", hint=hint)


def checked_scope(text: str) -> str:
    """own, network or all.

    Raises: InvalidError.
    """
    if text not in SCOPES:
        raise InvalidError(f"scope {text!r} is not one of {', '.join(SCOPES)}")
    return text


def words(right: str) -> tuple[str, ...]:
    """The words that mean this right when they are granted or revoked: itself and the general ones.

    >>> words("ADD_QUEUE")
    ('ADD_QUEUE', 'CREATE', 'ALL')
    """
    if right == "ALL":
        return ("ALL",)
    verb = right.partition("_")[0]
    general = {"ADD": "CREATE", "READ": "READ", "LS": "READ", "VIEW": "READ", "EDIT": "UPDATE", "UPDATE": "UPDATE"}
    word = "UPDATE" if right in OPERATIONS else general.get(verb, "DELETE" if verb == "DELETE" else right)
    return tuple(dict.fromkeys((right, word, "ALL")))


def brought(right: str) -> frozenset[str]:
    """The right and all that it brings along."""
    found, todo = {right}, [right]
    while todo:
        for each in BRINGS.get(todo.pop(), ()):
            if each not in found:
                found.add(each)
                todo.append(each)
    return frozenset(found)


def carriers(right: str) -> tuple[str, ...]:
    """The specific rights that bring this one, itself among them."""
    wanted = ANY_OF.get(right, (right,))
    return tuple(each for each in RIGHTS if brought(each) & set(wanted))


def wider(one: str, other: str) -> str:
    """The wider of two scopes."""
    return max(one, other, key=SCOPES.index)


def effective(grants: Iterable[Grant], *, admin: bool = False) -> list[Effective]:
    """Every right that the user has, at its widest scope, and from where; in the order of the list.

    Args: grants: his own, his roles' and his revocations. admin: he holds everything, and nothing is taken from him.
    """
    if admin:
        return [Effective(right=right, scope="all", source="administrator", by="ALL") for right in RIGHTS]
    given = [each for each in grants if not each.revoked]
    given.append(Grant(right=EVERYBODY, source="everybody"))
    taken = {each.right for each in grants if each.revoked}
    gone = {right for right in RIGHTS if taken & set(words(right))}
    found = []
    for right in RIGHTS:
        if right in gone:
            continue
        through = {word for carrier in carriers(right) if carrier not in gone for word in words(carrier)}
        holding = [each for each in given if each.right in through]
        if holding:
            best = max(holding, key=lambda each: SCOPES.index(each.scope))
            found.append(Effective(right=right, scope=best.scope, source=best.source, by=best.right))
    return found
