"""The conservation laws of the ledger, tried on the database that is configured. Nothing is changed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from pyfi.control.login import login
from pyfi.ledger.connection import Link
from pyfi.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """What must hold, how many rows break it, and the ids of some of them."""

    law: str
    violations: int
    examples: list[str]


def judged(settings: Settings) -> list[Law]:
    """Every law, in one snapshot of the database.

    Raises: ForbiddenError: not an administrator. UnavailableError, NotConfiguredError.
    """
    with closing(Link(login(settings).libpq(), application="pyfi doctor")) as link:
        rows = link.rows("select law, violations, examples from ledger.laws()")
    return [Law(law=law, violations=violations, examples=examples or []) for law, violations, examples in rows]
