"""add member, delete member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation


def ends(function: Callable[..., Any]) -> Callable[..., Any]:
    """Who, and which network."""
    function = click.option("--network", required=True, metavar="NAME", help="The network.")(function)
    return click.option("-u", "--user", required=True, metavar="USER", help="The user.")(function)


def _share(invocation: Invocation, user: str, network: str, *, joins: bool) -> bool:
    from pyfi.control import people

    with invocation.database() as database:
        return people.share(database, network, user, joins=joins)


@click.command("member")
@ends
@pass_invocation
def add(invocation: Invocation, user: str, network: str) -> None:
    """Add a user to a network.

    He sees it, may put his rows into it, and his rights of scope network reach the rows in it.

    Example: flow add member -u joe --network research
    """
    changed = _share(invocation, user, network, joins=True)
    say(f"user {user} is {'now' if changed else 'already'} a member of network {network}")


@click.command("member")
@ends
@pass_invocation
def delete(invocation: Invocation, user: str, network: str) -> None:
    """Delete a user from a network; his rows in it stay his.

    Example: flow delete member -u joe --network research
    """
    changed = _share(invocation, user, network, joins=False)
    say(f"user {user} is {'no longer' if changed else 'not'} a member of network {network}")
