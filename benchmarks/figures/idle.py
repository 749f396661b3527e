"""What doing nothing costs: processor time, and transactions in the database."""

from __future__ import annotations

import sys

from benchmarks.bench import Bench, Row
from benchmarks.figures import latency
from benchmarks.installation import Installation, installed
from benchmarks.measure import Series, cpu_seconds
from benchmarks.programs import ROOT, BenchmarkError, running
from benchmarks.worker import our_worker
from pyfi.clock import SYSTEM, wait_until
from pyfi.system.processes import run

START_SECONDS = 30.0
# The server counts what a backend did at the latest after this time.
COUNTED_SECONDS = 11

AGENT = [sys.executable, "-m", "pyfi", "agent", "start"]


def transactions(installation: Installation) -> int:
    """Committed and rolled back in this database so far, this question included."""
    ((count,),) = installation.link.rows(
        "select xact_commit + xact_rollback from pg_catalog.pg_stat_database where datname = current_database()"
    )
    return int(count)


def watched(bench: Bench, installation: Installation, *pids: int) -> tuple[list[float], float]:
    """Per cent of one CPU that each process (with all below it) uses, and transactions a second."""
    seconds = bench.size(30, 5)
    # Before the window, so that nothing of the start falls into it.
    SYSTEM.sleep(bench.size(COUNTED_SECONDS, 1))
    used, count = [cpu_seconds(pid) for pid in pids], transactions(installation)
    SYSTEM.sleep(seconds)
    cpu = [100 * (cpu_seconds(pid) - before) / seconds for pid, before in zip(pids, used, strict=True)]
    return cpu, (transactions(installation) - count - 1) / seconds


def workers(bench: Bench) -> list[Row]:
    """Both workers after some calls, at the same time."""
    with our_worker(bench.installation, bench.folder) as own, bench.celery.worker(bench.folder) as celery:
        for side in (latency.ours, latency.theirs):
            side(bench)
        (mine, theirs), rate = watched(bench, bench.installation, own.pid, celery.pid)
    bench.celery.purge()
    return [
        Row(figure="idle worker", unit="% of a CPU", ours=Series((mine,)), theirs=Series((theirs,))),
        Row(figure="idle worker", peer="", unit="transactions/s", ours=Series((rate,))),
    ]


def agent(bench: Bench) -> list[Row]:
    """An agent with relay and sweeper on a node of an installation where nothing is to do."""
    names = ("idle agent", "% of a CPU"), ("idle agent", "transactions/s")
    if run([*AGENT, "--help"], env={"PYTHONPATH": str(ROOT)}, timeout_seconds=30).returncode != 0:
        note = "`flow agent start` is not there yet"
        return [Row(figure=figure, unit=unit, peer="", ours=None, note=note) for figure, unit in names]
    services = bench.installation.services
    with installed(services, f"{bench.installation.name}_idle") as quiet:
        quiet.link.rows("update pyfi.processor set requested_status = 'stopped'")
        env = {
            "FLOW_HOME": str(bench.folder / "agent"),
            "FLOW_DB": quiet.admin.libpq(),
            "FLOW_BROKER": services.broker,
            "FLOW_BACKEND": services.backend,
        }
        with running("agent", AGENT, bench.folder, env) as child:
            if not wait_until(lambda: _is_up(quiet), timeout_seconds=START_SECONDS, step_seconds=0.2):
                raise BenchmarkError("the agent did not register")
            (cpu,), rate = watched(bench, quiet, child.pid)
    return [
        Row(figure=figure, unit=unit, peer="", ours=Series((value,)))
        for (figure, unit), value in zip(names, (cpu, rate), strict=True)
    ]


def _is_up(installation: Installation) -> bool:
    return bool(installation.link.rows("select 1 from pyfi.agent where status = 'running'"))


def measure(bench: Bench) -> list[Row]:
    """No ratio for the agent: Celery has none."""
    return [*workers(bench), *agent(bench)]
