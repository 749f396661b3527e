"""What single things cost or give the drain: row-level security, a slow disk, a second worker, other servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from benchmarks.bench import Bench, Row
from benchmarks.celery_side import CelerySide
from benchmarks.figures import drain, idle
from benchmarks.installation import installed
from benchmarks.measure import Series, interleaved
from benchmarks.services import embedded
from benchmarks.worker import our_worker
from pyfi.clock import SYSTEM
from pyfi.ledger.connection import Link

UNGUARDED = """
do $$ declare t text; begin
  for t in select tablename from pg_catalog.pg_tables where schemaname = 'pyfi' loop
    execute format('alter table pyfi.%%I disable row level security', t);
  end loop;
end $$
"""
# Each commit that must reach the disk waits so long: an emulated fsync of 3 ms.
SLOW = ("alter database {name} set commit_delay = 3000", "alter database {name} set commit_siblings = 0")


@contextmanager
def changed(bench: Bench, *statements: str) -> Iterator[Bench]:
    """Another installation on the same server, to which a superuser did something before its workers connect."""
    with installed(bench.installation.services, f"{bench.installation.name}_other") as other:
        link = Link(bench.installation.services.database.at(other.name).libpq(), application="pyfi bench")
        for statement in statements:
            link.rows(statement.replace("{name}", other.name))
        link.close()
        yield replace(bench, installation=other)


def statements_per_call(bench: Bench) -> Row:
    """Of the worker, its start and the client that waits: each is a transaction of its own."""
    count, installation = bench.size(5000, 1000), bench.installation
    ids = drain.queued(bench, "alone", count)
    SYSTEM.sleep(bench.size(idle.COUNTED_SECONDS, 1))  # until the server has counted what was before
    before = idle.transactions(installation)
    with our_worker(installation, bench.folder):
        installation.finish(ids, drain.TIMEOUT_SECONDS)
        SYSTEM.sleep(bench.size(idle.COUNTED_SECONDS, 1))
        each = (idle.transactions(installation) - before) / count
    return Row(figure="statements per call at full load", unit="", peer="", ours=Series((each,)))


def two_workers(bench: Bench) -> Row:
    """On as many CPUs as there are: the client, the servers and both workers share them."""
    count = bench.size(10_000, 1000)

    def drained(workers: int) -> float:
        ids = drain.queued(bench, "alone", count)
        with ExitStack() as stack:
            for ordinal in range(workers):
                stack.enter_context(our_worker(bench.installation, bench.folder, ordinal))
            bench.installation.finish(ids, drain.TIMEOUT_SECONDS)
        return count / drain.seconds(bench, ids)

    both, one = interleaved(min(3, bench.repeats), lambda: drained(2), lambda: drained(1))
    return Row(figure="drain by two workers", unit="calls/s", peer="by one", ours=both, theirs=one)


def against_threads(bench: Bench, count: int) -> Row:
    """Celery with one thread instead of one process."""

    def threads() -> float:
        results = bench.celery.submit(count)
        with bench.celery.worker(bench.folder, "threads"):
            bench.celery.finish(results, drain.TIMEOUT_SECONDS)
        rate = count / bench.celery.seconds(results)
        bench.celery.purge()
        return rate

    own, theirs = interleaved(min(3, bench.repeats), lambda: drain.ours(bench, count), threads)
    return Row(
        figure="queued calls drained by one worker", unit="calls/s", peer="Celery, threads", ours=own, theirs=theirs
    )


def against(bench: Bench, other: Bench, figure: str, peer: str, count: int) -> Row:
    """The drain of `other` through that of `bench`."""
    own, plain = interleaved(min(3, bench.repeats), lambda: drain.ours(other, count), lambda: drain.ours(bench, count))
    return Row(figure=figure, unit="calls/s", peer=peer, ours=own, theirs=plain)


def on_embedded(bench: Bench, count: int) -> Row:
    """The servers that `flow up` starts: PostgreSQL 18 and Valkey, which is Celery's broker there too."""
    folder = bench.folder / "embedded"
    folder.mkdir(exist_ok=True)
    with (
        embedded(folder) as services,
        installed(services, f"{bench.installation.name}_up") as there,
        _celery(f"{there.name}.celery", services.broker, services.backend) as celery,
    ):
        inside = replace(bench, installation=there, celery=celery)
        own, theirs = interleaved(
            min(3, bench.repeats), lambda: drain.ours(inside, count), lambda: drain.theirs(inside, count)
        )
    return Row(
        figure="drain on the embedded stack", unit="calls/s", peer="Celery on its Valkey", ours=own, theirs=theirs
    )


@contextmanager
def _celery(name: str, broker: str, backend: str) -> Iterator[CelerySide]:
    side = CelerySide(name, broker, backend)
    try:
        yield side
    finally:
        side.close()


def measure(bench: Bench) -> list[Row]:
    """Each against the same drain without it, in turn."""
    count = bench.size(5000, 500)
    rows = [statements_per_call(bench), two_workers(bench), against_threads(bench, count)]
    with changed(bench, UNGUARDED) as open_:
        rows.append(against(open_, bench, "drain with row-level security", "without it", count))
    with changed(bench, *SLOW) as slow:
        rows.append(against(bench, slow, "drain with an fsync of 3 ms", "with the disk as it is", count))
    rows.append(on_embedded(bench, count))
    return rows
