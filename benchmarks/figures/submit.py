"""Many calls of one socket, entered at once: ours are committed and their wake-ups confirmed when `submit` returns."""

from __future__ import annotations

from benchmarks.bench import Bench, Row
from benchmarks.measure import interleaved, timed


def measure(bench: Bench) -> list[Row]:
    """Against `apply_async` in a loop, as it is by default and with confirmed publishes."""
    count = bench.size(10_000, 1000)
    confirming = bench.celery.confirming()
    bench.celery.submit()
    bench.celery.submit(app=confirming)
    bench.installation.submit("unserved", bench.installation.new_ids())

    def ours() -> float:
        return count / timed(lambda: bench.installation.submit("unserved", bench.installation.new_ids(count)))

    def theirs() -> float:
        return count / timed(lambda: bench.celery.submit(count))

    def confirmed() -> float:
        # A tenth: each waits for the broker.
        return count / 10 / timed(lambda: bench.celery.submit(count // 10, app=confirming))

    try:
        own, celery, slow = interleaved(bench.repeats, ours, theirs, confirmed)
    finally:
        confirming.close()
        bench.celery.purge()
    what = f"map of {count:,}, submit rate"
    return [
        Row(figure=what, peer="apply_async in a loop", unit="calls/s", ours=own, theirs=celery, goal=">= 6 x"),
        Row(figure=what, peer="the same with confirms", unit="calls/s", ours=own, theirs=slow),
    ]
