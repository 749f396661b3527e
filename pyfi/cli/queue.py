"""`flow queue`: how full queues are, what is first, emptying one, one more call."""

from __future__ import annotations

from typing import Any

import click

from pyfi.cli import render
from pyfi.cli.bulk import bulk_options, carried_out
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import id_option, name_option, network_option, output_option
from pyfi.cli.task import arguments_given
from pyfi.cli.watching import watch

FULL = (
    ("Queue", "queue"),
    ("Type", "type"),
    ("Socket", "socket"),
    ("Processor", "processor"),
    ("Waiting", "waiting"),
    ("Delayed", "delayed"),
    ("Running", "running"),
    ("Parked", "parked"),
    ("Oldest Wait", "oldest"),
    ("Consumers", "consumers"),
    ("Limits", "limits"),
    ("Address", "address"),
)
FIRST = (
    ("Row", "row"),
    ("ID", "id"),
    ("Socket", "socket"),
    ("Owner", "owner"),
    ("Priority", "priority"),
    ("Attempt", "attempt"),
    ("Created", "created"),
    ("Due", "due"),
    ("Arguments", "arguments"),
)
UNITS = {"max_length": "", "max_length_bytes": " bytes", "message_ttl": " ms", "expires": " ms"}


@click.group("queue")
def queue() -> None:
    """See and work with what waits in queues."""


@queue.command("ls")
@click.option("-n", "--name", help="Only this queue.")
@click.option("--watch", "watched", is_flag=True, help="Show it again every two seconds.")
@network_option
@output_option
@pass_invocation
def ls(invocation: Invocation, name: str | None, network: str | None, watched: bool, output: str | None) -> None:
    """List queues with their sockets: how much waits, runs and is parked, since when, and who takes it.

    Example: flow queue ls --watch
    """
    from pyfi.control import queues

    output = output or invocation.output

    def draw() -> None:
        with invocation.database() as database:
            rows = queues.listed(database, name=name, network=network)
        render.show([_worded(row) for row in rows] if output in (None, "table") else rows, FULL, output)

    if watched:
        watch(draw)
    else:
        draw()


def _worded(row: dict[str, Any]) -> dict[str, Any]:
    seconds = row["oldest_seconds"]
    limits = [f"{key} {row[key]}{unit}" for key, unit in UNITS.items() if row[key] is not None]
    if row["concurrency"] is not None:
        limits.append(f"concurrency {row['concurrency']}")
    oldest = "" if seconds is None else f"{max(0.0, seconds):.1f} s"
    return row | {"oldest": oldest, "limits": ", ".join(limits), "socket": row["socket"] or ""}


@queue.command("peek")
@name_option("Name of the queue.", required=False)
@id_option("queue")
@click.option("--socket", metavar="NAME", help="Only calls of this socket.")
@click.option("-r", "--rows", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many.")
@network_option
@output_option
@pass_invocation
def peek(invocation: Invocation, /, rows: int, output: str | None, **asked: Any) -> None:
    """Show the calls that wait in a queue, in the order in which they would run. They go on waiting.

    Example: flow queue peek -n pyfi.queue1
    """
    from pyfi.control import queues

    with invocation.database() as database:
        found = queues.peeked(database, limit=rows, **asked)
    numbered = [row | {"row": number} for number, row in enumerate(found, 1)]
    render.show(numbered, FIRST, output or invocation.output)


@queue.command("purge")
@name_option("Name of the queue.")
@click.option("--socket", metavar="NAME", help="Only calls of this socket.")
@click.option("--older-than", metavar="MOMENT", help="Only calls made before then: 15m, 2h, 3d ago, or a date.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many, the oldest first.")
@network_option
@bulk_options
@pass_invocation
def purge(
    invocation: Invocation,
    /,
    name: str,
    socket: str | None,
    older_than: str | None,
    limit: int | None,
    network: str | None,
    reason: str | None,
    **given: Any,
) -> None:
    """Cancel all calls that wait in a queue. Running and parked ones stay.

    Example: flow queue purge -n pyfi.queue1 --older-than 1d --yes
    """
    from pyfi.control import mending, queues
    from pyfi.core.moments import parsed

    given["output"] = given["output"] or invocation.output
    before = parsed(older_than) if older_than else None
    with invocation.database() as database:
        meant = queues.waiting_in(database, name, network=network, socket=socket, older_than=before, limit=limit)
        carried_out(database, meant, "purge", lambda: mending.purge(database, meant, reason=reason), **given)


@queue.command("send")
@name_option("Name of the queue.", required=False)
@id_option("queue")
@click.option("-t", "--task", metavar="TASK", help="Only sockets of this function.")
@click.option("-d", "--data", help="JSON or a Python literal; a list is the arguments. All of stdin if none is given.")
@click.option("-nd", "--nodata", is_flag=True, help="Call it without arguments.")
@network_option
@pass_invocation
def send(invocation: Invocation, /, data: str | None, nodata: bool, **asked: Any) -> None:
    """Enter a call into a queue and print its id; fanout and topic: one for each socket that it reaches.

    Example: flow queue send -n pyfi.queue1 --data "['some data']"
    """
    from pyfi.control import queues

    with invocation.database() as database:
        for call_id in queues.send(database, arguments_given(data, nodata).text(), **asked):
            click.echo(str(call_id))
