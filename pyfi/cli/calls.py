"""`flow ls calls`, `flow ls call`, `flow ls events`: the founding screens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from pyfi.cli import render
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import output_option
from pyfi.cli.selecting import OPEN, selection_options, taken
from pyfi.cli.watching import watch

if TYPE_CHECKING:
    from pyfi.control.selection import Selection

CALL = (
    ("Name", "name"),
    ("ID", "id"),
    ("Owner", "owner"),
    ("Last Updated", "updated"),
    ("Socket", "socket"),
    ("Started", "started"),
    ("Finished", "finished"),
    ("State", "state"),
)
PROVENANCE = (("Task", "id"), ("Task Parent", "parent_id"), ("Flow Parent", "root_id"))
EVENTS = (("Name", "name"), ("ID", "id"), ("Owner", "owner"), ("Last Updated", "at"), ("Note", "note"))


def worded(row: Mapping[str, Any]) -> dict[str, Any]:
    """The tables say `finished` where the ledger says done."""
    return dict(row) | {"state": "finished" if row["state"] == "done" else row["state"]}


@click.command("calls")
@click.option("-p", "--page", type=click.IntRange(min=1), default=1, show_default=True, help="Which page.")
@click.option("-r", "--rows", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Rows of a page.")
@click.option("-u", "--unfinished", is_flag=True, help="Only calls that are not finished.")
@click.option("-a", "--ascend", is_flag=True, help="Oldest first.")
@click.option("-i", "--id", "ids", is_flag=True, help="Only ids.")
@click.option("-t", "--tracking", is_flag=True, help="Also the first call's id.")
@click.option("-tk", "--task", is_flag=True, help="Also the function.")
@click.option("-n", "--name", help="Only calls of this name.")
@selection_options
@click.option("--watch", "watched", is_flag=True, help="Show it again every two seconds.")
@output_option
@pass_invocation
def calls(invocation: Invocation, /, ids: bool, watched: bool, output: str | None, **asked: Any) -> None:
    """List calls.

    Example: flow ls calls -u --socket proc1.do_this --since 1h
    """
    output = "ids" if ids else output or invocation.output
    tracking, task = asked.pop("tracking"), asked.pop("task")
    if asked.pop("unfinished"):
        asked["states"] = (*asked["states"], *OPEN)
    selection = taken(asked, name=asked.pop("name"))
    columns = (*CALL[:5], *((("Task", "task"),) if task else ()), *CALL[5:])
    columns = (*columns, *((("Tracking", "root_id"),) if tracking else ()))

    def draw() -> None:
        _page(invocation, columns, output, selection, asked)

    if watched:
        watch(draw)
    else:
        draw()


def _page(
    invocation: Invocation,
    columns: tuple[render.Column, ...],
    output: str | None,
    selection: Selection,
    asked: dict[str, Any],
) -> None:
    from pyfi.control import calls as verbs

    with invocation.database() as database:
        page = verbs.listed(database, selection, number=asked["page"], size=asked["rows"], ascending=asked["ascend"])
    if output not in (None, "table"):
        render.show(page.rows, columns, output)
        return
    numbered = [worded(row) | {"page": page.number, "row": i} for i, row in enumerate(page.rows, 1)]
    render.show(numbered, (("Page", "page"), ("Row", "row"), *columns), output)
    many = "many" if page.is_bounded else str(page.pages)
    total = f"more than {page.total}" if page.is_bounded else str(page.total)
    click.echo(f"Page {page.number} of {many} of {total} total records")


@click.command("call")
@click.option("--id", "id_", metavar="ID", help="ID of call.")
@click.option("-n", "--name", help="Name of call: the newest of that name.")
@click.option("-r", "--result", is_flag=True, help="Include result of call.")
@click.option("-t", "--tree", is_flag=True, help="Show forward call tree.")
@click.option("-g", "--graph", is_flag=True, help="Show complete call graph.")
@click.option("-f", "--flow", is_flag=True, help="Show all calls in a workflow.")
@output_option
@pass_invocation
def call(
    invocation: Invocation,
    /,
    id_: str | None,
    name: str | None,
    result: bool,
    tree: bool,
    graph: bool,
    flow: bool,
    output: str | None,
) -> None:
    """List details about a call record.

    Example: flow ls call --id e3bf09c5-ae45-4772-b301-c394acae3c4e --tree
    """
    from pyfi.cli.trees import picture
    from pyfi.control import calls as verbs
    from pyfi.control.trees import grown

    if not id_ and not name:
        raise click.UsageError("which call? give --id ID or -n NAME")
    output = output or invocation.output
    with invocation.database() as database:
        row = verbs.one(database, id_=id_, name=name, whole=result)
        family = verbs.family(database, row["id"], whole=graph or flow) if tree or graph or flow else []
    if tree or graph:
        click.echo(picture(grown(family)))
    elif flow:
        render.show(family if output in {"json", "yaml", "ids"} else [worded(each) for each in family], CALL, output)
    elif output in {"json", "yaml", "ids"}:
        render.show_one(row, output)
    else:
        _details(row)
    if result and output in (None, "table"):
        click.echo("Result")
        click.echo(render.as_json(row["result"]))


def _details(row: dict[str, Any]) -> None:
    render.show([worded(row)], CALL, None)
    click.echo("Provenance")
    is_first = row["root_id"] == row["id"]
    render.show([row | {"root_id": None if is_first else row["root_id"]}], PROVENANCE, None)
    click.echo("Events")
    render.show(row["events"], EVENTS, None)


@click.command("events")
@click.option("-r", "--rows", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@output_option
@pass_invocation
def events(invocation: Invocation, rows: int, output: str | None) -> None:
    """List events of calls, newest first.

    Example: flow ls events
    """
    from pyfi.control import calls as verbs

    with invocation.database() as database:
        found = verbs.newest_events(database, rows)
    columns = (("Name", "name"), ("ID", "id"), ("Call", "call_id"), ("Owner", "owner"), ("Last Updated", "at"))
    render.show(found, (*columns, ("Note", "note")), output or invocation.output)
