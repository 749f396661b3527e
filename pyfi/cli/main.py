"""`flow`: the root command and its end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from pyfi.cli import ending
from pyfi.cli.invocation import Invocation
from pyfi.cli.lazy import LazyGroup
from pyfi.cli.options import FORMATS

COMMANDS = {
    "add": ("pyfi.cli.add:add", "Add an object to the database."),
    "agent": ("pyfi.cli.agent:agent", "Run the agent of this machine."),
    "audit": ("pyfi.cli.audit:audit", "Show who changed what."),
    "broker": ("pyfi.cli.broker:broker", "The message broker."),
    "call": ("pyfi.cli.call:call", "Look at one call; cancel, retry, replay or discard some."),
    "config": ("pyfi.cli.config:config", "Show every setting and where it comes from."),
    "context": ("pyfi.cli.context:context", "Work with several installations: named sets of URLs, without passwords."),
    "db": ("pyfi.cli.db:db", "Database operations."),
    "delete": ("pyfi.cli.delete:delete", "Delete an object from the database."),
    "demo": ("pyfi.cli.demo:demo", "Show the whole path: servers, agent, chained calls, a kill -9 in the middle."),
    "describe": ("pyfi.cli.describe:describe", "Show everything about one object."),
    "doctor": ("pyfi.cli.doctor:doctor", "Check what PyFI needs on this machine."),
    "down": ("pyfi.cli.up:down", "Stop the embedded stack and its agent; the data stay."),
    "graph": ("pyfi.cli.graph:graph", "Draw processors, sockets and plugs."),
    "listen": ("pyfi.cli.listen:listen", "Listen to a processor's output."),
    "login": ("pyfi.cli.login:login", "Log into flow CLI."),
    "logout": ("pyfi.cli.login:logout", "Logout current user."),
    "ls": ("pyfi.cli.ls:ls", "List database objects and their relations."),
    "policy": ("pyfi.cli.policy:policy", "Rules of this installation above rights and rows."),
    "node": ("pyfi.cli.node:node", "Let machines become nodes, and take that back."),
    "proc": ("pyfi.cli.proc:proc", "Run or manage processors."),
    "queue": ("pyfi.cli.queue:queue", "See and work with what waits in queues."),
    "secret": ("pyfi.cli.secret:secret", "Secrets of your processors: variables, git and index logins, by name."),
    "setting": ("pyfi.cli.setting:setting", "Settings of the installation, which administrators write."),
    "status": ("pyfi.cli.up:status", "Show what of the embedded stack runs."),
    "task": ("pyfi.cli.task:task", "Run tasks."),
    "up": ("pyfi.cli.up:up", "Start the embedded Postgres and Valkey and one agent; Ctrl-C stops them, the data stay."),
    "update": ("pyfi.cli.update:update", "Update a database object."),
    "user": ("pyfi.cli.user:user", "User commands."),
    "whoami": ("pyfi.cli.whoami:whoami", "Show the database login user."),
}


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    aliases={"show": "describe"},
    context_settings={"help_option_names": ["--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.option("--debug", is_flag=True, help="Show tracebacks and debug logs.")
@click.option("-d", "--db", metavar="URL", help="Database URI.")
@click.option("--backend", metavar="URL", help="Task queue backend.")
@click.option("--broker", metavar="URL", help="Message broker URI.")
@click.option("-a", "--api", metavar="URL", help="Message broker API URI.")
@click.option("-u", "--user", help="Message broker API user.")
@click.option("-p", "--password", help="Message broker API password.")
@click.option("-i", "--ini", metavar="FILE", help="Configuration file (.ini).")
@click.option("-o", "--output", type=click.Choice(FORMATS), help="Format of what is read.")
@click.option("-c", "--config", "configure", is_flag=True, help="Ask for the URLs and write the configuration file.")
@click.version_option(package_name="pyfi", prog_name="flow", message="%(prog)s %(version)s")
@click.pass_context
def flow(
    ctx: click.Context,
    /,
    debug: bool,
    ini: str | None,
    output: str | None,
    configure: bool,
    **flags: str | None,
) -> None:
    """CLI for creating and managing networks of processors."""
    invocation = ctx.ensure_object(Invocation)
    invocation.debug, invocation.ini, invocation.output, invocation.flags = debug, ini, output, flags
    if debug:
        import logging

        from pyfi import logs

        logs.setup(level=logging.DEBUG)
    if configure:
        from pyfi.cli.config import wizard

        wizard(invocation)
        ctx.exit()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str] | None = None) -> int:
    """One run; gives the exit code."""
    invocation = Invocation()
    ending.prepare_streams()
    try:
        # Not click's own main: it ends the process in its own ways.
        words = list(sys.argv[1:] if arguments is None else arguments)
        with flow.make_context("flow", words, obj=invocation) as context:
            flow.invoke(context)
        return ending.close_streams()
    except BaseException as error:  # noqa: BLE001 # the one place where everything ends
        code = ending.ended_by(error, debug=invocation.debug)
        return ending.close_streams() or code


def main() -> NoReturn:
    """The entry point."""
    sys.exit(run())
