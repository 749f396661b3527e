"""The same with one more call after each: a plug here, a chain of two there. Both calls are counted."""

from __future__ import annotations

from benchmarks.bench import Bench, Row
from benchmarks.figures.drain import TIMEOUT_SECONDS, queued, seconds
from benchmarks.measure import interleaved
from benchmarks.worker import our_worker


def ours(bench: Bench, count: int) -> float:
    """Calls per second."""
    installation = bench.installation
    parents = queued(bench, "parent", count)
    leaves = installation.children(parents, "parent", "leaf")
    with our_worker(installation, bench.folder):
        installation.finish(leaves, TIMEOUT_SECONDS)
    return 2 * count / seconds(bench, parents)


def theirs(bench: Bench, count: int) -> float:
    """Tasks per second."""
    results = bench.celery.submit(count, steps=2)
    with bench.celery.worker(bench.folder):
        bench.celery.finish(results, TIMEOUT_SECONDS)
    rate = 2 * count / bench.celery.seconds(results)
    bench.celery.purge()
    return rate


def measure(bench: Bench) -> list[Row]:
    """A child that is committed with its parent's end, against one that is published without a confirm."""
    count = bench.size(2500, 500)
    own, celery = interleaved(bench.repeats, lambda: ours(bench, count), lambda: theirs(bench, count))
    return [
        Row(
            figure="drained with one child call each",
            unit="calls/s",
            ours=own,
            theirs=celery,
            goal=">= 4 x",
        )
    ]
