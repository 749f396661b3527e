"""add plug, update plug."""

from __future__ import annotations

from typing import Any

import click

from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.nouns import written
from pyfi.cli.options import id_option, name_option, network_option

ARGUMENT = "Fill this argument of the target; it is called when every argument that a plug leads to has arrived."
TYPES = click.Choice(["RESULT", "ERROR"], case_sensitive=False)


@click.command("plug")
@name_option("Name of this plug.")
@click.option("-q", "--queue", required=True, help="Name of the queue that what it carries waits in.")
@click.option("-s", "--source", help="Socket whose outcome it carries, or processor/socket.")
@click.option("-t", "--target", help="Socket that it calls; the only one of the queue if none is given.")
@click.option("-pn", "--procname", "processor", help="Instead of -s: a processor with one socket.")
@click.option("-y", "--type", type=TYPES, default="RESULT", show_default=True, help="Carry results or errors.")
@click.option("-a", "--argument", metavar="NAME", help=ARGUMENT)
@click.option("--description", help="What it is for.")
@network_option
@pass_invocation
def add(invocation: Invocation, /, **given: Any) -> None:
    """Add plug to a processor: what its source returns becomes a call of its target.

    Example: flow add plug -n plug1 -q pyfi.queue2 -s proc1.socket1 -t proc2.socket1
    """
    written.add(invocation, "plug", **given)


@click.command("plug")
@name_option("Name of the plug, or processor/name.", required=False)
@id_option("plug")
@click.option("--rename", metavar="NAME", help="New name.")
@click.option("-q", "--queue", help="Name of the queue.")
@click.option("-s", "--source", help="Socket whose outcome it carries.")
@click.option("-t", "--target", help="Socket that it calls.")
@click.option("-y", "--type", type=TYPES, help="Carry results or errors.")
@click.option("-a", "--argument", metavar="NAME", help=ARGUMENT)
@click.option("--description", help="What it is for.")
@network_option
@pass_invocation
def update(invocation: Invocation, /, **given: Any) -> None:
    """Update a plug; running calls that end from now on follow it.

    Example: flow update plug -n plug1 -t proc3.socket1
    """
    written.update(invocation, "plug", **given)
