"""`flow call`: look at one call, and mend those that went wrong."""

from __future__ import annotations

from typing import Any

import click

from pyfi.cli import mending, render
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import output_option
from pyfi.logs import printable


@click.group("call")
def call() -> None:
    """Look at one call; cancel, retry, replay or discard some."""


for each in (mending.retry, mending.replay, mending.discard, mending.cancel, mending.parked):
    call.add_command(each)


@call.command("show")
@click.argument("id_", metavar="ID")
@click.option("--full", is_flag=True, help="Also arguments and results that are too large to be shown unasked.")
@output_option
@pass_invocation
def show(invocation: Invocation, id_: str, full: bool, output: str | None) -> None:
    """Show everything about a call: arguments, result or error, times, events.

    Example: flow call show 033cf3d3-a0fa-492d-af0a-f51cf5f58d49
    """
    from pyfi.control import calls

    with invocation.database() as database:
        row = calls.one(database, id_=id_, whole=full)
    output = output or invocation.output
    if output in {"json", "yaml", "ids"}:
        render.show_one(row, output)
        return
    marked(row, full=full)
    error = row.pop("error") or {}
    events = row.pop("events")
    trace = error.pop("traceback", None)
    render.show_one(row | ({"error": error} if error else {}), output)
    for event in events:
        click.echo(f"{render.text_of(event['at'])} {event['name']}: {render.text_of(event['note'])}")
    if trace:
        click.echo(printable(str(trace)).rstrip())


def marked(row: dict[str, Any], *, full: bool) -> None:
    """Instead of a large value its length, and how to see it."""
    for key, size in (("args", row.pop("arguments_bytes")), ("result", row.pop("result_bytes"))):
        if size is not None and not full:
            row[key] = f"({size / 1e6:.1f} MB, not shown: flow call show {row['id']} --full)"


@call.command("tree")
@click.argument("id_", metavar="ID")
@output_option
@pass_invocation
def tree(invocation: Invocation, id_: str, output: str | None) -> None:
    """Show a call and all calls it led to, with state and attempt.

    Example: flow call tree 033cf3d3-a0fa-492d-af0a-f51cf5f58d49
    """
    from pyfi.control import calls, trees

    with invocation.database() as database:
        family = calls.family(database, id_)
    output = output or invocation.output
    if output in {"json", "yaml", "ids"}:
        render.show(family, (), output)
    else:
        click.echo(trees.indented(trees.grown(family)))


@call.command("logs")
@click.argument("id_", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the call has ended.")
@pass_invocation
def logs(invocation: Invocation, id_: str, follow: bool) -> None:
    """Show what a call printed and logged.

    Example: flow call logs 033cf3d3-a0fa-492d-af0a-f51cf5f58d49 -f
    """
    from pyfi.cli.following import follow_lines
    from pyfi.control import calls
    from pyfi.errors import NotFoundError

    with invocation.database() as database:
        call_id = calls.id_of(database, id_)
    with invocation.calls() as ledger:
        if call_id not in ledger.outcomes([call_id]):
            raise NotFoundError(f"there is no call {id_}", hint="flow ls calls")
        follow_lines(ledger, call_id, click.echo, follow=follow)
