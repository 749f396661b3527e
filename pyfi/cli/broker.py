"""`flow broker`: what an installation has of its broker."""

from __future__ import annotations

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation


@click.group("broker")
def broker() -> None:
    """The message broker."""


@broker.command("init")
@click.option("-n", "--name", default="pyfi", show_default=True, help="Of the vhost and of its user.")
@click.option("--script", is_flag=True, help="Make nothing, print the commands for the broker's machine.")
@pass_invocation
def init(invocation: Invocation, name: str, script: bool) -> None:
    """Make a vhost of RabbitMQ and a user who may use that one only; write the new URL into the ini.

    By the management API where `-a` names it, else by rabbitmqctl as root on this machine; else it prints what to run.

    Example: flow broker init -n pyfi
    """
    from pyfi.control import vhost

    settings = invocation.settings()
    made = vhost.init(settings, name, printed=script)
    if made.script:
        click.echo(made.script, nl=False)
        say("run it on the broker's machine; add_user asks for a password. Then: flow --config")
        return
    say(f"made by {made.how}: vhost {name}, user {name}")
    click.echo(f"the URL is in {vhost.keep(settings, made)}")
