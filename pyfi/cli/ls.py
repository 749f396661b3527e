"""The group `flow ls`."""

from __future__ import annotations

import click

from pyfi.cli.lazy import LazyGroup

KINDS = (
    *("agent", "deployment", "login", "member", "network", "node", "plug", "privilege", "processor", "queue", "role"),
    *("socket", "task", "user", "worker"),
)
COMMANDS = {f"{kind}s": (f"pyfi.cli.lists:{kind}s", f"List {kind}s.") for kind in KINDS} | {
    "call": ("pyfi.cli.calls:call", "List details about a call record."),
    "calls": ("pyfi.cli.calls:calls", "List calls."),
    "rights": ("pyfi.cli.nouns.privilege:rights", "List every right that can be given."),
    "role": ("pyfi.cli.nouns.role:show", "List a role with its privileges and who has it."),
    "user": ("pyfi.cli.nouns.user:show", "List a user with his roles and privileges."),
    "events": ("pyfi.cli.calls:events", "List events of calls."),
}
ALIASES = {kind: f"{kind}s" for kind in KINDS if kind not in COMMANDS} | {
    "outlet": "sockets",
    "outlets": "sockets",
    "event": "events",
}


@click.group("ls", cls=LazyGroup, entries=COMMANDS, aliases=ALIASES)
def ls() -> None:
    """List database objects and their relations."""
