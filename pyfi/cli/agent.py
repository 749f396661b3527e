"""`flow agent`: the agent of this machine."""

from __future__ import annotations

from typing import TextIO

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.nouns.processor import Cpus
from pyfi.cli.options import network_option, output_option, refused


@click.group("agent")
def agent() -> None:
    """Run the agent of this machine."""


@agent.command("start")
@click.option("-p", "--port", type=click.IntRange(1, 65535), help="Healthcheck port, on loopback.")
@click.option("-b", "--backend", metavar="URL", help="Message backend URI.")
@click.option("-r", "--broker", metavar="URL", help="Message broker URI.")
@click.option("-n", "--name", help="Name of the node; this machine's hostname if none is given.")
@click.option("-cp", "--cpus", type=Cpus(), help="Number of CPUs to give; all of this machine if none is given.")
@network_option
@click.option("--token", type=click.File("r"), help="File with a token of `flow node enroll`; - is stdin.")
@refused("--clean", reason="environments that nothing needs are collected by themselves", is_flag=True)
@refused("-c", "--config", reason="settings come from options, environment and ini", metavar="TEXT")
@refused("-q", "--queues", reason="a relay and a sweeper run beside every agent", is_flag=True)
@click.option(
    "-u",
    "--user",
    metavar="USER",
    help="Run functions as this Unix user, or each processor's as one of a range: 300000-300999. Needs root.",
)
@click.option(
    "--sandbox",
    type=click.IntRange(0, 2),
    help="Level: 0 a process of its own, 1 another user (with -u), 2 bubblewrap. 1 with -u, else 0, if none is given.",
)
@refused("-po", "--pool", reason="each CPU has one worker process", metavar="INTEGER")
@refused("-s", "--size", reason="a worker takes only what it can hold", metavar="INTEGER")
@refused("-h", "--host", reason="start it on that machine: ssh HOST flow agent start", metavar="TEXT")
@refused("-wp", "--workerport", reason="the agent's health page tells of its workers", metavar="INTEGER")
@pass_invocation
def start(
    invocation: Invocation,
    port: int | None,
    backend: str | None,
    broker: str | None,
    name: str | None,
    cpus: int | None,
    network: str | None,
    user: str | None,
    sandbox: int | None,
    token: TextIO | None,
) -> None:
    """Start the agent of this machine; the first time the machine is enrolled as a node.

    Example: flow agent start -n node1 -cp 4
    """
    from pyfi.node.serving import serve

    settings = invocation.settings(backend=backend, broker=broker)
    serve(
        settings,
        name,
        cpus=cpus,
        port=port,
        network=network,
        sandbox=sandbox,
        user=user,
        token=token.read() if token else None,
        on_ready=say_running,
    )


def say_running(name: str) -> None:
    """Say that the agent is there."""
    say(f"agent of node {name} is running; Ctrl-C drains its workers and ends it")


@agent.command("plan")
@click.option("-n", "--name", help="Name of the node; this machine's hostname if none is given.")
@click.option("-cp", "--cpus", type=Cpus(), help="Number of CPUs to give.")
@output_option
@pass_invocation
def plan(invocation: Invocation, name: str | None, cpus: int | None, output: str | None) -> None:
    """Show what the agent of this machine would do now; nothing is changed.

    Example: flow agent plan
    """
    from pyfi import settings as files
    from pyfi.agent import wiring
    from pyfi.cli import render

    actions = wiring.preview(invocation.settings().home, name or files.hostname(), cpus=cpus)
    rows = [{"id": str(each.key), "action": type(each).__name__, "reason": str(each.reason)} for each in actions]
    render.show(rows, (("Action", "action"), ("Key", "id"), ("Reason", "reason")), output or invocation.output)
