"""add node, update node."""

from __future__ import annotations

import click

from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.nouns import written
from pyfi.cli.options import id_option, name_option, network_option


def this_machine(hostname: str | None) -> str | None:
    """`localhost` means the machine on which it is typed."""
    if hostname != "localhost":
        return hostname
    from pyfi import settings

    return settings.hostname()


@click.command("node")
@name_option("Name of this node.")
@click.option("-h", "--hostname", help="Hostname of the machine; the node's name if none is given.")
@network_option
@pass_invocation
def add(invocation: Invocation, name: str, hostname: str | None, network: str | None) -> None:
    """Add node object to the database.

    The agent of that machine takes it over when it starts.

    Example: flow add node -n node1 -h phoenix
    """
    written.add(invocation, "node", name=name, hostname=this_machine(hostname), network=network)


@click.command("node")
@name_option("Name of the node.", required=False)
@id_option("node")
@click.option("--rename", metavar="NAME", help="New name.")
@click.option("-h", "--hostname", help="Hostname of the machine.")
@network_option
@pass_invocation
def update(
    invocation: Invocation,
    name: str | None,
    id_: str | None,
    rename: str | None,
    hostname: str | None,
    network: str | None,
) -> None:
    """Update a node.

    Example: flow update node -n node1 -h phoenix2
    """
    written.update(
        invocation, "node", name=name, id_=id_, network=network, rename=rename, hostname=this_machine(hostname)
    )
