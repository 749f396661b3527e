"""One call at a time on an idle system: from submitting it to having its result."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from benchmarks.bench import Bench, Row
from benchmarks.measure import Series, percentile, timed
from benchmarks.worker import our_worker

TIMEOUT_SECONDS = 20.0
WARM_UP = 30


def ours(bench: Bench) -> float:
    """One call; milliseconds."""
    ids = bench.installation.new_ids()
    return 1000 * timed(lambda: _through(bench, ids))


def _through(bench: Bench, ids: list[UUID]) -> None:
    bench.installation.submit("alone", ids)
    bench.installation.finish(ids, TIMEOUT_SECONDS)


def theirs(bench: Bench) -> float:
    """One task; milliseconds."""
    return 1000 * timed(lambda: bench.celery.submit()[0].get(timeout=TIMEOUT_SECONDS))


def in_turn(bench: Bench, count: int, *sides: Callable[[], float]) -> list[list[list[float]]]:
    """For each side the milliseconds of each block: a block of one side, one of the other, and so on."""
    for side in sides:
        for _ in range(WARM_UP):
            side()
    blocks: list[list[list[float]]] = [[] for _ in sides]
    for _ in range(bench.repeats):
        for side, own in zip(sides, blocks, strict=True):
            own.append([side() for _ in range(count)])
    return blocks


def over(blocks: list[list[float]], percent: float) -> Series:
    """That percentile of each block."""
    return Series(tuple(percentile(block, percent) for block in blocks))


def measure(bench: Bench) -> list[Row]:
    """Both workers run, one of them idle."""
    with our_worker(bench.installation, bench.folder), bench.celery.worker(bench.folder):
        own, celery = in_turn(bench, bench.size(300, 50), lambda: ours(bench), lambda: theirs(bench))
    bench.celery.purge()
    return [
        Row(
            figure=f"submit to result, p{percent}",
            unit="ms",
            ours=over(own, percent),
            theirs=over(celery, percent),
            goal=goal,
        )
        for percent, goal in ((50, "<= 1.0 x"), (99, ""))
    ]
