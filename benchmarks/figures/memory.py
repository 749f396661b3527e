"""What one worker takes of the memory, with the process that runs the functions, after some work."""

from __future__ import annotations

import sys

from benchmarks.bench import Bench, Row
from benchmarks.figures.drain import TIMEOUT_SECONDS
from benchmarks.measure import interleaved, memory_mib
from benchmarks.worker import our_worker

CALLS = 500


def ours(bench: Bench) -> float:
    """MiB of worker and guest."""
    ids = bench.installation.new_ids(CALLS)
    with our_worker(bench.installation, bench.folder) as worker:
        bench.installation.submit("alone", ids)
        bench.installation.finish(ids, TIMEOUT_SECONDS)
        return memory_mib(worker.pid)


def theirs(bench: Bench) -> float:
    """MiB of both processes of a prefork worker with one child."""
    with bench.celery.worker(bench.folder) as worker:
        bench.celery.finish(bench.celery.submit(CALLS), TIMEOUT_SECONDS)
        used = memory_mib(worker.pid)
    bench.celery.purge()
    return used


def measure(bench: Bench) -> list[Row]:
    """One of them at a time, so that they share no page with each other."""
    row = {"figure": "memory of one worker (PSS)", "unit": "MiB", "goal": "<= 1.0 x"}
    if sys.platform != "linux":
        return [Row(**row, ours=None, note="only Linux tells the proportional set size")]
    own, celery = interleaved(min(3, bench.repeats), lambda: ours(bench), lambda: theirs(bench))
    return [Row(**row, ours=own, theirs=celery)]
