"""S7: expired leases, due retries, lost wake-ups, calls that need not be kept. One node at a time."""

from __future__ import annotations

from collections.abc import Sequence

from pyfi import logs
from pyfi.broker.publish import Publisher, QueueRefusedError
from pyfi.broker.wakeup import MOST_IDS
from pyfi.clock import SYSTEM, Clock
from pyfi.faultpoints import fault
from pyfi.ledger.connection import Link

log = logs.get(__name__)

# A call that waits longer than this although the broker holds fewer wake-ups than calls wait gets a new one.
STALE_SECONDS = 10.0
STALE_EVERY_SECONDS = 5.0
MOST_AT_ONCE = 1000
# Old calls that are looked at in one transaction, and how many of these in one sweep.
RETIRED_AT_ONCE = 500
RETIRED_BATCHES = 10


class Sweeper:
    """A service of each node's process."""

    name = "sweeper"
    interval_seconds = 1.0

    def __init__(
        self, database: str, broker: str, *, stale_seconds: float = STALE_SECONDS, clock: Clock = SYSTEM
    ) -> None:
        """`database`: libpq URL of the node's login."""
        self._link = Link(database, application="pyfi sweeper")
        self._publisher = Publisher(broker)
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._looked = 0.0

    def run_once(self) -> bool:
        """One sweep.

        Raises: DatabaseUnavailableError, BrokerUnavailableError.
        """
        ((woken,),) = self._link.rows("select ledger.sweep()")
        if woken:
            fault("sweeper.swept")
            log.info("calls swept", extra={"calls": woken})
        if self._clock.monotonic() - self._looked >= min(STALE_EVERY_SECONDS, self._stale_seconds):
            self._looked = self._clock.monotonic()
            self._rewake()
        self._retire()
        return False

    def _retire(self) -> None:
        """Some batches of what need not be kept; the rest in the next sweep, so that nobody waits for this one."""
        for _ in range(RETIRED_BATCHES):
            ((deleted,),) = self._link.rows("select ledger.retire(%s)", (RETIRED_AT_ONCE,))
            if not deleted:
                return
            log.info("calls deleted", extra={"calls": deleted})

    def _rewake(self) -> None:
        """Never a blind timeout: with a backlog that would amplify itself."""
        for address, waiting in self._link.rows(
            "select address, waiting from ledger.stale(%s)", (self._stale_seconds,)
        ):
            try:
                # What waits may be named by fewer messages; never by less than this.
                missing = waiting - MOST_IDS * self._publisher.depth(address)
            except QueueRefusedError as error:
                log.error("queue refused", extra={"queue": address, "reason": error.message})  # noqa: TRY400 # it says all
                continue
            if missing > 0:
                self._link.rows(
                    "select ledger.rewake(%s, %s, %s)", (address, self._stale_seconds, min(missing, MOST_AT_ONCE))
                )
                log.warning("wake-ups were lost", extra={"queue": address, "calls": missing})

    def readers(self) -> Sequence[int]:
        """None: it polls."""
        return []

    def close(self) -> None:
        """Let go of database and broker."""
        self._link.close()
        self._publisher.close()
