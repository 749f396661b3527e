"""The rules of single calls, as the ledger's submission takes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyfi.errors import InvalidError

Moment = float | timedelta | datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """From when and until when a call may run. A moment is seconds from now, a timedelta, or an aware datetime.

    not_before: it is not begun sooner. expires: it must have started by then, deadline: have ended, or it fails; what
    it leads to has the same deadline. key: the same key with the same arguments is the same call. priority: -10 to
    10, higher ones first; what it leads to has the same.
    """

    not_before: Moment | None = None
    expires: Moment | None = None
    deadline: Moment | None = None
    priority: int | None = None
    key: str | None = None

    def document(self) -> str | None:
        """The JSON that `ledger.submit` takes; None: no options.

        Raises: InvalidError: a datetime without a zone.
        """
        moments = {"not_before": self.not_before, "expires": self.expires, "deadline": self.deadline}
        told: dict[str, float | str] = {name: _told(name, each) for name, each in moments.items() if each is not None}
        if self.priority is not None:
            told["priority"] = self.priority
        if self.key is not None:
            told["key"] = self.key
        return json.dumps(told) if told else None


def _told(name: str, moment: Moment) -> float | str:
    if isinstance(moment, timedelta):
        return moment.total_seconds()
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise InvalidError(f"{name} is {moment} without a zone", hint="datetime.now(UTC), or .astimezone()")
    # In a form that the database reads whatever its settings are.
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
