"""`flow user`: passwords, and who may log in."""

from __future__ import annotations

import click

from pyfi.cli.asking import secret
from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation


@click.group("user")
def user() -> None:
    """User commands."""


@user.command("password")
@click.option("-n", "--name", help="Name of the user; yourself if none is given.")
@pass_invocation
def password(invocation: Invocation, name: str | None) -> None:
    """Change a password: your own, or as an administrator anybody's.

    It is asked for; only a verifier of it reaches the database. If the login is kept on this machine, it is renewed.

    Example: flow user password
    """
    from pyfi.control import identity, people

    settings = invocation.settings()
    typed = secret("New password", twice=True)
    with invocation.database() as database:
        changed = people.set_password(database, name, typed)
        own = database.url.user.partition(".")[2] == changed
    if own and identity.renew_kept(settings, changed, typed):
        say("the login that is kept on this machine is renewed")
    click.echo(f'Password of "{changed}" changed')


@user.command("deactivate")
@click.option("-n", "--name", required=True, help="Name of the user.")
@pass_invocation
def deactivate(invocation: Invocation, name: str) -> None:
    """Refuse a user's login from now on and end his sessions; his rows, calls and history stay.

    Example: flow user deactivate -n joe
    """
    from pyfi.control import people

    with invocation.database() as database:
        people.activate(database, name, active=False)
    click.echo(f'User "{name}" deactivated')


@user.command("activate")
@click.option("-n", "--name", required=True, help="Name of the user.")
@pass_invocation
def activate(invocation: Invocation, name: str) -> None:
    """Let a user log in again; he needs a new password.

    Example: flow user activate -n joe
    """
    from pyfi.control import people

    with invocation.database() as database:
        people.activate(database, name, active=True)
    click.echo(f'User "{name}" activated')
    say(f"flow user password -n {name} gives him a new password")
