"""One verb for many calls: shown before, asked about, done in steps, counted in the end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from pyfi.cli import render
from pyfi.cli.ending import say
from pyfi.cli.options import output_option
from pyfi.logs import printable

if TYPE_CHECKING:
    from pyfi.control.selection import Target
    from pyfi.db.mending import Mended
    from pyfi.db.session import Database

SHOWN = 20
TROUBLE = (
    ("Name", "name"),
    ("ID", "id"),
    ("Owner", "owner"),
    ("State", "state"),
    ("Attempt", "attempt"),
    ("Created", "created"),
    ("Cause", "cause"),
)
WORDS = {"queued": "queued again", "replayed": "replayed", "cancelled": "cancelled", "refused": "refused"}


def bulk_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--reason`, `--dry-run`, `--yes`, `-o`."""
    for option in (
        output_option,
        click.option("-y", "--yes", is_flag=True, help="Do not ask, however many there are."),
        click.option("--dry-run", is_flag=True, help="Show what would be touched, and touch nothing."),
        click.option("--reason", metavar="TEXT", help="Why; it is kept with each call."),
    ):
        function = option(function)
    return function


def carried_out(
    database: Database,
    target: Target,
    verb: str,
    steps: Callable[[], Iterator[list[Mended]]],
    *,
    yes: bool,
    dry_run: bool,
    output: str | None,
) -> None:
    """Do the verb to the calls and say what became of them.

    Raises: ConflictError: nobody agreed to many; a call that was named refuses.
    """
    from pyfi.control import selection

    count, more = selection.counted(database, target)
    if dry_run:
        _preview(selection.shown(database, target, SHOWN), f"{count}{'+' if more else ''}", verb, output)
        return
    if not target.ids and count:
        _agreed(f"more than {count}" if more else str(count), verb, yes=yes)
    _told(target, verb, steps, output)


def _preview(rows: list[dict[str, Any]], count: str, verb: str, output: str | None) -> None:
    render.show(rows, TROUBLE, output)
    if output in (None, "table"):
        rest = f"; the first {len(rows)} are shown" if len(rows) == SHOWN and count != str(SHOWN) else ""
        click.echo(f"{verb} would touch {count} calls{rest}")


def _agreed(count: str, verb: str, *, yes: bool) -> None:
    from pyfi.errors import ConflictError

    if yes:
        return
    if not sys.stdin.isatty():
        raise ConflictError(f"{verb} would touch {count} calls", hint="--dry-run shows them, --yes does it")
    if not click.confirm(f"{verb} {count} calls?", err=True):
        raise click.Abort


@dataclass
class _Account:
    """What became of the calls, as far as it is known."""

    output: str | None
    counts: Counter[str] = field(default_factory=Counter)
    refused: list[Mended] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)

    def add(self, step: list[Mended]) -> None:
        """A step is committed; ids are printed at once, so that an interrupted run has told what it did."""
        self.counts.update(each.outcome for each in step)
        self.refused += [each for each in step if each.outcome == "refused"][: SHOWN - len(self.refused)]
        if self.output == "ids":
            for each in step:
                if each.outcome != "refused":
                    click.echo(str(each.made or each.id))
        elif self.output in {"json", "yaml"}:
            self.listed += [_document(each) for each in step]

    def summed(self) -> str:
        """As `3 replayed, 1 refused`."""
        return ", ".join(f"{self.counts[key]} {word}" for key, word in WORDS.items() if self.counts[key])

    def show(self, verb: str) -> None:
        """The end."""
        if self.output in {"json", "yaml"}:
            counts = {**dict.fromkeys(WORDS, 0), **self.counts}
            render.show_one({"counts": counts, "calls": self.listed}, self.output)
        elif self.output != "ids":
            click.echo(self.summed() or f"{verb}: no call is like that")
        for each in self.refused:
            say(f"refused: {printable(each.note or '')}" + (f" ({each.hint})" if each.hint else ""))


def _told(target: Target, verb: str, steps: Callable[[], Iterator[list[Mended]]], output: str | None) -> None:
    from pyfi.errors import ConflictError, NotFoundError

    account = _Account(output)
    try:
        for step in steps():
            account.add(step)
    except BaseException:
        if account.counts.total():
            say(f"{account.summed()} so far; the same command goes on with the rest")
        raise
    total, refused = account.counts.total(), account.counts["refused"]
    if target.ids and total == refused == 1:
        only = account.refused[0]
        error = NotFoundError if str(only.note).startswith("there is no call") else ConflictError
        raise error(only.note or "", hint=only.hint or "")
    account.show(verb)
    if target.ids and refused:
        raise ConflictError(f"{refused} of {total} calls were refused")


def _document(each: Mended) -> dict[str, Any]:
    return {"id": each.id, "outcome": each.outcome, "made": each.made, "note": each.note}
