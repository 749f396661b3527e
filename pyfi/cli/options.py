"""Options that many commands share, defined once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("table", "json", "yaml", "ids")


def name_option(help_text: str, *, required: bool = True) -> Callable[[F], F]:
    """`-n/--name`."""
    return click.option("-n", "--name", required=required, help=help_text)


def network_option(function: F) -> F:
    """`--network`."""
    return click.option("--network", metavar="NAME", help="Network; `default` if none is named.")(function)


def id_option(what: str) -> Callable[[F], F]:
    """`--id`."""
    return click.option("--id", "id_", metavar="ID", help=f"ID of the {what}.")


def output_option(function: F) -> F:
    """`-o/--output`."""
    return click.option("-o", "--output", type=click.Choice(FORMATS), help="Format: table, json, yaml or ids.")(
        function
    )


def refused(*names: str, reason: str, **attributes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option of the founding documents whose effect is not there yet: it says so instead of doing nothing."""

    def refuse(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
        if value not in (None, False):
            raise click.UsageError(f"{parameter.opts[-1]} is refused: {reason}", ctx=ctx)

    return click.option(*names, callback=refuse, expose_value=False, help=f"Refused: {reason}.", **attributes)
