"""add agent, update agent."""

from __future__ import annotations

import click

from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.nouns import written
from pyfi.cli.options import id_option, name_option, network_option


@click.command("agent")
@name_option("Name of this agent.")
@click.option("-nd", "--node", required=True, help="Name of the node it is the agent of.")
@network_option
@pass_invocation
def add(invocation: Invocation, name: str, node: str, network: str | None) -> None:
    """Add agent object to the database.

    `flow agent start` does this too, for the machine it runs on.

    Example: flow add agent -n agent1 -nd node1
    """
    written.add(invocation, "agent", name=name, node=node, network=network)


@click.command("agent")
@name_option("Name of the agent.", required=False)
@id_option("agent")
@click.option("--rename", metavar="NAME", help="New name.")
@network_option
@pass_invocation
def update(invocation: Invocation, name: str | None, id_: str | None, rename: str | None, network: str | None) -> None:
    """Update an agent.

    Example: flow update agent -n agent1 --rename agent2
    """
    written.update(invocation, "agent", name=name, id_=id_, network=network, rename=rename)
