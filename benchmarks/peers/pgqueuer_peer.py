"""`python pgqueuer_peer.py SPEC`: drain jobs that do nothing with pgqueuer, and print a line of JSON.

SPEC is JSON: database (a Postgres URL, empty), count. pgqueuer keeps a log of its jobs, no arguments and no results.
"""

import asyncio
import json
import sys
import time

import asyncpg
from pgqueuer import PgQueuer, Queries
from pgqueuer.types import QueueExecutionMode

PAYLOAD = json.dumps({"name": "benchmark", "numbers": [1, 2, 3, 4, 5]}).encode()
# The best of 10 (its default), 64 and 256 when it was tried.
BATCH = 10


async def drained(database: str, count: int) -> float:
    """Jobs per second, from the first start to the last."""
    connection = await asyncpg.connect(database)
    queries = Queries.from_asyncpg_connection(connection)
    await queries.install()
    await queries.enqueue(["noop"] * count, [PAYLOAD] * count, [0] * count)
    queuer = PgQueuer.from_asyncpg_connection(connection)
    times: list[float] = []

    @queuer.entrypoint("noop")
    async def noop(_job: object) -> None:
        times.append(time.perf_counter())

    await queuer.run(batch_size=BATCH, mode=QueueExecutionMode.drain)
    await connection.close()
    assert len(times) == count, len(times)
    return count / (times[-1] - times[0])


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    rate = asyncio.run(drained(told["database"], told["count"]))
    print(json.dumps({"rate": rate}))
