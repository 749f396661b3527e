"""`flow whoami`."""

from __future__ import annotations

import click

from pyfi.cli.invocation import Invocation, pass_invocation


@click.command("whoami")
@pass_invocation
def whoami(invocation: Invocation) -> None:
    """Show the database login user.

    Example: flow whoami
    """
    from pyfi.control import listing

    with invocation.database() as database:
        me = listing.who_am_i(database)
    click.echo(f"Database user {me['login']}")
    role = ", administrator" if me["admin"] else ""
    click.echo(f"Logged into flow as {me['name']}{role}" if me["name"] else "Not logged in")
