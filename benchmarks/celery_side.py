"""The Celery side of a run: submitting and waiting in this process, its worker in another."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import redis
from celery import Celery, chain, chord

from benchmarks.functions.noop import PAYLOAD
from benchmarks.peers.celery_app import Peer, make
from benchmarks.programs import BenchmarkError, running
from pyfi.clock import wait_until
from pyfi.system.processes import Child


class CelerySide:
    """One queue and one key prefix in Redis, both gone after `close`."""

    def __init__(self, name: str, broker: str, backend: str) -> None:
        """Declares the queue."""
        self.peer = Peer(name=name, broker=broker, backend=backend)
        self.app: Celery = make(self.peer)
        self.store = redis.Redis.from_url(backend)
        self._numbers = itertools.count()
        with self.app.connection_for_write() as connection:
            self.app.amqp.queues[name](connection.default_channel).declare()

    @contextmanager
    def worker(self, folder: Path, pool: str = "prefork") -> Iterator[Child]:
        """A worker of one process or one thread while the block runs."""
        argv = [sys.executable, "-m", "benchmarks.peers.celery_worker", json.dumps(self.peer.asdict()), pool]
        with running(f"celery{next(self._numbers)}", argv, folder, {"C_FORCE_ROOT": "1"}) as child:
            yield child

    def confirming(self) -> Celery:
        """The same with confirmed publishes."""
        return make(replace(self.peer, confirmed=True))

    def submit(self, count: int = 1, *, steps: int = 1, app: Celery | None = None) -> list[Any]:
        """Send tasks, or chains of tasks; their (last) results."""
        task = (app or self.app).noop
        if steps == 1:
            return [task.apply_async((PAYLOAD,)) for _ in range(count)]
        signature = chain(task.s(PAYLOAD), *(task.s() for _ in range(steps - 1)))
        return [signature.clone().apply_async() for _ in range(count)]

    def gather(self, count: int, timeout_seconds: float) -> None:
        """A chord: so many tasks, and one that gets the list of their results; waits for its own."""
        header = [self.app.noop.s(PAYLOAD)] * count
        assert chord(header, self.app.gather.s(), app=self.app)().get(timeout=timeout_seconds) == count

    def finish(self, results: list[Any], timeout_seconds: float) -> None:
        """Wait until all have a result, without disturbing the worker more than a poll does.

        Raises: BenchmarkError: not all in time.
        """

        def done() -> bool:
            return bool(self.store.exists(self._key(results[-1]))) and self.store.exists(
                *map(self._key, results)
            ) == len(results)

        if not wait_until(done, timeout_seconds=timeout_seconds, step_seconds=0.05):
            raise BenchmarkError(f"Celery did not finish {len(results)} tasks in {timeout_seconds:g} s")

    def seconds(self, results: list[Any]) -> float:
        """From the first to the last of the results, by their own dates, parents of chains included."""
        steps = [step for last in results for step in (last, last.parent) if step is not None]
        stored = self.store.mget([self._key(step) for step in steps])
        times = [datetime.fromisoformat(json.loads(each)["date_done"]) for each in stored]
        return (max(times) - min(times)).total_seconds()

    def _key(self, result: Any) -> str:
        return f"{self.peer.name}.celery-task-meta-{result.id}"

    def purge(self) -> None:
        """Forget what waits and all results."""
        self.app.control.purge()
        self._forget()

    def _forget(self) -> None:
        keys = list(self.store.scan_iter(match=f"{self.peer.name}.*", count=1000))
        if keys:
            self.store.delete(*keys)

    def close(self) -> None:
        """Remove queue and keys."""
        with self.app.connection_for_write() as connection:
            self.app.amqp.queues[self.peer.name](connection.default_channel).delete()
        self._forget()
        self.store.close()
        self.app.close()
