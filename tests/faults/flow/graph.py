"""The flow of tests/faults/flow/functions.py: how it is made, what is submitted, what must come of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.network import Network

FIRST, NEXT = ("enter", "right", "add", "step"), ("left", "middle", "sink", "rescue")
# source, target, argument of the target, type
PLUGS = (
    ("enter", "left", None, "RESULT"),
    ("enter", "middle", None, "RESULT"),
    ("enter", "right", None, "RESULT"),
    ("left", "add", "one", "RESULT"),
    ("left", "rescue", None, "ERROR"),
    ("middle", "add", "two", "RESULT"),
    ("right", "sink", None, "RESULT"),
)
# Of 97 calls 77 are in eleven flows of seven, 20 in four compositions of five.
FLOWS, FLOW_CALLS, COMPOSITIONS, COMPOSITION_CALLS = 11, 7, 4, 5

Sockets = dict[str, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A first call: the number that it was given, and whether it is a composition."""

    number: int
    is_composition: bool

    @property
    def calls(self) -> int:
        """How many calls of functions come of it."""
        return COMPOSITION_CALLS if self.is_composition else FLOW_CALLS

    @property
    def expected(self) -> Counter[tuple[str, str, str | None]]:
        """Name, state and result (as JSON's text) of each call of it, frames too."""
        n = self.number
        if self.is_composition:
            rows = [("parallel", f"[{n + 1}, {n + 2}, {n + 3}]"), ("pipeline", str(3 * n + 6 + 1))]
            steps = [n, n + 1, n + 2, n + 3, 3 * n + 7]
            return Counter([(name, "done", result) for name, result in rows] + [_done("step", each) for each in steps])
        fails = n % 5 == 0
        found = [
            _done("enter", n),
            _done("middle", 10 * n),
            ("next.left", *(("failed", None) if fails else ("done", str(n)))),
        ]
        found += [("proc.right", "done", f"[{n}, {n + 1}]"), _done("sink", n), _done("sink", n + 1)]
        return Counter([*found, ("next.rescue", "done", '"rescued"') if fails else _done("add", 11 * n)])


def _done(task: str, result: int) -> tuple[str, str, str]:
    return f"{'proc' if task in FIRST else 'next'}.{task}", "done", str(result)


def composition(sockets: Sockets, number: int) -> dict[str, Any]:
    """step(n), then three steps at once, then step of their list and 1."""
    call = str(sockets["step"])
    wide = {"parallel": [{"call": call, "args": [more]} for more in (1, 2, 3)]}
    return {"pipeline": [{"call": call, "args": [number]}, wide, {"call": call, "args": [1]}]}


def entries(calls: int) -> list[Entered]:
    """First calls that come to at least so many calls, the kinds mixed."""
    made: list[Entered] = []
    total = 0
    while total < calls:
        number = len(made)
        made.append(Entered(number=number, is_composition=number % (FLOWS + COMPOSITIONS) >= FLOWS))
        total += made[-1].calls
    return made


def furnish(net: Network, starts: Path, *, workers: int) -> Sockets:
    """Two processors of the repository, with their sockets and plugs."""
    source = (Path(__file__).parent / "functions.py").read_text()
    repository = net.repository({"functions.py": source, "STARTS": str(starts)})
    net.processor(*FIRST, concurrency=workers - workers // 2, repository=repository)
    net.processor(*NEXT, concurrency=workers // 2, repository=repository, name="next")
    for source_task, target, argument, kind in PLUGS:
        first, then = _done(source_task, 0)[0], _done(target, 0)[0]
        net.flow(
            *(
                "add",
                "plug",
                "-n",
                target,
                "-q",
                f"{then.partition('.')[0]}.queue",
                "-s",
                first,
                "-t",
                then,
                "-y",
                kind,
            ),
            *(("-a", argument) if argument else ()),
        )
    found = net.rows("select name, id from pyfi.socket")
    return {name.partition(".")[2]: UUID(id_) for name, id_ in found}
