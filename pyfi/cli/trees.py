"""A tree of calls as the founding screens draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyfi.cli.render import text_of
from pyfi.control.trees import Knot, indented, walk

# Beyond this the picture is no longer one.
DEEPEST, WIDEST = 60, 2000


@dataclass
class _Block:
    """A drawn subtree; `anchor` is the column under which its parent's line ends."""

    lines: list[str]
    width: int
    anchor: int


def picture(roots: Sequence[Knot]) -> str:
    """Names from the top down, branches to both sides; the indented form when that would be too large."""
    deepest = max((len(lasts) for _, lasts in walk(roots)), default=0)
    if deepest <= DEEPEST:
        blocks = [_drawn(root) for root in roots]
        if all(block.width <= WIDEST for block in blocks):
            return "\n".join(line.rstrip() for block in blocks for line in block.lines)
    return indented(roots)


def _drawn(knot: Knot) -> _Block:
    name = text_of(knot.row["name"])
    if not knot.children:
        return _Block([name], len(name), len(name) // 2)
    blocks = [_drawn(child) for child in knot.children]
    half = len(blocks) // 2
    left, right = _beside(blocks[:half]), _beside(blocks[half:])
    anchor = left[0].width + 1 if left else 0
    below, anchors = _joined(left, right, anchor)
    shift = max(0, len(name) // 2 - anchor)
    title = " " * (anchor + shift - len(name) // 2) + name
    lines = [title, *(" " * shift + line for line in (_branches(anchors, anchor), *below))]
    return _Block(lines, max(len(line) for line in lines), anchor + shift)


@dataclass
class _Row:
    lines: list[str]
    width: int
    anchors: list[int]


def _beside(blocks: list[_Block]) -> list[_Row]:
    """The blocks next to each other, one column apart; none if there are none."""
    if not blocks:
        return []
    height = max(len(block.lines) for block in blocks)
    lines = [""] * height
    anchors, start = [], 0
    for block in blocks:
        anchors.append(start + block.anchor)
        for i in range(height):
            line = block.lines[i] if i < len(block.lines) else ""
            lines[i] = lines[i].ljust(start) + line
        start += block.width + 1
    return [_Row(lines, start - 1, anchors)]


def _joined(left: list[_Row], right: list[_Row], anchor: int) -> tuple[list[str], list[int]]:
    height = max(len(row.lines) for row in (*left, *right))
    lines, anchors = [""] * height, []
    for row, start in [*((r, 0) for r in left), *((r, anchor + 1) for r in right)]:
        anchors += [start + each for each in row.anchors]
        for i, line in enumerate(row.lines):
            lines[i] = lines[i].ljust(start) + line
    return lines, anchors


def _branches(anchors: list[int], parent: int) -> str:
    first, last = min(*anchors, parent), max(*anchors, parent)
    line = []
    for column in range(first, last + 1):
        if column == parent:
            line.append("\u2534" if first < parent < last else ("\u2514" if parent == first else "\u2518"))
        elif column in anchors:
            line.append("\u250c" if column == first else ("\u2510" if column == last else "\u252c"))
        else:
            line.append("\u2500")
    return " " * first + "".join(line)
