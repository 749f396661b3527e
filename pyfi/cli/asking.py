"""Questions whose answers are not shown."""

from __future__ import annotations

import sys

import click


def secret(question: str, *, twice: bool = False) -> str:
    """A hidden answer; where nobody sits at a terminal, the next line of stdin."""
    if sys.stdin.isatty():
        answer: str = click.prompt(question, hide_input=True, confirmation_prompt=twice, err=True)
        return answer
    line = sys.stdin.readline()
    if not line:
        raise click.UsageError(f"{question}: nobody answers; write it to stdin")
    return line.removesuffix("\n").removesuffix("\r")
