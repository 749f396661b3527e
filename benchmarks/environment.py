"""The virtualenv of the peers that the project does not need itself, made when it is first asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.programs import BenchmarkError
from pyfi.settings import environment
from pyfi.system.processes import run

FOLDER = Path(__file__).parent / "peers" / ".venv"
# Prefect 3.8 does not start with the newest FastAPI that it allows.
WANTED = (
    "dbos>=3,<4",
    "pgqueuer>=1,<2",
    "asyncpg>=0.30",
    "dramatiq[rabbitmq,redis]>=2,<3",
    "prefect>=3.8,<3.9 fastapi<0.145",
)
INSTALL_SECONDS = 600.0


def peers_python() -> Path:
    """The interpreter of that virtualenv; a peer that it lacks is left out of the table.

    Raises: BenchmarkError: it could not be made.
    """
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / "wanted.json"
    if stamp.is_file() and json.loads(stamp.read_text()) == list(WANTED):
        return python
    commands = [
        [sys.executable, "-m", "virtualenv", "--quiet", str(FOLDER)],
        # One at a time: that one of them has no wheel here must not cost the others.
        *([str(python), "-m", "pip", "install", "--quiet", *wanted.split()] for wanted in WANTED),
    ]
    for command in commands:
        done = run(command, env=environment(), timeout_seconds=INSTALL_SECONDS)
        if done.returncode != 0:
            print(f"peers: {command[-1]}: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]}")
    if not python.is_file():
        raise BenchmarkError(f"the peers' environment {FOLDER} could not be made")
    stamp.write_text(json.dumps(WANTED))
    return python
