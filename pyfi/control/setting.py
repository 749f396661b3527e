"""The settings of an installation: rows that everybody reads and administrators write."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from pyfi.control import find
from pyfi.db.rows import Row, opened
from pyfi.db.session import Database
from pyfi.errors import ForbiddenError, InvalidError, NotFoundError
from pyfi.runner import policy

_INTERVAL = re.compile(r"[1-9][0-9]{0,5} (second|minute|hour|day)s?\Z")

LONGEST_DAYS = 36_500


def _interval(value: str) -> str:
    if not _INTERVAL.match(value):
        raise InvalidError(f"{value[:40]!r} is no span of time", hint="30 seconds, 5 minutes, 2 hours, 1 day")
    return value


def _count(value: str) -> str:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 1_000_000):
        raise InvalidError(f"{value[:40]!r} is no count from 1 to 1000000")
    return value


def _days(value: str) -> str:
    try:
        days = float(value)
    except ValueError:
        days = 0.0
    if not 0 < days <= LONGEST_DAYS:
        raise InvalidError(f"{value[:40]!r} is no number of days above 0", hint="30, or 0.5 for twelve hours")
    return f"{days:g}"


def _bytes(least: int, most: int, value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) < 16 and least <= int(value) <= most):
        raise InvalidError(f"{value[:40]!r} is no number of bytes from {least} to {most}")
    return value


# key -> what checks a value.
CHECKS: dict[str, Callable[[str], str]] = {
    **{key: partial(policy.checked_setting, key) for key in policy.KEYS},
    "lease": _interval,
    "node_lease": _interval,
    "max_losses": _count,
    "max_hops": _count,
    "hold_after": _count,
    "inline_bytes": partial(_bytes, 1024, 1 << 20),
    "largest_bytes": partial(_bytes, 1 << 20, 4 << 30),
    "log_bytes": partial(_bytes, 1024, 64 << 20),
    "log_lines": _count,
    "keep_days": _days,
    "keep_calls": _count,
}


def _known(key: str) -> Callable[[str], str]:
    if key not in CHECKS:
        close = find.close_to(key, CHECKS)
        raise NotFoundError(f"there is no setting {key[:60]!r}", hint=close or f"one of {', '.join(sorted(CHECKS))}")
    return CHECKS[key]


def listed(database: Database, key: str | None = None) -> list[Row]:
    """key and value of those that are set, or of one; a value that is not set is None.

    Raises: NotFoundError: there is no setting of that name.
    """
    if key is not None:
        _known(key)
    with opened(database) as rows:
        found = [{"key": each, "value": rows.setting(each)} for each in ([key] if key else sorted(CHECKS))]
    return found if key else [each for each in found if each["value"] is not None]


def put(database: Database, key: str, value: str | None) -> Row:
    """Set a value, or with None go back to what holds without one.

    Raises: NotFoundError, InvalidError. ForbiddenError: it takes an administrator.
    """
    check = _known(key)
    with opened(database) as rows:
        me = rows.me()
        if not me["admin"]:
            raise ForbiddenError(f"{me['login']} may not set {key}: it takes an administrator", hint="flow whoami")
        if value is None:
            rows.drop_setting(key)
        else:
            rows.put_setting(key, check(value))
        return {"key": key, "value": rows.setting(key)}
