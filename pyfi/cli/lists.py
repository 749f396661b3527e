"""`flow ls NOUNS`: one command a kind, all made alike."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import click

from pyfi.cli.columns import COLUMNS
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import network_option, output_option
from pyfi.cli.render import show
from pyfi.cli.watching import watch


def _rows(invocation: Invocation, kind: str, name: str | None, network: str | None) -> list[dict[str, Any]]:
    from pyfi.control import listing

    with invocation.database() as database:
        rows = listing.all_of(database, kind)
        if name and "*" not in name and "?" not in name and not any(row["name"] == name for row in rows):
            listing.refuse_unknown(database, kind, name)
    rows = [row for row in rows if network is None or row.get("network") == network]
    return [row for row in rows if name is None or fnmatchcase(row["name"], name)]


def listing_of(kind: str, *, networked: bool = True) -> click.Command:
    """`flow ls` for a kind."""

    def body(
        invocation: Invocation, name: str | None, output: str | None, watched: bool, network: str | None = None
    ) -> None:
        def draw() -> None:
            show(_rows(invocation, kind, name, network), COLUMNS[kind], output or invocation.output)

        if watched:
            watch(draw)
        else:
            draw()

    body.__doc__ = f"List {kind}s.\n\nExample: flow ls {kind}s -o json"
    command = pass_invocation(body)
    command = click.option("--watch", "watched", is_flag=True, help="Show it again every two seconds.")(command)
    command = output_option(network_option(command) if networked else command)
    command = click.option("-n", "--name", help=f"Only the {kind} of this name; * and ? match.")(command)
    return click.command(f"{kind}s")(command)


networks = listing_of("network", networked=False)
nodes = listing_of("node")
agents = listing_of("agent")
queues = listing_of("queue")
processors = listing_of("processor")
sockets = listing_of("socket")
plugs = listing_of("plug")
deployments = listing_of("deployment")
workers = listing_of("worker")
tasks = listing_of("task")
users = listing_of("user", networked=False)
roles = listing_of("role", networked=False)
privileges = listing_of("privilege", networked=False)
members = listing_of("member")
logins = listing_of("login", networked=False)
