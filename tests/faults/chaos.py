"""`python -m tests.faults.chaos`: a flow that branches, streams and joins, while everything beneath it dies.

Guests, workers and the agent (with relay and sweeper) are killed; the broker and Postgres crash, Redis is emptied. All
servers are started for this run and are nobody else's. Prints one line for each broker, and exits 1 when a call
was lost, ended otherwise than it must, was made twice, or was started more often than its attempts say.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from uuid import UUID

from pyfi.core.ids import uuid7
from pyfi.errors import UnavailableError
from pyfi.ledger.calls import Calls
from tests.faults.flow.graph import Entered, Sockets, composition, entries, furnish
from tests.faults.harm import Harm
from tests.faults.servers import Servers, has_rabbitmq, servers
from tests.faults.verdict import ROWS, Verdict
from tests.network import Network, network

WORKERS = 3
IN_FLIGHT = 100  # first calls at once
LEASE = "10 seconds"
SILENCE_SECONDS = 120.0  # no call ends for so long: it hangs
# Those whose claim the crash may have forgotten.
OPEN_AT_CRASH = "select id from pyfi.call where finished is null or finished > pg_postmaster_start_time()"


class Run:
    """One network, one seed."""

    def __init__(self, net: Network, own: Servers | None, *, calls: int, seed: int) -> None:
        """`own`: the servers beneath, if they may be crashed."""
        self.net, self.seed = net, seed
        self.harm = Harm(net, own, random.Random(seed), cpus=WORKERS)
        self.starts = net.home / "starts"
        self.planned = entries(calls)
        self.entered: dict[UUID, Entered] = {}
        self.forgiven: Counter[str] = Counter()

    def go(self, *, kills: int, crashes: int) -> Verdict:
        """Enter calls, do harm as they end, wait for all; then look."""
        sockets = furnish(self.net, self.starts, workers=WORKERS)
        self.net.rows(
            "insert into pyfi.setting values ('max_losses', '1000'), ('hold_after', '1000'), ('lease', %s)",
            (LEASE,),
        )
        self.net.start_agent(cpus=WORKERS)
        calls = self.net.calls()
        waiting = iter(self.planned)
        plan = self.harm.plan(kills=kills, crashes=crashes)
        total = len(self.planned)
        for number, kind in enumerate(plan, start=1):
            self._wait_for(calls, sockets, waiting, ended=number * total // (len(plan) + 2))
            self.harm.do(kind)
            if kind == "postgres":
                self.forgiven.update(id_ for (id_,) in self.net.rows(OPEN_AT_CRASH))
        self._wait_for(calls, sockets, waiting, ended=total)
        self.net.until(self._is_at_rest, "rest", seconds=SILENCE_SECONDS)
        return self._verdict()

    def _wait_for(self, calls: Calls, sockets: Sockets, waiting: Iterator[Entered], *, ended: int) -> None:
        """Until so many first calls have ended with all that came of them; enters more all the time."""
        while (now := self._count()) < ended:
            for each in islice(waiting, max(0, IN_FLIGHT - (len(self.entered) - now))):
                self._enter(calls, sockets, each)
            before = now
            self.net.until(lambda: self._count() > before, "some call ends", seconds=SILENCE_SECONDS)  # noqa: B023

    def _enter(self, calls: Calls, sockets: Sockets, each: Entered) -> None:
        """Accepted or not: said again with the same id until it is."""
        id_ = uuid7(each.number, self.seed)
        self.entered[id_] = each

        def accepted() -> bool:
            try:
                if each.is_composition:
                    calls.compose(composition(sockets, each.number), id_)
                else:
                    calls.submit(sockets["enter"], [json.dumps({"args": [each.number], "kwargs": {}})], [id_])
            except UnavailableError:
                return False
            return True

        self.net.until(accepted, "a call is accepted", seconds=SILENCE_SECONDS)

    def _count(self) -> int:
        """First calls with nothing open below them."""
        self.harm.look_after()
        ((count,),) = self.net.rows(
            "select (select count(*) from pyfi.call where parent_id is null)"
            " - (select count(distinct root_id) from pyfi.call where finished is null)"
        )
        return int(count)

    def _is_at_rest(self) -> bool:
        self.harm.look_after()
        return self.net.rows(
            "select (select count(*) from pyfi.outbox), (select count(*) from pyfi.call where finished is null)"
        ) == [(0, 0)]

    def _verdict(self) -> Verdict:
        ((refused,),) = self.net.rows("select coalesce(sum(value), 0)::int from pyfi.counter")
        laws = self.net.json("doctor", "--ledger")
        return Verdict(
            broker=self.net.broker.partition(":")[0],
            seed=self.seed,
            entered=self.entered,
            rows=self.net.rows(ROWS),
            starts=Counter(self.starts.read_text().split()),
            refused=refused,
            forgiven=self.forgiven,
            harm=self.harm.done,
            broken=[
                f"{law['law']}: not so for {law['violations']} {law['examples']}" for law in laws if law["violations"]
            ],
        )


def chaos(home: Path, broker: str, *, calls: int, seed: int, kills: int, crashes: int) -> Verdict:
    """On servers of its own in `home`; broker: `redis` or `rabbitmq`. crashes: of each server."""
    with (
        servers(home, broker) as own,
        network(own.postgres.url, own.broker.url, own.valkey.backend, home / "net") as net,
    ):
        return Run(net, own, calls=calls, seed=seed).go(kills=kills, crashes=crashes)


def some_seed() -> int:
    """FLOW_TEST_SEED, else one by chance."""
    return int(os.environ.get("FLOW_TEST_SEED") or random.randrange(1 << 32))


def main() -> int:
    """Run with each broker; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=some_seed())
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--crashes", type=int, default=2, help="of each server")
    parser.add_argument("--broker", choices=["rabbitmq", "redis"], action="append")
    told = parser.parse_args()
    brokers = told.broker or ["rabbitmq", "redis"]
    if "rabbitmq" in brokers and not has_rabbitmq():
        print("rabbitmq: its server program is not on this machine, so that half is left out", flush=True)
        brokers.remove("rabbitmq")
    good = True
    for broker in brokers:
        print(f"{broker}: seed {told.seed}", flush=True)
        with tempfile.TemporaryDirectory(prefix="pyfi-chaos-") as folder:
            verdict = chaos(
                Path(folder), broker, calls=told.calls, seed=told.seed, kills=told.kills, crashes=told.crashes
            )
        print("\n".join([verdict.line(), *([] if verdict.is_good else verdict.complaints())]), flush=True)
        good = good and verdict.is_good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
