"""`flow audit`: who changed what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pyfi.cli import render
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import output_option
from pyfi.logs import masked, printable

if TYPE_CHECKING:
    from pyfi.control.audit import Entry


@click.group("audit", invoke_without_command=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.option("--since", metavar="MOMENT", help="Changes since: 90s, 15m, 2h, 3d ago, or a date and time.")
@click.option("--for", "about", metavar="WHAT", help="Name of an object or a user, an id, or 'kind name'.")
@output_option
@click.pass_context
def audit(ctx: click.Context, follow: bool, since: str | None, about: str | None, output: str | None) -> None:
    """Show who changed what, oldest first: your own changes and those of what is yours; administrators see all.

    Example: flow audit --since 1h --for proc1
    """
    if ctx.invoked_subcommand is not None:
        return
    from dataclasses import asdict

    from pyfi.control.audit import entries
    from pyfi.core.moments import parsed

    invocation = ctx.ensure_object(Invocation)
    output = output or invocation.output
    found = entries(invocation.settings(), since=parsed(since) if since else None, about=about, follow=follow)
    if output in {"json", "yaml"} and not follow:
        render_as = render.as_json if output == "json" else render.as_yaml
        click.echo(render_as([asdict(each) for each in found]))
        return
    for each in found:
        click.echo(line(each))


def line(entry: Entry) -> str:
    """When, who, what, and of an update from what to what."""
    who = entry.user or entry.login
    words = f"{entry.at:%Y-%m-%d %H:%M:%S} {who} {entry.verb} {entry.kind} {entry.name}"
    return printable(masked(f"{words}{_difference(entry)} ({entry.program or 'unnamed program'})"))


def _difference(entry: Entry) -> str:
    if entry.verb != "update" or not entry.before or not entry.after:
        return ""
    changes = (f"{key} {json.dumps(old)} -> {json.dumps(entry.after.get(key))}" for key, old in entry.before.items())
    return f": {', '.join(changes)}"


@audit.command("verify")
@pass_invocation
def verify(invocation: Invocation) -> None:
    """Recompute the chain of hashes; exit 1 where an entry was changed, taken out or cut off. For administrators.

    Example: flow audit verify
    """
    from pyfi.control.audit import verified

    count, broken = verified(invocation.settings())
    if broken is not None:
        click.echo(f"the audit log is broken: entry {broken} does not follow from the one before it", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"the audit log is whole: {count} entries")
