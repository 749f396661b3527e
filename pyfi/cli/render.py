"""How rows are shown: the founding screens' tables, JSON, YAML, ids."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from pyfi.logs import escaped, printable

Row = Mapping[str, Any]
Column = tuple[str, str]
WIDEST_VALUE = 100


def text_of(value: object) -> str:
    """One cell: times as the founding screens have them, in this machine's zone."""
    if value is None:
        return "None"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, dict | list):
        return escaped(json.dumps(value, ensure_ascii=False, default=str))
    return printable(" ".join(str(value).split()))


def table(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A grid of plain characters, centred as the founding screens are.

    >>> print(table(["Name"], [["joe"]]))
    +------+
    | Name |
    +------+
    | joe  |
    +------+
    """
    widths = [max([len(header), *(len(row[i]) for row in cells)]) for i, header in enumerate(headers)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(row: Sequence[str]) -> str:
        return "|" + "|".join(f" {_centred(cell, width)} " for cell, width in zip(row, widths, strict=True)) + "|"

    return "\n".join([rule, line(headers), rule, *(line(row) for row in cells), rule])


def _centred(cell: str, width: int) -> str:
    left = (width - len(cell)) // 2
    return " " * left + cell + " " * (width - len(cell) - left)


def records(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """For a terminal too narrow for the grid: one `header: value` a line, an empty line between rows."""
    return "\n\n".join("\n".join(f"{h}: {c}" for h, c in zip(headers, row, strict=True)) for row in cells)


def grid(columns: Sequence[Column], rows: Iterable[Row]) -> str:
    """The rows' columns as a table, or as records where the terminal is narrower than it."""
    headers = [header for header, _ in columns]
    cells = [[text_of(row.get(key))[:WIDEST_VALUE] for _, key in columns] for row in rows]
    drawn = table(headers, cells)
    narrow = sys.stdout.isatty() and shutil.get_terminal_size().columns < len(drawn.partition("\n")[0])
    return records(headers, cells) if narrow and cells else drawn


def as_json(value: object) -> str:
    """Indented, keys as they are; times with their offset."""
    from pyfi.db.model import AlchemyEncoder

    return escaped(json.dumps(value, indent=2, ensure_ascii=False, cls=AlchemyEncoder))


def as_yaml(value: object) -> str:
    """The same document as YAML."""
    import io

    from ruamel.yaml import YAML

    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(json.loads(as_json(value)), stream)
    return stream.getvalue().rstrip("\n")


def public(row: Row) -> dict[str, Any]:
    """Without what is only for looking things up."""
    return {key: value for key, value in row.items() if key not in {"mine", "status_seconds"}}


def show(rows: Sequence[Row], columns: Sequence[Column], output: str | None) -> None:
    """Rows on stdout in the format that was asked for."""
    formats: dict[str, Callable[[], str]] = {
        "table": lambda: grid(columns, rows),
        "json": lambda: as_json([public(row) for row in rows]),
        "yaml": lambda: as_yaml([public(row) for row in rows]),
        "ids": lambda: "\n".join(str(row["id"]) for row in rows),
    }
    text = formats[output or "table"]()
    if text:
        click.echo(text)


def show_one(document: Mapping[str, Any], output: str | None) -> None:
    """One object with all its fields; as a table it is a list of `key: value`."""
    if output == "json":
        click.echo(as_json(document))
    elif output == "yaml":
        click.echo(as_yaml(document))
    elif output == "ids":
        click.echo(str(document["id"]))
    else:
        width = max((len(key) for key in document), default=0)
        for key, value in document.items():
            click.echo(f"{key + ':':<{width + 1}} {text_of(value)}")


def line_json(value: object) -> str:
    """On one line, for pipes."""
    return escaped(json.dumps(value, ensure_ascii=False))
