"""`flow policy`: rules of the installation above rights and rows."""

from __future__ import annotations

from typing import IO

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation


@click.group("policy")
def policy() -> None:
    """Rules of this installation above rights and rows; an administrator sets them."""


@policy.command("set")
@click.argument("file", type=click.File(encoding="utf-8"))
@pass_invocation
def set_(invocation: Invocation, file: IO[str]) -> None:
    """Check the Polar rules of a file and put them into force, at once and for everybody.

    Example: flow policy set office-hours.polar
    """
    from pyfi.control.policies import put

    put(invocation.settings(), file.read())
    say("the policy is in force")


@policy.command("show")
@pass_invocation
def show(invocation: Invocation) -> None:
    """Print the policy that is in force; nothing: there is none.

    Example: flow policy show
    """
    from pyfi.control.policies import text

    click.echo(text(invocation.settings()) or "", nl=False)


@policy.command("clear")
@pass_invocation
def clear(invocation: Invocation) -> None:
    """Take the policy out of force: rights and rows decide alone.

    Example: flow policy clear
    """
    from pyfi.control.policies import put

    put(invocation.settings(), None)
    say("there is no policy now")
