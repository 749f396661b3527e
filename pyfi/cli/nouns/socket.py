"""add socket (outlet), update socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.limits import Limit, Rate
from pyfi.cli.nouns import written
from pyfi.cli.options import id_option, name_option, network_option, refused


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `add` and `update` have in common."""
    for option in (
        refused("-i", "--interval", reason="schedules are not there yet", metavar="INTEGER"),
        network_option,
        click.option("--description", help="What it does."),
        click.option("--burst", type=Limit(1_000_000), help="Calls that may begin at once, with --rate; or none."),
        click.option("--rate", type=Rate(), help="Most calls in a time, network-wide: 10/s, 100/m, 5/h; or none."),
        click.option(
            "-c",
            "--concurrency",
            type=Limit(4096),
            help="Most calls at once, network-wide; also the CPUs for a processor without a count; or none.",
        ),
    ):
        function = option(function)
    return function


@click.command("socket")
@name_option("Name of this socket.")
@click.option(
    "-q", "--queue", help="Name of the queue its calls wait in; one of the processor's name if none is given."
)
@click.option("-pn", "--procname", "processor", required=True, help="Name of the processor.")
@click.option("-t", "--task", help="The function in the processor's module; the processor's -t task if none is given.")
@shared
@pass_invocation
def add(invocation: Invocation, /, **given: Any) -> None:
    """Add socket to a processor.

    Example: flow add socket -n proc1.socket1 -q pyfi.queue1 -pn proc1 -t do_something
    """
    written.add(invocation, "socket", **given)


@click.command("socket")
@name_option("Name of the socket, or processor/name.", required=False)
@id_option("socket")
@click.option("--rename", metavar="NAME", help="New name.")
@click.option("-q", "--queue", help="Name of the queue its calls wait in.")
@click.option("-t", "--task", help="The function in the processor's module.")
@shared
@pass_invocation
def update(invocation: Invocation, /, **given: Any) -> None:
    """Update a socket.

    Example: flow update socket -n proc1.socket1 -t do_this
    """
    written.update(invocation, "socket", **given)
