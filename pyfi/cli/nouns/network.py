"""add network, update network."""

from __future__ import annotations

import click

from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.nouns import written
from pyfi.cli.options import id_option, name_option


@click.command("network")
@name_option("Name of this network.")
@click.option("--description", help="What it is for.")
@pass_invocation
def add(invocation: Invocation, name: str, description: str | None) -> None:
    """Add network object to the database.

    Example: flow add network -n research
    """
    written.add(invocation, "network", name=name, description=description)


@click.command("network")
@name_option("Name of the network.", required=False)
@id_option("network")
@click.option("--rename", metavar="NAME", help="New name.")
@click.option("--description", help="What it is for.")
@pass_invocation
def update(
    invocation: Invocation, name: str | None, id_: str | None, rename: str | None, description: str | None
) -> None:
    """Update a network.

    Example: flow update network -n research --description "the lab's"
    """
    written.update(invocation, "network", name=name, id_=id_, network=None, rename=rename, description=description)
