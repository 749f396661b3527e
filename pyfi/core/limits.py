"""What people write as limits."""

from __future__ import annotations

import re

from pyfi.errors import InvalidError

# Instead of a number: no limit any more.
LIFTED = "none"
HIGHEST_RATE = 1_000_000.0
SECONDS = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)/([smh])")


def parsed_rate(text: str) -> float:
    """Calls in a second, of `10/s`, `100/m` or `5/h`.

    Raises: InvalidError.

    >>> parsed_rate("90/m")
    1.5
    """
    found = _RATE.fullmatch(text)
    rate = float(found[1]) / SECONDS[found[2]] if found else 0.0
    if not 0 < rate <= HIGHEST_RATE:
        raise InvalidError(f"{text[:40]!r} is no rate", hint="10/s, 100/m or 5/h")
    return rate


def shown_rate(rate: float) -> str:
    """The rate in the unit in which it is a whole number, if there is one.

    >>> shown_rate(1.5), shown_rate(10.0), shown_rate(1 / 3600)
    ('90/m', '10/s', '1/h')
    """
    for unit, seconds in SECONDS.items():
        if abs(rate * seconds - round(rate * seconds)) < 1e-9 * seconds:
            return f"{round(rate * seconds)}/{unit}"
    return f"{rate:g}/s"
