"""Moments as people type them: `90s`, `15m`, `2h`, `3d`, `1w` ago, or a date and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pyfi.errors import InvalidError

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
HINT = "a moment is 90s, 15m, 2h, 3d or 1w ago, or 2026-01-31, or 2026-01-31T18:30"
HINT_AHEAD = "30, 90s, 15m, 2h, 3d from now, or 2030-01-31T18:30"

# So long before the database's present, or a point in time with its zone.
Moment = timedelta | datetime


def ahead(text: str) -> Moment:
    """As `parsed`, but a duration is from now on, and a mere number is seconds.

    Raises: InvalidError.

    >>> ahead("90")
    datetime.timedelta(seconds=90)
    """
    try:
        return timedelta(seconds=float(text)) if re.fullmatch(r"\d+(\.\d+)?", text.strip()) else parsed(text)
    except (InvalidError, OverflowError):
        raise InvalidError(f"{text!r} is no time to come", hint=HINT_AHEAD) from None


def parsed(text: str) -> Moment:
    """A duration, read as so long ago, or a date with or without time; without a zone it is this machine's.

    Raises: InvalidError.

    >>> parsed("1h30m")
    datetime.timedelta(seconds=5400)
    >>> parsed("2026-01-31T18:30Z").isoformat()
    '2026-01-31T18:30:00+00:00'
    """
    typed = text.strip()
    parts = re.findall(r"(\d+)([smhdw])", typed)
    try:
        if parts and "".join(number + unit for number, unit in parts) == typed:
            return sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
        return datetime.fromisoformat(typed).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidError(f"{text!r} is no moment", hint=HINT) from None
