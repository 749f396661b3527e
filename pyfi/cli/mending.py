"""`flow call retry|replay|discard|cancel|parked`."""

from __future__ import annotations

from typing import Any

import click

from pyfi.cli import render
from pyfi.cli.bulk import TROUBLE, bulk_options, carried_out
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import output_option
from pyfi.cli.selecting import OPEN, selection_options, taken, target, target_options

again_option = click.option("--again", is_flag=True, help="Also calls that were replayed already.")


@click.command("retry")
@target_options
@again_option
@bulk_options
@pass_invocation
def retry(invocation: Invocation, /, again: bool, reason: str | None, **given: Any) -> None:
    """Let parked calls run again, and failed ones as new first calls.

    Example: flow call retry --failed --since 1h --error TimeoutError --yes
    """
    from pyfi.control import mending

    meant = target(given, states=("parked", "failed"), awaited=True)
    given["output"] = given["output"] or invocation.output
    with invocation.database() as database:
        carried_out(
            database,
            meant,
            "retry",
            lambda: mending.retry(database, meant, again=again, reason=reason),
            **given,
        )


@click.command("replay")
@target_options
@click.option("--same-commit", is_flag=True, help="Only at the commit of the code that the call ran at.")
@click.option("--at", metavar="COMMIT", help="Only if this commit is the one that is deployed.")
@click.option("--onward", is_flag=True, help="Members of compositions, each with what is left of its composition.")
@again_option
@bulk_options
@pass_invocation
def replay(
    invocation: Invocation,
    /,
    same_commit: bool,
    at: str | None,
    onward: bool,
    again: bool,
    reason: str | None,
    **given: Any,
) -> None:
    """Run calls that have ended again, from that step on, as new first calls.

    Example: flow call replay 033cf3d3-a0fa-492d-af0a-f51cf5f58d49 --same-commit
    """
    from pyfi.control import mending

    if same_commit and at:
        raise click.UsageError("give --same-commit or --at COMMIT, not both")
    meant = target(given, states=("done", "failed", "cancelled"), awaited=not onward)
    given["output"] = given["output"] or invocation.output
    with invocation.database() as database:
        carried_out(
            database,
            meant,
            "replay",
            lambda: mending.replay(
                database, meant, again=again, same_commit=same_commit, at=at, onward=onward, reason=reason
            ),
            **given,
        )


@click.command("discard")
@target_options
@bulk_options
@pass_invocation
def discard(invocation: Invocation, /, reason: str | None, **given: Any) -> None:
    """Give parked calls up: they end as cancelled ones.

    Example: flow call discard --parked --until 30d --reason "too old" --yes
    """
    from pyfi.control import mending

    meant = target(given, states=("parked",))
    given["output"] = given["output"] or invocation.output
    with invocation.database() as database:
        carried_out(database, meant, "discard", lambda: mending.discard(database, meant, reason=reason), **given)


@click.command("cancel")
@target_options
@bulk_options
@pass_invocation
def cancel(invocation: Invocation, /, reason: str | None, **given: Any) -> None:
    """End calls that wait, run or are parked, with all that they led to. A function that runs is ended.

    Example: flow call cancel 033cf3d3-a0fa-492d-af0a-f51cf5f58d49 --reason "wrong data"
    """
    from pyfi.control import mending

    meant = target(given, states=OPEN)
    given["output"] = given["output"] or invocation.output
    with invocation.database() as database:
        carried_out(database, meant, "cancel", lambda: mending.cancel(database, meant, reason=reason), **given)


@click.command("parked")
@selection_options
@click.option("-r", "--rows", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@output_option
@pass_invocation
def parked(invocation: Invocation, /, rows: int, output: str | None, **given: Any) -> None:
    """List parked calls with their causes, newest first, and how to go on.

    Example: flow call parked --since 1d
    """
    from pyfi.control import calls

    if given["failed"] or given["states"]:
        raise click.UsageError("these are the parked ones; flow ls calls --failed lists others")
    given["parked"] = True
    output = output or invocation.output
    with invocation.database() as database:
        page = calls.listed(database, taken(given), size=rows, causes=True)
    render.show(page.rows, TROUBLE, output)
    if output in (None, "table"):
        click.echo(f"{len(page.rows)} of {'more than ' if page.is_bounded else ''}{page.total} parked calls")
        if page.rows:
            click.echo("flow call retry ID lets one run again, flow call discard ID gives it up; --parked means all")
