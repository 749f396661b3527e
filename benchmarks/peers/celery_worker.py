"""`python -m benchmarks.peers.celery_worker SPEC [POOL]`: a Celery worker of one process or thread, until SIGTERM."""

from __future__ import annotations

import json
import sys

from benchmarks.peers.celery_app import Peer, make

OPTIONS = ("--concurrency=1", "--loglevel=ERROR", "--hostname=bench@%h")
WITHOUT = ("--without-gossip", "--without-mingle", "--without-heartbeat")

POOL = sys.argv[2] if len(sys.argv) > 2 else "prefork"

if __name__ == "__main__":
    make(Peer(**json.loads(sys.argv[1]))).worker_main(["worker", f"--pool={POOL}", *OPTIONS, *WITHOUT])
