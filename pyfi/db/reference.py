"""The generated part of docs/reference/model.md: `python -m pyfi.db.reference` prints it, `--write` puts it there.

What is said of a table is its class's docstring, of a column its `doc`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sqlalchemy import Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CheckConstraint

from pyfi.db.base import Base
from pyfi.db.tables import access, flow, library, network, payloads, work

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "model.md"
BEGIN, END = "<!-- generated: python -m pyfi.db.reference --write -->", "<!-- end of what is generated -->"
THEMES = (network, flow, work, payloads, access, library)
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's


def models(theme: ModuleType) -> list[type[Base]]:
    """The theme's classes in the order of its file."""
    return [
        value
        for value in vars(theme).values()
        if inspect.isclass(value) and issubclass(value, Base) and value.__module__ == theme.__name__
    ]


def table_of(model: type[Base]) -> Table:
    """A class's table."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def lines() -> Iterator[str]:
    """The part, line by line."""
    for theme in THEMES:
        yield f"### {_first_line(theme).rstrip('.')}"
        for model in models(theme):
            table = table_of(model)
            yield f"\n#### {table.name}\n\n{_told(model)}\n"
            yield "| column | type | |\n|---|---|---|"
            yield from (f"| `{column.name}` | {_type(column)} | {_meaning(column)} |" for column in table.columns)
            rules = [*_uniques(table), *_checks(table)]
            yield "\n" + "; ".join(rules) + "." if rules else ""
        yield ""


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _told(model: type[Base]) -> str:
    return " ".join((inspect.getdoc(model) or "").split())


def _type(column: Column[object]) -> str:
    name = str(column.type.compile(dialect=DIALECT)).lower()
    name = name.replace("timestamp with time zone", "timestamptz").replace("double precision", "float8")
    return f"{name}, may be null" if column.nullable else name


def _meaning(column: Column[object]) -> str:
    parts = [column.doc or ""]
    parts += [f"→ `{key.column.table.name}`" for key in column.foreign_keys]
    return " ".join(parts).strip()


def _uniques(table: Table) -> Iterator[str]:
    key = [column.name for column in table.primary_key.columns]
    if key != ["id"]:
        yield "key: " + ", ".join(f"`{name}`" for name in key)
    for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
        if isinstance(constraint, UniqueConstraint):
            yield "unique: " + ", ".join(f"`{column.name}`" for column in constraint.columns)


def _checks(table: Table) -> Iterator[str]:
    for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
        if isinstance(constraint, CheckConstraint) and " ~ " not in str(constraint.sqltext):
            yield f"`{constraint.sqltext}`"


def generated() -> str:
    """From the first to the last marker."""
    return "\n".join([BEGIN, "", *lines(), END])


def page() -> str:
    """The page with that part as it should be."""
    own = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.S)
    return own.sub(lambda _: generated(), PAGE.read_text(encoding="utf-8"))


def main(arguments: list[str]) -> int:
    """Print it, or write it."""
    if arguments == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(generated())  # noqa: T201 # a program's output
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
