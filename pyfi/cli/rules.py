"""Options that say from when and until when a call may run, for every command that makes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pyfi.ledger.options import CallOptions


def rule_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--delay`, `--at`, `--expires`, `--deadline`, `--key`, `--priority`."""
    for option in (
        click.option("--priority", type=click.IntRange(-10, 10), help="Higher ones first; 0 if none is given."),
        click.option("--key", metavar="TEXT", help="The same key with the same data is the same call."),
        click.option("--deadline", metavar="TIME", help="It fails if it has not ended by then."),
        click.option("--expires", metavar="TIME", help="It fails if it has not started by then."),
        click.option("--at", metavar="TIME", help="Do not begin before: a date and time."),
        click.option("--delay", metavar="TIME", help="Do not begin before: 30s, 15m, 2h, 3d from now."),
    ):
        function = option(function)
    return function


def taken(given: dict[str, Any]) -> CallOptions:
    """The rules that the options say; they are taken out of `given`.

    Raises: InvalidError: a time is none. click.UsageError: two beginnings.
    """
    from pyfi.core.moments import ahead
    from pyfi.ledger.options import CallOptions

    delay, at = given.pop("delay"), given.pop("at")
    if delay and at:
        raise click.UsageError("give --delay or --at, not both")
    times = {"not_before": delay or at, "expires": given.pop("expires"), "deadline": given.pop("deadline")}
    moments = {name: ahead(text) if text else None for name, text in times.items()}
    return CallOptions(key=given.pop("key"), priority=given.pop("priority"), **moments)
