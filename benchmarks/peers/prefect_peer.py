"""`python prefect_peer.py SPEC`: run tasks that do nothing in one Prefect flow, and print a line of JSON.

SPEC is JSON: database (a Postgres URL, empty), count. Prefect starts a server of its own on that database; states are
recorded there, results kept in files.
"""

# ruff: noqa: TID251 # Prefect is told by its environment
import json
import os
import sys
import tempfile
import time

PAYLOAD = {"name": "benchmark", "numbers": [1, 2, 3, 4, 5]}
WARM_UP = 20


def called(count: int) -> float:
    """Tasks per second, one after the other."""
    from prefect import flow, task

    @task(persist_result=True)
    def noop(value):
        return value

    @flow
    def timed() -> float:
        for _ in range(WARM_UP):
            noop(PAYLOAD)
        began = time.perf_counter()
        for _ in range(count):
            assert noop(PAYLOAD) == PAYLOAD
        return time.perf_counter() - began

    return count / timed()


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="prefect-") as home:
        os.environ |= {
            "PREFECT_HOME": home,
            "PREFECT_API_DATABASE_CONNECTION_URL": told["database"].replace("postgresql://", "postgresql+asyncpg://"),
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        rate = called(told["count"])
    print(json.dumps({"rate": rate}))
