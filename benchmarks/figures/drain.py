"""Calls that do nothing, queued before the worker starts: how many a second it brings to their end."""

from __future__ import annotations

from uuid import UUID

from benchmarks.bench import Bench, Row
from benchmarks.measure import interleaved
from benchmarks.worker import our_worker
from pyfi.broker.wakeup import MOST_IDS
from pyfi.clock import wait_until

TIMEOUT_SECONDS = 120.0


def seconds(bench: Bench, roots: list[UUID]) -> float:
    """From the first claim to the last end of these calls and their children, by the ledger."""
    ((taken,),) = bench.installation.link.rows(
        "select extract(epoch from max(finished) - min(claimed))::float8 from pyfi.call"
        " where root_id = any (%s::uuid[])",
        ([str(each) for each in roots],),
    )
    return float(taken)


def queued(bench: Bench, socket: str, count: int) -> list[UUID]:
    """Enter calls and see all their wake-ups in the broker."""
    installation = bench.installation
    ids = installation.new_ids(count)
    installation.submit(socket, ids)
    address = installation.sockets[socket].address
    wait_until(lambda: installation.publisher.depth(address) * MOST_IDS >= count, timeout_seconds=10)
    return ids


def ours(bench: Bench, count: int) -> float:
    """Calls per second."""
    ids = queued(bench, "alone", count)
    with our_worker(bench.installation, bench.folder):
        bench.installation.finish(ids, TIMEOUT_SECONDS)
    return count / seconds(bench, ids)


def theirs(bench: Bench, count: int) -> float:
    """Tasks per second."""
    results = bench.celery.submit(count)
    with bench.celery.worker(bench.folder):
        bench.celery.finish(results, TIMEOUT_SECONDS)
    rate = count / bench.celery.seconds(results)
    bench.celery.purge()
    return rate


def measure(bench: Bench) -> list[Row]:
    """Recorded and effectively once, against acknowledged late with a result."""
    count = bench.size(5000, 1000)
    own, celery = interleaved(bench.repeats, lambda: ours(bench, count), lambda: theirs(bench, count))
    return [Row(figure="queued calls drained by one worker", unit="calls/s", ours=own, theirs=celery, goal=">= 6 x")]
