"""Many calls at once and one that gets the list of their results: from submitting the whole to having its result."""

from __future__ import annotations

from benchmarks.bench import Bench, Row
from benchmarks.measure import interleaved, timed
from benchmarks.worker import our_worker

TIMEOUT_SECONDS = 60.0


def measure(bench: Bench) -> list[Row]:
    """Both workers run, one of them idle."""
    count = bench.size(1000, 100)
    installation, celery = bench.installation, bench.celery
    with our_worker(installation, bench.folder), celery.worker(bench.folder):
        installation.gather(2, TIMEOUT_SECONDS)
        celery.gather(2, TIMEOUT_SECONDS)
        own, theirs = interleaved(
            bench.repeats,
            lambda: 1000 * timed(lambda: installation.gather(count, TIMEOUT_SECONDS)),
            lambda: 1000 * timed(lambda: celery.gather(count, TIMEOUT_SECONDS)),
        )
    celery.purge()
    figure = f"parallel of {count:,} with join"
    return [Row(figure=figure, unit="ms", peer="a Celery chord", ours=own, theirs=theirs, goal="<= 0.15 x")]
