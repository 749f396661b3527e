"""S1 for everybody: publishes the outbox rows that are due, and deletes them when the broker has confirmed."""

from __future__ import annotations

from collections.abc import Sequence

from pyfi import logs
from pyfi.broker.publish import Publisher, QueueMuteError, QueueRefusedError
from pyfi.broker.wakeup import Wakeup, packed
from pyfi.faultpoints import fault
from pyfi.ledger.connection import Link, mapping

log = logs.get(__name__)

ROWS = 64
SLOW_POLL_SECONDS = 2.0
SHORTEST_REST_SECONDS = 0.01
# The loop may rest so many times longer than it is told: it must not come too late.
JITTER = 1.3
TAKE = """
select id, address, ids, null from ledger.take_outbox(%s) union all select null, null, null, ledger.next_due()
"""


class Relay:
    """A service of each node's process. Several may run: rows are taken with SKIP LOCKED.

    `interval_seconds`: until the next row is due (a delayed call, a retry), at most the slow poll.
    """

    name = "relay"

    def __init__(self, database: str, broker: str) -> None:
        """`database`: libpq URL of the node's login."""
        self._link = Link(database, application="pyfi relay", channels=("pyfi_outbox",))
        self._publisher = Publisher(broker)
        self.interval_seconds = SLOW_POLL_SECONDS
        self._mute: frozenset[str] = frozenset()

    def run_once(self) -> bool:
        """Publish at most ROWS outbox rows; True when there may be more.

        Raises: DatabaseUnavailableError, BrokerUnavailableError: the rows stay.
        """
        self._forget_wakeups()
        with self._link.transaction() as cursor:
            cursor.execute(TAKE, (ROWS,))
            *taken, (_, _, _, due_seconds) = cursor.fetchall()
            rows = [row[:3] for row in taken]
            rest = SLOW_POLL_SECONDS if due_seconds is None else due_seconds / JITTER
            self.interval_seconds = min(SLOW_POLL_SECONDS, max(SHORTEST_REST_SECONDS, rest))
            if not rows:
                return False
            fault("relay.took")
            self._publish([each for _, address, ids in rows for each in packed(address, ids)])
            fault("relay.published")
            cursor.execute("select ledger.forget(%s::bigint[])", ([row[0] for row in rows],))
            fault("relay.forgot")
        fault("relay.committed")
        log.debug("wake-ups published", extra={"rows": len(rows)})
        return len(rows) == ROWS

    def _publish(self, wakeups: list[Wakeup]) -> None:
        """A queue that the broker refuses holds up no other: its calls wait in the ledger, the sweeper asks again."""
        if not wakeups:
            return  # all were claimed meanwhile
        try:
            self._publisher.publish(wakeups)
            self._mute -= {address for address, _ in wakeups}
        except QueueMuteError as error:
            self._renew(error.addresses)
            raise
        except QueueRefusedError:
            addresses = sorted({address for address, _ in wakeups})
            refused = [address for address in addresses if not self._takes(address, wakeups)]
            if refused == addresses:
                raise

    def _renew(self, mute: frozenset[str]) -> None:
        """Replace queues that did not answer twice in a row: workers cannot consume such a queue either."""
        again, self._mute = mute & self._mute, mute
        for address in sorted(again):
            self._publisher.renew(address)
            log.error("queue made anew", extra={"queue": address, "reason": "it did not answer"})
        self._mute -= again

    def _takes(self, address: str, wakeups: list[Wakeup]) -> bool:
        try:
            self._publisher.publish([each for each in wakeups if each[0] == address])
        except QueueRefusedError as error:
            log.error("queue refused", extra={"queue": address, "reason": error.message})  # noqa: TRY400 # it says all
            return False
        return True

    def _forget_wakeups(self) -> None:
        connection = self._link.connection()
        with mapping():
            connection.poll()
            connection.notifies.clear()

    def readers(self) -> Sequence[int]:
        """The listening connection."""
        return [self._link.connection().fileno()] if self._link.is_open else []

    def close(self) -> None:
        """Let go of database and broker."""
        self._link.close()
        self._publisher.close()
