"""One file per figure; each has `measure(bench) -> list[Row]`.

Takes: an installation, a Celery side, a folder.
Gives: rows of the table, both sides measured in turn.
Never: compares with a number of another run.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench, Row
from benchmarks.figures import children, costs, drain, durable, history, hop, idle, join, latency, memory, submit

FIGURES: dict[str, Callable[[Bench], list[Row]]] = {
    "drain": drain.measure,
    "children": children.measure,
    "latency": latency.measure,
    "hop": hop.measure,
    "submit": submit.measure,
    "join": join.measure,
    "memory": memory.measure,
    "idle": idle.measure,
    "history": history.measure,
    "costs": costs.measure,
    "durable": durable.measure,
}
