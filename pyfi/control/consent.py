"""The policy port: what rows and rights cannot express, asked before a verb writes and before a call is made.

Row-level security stands without it and below it: who goes around the verbs with psql meets the rows' policies, not
this one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pyfi.clock import SYSTEM
from pyfi.db.rows import Rows
from pyfi.errors import ForbiddenError

SETTING = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this user do that? verb: add, update, delete, run, or what is asked of a processor (start, stop, ...).

    fields: the columns that are to be written, by name; of what is run the socket's. at: aware UTC.
    """

    user: str
    admin: bool
    verb: str
    kind: str
    name: str
    fields: Mapping[str, object]
    at: datetime


class Policy(Protocol):
    """Decides; says nothing about why."""

    def allows(self, question: Question) -> bool:
        """Whether it may be done."""


class Builtin:
    """Without a policy of the installation: rights and rows decide alone."""

    def allows(self, question: Question) -> bool:
        """Always."""
        return True


@functools.lru_cache(maxsize=4)
def policy_of(text: str | None) -> Policy:
    """The installation's policy, read once a process.

    Raises: InvalidError: the text is no policy. NotConfiguredError: its engine is not installed: nothing is allowed.
    """
    if text is None:
        return Builtin()
    from pyfi.control.polar import Polar

    return Polar(text)


def ask(rows: Rows, verb: str, kind: str, name: str, fields: Mapping[str, object] | None = None) -> None:
    """Ask the installation's policy.

    Raises: ForbiddenError: it says no. InvalidError, NotConfiguredError: it cannot be asked.
    """
    text = rows.setting(SETTING)
    if text is None:
        return
    me = rows.me()
    question = Question(
        user=me["name"] or "",
        admin=me["admin"],
        verb=verb,
        kind=kind,
        name=name,
        fields=fields or {},
        at=SYSTEM.now(),
    )
    if not policy_of(text).allows(question):
        raise ForbiddenError(
            f"the policy of this installation does not let {question.user} {verb} the {kind} {name}",
            hint="flow policy show prints it",
        )
