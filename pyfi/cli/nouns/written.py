"""What all `add` and `update` commands do around their verb."""

from __future__ import annotations

from typing import Any

import click

from pyfi.cli.invocation import Invocation
from pyfi.cli.render import text_of


def announce(row: dict[str, Any]) -> None:
    """`id:name:time`, as the founding screens print it."""
    click.echo(f"{row['id']}:{row['name']}:{text_of(row['updated'])}")


def add(invocation: Invocation, kind: str, **given: object) -> None:
    """Make one and announce it."""
    from pyfi.control import verbs

    with invocation.database() as database:
        announce(verbs.add(database, kind, given | {"id": invocation.new_id}))


def update(
    invocation: Invocation, kind: str, *, name: str | None, id_: str | None, network: str | None, **given: object
) -> None:
    """Change one and announce it."""
    from pyfi.control import verbs

    if all(value is None for value in given.values()):
        raise click.UsageError("nothing to change was given")
    with invocation.database() as database:
        announce(verbs.update(database, kind, given, name=name, id_=id_, network=network))
