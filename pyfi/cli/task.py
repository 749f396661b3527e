"""`flow task`: run a function and get its result."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pyfi.cli import render
from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import network_option, refused
from pyfi.cli.rules import rule_options, taken
from pyfi.logs import printable

if TYPE_CHECKING:
    from pyfi.control.arguments import Arguments


@click.group("task")
def task() -> None:
    """Run tasks."""


def arguments_given(data: str | None, nodata: bool) -> Arguments:
    """From `--data`, from `--nodata`, or all of stdin.

    Raises: InvalidError: the data are no data.
    """
    from pyfi.control.arguments import Arguments, parsed

    if nodata:
        return Arguments()
    if data is not None:
        return parsed(data)
    if sys.stdin.isatty():
        say("reading the data from the terminal; end with Ctrl-D")
    # The newline that `echo` and our own printing add is not part of the text: so pipes of tasks do not pile them up.
    return Arguments((sys.stdin.read().removesuffix("\n"),))


@task.command("run")
@click.option("-s", "--socket", help="Name of the socket, or processor/name.")
@click.option("-n", "--name", "task_name", metavar="TASK", help="Instead of -s: name of the function.")
@click.option("-d", "--data", help="JSON or a Python literal; a list is the arguments. All of stdin if none is given.")
@click.option("-nd", "--nodata", is_flag=True, help="Call it without arguments.")
@click.option(
    "--room-timeout",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long for room in a full queue; then exit 75.",
)
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait so long; then exit 75.")
@click.option("--no-wait", is_flag=True, help="Print the call's id and do not wait.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the call's prints and what it waits for.")
@rule_options
@network_option
@refused("-a", "--argument", reason="calls for one argument come with joins", metavar="NAME")
@refused("-sy", "--synchronized", reason="a call always waits for its result; see --no-wait", is_flag=True)
@pass_invocation
def run(
    invocation: Invocation,
    /,
    socket: str | None,
    task_name: str | None,
    data: str | None,
    nodata: bool,
    room_timeout: float,
    timeout: float | None,
    no_wait: bool,
    quiet: bool,
    network: str | None,
    **given: Any,
) -> None:
    """Run a task and print its result: text as it is, all else as JSON.

    Example: flow task run --socket pyfi.processors.sample.do_this --data "['some data']"
    """
    from pyfi.cli.awaiting import await_result
    from pyfi.control import tasks

    rules = taken(given)
    with invocation.database() as database, invocation.calls() as ledger:
        target = tasks.chosen(tasks.sockets_named(database, socket=socket, task=task_name, network=network))
        text = arguments_given(data, nodata).text()
        (call_id,) = ledger.submit(target["id"], [text], options=rules, room_seconds=room_timeout)
        if no_wait:
            click.echo(str(call_id))
            return
        print_result(await_result(database, ledger, call_id, timeout_seconds=timeout, quiet=quiet))


def print_result(result: Any) -> None:
    """Text bare (on a terminal so that it cannot draw there), all else as JSON on one line."""
    if not isinstance(result, str):
        click.echo(render.line_json(result))
    else:
        click.echo(printable(result) if sys.stdout.isatty() else result)
