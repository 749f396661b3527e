"""The group `flow update`."""

from __future__ import annotations

import click

from pyfi.cli.lazy import LazyGroup

COMMANDS = {
    "agent": ("pyfi.cli.nouns.agent:update", "Update an agent."),
    "deployment": ("pyfi.cli.nouns.deployment:update", "Update a deployment."),
    "network": ("pyfi.cli.nouns.network:update", "Update a network."),
    "node": ("pyfi.cli.nouns.node:update", "Update a node."),
    "plug": ("pyfi.cli.nouns.plug:update", "Update a plug; running calls that end from now on follow it."),
    "processor": (
        "pyfi.cli.nouns.processor:update",
        "Update a processor; its branch is resolved to a commit anew, so new code is taken up.",
    ),
    "queue": ("pyfi.cli.nouns.queue:update", "Update a queue."),
    "socket": ("pyfi.cli.nouns.socket:update", "Update a socket."),
    "user": ("pyfi.cli.nouns.user:update", "Update a user."),
}


@click.group("update", cls=LazyGroup, entries=COMMANDS, aliases={"outlet": "socket"})
def update() -> None:
    """Update a database object."""
