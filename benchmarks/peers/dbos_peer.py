"""`python dbos_peer.py SPEC`: run workflows of one step that does nothing with DBOS, and print a line of JSON.

SPEC is JSON: database (a Postgres URL, empty), count. Arguments, results and steps are recorded; nothing is queued:
eight threads call the workflow, which is faster than its queues.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS

PAYLOAD = {"name": "benchmark", "numbers": [1, 2, 3, 4, 5]}
THREADS = 8
WARM_UP = 20


@DBOS.step()
def noop(value):
    """Give the argument back."""
    return value


@DBOS.workflow()
def workflow(value):
    """One step."""
    return noop(value)


def called(database: str, count: int) -> float:
    """Workflows per second."""
    DBOS(config={"name": "bench", "system_database_url": database, "log_level": "ERROR"})
    DBOS.launch()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(workflow, [PAYLOAD] * WARM_UP))
        began = time.perf_counter()
        results = list(pool.map(workflow, [PAYLOAD] * count))
        taken = time.perf_counter() - began
    assert results == [PAYLOAD] * count
    DBOS.destroy()
    return count / taken


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    rate = called(told["database"], told["count"])
    print(json.dumps({"rate": rate}))
