"""add privilege, delete privilege, ls rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation


def holder(function: Callable[..., Any]) -> Callable[..., Any]:
    """Whose and which."""
    function = click.option("-n", "--name", "right", required=True, metavar="RIGHT", help="The right's word.")(function)
    function = click.option("-r", "--role", metavar="ROLE", help="Of this role.")(function)
    return click.option("-u", "--user", metavar="USER", help="Of this user.")(function)


@click.command("privilege")
@holder
@click.option(
    "-s", "--scope", type=click.Choice(["own", "network", "all"]), default="own", show_default=True,
    help="On his own rows, those of the networks he is in, or all.",
)  # fmt: skip
@click.option("--revoke", is_flag=True, help="Take it from the user, whatever his roles give.")
@pass_invocation
def add(invocation: Invocation, user: str | None, role: str | None, right: str, scope: str, revoke: bool) -> None:
    """Add privilege to the database: a right becomes one when a user or a role has it.

    Example: flow add privilege -u joe -n ADD_PROCESSOR
    """
    from pyfi.control import people

    with invocation.database() as database:
        people.add_privilege(database, right, user=user, role=role, scope=scope, revoke=revoke)
    click.echo("Privilege revoked" if revoke else "Privilege added")


@click.command("privilege")
@holder
@pass_invocation
def delete(invocation: Invocation, user: str | None, role: str | None, right: str) -> None:
    """Delete a privilege from the database: what was given, or what was revoked.

    Example: flow delete privilege -u joe -n ADD_PROCESSOR
    """
    from pyfi.control import people

    with invocation.database() as database:
        word = people.delete_privilege(database, right, user=user, role=role)
    say(f"privilege {word} of {user or role} deleted")


@click.command("rights")
def rights() -> None:
    """List every right that can be given.

    Example: flow ls rights
    """
    from pyfi.core.rights import RIGHTS

    click.echo("\n".join(RIGHTS))
