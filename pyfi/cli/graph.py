"""`flow graph`: processors, sockets and plugs as Mermaid or as text."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import click

from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import network_option
from pyfi.cli.render import text_of

Rows = list[dict[str, Any]]


@click.command("graph")
@click.option("--text", is_flag=True, help="As indented text instead of Mermaid.")
@network_option
@pass_invocation
def graph(invocation: Invocation, text: bool, network: str | None) -> None:
    """Draw processors, sockets and plugs, as Mermaid.

    Example: flow graph --text
    """
    from pyfi.control import listing

    with invocation.database() as database:
        processors, sockets, plugs = (listing.all_of(database, kind) for kind in ("processor", "socket", "plug"))
    if network:
        processors, sockets, plugs = (
            [row for row in rows if row["network"] == network] for rows in (processors, sockets, plugs)
        )
    click.echo(as_text(processors, sockets, plugs) if text else as_mermaid(processors, sockets, plugs))


def _quoted(text: object) -> str:
    return '"' + text_of(text).replace('"', "#quot;") + '"'


def as_mermaid(processors: Rows, sockets: Rows, plugs: Rows) -> str:
    """A flowchart: a box a processor, in it its sockets; a plug is an arrow, dotted when it carries errors."""
    number = {row["id"]: f"s{i}" for i, row in enumerate(sockets)}
    lines = ["flowchart LR"]
    for i, processor in enumerate(processors):
        lines.append(f"  subgraph p{i} [{_quoted(processor['name'])}]")
        lines += [
            f"    {number[socket['id']]}[{_quoted(socket['name'])}]"
            for socket in sockets
            if socket["processor_id"] == processor["id"]
        ]
        lines.append("  end")
    for plug in plugs:
        if plug["source_id"] in number and plug["target_id"] in number:
            arrow = "-.->" if plug["type"] == "ERROR" else "-->"
            lines.append(f"  {number[plug['source_id']]} {arrow}|{_quoted(plug['name'])}| {number[plug['target_id']]}")
    return "\n".join(lines)


def as_text(processors: Rows, sockets: Rows, plugs: Rows) -> str:
    """Processor, its sockets with task and queue, their plugs with the target."""
    leaving: dict[Any, Rows] = defaultdict(list)
    for plug in plugs:
        leaving[plug["source_id"]].append(plug)
    lines = []
    for processor in processors:
        lines.append(f"{text_of(processor['name'])} ({processor['status']}): {text_of(processor['module'])}")
        for socket in (each for each in sockets if each["processor_id"] == processor["id"]):
            lines.append(f"  {text_of(socket['name'])}: {socket['task']} <- {socket['queue']}")
            lines += [
                f"    {plug['type']} {text_of(plug['name'])} -> {plug['target_processor']}/{text_of(plug['target'])}"
                for plug in leaving[socket["id"]]
            ]
    return "\n".join(lines)
