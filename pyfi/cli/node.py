"""`flow node`: which machines may be nodes."""

from __future__ import annotations

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import name_option, network_option


@click.group("node")
def node() -> None:
    """Let machines become nodes, and take that back."""


@node.command("enroll")
@name_option("Name of the node.")
@network_option
@click.option(
    "--hours",
    type=click.FloatRange(0.001, 168),
    default=1.0,
    show_default=True,
    help="How long the token is good.",
)
@pass_invocation
def enroll(invocation: Invocation, name: str, network: str | None, hours: float) -> None:
    """Write a token to stdout with which a machine becomes the node, once. An earlier token is over.

    Example: flow node enroll -n node2 > node2.token
    """
    from pyfi.control import tokens

    settings = invocation.settings()
    with invocation.database() as database:
        token = tokens.offer(database, name, network=network, hours=hours, broker=settings.broker)
    click.echo(token.text())
    say(f"good once, for {hours:g} h; who has it can become node {name}")


@node.command("revoke")
@name_option("Name of the node.")
@network_option
@pass_invocation
def revoke(invocation: Invocation, name: str, network: str | None) -> None:
    """Take a node's logins away, of its running processes too, and its open token.

    Example: flow node revoke -n node2
    """
    from pyfi.control import tokens

    with invocation.database() as database:
        tokens.revoke(database, name, network=network)
    click.echo(f"node {name} has no login any more")
