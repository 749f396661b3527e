"""Groups whose commands are imported when they are used, so that `flow --help` costs next to nothing."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

import click

# name -> (module:attribute, first line of its help)
Entries = Mapping[str, tuple[str, str]]


class LazyGroup(click.Group):
    """Knows names and first lines; the module is imported for the command itself."""

    def __init__(
        self,
        *args: object,
        entries: Entries | None = None,
        aliases: Mapping[str, str] | None = None,
        **kwargs: object,
    ) -> None:
        """`entries`: the commands. `aliases`: other names for some of them, not listed."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.entries = dict(entries or {})
        self.aliases = dict(aliases or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In alphabetical order."""
        return sorted(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import it."""
        entry = self.entries.get(self.aliases.get(cmd_name, cmd_name))
        if entry is None:
            return None
        module, _, attribute = entry[0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown name gets the nearest one as a hint."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            close = difflib.get_close_matches(name, [*self.entries, *self.aliases], n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise click.UsageError(f"there is no command {name!r}{hint}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and first lines, without an import."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.entries[name][1]) for name in self.list_commands(ctx)])
