"""The group `flow delete`."""

from __future__ import annotations

import click

from pyfi.cli.lazy import LazyGroup

COMMANDS = {
    "agent": ("pyfi.cli.removals:agent", "Delete an agent from the database."),
    "deployment": ("pyfi.cli.removals:deployment", "Delete a deployment from the database."),
    "member": ("pyfi.cli.nouns.member:delete", "Delete a user from a network."),
    "network": ("pyfi.cli.removals:network", "Delete a network from the database."),
    "node": ("pyfi.cli.removals:node", "Delete a node from the database."),
    "plug": ("pyfi.cli.removals:plug", "Delete a plug from the database."),
    "privilege": ("pyfi.cli.nouns.privilege:delete", "Delete a privilege from the database."),
    "processor": ("pyfi.cli.removals:processor", "Delete a processor from the database."),
    "queue": ("pyfi.cli.removals:queue", "Delete a queue from the database."),
    "role": ("pyfi.cli.nouns.role:delete", "Delete a role from the database."),
    "socket": ("pyfi.cli.removals:socket", "Delete a socket from the database."),
}


@click.group("delete", cls=LazyGroup, entries=COMMANDS, aliases={"outlet": "socket"})
def delete() -> None:
    """Delete an object from the database."""
