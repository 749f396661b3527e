"""What a long history costs: the drain with finished calls in the ledger against the drain of an empty one."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.bench import Bench, Row
from benchmarks.figures import drain
from benchmarks.installation import ARGUMENTS, Installation, installed
from benchmarks.measure import interleaved
from pyfi.ledger.connection import Link

FILL = """
insert into pyfi.call (id, root_id, socket_id, name, owner_id, socket_owner_id, state, attempt, claim, worker_id,
    args, result, created, woken, claimed, started, finished, seconds)
  select i, i, s.id, s.name, s.owner_id, s.owner_id, 'done', 1, n, gen_random_uuid(),
      %s::json, %s::json, at, at, at, at, at, 0.001
    from pyfi.socket s cross join (
      select n, gen_random_uuid() as i, now() - interval '40 days' + n * interval '3 seconds' as at
        from generate_series(1, %s) n) x
    where s.id = %s::uuid
"""


def fill(installation: Installation, count: int) -> None:
    """Finished calls of the socket that is drained; analysed, as the server does it by itself in time."""
    link = Link(installation.services.database.at(installation.name).libpq(), application="pyfi bench")
    link.rows(FILL, (ARGUMENTS, ARGUMENTS, count, str(installation.sockets["alone"].id)))
    link.rows("vacuum analyze pyfi.call")
    link.close()


def measure(bench: Bench) -> list[Row]:
    """Two installations on the same server, in turn."""
    history, count = bench.size(1_000_000, 20_000), bench.size(5000, 1000)
    with installed(bench.installation.services, f"{bench.installation.name}_long") as long:
        fill(long, history)
        full = replace(bench, installation=long)
        own, empty = interleaved(bench.repeats, lambda: drain.ours(full, count), lambda: drain.ours(bench, count))
    figure = f"drain with {history:,} finished calls in the history"
    return [Row(figure=figure, unit="calls/s", peer="an empty history", ours=own, theirs=empty, goal=">= 0.95 x")]
