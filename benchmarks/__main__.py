"""`python -m benchmarks`: measure, print the table, write it into benchmarks/README.md."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks import report
from benchmarks.bench import Bench, Row
from benchmarks.celery_side import CelerySide
from benchmarks.environment import peers_python
from benchmarks.figures import FIGURES
from benchmarks.installation import installed
from benchmarks.programs import BenchmarkError
from benchmarks.services import found
from pyfi.clock import SYSTEM
from pyfi.errors import PyfiError


def options() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"some of: {', '.join(FIGURES)} (else all)")
    parser.add_argument("--quick", action="store_true", help="that it runs, in under a minute; writes nothing")
    chosen = parser.parse_args()
    if unknown := set(chosen.figures) - FIGURES.keys():
        parser.error(f"there is no figure {', '.join(sorted(unknown))}")
    return chosen


def measured(chosen: argparse.Namespace) -> tuple[list[Row], tuple[str, ...]]:
    """The rows, and the servers' versions."""
    peers = peers_python() if not chosen.quick and "durable" in (chosen.figures or FIGURES) else None
    name = f"bench_{secrets.token_hex(3)}"
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(prefix="pyfi-bench-") as folder,
        found() as services,
        installed(services, name) as installation,
        closing(CelerySide(f"{name}.celery", services.broker, services.backend)) as celery,
    ):
        bench = Bench(installation=installation, celery=celery, folder=Path(folder), quick=chosen.quick, peers=peers)
        try:
            for each in chosen.figures or FIGURES:
                began = SYSTEM.monotonic()
                made = FIGURES[each](bench)
                rows += made
                took = SYSTEM.monotonic() - began
                print(f"{each} ({took:.0f} s)\n{report.table(made)}\n", flush=True)
        finally:
            ignore_signals()
    return rows, services.versions


def ignore_signals() -> None:
    """While the database and the queues are removed: who asks us to end a second time must not cut that short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def main() -> int:
    """0; 1: a side did not do its work; 130: interrupted."""
    chosen = options()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    began, load = SYSTEM.monotonic(), os.getloadavg()[0]
    try:
        rows, servers = measured(chosen)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (BenchmarkError, PyfiError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    command = " ".join(["python -m benchmarks", *sys.argv[1:]])
    seconds = SYSTEM.monotonic() - began
    text = f"{report.table(rows)}\n\n{report.circumstances(command, servers, (load, os.getloadavg()[0]), seconds)}"
    print(text)
    if not chosen.quick and not chosen.figures:
        report.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
