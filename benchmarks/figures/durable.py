"""Drain against what else is durable or quick: each peer in a process of its own, with its own database and queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench import Bench, Row
from benchmarks.figures import drain
from benchmarks.measure import interleaved
from benchmarks.programs import ROOT, BenchmarkError
from pyfi.ledger.connection import Link
from pyfi.system.processes import run

SCRIPTS = ROOT / "benchmarks" / "peers"
TIMEOUT_SECONDS = 180.0
# peer -> what of it is counted, how many (it is slower or quicker), the goal
PEERS = {
    "dbos": ("workflows of one step, 8 threads", 1500, ">= 15 x"),
    "pgqueuer": ("drain; keeps no arguments, no results", 5000, ">= 1.0 x"),
    "dramatiq": ("drain with results, classic queue", 5000, ""),
    "prefect": ("tasks of one flow, states in Postgres", 300, ""),
}


@contextmanager
def database(bench: Bench) -> Iterator[str]:
    """An empty one for a peer; its URL."""
    services = bench.installation.services
    name = f"{bench.installation.name}_peer"
    server = Link(services.database.at("postgres").libpq(), application="pyfi bench")
    server.rows(f'create database "{name}"')
    try:
        yield services.database.at(name).libpq()
    finally:
        server.rows(f'drop database if exists "{name}" with (force)')
        server.close()


def asked(bench: Bench, python: Path, peer: str, count: int) -> float:
    """Run the peer's script.

    Raises: BenchmarkError: it failed.
    """
    services = bench.installation.services
    with database(bench) as url:
        told = {
            "database": url,
            "broker": services.broker,
            "backend": services.backend,
            "name": f"{bench.installation.name}.{peer}",
            "count": count,
        }
        done = run(
            [str(python), str(SCRIPTS / f"{peer}_peer.py"), json.dumps(told)],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(bench.folder)},
            cwd=bench.folder,
            timeout_seconds=TIMEOUT_SECONDS,
        )
    if done.returncode != 0:
        raise BenchmarkError(f"{peer}: {done.stderr.decode(errors='replace')[-2000:]}")
    return float(json.loads(done.stdout.decode().splitlines()[-1])["rate"])


def measure(bench: Bench) -> list[Row]:
    """Our drain again beside each of them."""
    figure = "queued calls drained by one worker"
    if bench.peers is None:
        return [Row(figure=figure, unit="", ours=None, peer=", ".join(PEERS), note="left out of a quick run")]
    rows = []
    for peer, (what, many, goal) in PEERS.items():
        version = installed_version(bench.peers, peer)
        row = {"figure": figure, "unit": "calls/s", "peer": f"{peer} {version}: {what}", "goal": goal}
        if not version:
            rows.append(Row(**row, ours=None, note="could not be installed"))
        else:
            rows.append(_against(bench, bench.peers, peer, many, row))
    return rows


def installed_version(python: Path, package: str) -> str:
    """Of a package in the peers' environment; empty when it is not there."""
    question = f"from importlib.metadata import version; print(version({package!r}))"
    return run([str(python), "-c", question], env={}, timeout_seconds=60).stdout.decode().strip()


def _against(bench: Bench, python: Path, peer: str, many: int, row: dict[str, str]) -> Row:
    count, own_count = bench.size(many, many // 10), bench.size(5000, 500)
    try:
        own, theirs = interleaved(
            min(3, bench.repeats),
            lambda: drain.ours(bench, own_count),
            lambda: asked(bench, python, peer, count),
        )
    except BenchmarkError as error:
        print(f"{peer} left out: {error}")
        return Row(**row, ours=None, note="it failed")
    return Row(**row, ours=own, theirs=theirs)
