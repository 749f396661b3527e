"""One fault at one point, on a whole network: an agent, workers of two processors, a client; then the laws."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from pyfi.clock import SYSTEM
from pyfi.core.ids import uuid7
from pyfi.faultpoints import POINTS
from pyfi.system.processes import Child, identify, signal_process, spawn
from tests.network import Network

LEASE_SECONDS = 2
CPUS = 3
WITH_ANSWER = {"worker.claiming", "worker.finishing", "worker.renewing", "worker.resyncing"}
AWAY = "raise:pyfi.errors.DatabaseUnavailableError"
# What brings a network to a point that an ordinary call does not come to.
MESSAGES: dict[str, dict[str, object]] = {
    "worker.renewing": {"seconds": 1.5},
    "worker.resyncing": {"seconds": 1.0},
    "guest.died": {"once": "die"},
    "agent.exit_seen": {"once": "kill_worker"},
    "agent.exit_told": {"once": "kill_worker"},
    "sweeper.swept": {"seconds": 1.5},
}
MISFORTUNES = {
    "worker.resyncing": "select pg_terminate_backend(a.pid) from pg_stat_activity a"
    " where a.datname = current_database() and a.application_name = 'pyfi worker'"
    " and exists (select from pyfi.call where state in ('claimed', 'running'))",
    "sweeper.swept": "update pyfi.call set lease_until = now() - interval '1 m' where state in ('claimed', 'running')",
}


def cases() -> list[tuple[str, str]]:
    """Every point with every action that it can meet."""
    found = [(point, action) for point in POINTS for action in ("kill", "stop", "raise")]
    found += [(point, "drop") for point in sorted(WITH_ANSWER)]
    return [*found, ("client.entered", AWAY), ("client.forgot", AWAY), ("relay.committed", AWAY)]


@dataclass(slots=True)
class Tier:
    """A network that sees case after case; what was built for the first serves all."""

    net: Network
    number: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    submitters: list[Child] = field(default_factory=list)
    _client: Callable[[], Child] | None = None

    def furnish(self) -> None:
        """first -> second, and -> rescue on errors; the latter two by other workers, so that wake-ups travel."""
        source = (Path(__file__).parent / "functions.py").read_text()
        repository = self.net.repository({"functions.py": source})
        self.net.processor("first", concurrency=2, repository=repository)
        self.net.processor("second", "rescue", name="next", repository=repository)
        for name, target, kind in (("on", "second", "RESULT"), ("wrong", "rescue", "ERROR")):
            self.net.flow(
                *("add", "plug", "-n", name, "-q", "next.queue", "-s", "proc.first", "-t", f"next.{target}"),
                *("-y", kind),
            )
        self.net.rows(f"insert into pyfi.setting values ('max_losses', '100'), ('lease', '{LEASE_SECONDS} seconds')")

    def run(self, point: str, action: str) -> None:
        """Two calls, one of which fails, with one fault: in the end as if it had not been."""
        self.number += 1
        try:
            self._run(point, action)
        finally:
            for agent in self.net.agents:
                signal_process(agent.identity, signal.SIGKILL)
                agent.wait(5)

    def _run(self, point: str, action: str) -> None:
        place = self.net.home / f"case{self.number}"
        place.mkdir()
        self.faults = {"PYFI_FAULTS": f"{place} {point}={action}"}
        message = {"file": str(place / "starts")} | MESSAGES.get(point, {})
        self._forget_crashes()
        self.net.start_agent(cpus=CPUS, env=self.faults)
        ids = [uuid7(int(SYSTEM.now().timestamp() * 1000), self.number << 8 | n) for n in range(2)]
        told = {str(ids[0]): message, str(ids[1]): message | {"fail": True}}
        self._submit(point, {key: json.dumps({"args": [value], "kwargs": {}}) for key, value in told.items()})
        fired = place / point
        self.net.until(
            lambda: self._supervise(fired) and self._is_done(ids) and (fired.exists() or point == "worker.drained"),
            f"{point}={action}",
        )
        self._stop_agent(fired)
        assert fired.exists(), f"{point} was not met"
        # When a lease runs out, nobody is left to say what had begun: the first that was held counts as begun.
        self._judge(ids, place / "starts", unseen=int(action == "stop" or point == "sweeper.swept"))

    def _submit(self, point: str, told: dict[str, str]) -> None:
        """By a client of its own: with faults if the point is the client's, without a broker if it is the relay's."""
        ((socket,),) = self.net.rows("select id from pyfi.socket where name = 'proc.first'")
        broker = "-" if point.startswith("relay.") else self.net.broker
        env = self.net.environment | (self.faults if point.startswith(("client.", "publisher.")) else {})
        self._client = lambda: spawn(
            [sys.executable, "-m", "tests.faults.submitter", self.net.admin.libpq(), broker, socket],
            env=env,
            cwd=self.net.home,
            stdin_bytes=json.dumps(told).encode(),
            stderr=self.net.home / "submitter.log",
            die_with_parent=signal.SIGKILL,
        )
        self.submitters.append(self._client())

    def _supervise(self, fired: Path) -> bool:
        """What people and init systems do: start again what died, continue what was stopped, cut what is to be cut.

        False: the client has not ended well yet.
        """
        agent = self.net.agents[-1]
        if agent.poll() is not None:
            self.net.start_agent(cpus=CPUS, env=self.faults)
        self._continue(fired)
        if not fired.exists() and (misfortune := MISFORTUNES.get(fired.name)):
            self.net.rows(misfortune)
        code = self.submitters[-1].poll()
        if code and self._client:
            self.submitters.append(self._client())
        return code == 0

    def _continue(self, fired: Path) -> None:
        """SIGCONT after two leases, by the database's clock."""
        if not fired.exists() or (fired.parent / "continued").exists():
            return
        ((is_over,),) = self.net.rows(
            "select clock_timestamp() > to_timestamp(%s) + interval '1 second' * %s",
            (fired.stat().st_mtime, 2 * LEASE_SECONDS + 1),
        )
        identity = identify(int(fired.read_text() or 0))
        if is_over and identity is not None:
            signal_process(identity, signal.SIGCONT)
            (fired.parent / "continued").touch()

    def _is_done(self, ids: list[UUID]) -> bool:
        ((count,),) = self.net.rows(
            "select count(*) from pyfi.call where root_id = any (%s::uuid[]) and state in ('done', 'failed')",
            ([str(each) for each in ids],),
        )
        return bool(count == 2 * len(ids)) and self.net.rows("select count(*) from pyfi.outbox") == [(0,)]

    def _stop_agent(self, fired: Path) -> None:
        """Workers drain; who was killed while they did is started and stopped again."""
        for _ in range(3):
            agent = self.net.agents[-1]
            # Before it is the node's agent it has no ear for signals.
            self.net.until(lambda a=agent: self._ended(a, fired) or self._is_agent(a), "the agent")  # type: ignore[misc]
            signal_process(agent.identity, signal.SIGTERM)
            self.net.until(lambda a=agent: self._ended(a, fired), "the agent ends")  # type: ignore[misc]
            if agent.poll() == 0:
                return
            self.net.start_agent(cpus=CPUS, env=self.faults)
        raise AssertionError(f"the agent does not end in order\n{self.net.logs()}")

    def _is_agent(self, agent: Child) -> bool:
        return self.net.rows("select pid from pyfi.agent where status = 'running'") == [(agent.pid,)]

    def _ended(self, agent: Child, fired: Path) -> bool:
        self._continue(fired)
        return agent.poll() is not None

    def _forget_crashes(self) -> None:
        """The case before is no reason to wait in this one."""
        for path in self.net.home.glob("flow/node-node1/workers/*/past.json"):
            path.unlink()

    def _judge(self, ids: list[UUID], starts: Path, *, unseen: int) -> None:
        rows = self.net.rows(
            "select id, parent_id, name, state, attempt from pyfi.call where root_id = any (%s::uuid[])",
            ([str(each) for each in ids],),
        )
        good, bad = map(str, ids)
        assert sorted((parent or id_, name, state) for id_, parent, name, state, _ in rows) == sorted(
            [
                (good, "proc.first", "done"),
                (good, "next.second", "done"),
                (bad, "proc.first", "failed"),
                (bad, "next.rescue", "done"),
            ]
        )
        started, attempts = Counter(starts.read_text().split()), Counter({row[0]: row[4] for row in rows})
        assert ((started - attempts) + (attempts - started)).total() <= unseen, (started, attempts)
        broken = [law for law in self.net.json("doctor", "--ledger") if law["violations"]]
        assert not broken

    def close(self) -> None:
        """End what a failed case left."""
        for child in self.submitters:
            if child.poll() is None:
                signal_process(child.identity, signal.SIGKILL)
                child.wait(5)
        for path in self.net.home.glob("case*/*.*"):
            with contextlib.suppress(ValueError):
                if (identity := identify(int(path.read_text()))) is not None:
                    signal_process(identity, signal.SIGKILL)
