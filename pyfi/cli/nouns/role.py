"""add role, ls role, delete role."""

from __future__ import annotations

import click

from pyfi.cli import render
from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.nouns import written
from pyfi.cli.nouns.user import privileges_grid
from pyfi.cli.options import name_option, output_option

ROLE = (("Name", "name"), ("ID", "id"), ("Owner", "owner"), ("Last Updated", "updated"))


@click.command("role")
@name_option("Name of this role.")
@pass_invocation
def add(invocation: Invocation, name: str) -> None:
    """Add role object to the database: a set of rights that users are given together.

    Example: flow add role -n developer
    """
    written.add(invocation, "role", name=name)


@click.command("role")
@name_option("Name of the role.")
@output_option
@pass_invocation
def show(invocation: Invocation, name: str, output: str | None) -> None:
    """List a role with its privileges and who has it.

    Example: flow ls role -n developer
    """
    from pyfi.control import people

    with invocation.database() as database:
        row = people.role(database, name)
    output = output or invocation.output
    if output in {"json", "yaml", "ids"}:
        render.show_one(render.public(row), output)
        return
    click.echo(render.grid(ROLE, [row]))
    click.echo("Privileges")
    click.echo(privileges_grid(row["privileges"]))
    if row["users"]:
        click.echo("Users")
        click.echo(render.grid((("User", "user"),), [{"user": each} for each in row["users"]]))


@click.command("role")
@name_option("Name of the role.")
@click.option("--cascade", is_flag=True, help="Although users have it: it is taken from them.")
@pass_invocation
def delete(invocation: Invocation, name: str, cascade: bool) -> None:
    """Delete a role from the database.

    Example: flow delete role -n developer
    """
    from pyfi.control import people

    with invocation.database() as database:
        people.delete_role(database, name, cascade=cascade)
    say(f"role {name} deleted")
