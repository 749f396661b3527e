"""`flow secret`: values that rows do not show."""

from __future__ import annotations

import sys

import click

from pyfi.cli import render
from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import name_option, network_option, output_option

COLUMNS = (
    ("Name", "name"),
    ("ID", "id"),
    ("Owner", "owner"),
    ("Network", "network"),
    ("Key", "key_id"),
    ("Last Changed", "changed"),
)


@click.group("secret")
def secret() -> None:
    """Secrets of your processors: variables, git and index logins, by name."""


@secret.command("set")
@name_option("Name of the secret.")
@network_option
@pass_invocation
def put(invocation: Invocation, name: str, network: str | None) -> None:
    """Set a value; it is asked for, or read from stdin. Workers that use it are replaced.

    Example: flow secret set -n github < token.txt
    """
    from pyfi.control import secrets
    from pyfi.control.secrets import LONGEST_BYTES

    if sys.stdin.isatty():
        value = click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)
    else:
        value = sys.stdin.read(LONGEST_BYTES + 1).removesuffix("\n")
    with invocation.database() as database:
        row = secrets.put(database, name, value, network=network)
    click.echo(f"{row['id']}:{row['name']}:{render.text_of(row['changed'])}")


@secret.command("ls")
@output_option
@pass_invocation
def ls(invocation: Invocation, output: str | None) -> None:
    """List secrets by name; no command shows a value.

    Example: flow secret ls
    """
    from pyfi.control import listing

    with invocation.database() as database:
        rows = listing.all_of(database, "secret")
    render.show(rows, COLUMNS, output or invocation.output)


@secret.command("delete")
@name_option("Name of the secret.")
@network_option
@pass_invocation
def delete(invocation: Invocation, name: str, network: str | None) -> None:
    """Delete a secret; processors that name it do not start any more.

    Example: flow secret delete -n github
    """
    from pyfi.control import secrets

    with invocation.database() as database:
        row = secrets.remove(database, name, network=network)
    click.echo(f"{row['id']}:{row['name']} deleted")


@secret.command("rotate")
@pass_invocation
def rotate(invocation: Invocation) -> None:
    """Seal all secrets with another key: the newest that this machine has and nobody uses yet, else a new one.

    Example: flow secret rotate
    """
    from pyfi.control import secrets

    home = invocation.settings().home
    with invocation.database() as database:
        done = secrets.rotate(database, home)
    click.echo(f"{done.secrets} secrets sealed with key {done.key}")
    say("nodes on other machines need it: flow secret key export | ssh NODE flow secret key import")


@secret.group("key")
def key() -> None:
    """The keys that open secrets: a file of this machine, never in the database."""


@key.command("ls")
@pass_invocation
def key_ls(invocation: Invocation) -> None:
    """List the ids of this machine's keys, the newest last.

    Example: flow secret key ls
    """
    from pyfi.runner.keyring import Keyring

    for id_ in list(Keyring(invocation.settings().home).keys()):
        click.echo(id_)


@key.command("new")
@pass_invocation
def key_new(invocation: Invocation) -> None:
    """Make a key without using it yet: carry it to the nodes, then rotate.

    Example: flow secret key new
    """
    from pyfi.runner.keyring import Keyring

    click.echo(Keyring(invocation.settings().home).make().public.id)


@key.command("export")
@pass_invocation
def key_export(invocation: Invocation) -> None:
    """Write this machine's keys to stdout; whoever reads them opens every secret.

    Example: flow secret key export | ssh node2 flow secret key import
    """
    from pyfi.errors import InvalidError, NotFoundError
    from pyfi.runner.keyring import Keyring

    if sys.stdout.isatty():
        raise InvalidError("keys are not for a screen", hint="flow secret key export | ssh NODE flow secret key import")
    keyring = Keyring(invocation.settings().home)
    if not keyring.keys():
        raise NotFoundError(f"this machine has no key: there is no {keyring.path}")
    click.echo(keyring.text())


@key.command("import")
@pass_invocation
def key_import(invocation: Invocation) -> None:
    """Keep the keys that stdin gives, beside those that are here.

    Example: flow secret key import < keys.json
    """
    from pyfi.runner.keyring import Keyring, read_keys

    given = read_keys(sys.stdin.read())
    Keyring(invocation.settings().home).add(given)
    click.echo(f"{len(given)} keys: {', '.join(given)}")
