"""The reference page of all commands: `python -m pyfi.cli.reference > docs/reference/cli.md`."""

from __future__ import annotations

from collections.abc import Iterator

import click

HEAD = """\
# Commands

Generated from the code by `python -m pyfi.cli.reference`; a test compares them. `flow show` is `flow describe`, an
`outlet` is a `socket`, and `flow ls` takes the singular too. Data go to stdout, words to stderr;
[exit codes](exit-codes.md) and [settings](settings.md) have pages of their own.
"""
WIDTH = 100


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """The command and all below it, groups before their commands, in alphabetical order."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from commands(below, click.Context(below, info_name=name, parent=context))


def root() -> tuple[click.Command, click.Context]:
    """`flow` itself."""
    from pyfi.cli.main import flow

    return flow, click.Context(flow, info_name="flow", terminal_width=WIDTH, max_content_width=WIDTH)


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for command, context in commands(*root()):
        context.terminal_width = context.max_content_width = WIDTH
        parts.append(f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    click.echo(page(), nl=False)
