"""`flow describe`."""

from __future__ import annotations

import click

from pyfi.cli import render
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import id_option, network_option, output_option

KINDS = ("agent", "deployment", "network", "node", "plug", "processor", "queue", "socket", "task", "user", "worker")


@click.command("describe")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name", required=False)
@id_option("object")
@network_option
@output_option
@pass_invocation
def describe(
    invocation: Invocation, kind: str, name: str | None, id_: str | None, network: str | None, output: str | None
) -> None:
    """Show everything about one object, what uses it and what it has.

    Example: flow describe processor proc1
    """
    from pyfi.control import listing

    with invocation.database() as database:
        row = listing.describe(database, kind, name=name, id_=id_, network=network)
    render.show_one(render.public(row), output or invocation.output)
