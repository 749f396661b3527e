"""`flow proc`: what is asked of a processor."""

from __future__ import annotations

import click

from pyfi.cli.invocation import Invocation
from pyfi.cli.options import network_option

HELP = {
    "start": "Start a processor.",
    "stop": "Stop a processor: running calls end, then its workers.",
    "restart": "Restart a processor: its workers are replaced.",
    "remove": "Remove a processor from its nodes; calls are refused until it is started again.",
    "pause": "Pause a processor: no new call begins, running ones end.",
    "resume": "Resume a paused processor.",
    "lock": "Lock a processor: it takes no calls from people and no changes.",
    "unlock": "Unlock a processor.",
}


@click.group("proc")
@click.option("--id", "id_", metavar="ID", help="ID of processor.")
@click.pass_context
def proc(ctx: click.Context, id_: str | None) -> None:
    """Run or manage processors."""
    ctx.meta["processor"] = id_


def _operation(word: str) -> click.Command:
    @click.pass_context
    def body(
        ctx: click.Context,
        /,
        name: str | None,
        id_: str | None,
        network: str | None,
        wait: bool,
        timeout: float,
    ) -> None:
        from pyfi.control import processors

        invocation = ctx.ensure_object(Invocation)
        with invocation.database() as database:
            row = processors.request(database, word, name=name, id_=id_ or ctx.meta["processor"], network=network)
            if word in processors.LOCKS:
                click.echo(f"processor {row['name']} is {word}ed")
                return
            if wait:
                row = processors.wait_reached(database, row, timeout_seconds=timeout)
        click.echo(f"processor {row['name']}: {row['requested_status']} requested, it is {row['status']}")

    body.__doc__ = f"{HELP[word]}\n\nExample: flow proc {word} -n proc1 --wait"
    command = click.option(
        "--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds for --wait."
    )(body)
    command = click.option("--wait", is_flag=True, help="Until it is so; exit 75 when the time is up.")(command)
    command = network_option(click.option("--id", "id_", metavar="ID", help="ID of processor.")(command))
    command = click.option("-n", "--name", help="Name of processor.")(command)
    return click.command(word)(command)


for each in HELP:
    proc.add_command(_operation(each))
