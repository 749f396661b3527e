"""add queue, update queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.limits import Limit
from pyfi.cli.nouns import written
from pyfi.cli.options import id_option, name_option, network_option

MOST = 2**31 - 1
LONGEST_MILLISECONDS = 10**12


def limits(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `add` and `update` have in common."""
    for option in (
        click.option("--expires", type=Limit(LONGEST_MILLISECONDS), help="Milliseconds it stays unused; or none."),
        click.option(
            "--message-ttl", type=Limit(LONGEST_MILLISECONDS), help="Milliseconds in which a call must begin; or none."
        ),
        click.option("--max-length-bytes", type=Limit(2**62), help="Most bytes of arguments that may wait; or none."),
        click.option("--max-length", type=Limit(MOST), help="Most calls that may wait in it; or none."),
    ):
        function = option(function)
    return function


@click.command("queue")
@name_option("Name of this queue.")
@click.option(
    "-t",
    "--type",
    type=click.Choice(["topic", "direct", "fanout"]),
    default="direct",
    show_default=True,
    help="Who a plug reaches: one socket, all of the queue (fanout), of its sub-queues too (topic).",
)
@limits
@network_option
@pass_invocation
def add(invocation: Invocation, /, **given: Any) -> None:
    """Add queue object to the database.

    Example: flow add queue -n pyfi.queue1 -t direct
    """
    written.add(invocation, "queue", **given)


@click.command("queue")
@name_option("Name of the queue.", required=False)
@id_option("queue")
@click.option("--rename", metavar="NAME", help="New name.")
@click.option("-t", "--type", type=click.Choice(["topic", "direct", "fanout"]), help="Who gets a call.")
@limits
@network_option
@pass_invocation
def update(invocation: Invocation, /, **given: Any) -> None:
    """Update a queue.

    Example: flow update queue -n pyfi.queue1 --max-length 1000
    """
    written.update(invocation, "queue", **given)
