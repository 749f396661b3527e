"""`flow context`: named sets of URLs, so that one machine can work with several installations."""

from __future__ import annotations

import click

from pyfi.cli import render
from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import output_option
from pyfi.logs import masked

CONTEXT = (("In Use", "current"), ("Name", "id"), ("Database", "db"), ("Broker", "broker"), ("Backend", "backend"))


@click.group("context")
def context() -> None:
    """Work with several installations: named sets of URLs, without passwords."""


@context.command("ls")
@output_option
@pass_invocation
def ls(invocation: Invocation, output: str | None) -> None:
    """List contexts.

    Example: flow context ls
    """
    from pyfi.control import identity

    current, known = identity.contexts(invocation.settings())
    rows = [
        {"current": "*" if name == current else "", "id": name}
        | {key: masked(values.get(key, "")) for key in ("db", "broker", "backend")}
        for name, values in sorted(known.items())
    ]
    render.show(rows, CONTEXT, output or invocation.output)


@context.command("add")
@click.option("-n", "--name", required=True, help="Name of this context.")
@click.option("-d", "--db", required=True, metavar="URL", help="Database URI, without user and password.")
@click.option("--broker", metavar="URL", help="Message broker URI.")
@click.option("--backend", metavar="URL", help="Task queue backend.")
@pass_invocation
def add(invocation: Invocation, name: str, db: str, broker: str | None, backend: str | None) -> None:
    """Add a context and use it from now on; then log in.

    Example: flow context add -n lab -d postgresql://phoenix:5432/pyfi
    """
    from pyfi.control import identity

    identity.add_context(invocation.settings(), name, db=db, broker=broker, backend=backend)
    say(f"context {name} is in use; flow login logs you in")


@context.command("use")
@click.option("-n", "--name", help="Name of the context; none is in use if none is given.")
@pass_invocation
def use(invocation: Invocation, name: str | None) -> None:
    """Use a context from now on, or none.

    Example: flow context use -n lab
    """
    from pyfi.control import identity

    identity.use_context(invocation.settings(), name)
    say(f"context {name} is in use" if name else "no context is in use")


@context.command("delete")
@click.option("-n", "--name", required=True, help="Name of the context.")
@pass_invocation
def delete(invocation: Invocation, name: str) -> None:
    """Delete a context.

    Example: flow context delete -n lab
    """
    from pyfi.control import identity

    identity.delete_context(invocation.settings(), name)
    say(f"context {name} is deleted")
