"""`python -m pyfi.worker CONFIG.json`: one worker. Exits 0 after a drain, 3 when the module could not be loaded."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from dataclasses import fields
from pathlib import Path

from celery import platforms, signals

from pyfi import logs
from pyfi.broker.app import make_app
from pyfi.errors import PyfiError
from pyfi.ledger.connection import Link
from pyfi.worker.config import Limits, WorkerConfig, read
from pyfi.worker.engine import Engine
from pyfi.worker.strategy import Drain

log = logs.get(__name__)

ENLIST = "select ledger.enlist(%s::uuid, %s, %s::uuid, %s, %s, %s, %s)"


def enlist(config: WorkerConfig) -> tuple[list[dict[str, str]], float, Limits]:
    """Tell the ledger that this worker is there; returns its sockets, the lease in seconds, the limits of values."""
    link = Link(config.database, application="pyfi worker")
    try:
        ((answer,),) = link.rows(
            ENLIST,
            (
                config.worker_id,
                config.key,
                config.processor_id,
                config.ordinal,
                os.getpid(),
                config.generation,
                config.commit,
            ),
        )
    finally:
        link.close()
    limits = Limits(**{each.name: int(answer[each.name]) for each in fields(Limits)})
    return answer["sockets"], float(answer["lease_seconds"]), limits


def run(config: WorkerConfig) -> int:
    """Serve until told to stop."""
    sockets, lease_seconds, limits = enlist(config)
    app = make_app(
        config.broker,
        [socket["address"] for socket in sockets],
        consumer="pyfi.worker.strategy:LeanConsumer",
    )
    app.steps["consumer"].add(Drain)
    code = [0]

    def quit_with(exit_code: int) -> None:
        code[0] = code[0] or exit_code
        os.kill(os.getpid(), signal.SIGTERM)

    engine = Engine(config, sockets, lease_seconds, limits, quit_with=quit_with)
    app.pyfi_engine, app.pyfi_drain_seconds = engine, config.drain_seconds
    signals.setup_logging.connect(lambda **_: None, weak=False)
    # The agent keeps one worker of a name; Celery's own check and title would only cost.
    platforms.C_FORCE_ROOT = True
    warnings.simplefilter("ignore", platforms.SecurityWarning)
    worker = app.Worker(
        hostname=f"{config.key}@{config.node}",
        pool="solo",
        concurrency=1,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    engine.start()
    log.info("worker started", extra={"worker": config.key, "sockets": len(sockets), "pid": os.getpid()})
    worker.start()
    if engine.ending is not None:
        print(json.dumps(engine.ending), file=sys.stderr)  # noqa: T201 # the agent reads it off the log's end
    return code[0] or int(worker.exitcode or 0)


def main() -> int:
    """Read the configuration and serve."""
    logs.setup(libraries=("amqp", "celery", "kombu"))
    try:
        return run(read(Path(sys.argv[1]), sys.stdin.read()))
    except PyfiError as error:
        log.error("worker ended", extra={"reason": error.message})  # noqa: TRY400 # the reason says it all
        return 69


if __name__ == "__main__":
    sys.exit(main())
