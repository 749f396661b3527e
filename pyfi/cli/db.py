"""`flow db`: the database as a whole."""

from __future__ import annotations

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation

PREFIX = click.option("--prefix", help="Of the Postgres roles; made from the database's name if none is given.")
ADMIN = click.option("--admin", default="admin", show_default=True, metavar="NAME", help="The administrator.")


@click.group("db")
def db() -> None:
    """Database operations."""


def _initialise(invocation: Invocation, prefix: str | None, admin: str) -> None:
    from pyfi.control import installation

    settings = invocation.settings()
    login = installation.init(
        settings, prefix=prefix, admin=admin, told=lambda table: click.echo(f"Enabling security on table {table}")
    )
    click.echo("Database create all schemas done.")
    say(f"administrator {login.user}; the login is kept in {settings.credentials_file}")


@db.command("init")
@click.option("-y", "--yes", is_flag=True, help="It is no error when it is initialised already.")
@PREFIX
@ADMIN
@pass_invocation
def init(invocation: Invocation, yes: bool, prefix: str | None, admin: str) -> None:
    """Initialize database tables, roles and the first administrator; needs a superuser's URL.

    Example: flow db init
    """
    from pyfi.errors import AlreadyExistsError

    try:
        _initialise(invocation, prefix, admin)
    except AlreadyExistsError as error:
        if not yes:
            raise
        say(error.message)


@db.command("drop")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_invocation
def drop(invocation: Invocation, yes: bool) -> None:
    """Drop all database tables and their roles; needs a superuser's URL.

    Example: flow db drop -y
    """
    from pyfi.control import installation

    settings = invocation.settings()
    _confirm(settings.db, yes)
    installation.drop(settings)
    click.echo("Database dropped.")


def _confirm(url: str | None, yes: bool) -> None:
    from pyfi.logs import masked

    if not yes and url:
        click.confirm(f"Drop everything in {masked(url)}?", abort=True, err=True)


@db.command("rebuild")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@PREFIX
@ADMIN
@pass_invocation
def rebuild(invocation: Invocation, yes: bool, prefix: str | None, admin: str) -> None:
    """Drop and rebuild database tables; needs a superuser's URL.

    Example: flow db rebuild -y
    """
    from pyfi.control import installation
    from pyfi.errors import NotFoundError

    settings = invocation.settings()
    _confirm(settings.db, yes)
    try:
        installation.drop(settings)
    except NotFoundError:
        say("there was nothing to drop")
    _initialise(invocation, prefix, admin)


@db.command("migrate")
@pass_invocation
def migrate(invocation: Invocation) -> None:
    """Perform database migration to this version's schema; needs a superuser's URL.

    Example: flow db migrate
    """
    from pyfi.control import installation

    before, after = installation.migrate(invocation.settings())
    click.echo(f"Database is at revision {after}." if before == after else f"Database upgraded: {before} to {after}.")


@db.command("json")
@pass_invocation
def as_json(invocation: Invocation) -> None:
    """Dump the database to JSON, as far as your login may read it.

    Example: flow db json
    """
    from pyfi.cli import render
    from pyfi.control import installation

    click.echo(render.as_json(installation.dump(invocation.settings())))


@db.command("admin")
@click.option("-n", "--name", default="admin", show_default=True, help="The administrator.")
@pass_invocation
def admin(invocation: Invocation, name: str) -> None:
    """Give an administrator a new password and keep it on this machine; needs a superuser's URL.

    Example: flow db admin
    """
    from pyfi.control import installation

    settings = invocation.settings()
    login = installation.renew_admin(settings, admin=name)
    click.echo(f"{login.user} has a new login.")
    say(f"the login is kept in {settings.credentials_file}")
