"""`python -m benchmarks.stations [calls]`: where the time of one call on an idle system goes, station by station."""

from __future__ import annotations

import statistics
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from uuid import UUID

from benchmarks.bench import Bench
from benchmarks.celery_side import CelerySide
from benchmarks.figures.latency import TIMEOUT_SECONDS, WARM_UP, theirs
from benchmarks.installation import Installation, installed
from benchmarks.services import found
from benchmarks.worker import our_worker
from pyfi.clock import SYSTEM

CALLS = 500
STATIONS = (
    "enter: one commit; write the wake-up to the broker",
    "the broker has it on disk, the worker wakes and claims",
    "the claim's answer, the guest, the finish as far as its result",
    "the rest of the finish: one commit; the client wakes",
    "the client reads the outcome",
)
TIMES = """
select id, extract(epoch from claimed)::float8, extract(epoch from finished)::float8 from pyfi.call
"""


def now() -> float:
    """Unix seconds: the database's clock is this machine's."""
    return SYSTEM.now().timestamp()


def one(installation: Installation) -> tuple[UUID, float, float, float, float]:
    """One call: its id; when it was entered, published, told of and read."""
    (id_,) = ids = installation.new_ids()
    told: list[float] = []
    began = now()
    installation.submit("alone", ids)
    published = now()
    installation.calls.wait(ids, TIMEOUT_SECONDS, lambda *_: told.append(now()))
    return id_, began, published, told[-1] if told else published, now()


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    name = f"bench_{SYSTEM.now():%H%M%S}"
    with (
        tempfile.TemporaryDirectory(prefix="pyfi-bench-") as folder,
        found() as services,
        installed(services, name) as installation,
        closing(CelerySide(f"{name}.celery", services.broker, services.backend)) as celery,
    ):
        bench = Bench(installation=installation, celery=celery, folder=Path(folder), quick=False, peers=None)
        with our_worker(installation, bench.folder), celery.worker(bench.folder):
            for _ in range(WARM_UP):
                one(installation)
                theirs(bench)
            pairs = [(one(installation), theirs(bench)) for _ in range(count)]
        celery.purge()
        rows = installation.link.rows(TIMES)
        times = {UUID(id_): (claimed, finished) for id_, claimed, finished in rows}
    spans: list[tuple[float, ...]] = []
    for (id_, began, published, told, read), _ in pairs:
        claimed, finished = times[id_]
        spans.append((published - began, claimed - published, finished - claimed, told - finished, read - told))
    print("| station | median | shortest |\n|---|---|---|")
    for station, values in zip(STATIONS, zip(*spans, strict=True), strict=True):
        print(f"| {station} | {1000 * statistics.median(values):.2f} | {1000 * min(values):.2f} |")
    ours = [1000 * (call[4] - call[1]) for call, _ in pairs]
    print(f"| **the whole call** | {statistics.median(ours):.2f} | {min(ours):.2f} |")
    peers = [milliseconds for _, milliseconds in pairs]
    print(f"| a task of Celery, in turn | {statistics.median(peers):.2f} | {min(peers):.2f} |")


if __name__ == "__main__":
    main()
