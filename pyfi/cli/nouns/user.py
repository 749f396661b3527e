"""add user, update user, ls user."""

from __future__ import annotations

import click

from pyfi.cli import render
from pyfi.cli.asking import secret
from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import output_option, refused

USER = (("Name", "name"), ("ID", "id"), ("Owner", "owner"), ("Email", "email"))
PRIVILEGE = (("Name", "name"), ("Right", "right"), ("Last Updated", "updated"), ("By", "by"))
SCOPED = (*PRIVILEGE[:2], ("Scope", "scope"), *PRIVILEGE[2:])
EFFECTIVE = (("Right", "right"), ("Scope", "scope"), ("From", "source"), ("By", "by"))


def privileges_grid(rows: list[dict[str, object]]) -> str:
    """As the founding screens have it; with the scopes if any of them is not `own`."""
    return render.grid(SCOPED if any(row["scope"] != "own" for row in rows) else PRIVILEGE, rows)


@click.command("user")
@click.option("-n", "--name", help="Name of this user; asked for if none is given.")
@click.option("-e", "--email", help="For people; asked for if none is given.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role to begin with, as often as needed.")
@click.option("--admin", is_flag=True, help="An administrator: holds every right, on everybody's rows.")
@refused("-p", "--password", reason="everybody on the machine could read it; it is asked for, or read from stdin")
@pass_invocation
def add(invocation: Invocation, name: str | None, email: str | None, roles: tuple[str, ...], admin: bool) -> None:
    """Add user object to the database, with a login of his own.

    A new user reads his own rows and has no other right: give him some, or a role. The role `member` has every right on
    one's own rows.

    Example: flow add user -n joe -e joe@xyz --role member
    """
    from pyfi.control import people

    name = name if name is not None else click.prompt("Name", err=True)
    email = email if email is not None else click.prompt("Email", default="", show_default=False, err=True)
    password = secret("Password", twice=True)
    with invocation.database() as database:
        people.add_user(database, str(name), email=email or None, password=password, admin=admin, roles=roles)
    click.echo(f'User "{name}" added')
    if not roles and not admin:
        say(
            f"he reads his own rows so far; flow add privilege -u {name} -n RIGHT,"
            f" or flow update user -n {name} --role member"
        )


@click.command("user")
@click.option("-n", "--name", required=True, help="Name of the user.")
@click.option("-e", "--email", help="For people.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="Give him this role.")
@click.option("--no-role", "no_roles", multiple=True, metavar="ROLE", help="Take this role from him.")
@click.option("--admin/--no-admin", default=None, help="Make him an administrator, or an ordinary user.")
@pass_invocation
def update(
    invocation: Invocation,
    name: str,
    email: str | None,
    roles: tuple[str, ...],
    no_roles: tuple[str, ...],
    admin: bool | None,
) -> None:
    """Update a user: his e-mail, his roles, whether he is an administrator.

    Example: flow update user -n joe --role developer
    """
    from pyfi.cli.nouns import written
    from pyfi.control import people

    if email is None and admin is None and not roles and not no_roles:
        raise click.UsageError("nothing to change was given")
    with invocation.database() as database:
        row = people.update_user(database, name, email=email, admin=admin, roles=roles, no_roles=no_roles)
    written.announce(row)


@click.command("user")
@click.option("-n", "--name", help="Name of the user; yourself if none is given.")
@click.option("--effective", is_flag=True, help="Every right that he really has, and from where.")
@output_option
@pass_invocation
def show(invocation: Invocation, name: str | None, effective: bool, output: str | None) -> None:
    """List a user with his roles and privileges.

    Example: flow ls user -n joe --effective
    """
    from pyfi.control import people

    with invocation.database() as database:
        row = people.user(database, name)
    output = output or invocation.output
    if effective:
        render.show([each | {"id": each["right"]} for each in row["effective"]], EFFECTIVE, output)
        return
    if output in {"json", "yaml", "ids"}:
        render.show_one(render.public(row) | {"effective": [each["right"] for each in row["effective"]]}, output)
        return
    click.echo(render.grid(USER, [row]))
    click.echo("Privileges")
    click.echo(privileges_grid(row["privileges"]))
    if row["roles"]:
        click.echo("Roles")
        click.echo(render.grid((("Role", "role"),), [{"role": each} for each in row["roles"]]))
    if row["revoked"]:
        click.echo("Revoked")
        click.echo(render.grid(PRIVILEGE, row["revoked"]))
