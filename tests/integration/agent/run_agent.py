"""One node's process with tiny workers: `python run_agent.py OPTIONS_JSON`. Prints `ready`; exit 1: stderr says why."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyfi import logs
from pyfi.agent.wiring import Parts
from pyfi.core.backoff import Backoff
from pyfi.errors import PyfiError
from pyfi.node.main import run
from pyfi.settings import Settings


def main() -> int:
    options = json.loads(sys.argv[1])
    logs.setup()
    parts = Parts(worker_argv=tuple(options["worker"]), crashes=Backoff(first_seconds=0.0))
    if options.get("builder"):
        parts = Parts(worker_argv=parts.worker_argv, builder_argv=tuple(options["builder"]))
    try:
        run(
            Settings(home=Path(options["home"])),
            name=options["node"],
            cpus=options["cpus"],
            port=options.get("port"),
            on_ready=lambda: print("ready", flush=True),
            parts=parts,
        )
    except PyfiError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
