"""Our side: one worker with its guest, started as an agent starts it."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from benchmarks.installation import NODE, Installation
from benchmarks.programs import running
from pyfi.settings import write_private
from pyfi.system.processes import Child

FUNCTIONS = Path(__file__).parent / "functions"
_NUMBERS = itertools.count()


@contextmanager
def our_worker(installation: Installation, folder: Path, ordinal: int = 0) -> Iterator[Child]:
    """Serve the installation's processor while the block runs; a second worker at the same time is another ordinal."""
    number = next(_NUMBERS)
    config = folder / f"worker{number}.json"
    told = {
        "worker_id": str(uuid4()),
        "key": f"{installation.name}@{NODE}#{ordinal}",
        "node": NODE,
        "database": installation.worker.libpq(),
        "broker": installation.services.broker,
        "backend": installation.services.backend,
        "processor_id": str(installation.processor),
        "generation": 1,
        "ordinal": ordinal,
        "module": "noop",
        "environment": {"key": "bench", "python": sys.executable, "checkout": str(FUNCTIONS), "installed": False},
        "mark": str(folder / f"mark{ordinal}"),
        "home": str(folder / f"guest{ordinal}"),
    }
    write_private(config, json.dumps(told))
    with running(f"worker{number}", [sys.executable, "-m", "pyfi.worker", str(config)], folder) as child:
        yield child
