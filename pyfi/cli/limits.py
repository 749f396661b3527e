"""Options that limit: numbers and rates, and the word that lifts them."""

from __future__ import annotations

from typing import Any

import click

from pyfi.core.limits import LIFTED, parsed_rate
from pyfi.errors import InvalidError


class Limit(click.ParamType[int | str]):
    """A whole number from `least` to `most`, or `none`."""

    name = "integer"

    def __init__(self, most: int, least: int = 1) -> None:
        """Both are allowed."""
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number, or LIFTED."""
        text = str(value)
        if text == LIFTED:
            return LIFTED
        if text.isascii() and text.isdigit() and self._least <= int(text) <= self._most:
            return int(text)
        problem = f"{text[:40]!r} is no whole number from {self._least} to {self._most}, nor the word none"
        raise click.BadParameter(problem, ctx=ctx, param=param)


class Rate(click.ParamType[float | str]):
    """Calls in a time, `10/s`, `100/m`, `5/h`, or `none`."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Calls in a second, or LIFTED."""
        try:
            return LIFTED if value == LIFTED else value if isinstance(value, float) else parsed_rate(str(value))
        except InvalidError as error:
            raise click.BadParameter(error.message, ctx=ctx, param=param) from error
