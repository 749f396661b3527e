"""The group `flow add`."""

from __future__ import annotations

import click

from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.lazy import LazyGroup

COMMANDS = {
    "agent": ("pyfi.cli.nouns.agent:add", "Add agent object to the database."),
    "deployment": ("pyfi.cli.nouns.deployment:add", "Add deployment of a processor to a node."),
    "member": ("pyfi.cli.nouns.member:add", "Add a user to a network."),
    "network": ("pyfi.cli.nouns.network:add", "Add network object to the database."),
    "node": ("pyfi.cli.nouns.node:add", "Add node object to the database."),
    "plug": (
        "pyfi.cli.nouns.plug:add",
        "Add plug to a processor: what its source returns becomes a call of its target.",
    ),
    "privilege": ("pyfi.cli.nouns.privilege:add", "Add privilege to the database."),
    "processor": ("pyfi.cli.nouns.processor:add", "Add processor to the database."),
    "queue": ("pyfi.cli.nouns.queue:add", "Add queue object to the database."),
    "role": ("pyfi.cli.nouns.role:add", "Add role object to the database."),
    "socket": ("pyfi.cli.nouns.socket:add", "Add socket to a processor."),
    "user": ("pyfi.cli.nouns.user:add", "Add user object to the database."),
}


@click.group("add", cls=LazyGroup, entries=COMMANDS, aliases={"outlet": "socket"})
@click.option("--id", "id_", metavar="ID", help="ID of object being added; a new one if none is given.")
@pass_invocation
def add(invocation: Invocation, id_: str | None) -> None:
    """Add an object to the database."""
    invocation.new_id = id_
