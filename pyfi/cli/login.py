"""`flow login`, `flow logout`."""

from __future__ import annotations

import click

from pyfi.cli.asking import secret
from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation


@click.command("login")
@click.option("-u", "--user", metavar="NAME", help="The user; asked for if none is given.")
@click.option("--prefix", help="Of the installation's Postgres roles, if it is not the usual one.")
@pass_invocation
def login(invocation: Invocation, user: str | None, prefix: str | None) -> None:
    """Log into flow CLI; the password is asked for and kept in the system's keyring, else in a file of yours (0600).

    Example: flow login -u joe
    """
    from pyfi.control import identity

    settings = invocation.settings()
    name = user if user is not None else click.prompt("User", err=True)
    found, where = identity.log_in(settings, str(name), lambda: secret("Password"), prefix=prefix)
    click.echo(f"Logged into flow as {found}")
    say(f"the password is kept in {where}")


@click.command("logout")
@pass_invocation
def logout(invocation: Invocation) -> None:
    """Logout current user: his login is forgotten on this machine.

    Example: flow logout
    """
    from pyfi.control import identity

    name = identity.log_out(invocation.settings())
    click.echo(f"{name} is logged out" if name else "Not logged in")
