"""`flow listen`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.render import line_json


def _adaptor(path: str) -> Callable[[dict[str, Any]], object]:
    """`put` of a new object of the class that `path` names; looked for in the present folder too.

    Raises: click.BadParameter.
    """
    module, _, name = path.rpartition(".")
    sys.path.insert(0, str(Path.cwd()))
    try:
        made = getattr(importlib.import_module(module), name)()
        put = made.put
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise click.BadParameter(f"{path} is no adaptor: {error}", param_hint="-a") from None
    assert callable(put)
    return put  # type: ignore[no-any-return]


@click.command("listen")
@click.option("-n", "--name", help="Name of socket, processor or queue.processor; not needed for `global`.")
@click.option("-c", "--channel", required=True, help="Listen channel: task, log, event or global.")
@click.option("-a", "--adaptor", help="Adaptor class (e.g. my.module.Class); its put(item) gets each message.")
@pass_invocation
def listen(invocation: Invocation, name: str | None, channel: str, adaptor: str | None) -> None:
    """Listen to a processor's output: one JSON object a line, until interrupted.

    Example: flow listen --name pyfi.queue1.proc1 --channel task
    """
    from pyfi.control import hearing

    put = _adaptor(adaptor) if adaptor else None

    def told(message: dict[str, Any]) -> None:
        if put is not None:
            put(message)
            return
        click.echo(line_json(message))
        sys.stdout.flush()

    with invocation.database() as database:
        hearing.listen(database, name, channel, told, lambda what: say(f"Listening to {what}"))
