"""What one step more costs: three sockets joined by plugs, less a single call, halved; against a chain of tasks."""

from __future__ import annotations

from benchmarks.bench import Bench, Row
from benchmarks.figures import latency
from benchmarks.measure import Series, percentile, timed
from benchmarks.worker import our_worker


def ours(bench: Bench) -> float:
    """Three calls, one after the other, waited for by the last one's id; milliseconds."""
    installation = bench.installation
    first = installation.new_ids()
    third = installation.children(installation.children(first, "first", "second"), "second", "third")

    def through() -> None:
        installation.submit("first", first)
        installation.finish(third, latency.TIMEOUT_SECONDS)

    return 1000 * timed(through)


def theirs(bench: Bench) -> float:
    """A chain of three; milliseconds."""
    return 1000 * timed(lambda: bench.celery.submit(steps=3)[0].get(timeout=latency.TIMEOUT_SECONDS))


def one_step(single: list[list[float]], three: list[list[float]]) -> Series:
    """Half the difference of the medians, block by block."""
    pairs = zip(single, three, strict=True)
    return Series(tuple((percentile(more, 50) - percentile(one, 50)) / 2 for one, more in pairs))


def measure(bench: Bench) -> list[Row]:
    """Single calls and chains of both sides in turn, in the same blocks."""
    with our_worker(bench.installation, bench.folder), bench.celery.worker(bench.folder):
        single, three, task, tasks = latency.in_turn(
            bench,
            bench.size(200, 20),
            lambda: latency.ours(bench),
            lambda: ours(bench),
            lambda: latency.theirs(bench),
            lambda: theirs(bench),
        )
    bench.celery.purge()
    return [
        Row(
            figure="one plug hop, p50",
            peer="a Celery chain's step",
            unit="ms",
            ours=one_step(single, three),
            theirs=one_step(task, tasks),
            goal="<= 1.0 x",
        )
    ]
