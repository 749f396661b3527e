"""Options by which calls are chosen, the same for every command that takes some: ids, or what they are like."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pyfi.cli.options import network_option

if TYPE_CHECKING:
    from pyfi.control.selection import Selection, Target

STATES = ("queued", "running", "done", "failed", "parked", "cancelled")
OPEN = ("queued", "running", "parked")


def selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What calls must be like: `--failed --parked --state --since --until --socket ...`."""
    for option in (
        network_option,
        click.option("--error", metavar="TEXT", help="Whose error has this in its type or message."),
        click.option("--root", metavar="ID", help="Of the flow that this call began."),
        click.option("--user", metavar="NAME", help="Whose first call he made."),
        click.option("--queue", metavar="NAME", help="Of this queue's sockets."),
        click.option("--processor", metavar="NAME", help="Of this processor's sockets."),
        click.option("--socket", metavar="NAME", help="Of this socket, or processor/name."),
        click.option("--until", metavar="MOMENT", help="Made before then."),
        click.option("--since", metavar="MOMENT", help="Made since: 90s, 15m, 2h, 3d ago, or a date and time."),
        click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="In this state; repeatable."),
        click.option("--parked", is_flag=True, help="The same as --state parked."),
        click.option("--failed", is_flag=True, help="The same as --state failed."),
    ):
        function = option(function)
    return function


def taken(given: dict[str, Any], **more: Any) -> Selection:
    """The selection that the options say; they are taken out of `given`.

    Raises: InvalidError: a moment is none.
    """
    from pyfi.control.selection import Selection
    from pyfi.core.moments import parsed

    states = [*given.pop("states"), *(name for name in ("failed", "parked") if given.pop(name))]
    since, until = given.pop("since"), given.pop("until")
    named = {key: given.pop(key) for key in ("socket", "processor", "queue", "user", "root", "error", "network")}
    return Selection(
        states=tuple(dict.fromkeys(states)),
        since=parsed(since) if since else None,
        until=parsed(until) if until else None,
        **named | more,
    )


def target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`ID...` or a selection, and how many of it at most."""
    limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many, the oldest first.")
    return click.argument("ids", metavar="[ID]...", nargs=-1)(selection_options(limit(function)))


def target(given: dict[str, Any], *, states: tuple[str, ...], awaited: bool = False) -> Target:
    """The calls that are meant; without a state those in `states`, where the verb has something to do.

    Args: awaited: without members of compositions that have ended.

    Raises: click.UsageError: neither ids nor a filter, or both. InvalidError: a moment is none.
    """
    from dataclasses import replace

    from pyfi.control.selection import Target

    ids, limit, selection = given.pop("ids"), given.pop("limit"), taken(given)
    if ids and (not selection.is_empty or limit is not None):
        raise click.UsageError("give ids, or filters, not both")
    if not ids and selection.is_empty:
        raise click.UsageError("which calls? give ids, or filters such as --failed --since 1h")
    return Target(
        ids=ids, selection=replace(selection, states=selection.states or states, awaited=awaited), limit=limit
    )
