"""`flow up`, `flow down`, `flow status`: the embedded stack."""

from __future__ import annotations

import click

from pyfi.cli import render
from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.nouns.processor import Cpus
from pyfi.cli.options import output_option


@click.command("up")
@click.option("-d", "--detach", is_flag=True, help="Leave it running; flow down stops it.")
@click.option("-n", "--name", help="Name of the node; this machine's hostname if none is given.")
@click.option("-cp", "--cpus", type=Cpus(), help="Number of CPUs the agent may give; all if none is given.")
@pass_invocation
def up(invocation: Invocation, detach: bool, name: str | None, cpus: int | None) -> None:
    """Start the embedded Postgres and Valkey and one agent; Ctrl-C stops them, the data stay.

    Example: flow up -d
    """
    from pyfi.cli.agent import say_running
    from pyfi.errors import ConflictError
    from pyfi.node import embedded
    from pyfi.node.serving import serve

    home = invocation.settings().home
    running, settings = embedded.start(home, foreground=not detach)
    say(f"the embedded stack is running in {home}")
    if detach:
        words = [*(["-n", name] if name else []), *(["-cp", str(cpus)] if cpus else [])]
        agent = embedded.leave_agent(home, words)
        say(f"its agent is process {agent.pid}; flow down stops both")
        return
    try:
        serve(settings, name, cpus=cpus, on_ready=say_running)
    except ConflictError as error:
        # Two terminals asked for the same: the second has what it asked for.
        if running.started:
            raise
        say(error.message)
    finally:
        if running.started:
            running.stop()
            say("the embedded stack is stopped; its data stay")


@click.command("down")
@pass_invocation
def down(invocation: Invocation) -> None:
    """Stop the embedded stack and its agent; the data stay.

    Example: flow down
    """
    from pyfi.node import embedded

    was_running = embedded.down(invocation.settings().home, say)
    say("the embedded stack is stopped; its data stay" if was_running else "no embedded stack is running")


@click.command("status")
@output_option
@pass_invocation
def status(invocation: Invocation, output: str | None) -> None:
    """Show what of the embedded stack runs.

    Example: flow status
    """
    from pyfi.stack import stack

    found = stack.status(invocation.settings().home)
    rows = [
        {"id": each.name, "address": each.address, "pid": each.pid, "status": "running" if each.pid else "stopped"}
        for each in found.servers
    ]
    render.show(
        rows,
        (("Server", "id"), ("Address", "address"), ("PID", "pid"), ("Status", "status")),
        output or invocation.output,
    )
