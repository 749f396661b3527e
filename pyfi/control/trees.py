"""Trees of calls, built from their rows and written with one call a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pyfi.db.rows import Row
from pyfi.logs import printable


@dataclass
class Knot:
    """A call and the calls it led to; as text it is the indented tree."""

    row: Row
    children: list[Knot] = field(default_factory=list)

    def __str__(self) -> str:
        """One call a line."""
        return indented([self])


def grown(rows: Sequence[Row]) -> list[Knot]:
    """The trees of rows whose parents come first."""
    known: dict[UUID, Knot] = {}
    roots: list[Knot] = []
    for row in rows:
        knot = known[row["id"]] = Knot(row)
        parent = known.get(row["parent_id"])
        (parent.children if parent else roots).append(knot)
    return roots


def walk(roots: Sequence[Knot]) -> Iterator[tuple[Knot, tuple[bool, ...]]]:
    """Depth first; with each knot whether it and its ancestors below the root are the last of their siblings."""
    stack: list[tuple[Knot, tuple[bool, ...]]] = [(root, ()) for root in reversed(roots)]
    while stack:
        knot, lasts = stack.pop()
        yield knot, lasts
        count = len(knot.children)
        stack += [(child, (*lasts, i == count - 1)) for i, child in reversed(list(enumerate(knot.children)))]


def indented(roots: Sequence[Knot]) -> str:
    """One call a line: name, state, attempt, seconds, id."""
    lines = []
    for knot, lasts in walk(roots):
        bars = "".join("    " if last else "\u2502   " for last in lasts[:-1])
        branch = ("\u2514\u2500\u2500 " if lasts[-1] else "\u251c\u2500\u2500 ") if lasts else ""
        lines.append(f"{bars}{branch}{described(knot.row)}")
    return "\n".join(lines)


def described(row: Row) -> str:
    """A call in one line."""
    seconds: Any = row["seconds"]
    took = f"  {seconds:.3f} s" if seconds is not None else ""
    told = f"{printable(row['name'])}  {row['state']}  attempt {row['attempt']}{took}  {row['id']}"
    if row.get("replay_of"):
        told += f"  replay of {row['replay_of']}"
    if row.get("replays"):
        told += f"  replayed as {', '.join(map(str, row['replays']))}"
    return told
