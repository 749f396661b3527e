"""What chaos does to a network: kill -9 of its processes, and worse to its servers."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

from pyfi.system.processes import ProcessIdentity, signal_process
from tests.faults.servers import Servers, Valkey
from tests.network import Network

KILLS = {"guest": 5, "worker": 3, "agent": 2}
REDIS_HARM, RABBITMQ_HARM = ("flush", "broker", "postgres"), ("broker", "postgres")


class Harm:
    """Knows the processes of one node and the servers beneath it. `done` counts what it did, by kind."""

    def __init__(self, net: Network, servers: Servers | None, chance: random.Random, *, cpus: int) -> None:
        """`chance` decides whom. servers: None: they are not ours."""
        self.net, self.servers, self.chance, self.cpus = net, servers, chance, cpus
        self.done: Counter[str] = Counter()

    def plan(self, *, kills: int, crashes: int) -> list[str]:
        """What to do, in an order of chance: so many kills, and each crash of a server so often."""
        kinds = self.chance.choices(list(KILLS), list(KILLS.values()), k=kills)
        if self.servers is not None:
            kinds += crashes * (REDIS_HARM if isinstance(self.servers.broker, Valkey) else RABBITMQ_HARM)
        self.chance.shuffle(kinds)
        return kinds

    def do(self, kind: str) -> None:
        """One of them. Whoever was killed and has nobody to start him again is started."""
        if kind in KILLS:
            self.net.until(lambda: self._kill(kind), f"a living {kind}", seconds=120)
            if kind == "agent":
                self.net.agents[-1].wait(5)
                self.net.start_agent(cpus=self.cpus)
        elif self.servers is not None:
            self._crash(kind, self.servers)
        self.done[kind] += 1

    def look_after(self) -> None:
        """Start the agent again that could not begin while its database was away, as its init system would."""
        if self.net.agents[-1].poll() is not None:
            self.net.start_agent(cpus=self.cpus)

    def _crash(self, kind: str, servers: Servers) -> None:
        if kind == "flush" and isinstance(servers.broker, Valkey):
            servers.broker.flush()
            return
        server = servers.postgres if kind == "postgres" else servers.broker
        server.crash()
        server.start()

    def _kill(self, kind: str) -> bool:
        identity = self.net.agents[-1].identity if kind == "agent" else self._one(kind)
        return identity is not None and signal_process(identity, signal.SIGKILL)

    def _one(self, kind: str) -> ProcessIdentity | None:
        files = sorted(self.net.home.glob(f"flow/node-node1/workers/*/{'guest' if kind == 'guest' else 'state'}.json"))
        return _identity(self.chance.choice(files)) if files else None


def _identity(path: Path) -> ProcessIdentity | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(path.read_text())
        return ProcessIdentity.from_json(json.dumps(record.get("identity") or record))
    return None
