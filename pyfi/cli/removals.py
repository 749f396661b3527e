"""`flow delete NOUN`: one command a kind, all made alike."""

from __future__ import annotations

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import id_option, network_option


def deletion_of(kind: str) -> click.Command:
    """`flow delete` for a kind."""

    def body(
        invocation: Invocation, name: str | None, id_: str | None, cascade: bool, network: str | None = None
    ) -> None:
        from pyfi.control import removal

        with invocation.database() as database:
            gone = removal.delete(database, kind, name=name, id_=id_, network=network, cascade=cascade)
        for each, row in gone:
            say(f"{each} {row['name']} deleted")

    article = "an" if kind == "agent" else "a"
    body.__doc__ = f"Delete {article} {kind} from the database.\n\nExample: flow delete {kind} -n NAME"
    command = pass_invocation(body)
    command = click.option("--cascade", is_flag=True, help="Delete what uses it, too.")(command)
    command = id_option(kind)(network_option(command) if kind != "network" else command)
    command = click.option("-n", "--name", help=f"Name of the {kind}.")(command)
    return click.command(kind)(command)


network = deletion_of("network")
node = deletion_of("node")
agent = deletion_of("agent")
queue = deletion_of("queue")
processor = deletion_of("processor")
socket = deletion_of("socket")
plug = deletion_of("plug")
deployment = deletion_of("deployment")
