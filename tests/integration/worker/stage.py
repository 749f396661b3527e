"""Workers as processes, without an agent: a real ledger, a real broker, relay and sweeper as threads of the test."""

from __future__ import annotations

import itertools
import json
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pyfi.broker.publish import Publisher
from pyfi.clock import wait_until
from pyfi.ledger.calls import Calls
from pyfi.ledger.options import CallOptions
from pyfi.ledger.outcome import Outcome
from pyfi.ledger.relay import Relay
from pyfi.ledger.sweep import Sweeper
from pyfi.service import Loop
from pyfi.settings import write_private
from pyfi.system.processes import Child, identify, signal_process, spawn
from tests.integration.db.scene import Part, Scene, add_part
from tests.integration.db.workers import deploy

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 60.0
NODE = "n1"


@dataclass(slots=True, kw_only=True)
class Worker:
    """A worker process, and the files of it."""

    id: UUID
    child: Child
    folder: Path
    stage: Stage

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def guest(self) -> int:
        """The process id of its guest."""
        return int(json.loads((self.folder / "guest.json").read_text())["pid"])

    @property
    def started(self) -> int:
        """The start mark."""
        return int.from_bytes((self.folder / "mark").read_bytes()[:8], "little")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert signal_process(self.child.identity, number)

    def stop(self) -> int:
        """Drain it; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait until it has ended; returns the exit code."""
        code = self.child.wait(PATIENCE_SECONDS)
        assert code is not None, self.log
        return code


@dataclass(slots=True, kw_only=True)
class Stage:
    """One test's processors, workers and calls. What it made is told apart by `tag`."""

    scene: Scene
    broker: str = field(repr=False)
    calls: Calls
    folder: Path
    tag: str = field(default_factory=lambda: f"w{secrets.token_hex(3)}")
    workers: list[Worker] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def worker_database(self) -> str:
        """The URL of the workers' login."""
        return self.scene.worker(NODE).url.libpq()

    def processor(self, *tasks: str, retries: int = 0) -> Part:
        """A processor with a socket for each function."""
        part = add_part(self.scene.admin, f"{self.tag}{next(self._numbers)}", *tasks, retries=retries)
        deploy(self.scene, part.processor, NODE, 2)
        return part

    def worker(self, part: Part, **config: Any) -> Worker:
        """A worker of the processor, as the agent starts it."""
        ordinal = next(self._numbers)
        folder = self.folder / f"worker{ordinal}"
        folder.mkdir(mode=0o700)
        told = {
            "worker_id": str(uuid4()),
            "key": f"{self.tag}@{NODE}#{ordinal}",
            "node": NODE,
            "ordinal": ordinal,
            "database": self.worker_database,
            "broker": self.broker,
            "processor_id": str(part.processor),
            "generation": 1,
            "module": "functions",
            "environment": {"key": "k", "python": sys.executable, "checkout": str(Path(__file__).parent)},
            "mark": str(folder / "mark"),
            "home": str(folder / "home"),
        } | config
        write_private(folder / "config.json", json.dumps(told))
        log = folder / "log"
        child = spawn(
            [sys.executable, "-m", "pyfi.worker", str(folder / "config.json")],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(folder), "PYTHONPATH": str(ROOT)},
            cwd=folder,
            stdout=log,
            stderr=log,
            die_with_parent=signal.SIGKILL,
        )
        made = Worker(id=UUID(told["worker_id"]), child=child, folder=folder, stage=self)
        self.workers.append(made)
        return made

    def submit(self, part: Part, task: str, *values: object, options: CallOptions | None = None) -> list[UUID]:
        """A call for each value."""
        texts = [json.dumps({"args": [value], "kwargs": {}}) for value in values]
        return self.calls.submit(part.sockets[task], texts, options=options)

    def outcomes(self, ids: Sequence[UUID]) -> list[Outcome]:
        """Wait until all are settled; in the order of the ids."""
        found = self.calls.wait(ids, PATIENCE_SECONDS)
        open_ids = [key for key in ids if key not in found or not found[key].is_settled]
        assert not open_ids, f"{len(open_ids)} of {len(ids)} are open: {found.get(open_ids[0])}\n{self.logs()}"
        return [found[key] for key in ids]

    def run(self, part: Part, task: str, *values: object) -> list[Outcome]:
        """Submit and wait."""
        return self.outcomes(self.submit(part, task, *values))

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Wait for something, or fail with the workers' logs."""
        assert wait_until(done, timeout_seconds=PATIENCE_SECONDS), f"{what}\n{self.logs()}"

    def logs(self) -> str:
        """The ends of what the workers wrote."""
        return "\n".join(f"--- {worker.folder.name}\n{worker.log[-3000:]}" for worker in self.workers)

    def has_noted(self, name: str, *lines: str) -> Callable[[], bool]:
        """Whether functions have noted these lines in the file of that name."""
        return lambda: set(lines) <= set(self.noted(name))

    def noted(self, name: str) -> list[str]:
        """What functions noted in a file, in their order."""
        path = self.folder / name
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def path(self, name: str) -> str:
        """A file's path, for a message."""
        return str(self.folder / name)

    def touch(self, name: str) -> None:
        """Make a file that a function waits for."""
        (self.folder / name).touch()

    def address(self, part: Part, task: str) -> str:
        """The broker queue of a socket."""
        return str(self.scene.superuser.one("select address from pyfi.socket where id = %s", part.sockets[task]))

    def states(self, ids: Iterable[UUID]) -> list[tuple[str, int, int]]:
        """State, attempts and losses of each call."""
        return [(row["state"], row["attempt"], row["losses"]) for row in map(self.scene.call, ids)]

    def depth(self, part: Part, task: str) -> int:
        """How many wake-ups wait at the broker."""
        with closing(Publisher(self.broker)) as publisher:
            return publisher.depth(self.address(part, task))

    def delete_queue(self, part: Part, task: str) -> None:
        """Delete a socket's queue with all wake-ups in it."""
        with closing(Publisher(self.broker)) as publisher:
            publisher.delete_queue(self.address(part, task))

    def cut(self) -> int:
        """Cut the database connections of all workers; returns how many."""
        return int(
            self.scene.superuser.one(
                "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity"
                " where datname = current_database() and application_name = 'pyfi worker'"
            )
        )

    def close(self) -> None:
        """End what runs, take the queues away."""
        guests = [worker.guest for worker in self.workers if (worker.folder / "guest.json").exists()]
        for worker in self.workers:
            signal_process(worker.child.identity, signal.SIGKILL)
            worker.child.wait(10)
        left = wait_until(lambda: not any(identify(pid) for pid in guests), timeout_seconds=10)
        with closing(Publisher(self.broker)) as publisher:
            for (address,) in self.scene.superuser.ask(
                "select address from pyfi.socket where address like %s", f"{self.tag}%"
            ):
                publisher.delete_queue(address)
        assert left, "a guest outlived its worker"


class Services:
    """Relay and sweeper of the node, each in a thread."""

    def __init__(self, scene: Scene, broker: str) -> None:
        database = scene.agent(NODE).url.libpq()
        self.loops = [Loop(Relay(database, broker)), Loop(Sweeper(database, broker, stale_seconds=3.0))]
        self._threads = [threading.Thread(target=loop.run, name=loop.service.name) for loop in self.loops]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both."""
        for loop in self.loops:
            loop.stop()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
