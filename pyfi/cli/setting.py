"""`flow setting`: what holds for the whole installation."""

from __future__ import annotations

import sys

import click

from pyfi.cli import render
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import output_option

COLUMNS = (("Key", "key"), ("Value", "value"))


@click.group("setting")
def setting() -> None:
    """Settings of the installation, which administrators write."""


@setting.command("ls")
@click.argument("key", required=False)
@output_option
@pass_invocation
def ls(invocation: Invocation, key: str | None, output: str | None) -> None:
    """List the settings that have a value, or show one.

    Example: flow setting ls
    """
    from pyfi.control import setting as verbs

    with invocation.database() as database:
        rows = verbs.listed(database, key)
    render.show([row | {"id": row["key"]} for row in rows], COLUMNS, output or invocation.output)


@setting.command("set")
@click.argument("key")
@click.argument("value")
@pass_invocation
def put(invocation: Invocation, key: str, value: str) -> None:
    """Set one; the value - is read from stdin.

    Example: flow setting set repositories_allow "github.com/radiantone gitlab.example.org"
    """
    from pyfi.control import setting as verbs

    given = sys.stdin.read().strip() if value == "-" else value
    with invocation.database() as database:
        row = verbs.put(database, key, given)
    click.echo(f"{row['key']} = {render.text_of(row['value'])}")


@setting.command("unset")
@click.argument("key")
@pass_invocation
def unset(invocation: Invocation, key: str) -> None:
    """Go back to what holds without a value.

    Example: flow setting unset repositories_allow
    """
    from pyfi.control import setting as verbs

    with invocation.database() as database:
        verbs.put(database, key, None)
    click.echo(f"{key} is not set")
