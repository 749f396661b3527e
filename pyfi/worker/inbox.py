"""Delivered wake-ups: claimed in their order, acknowledged after the claim's commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from pyfi import logs
from pyfi.broker.wakeup import ids_of

log = logs.get(__name__)


class Delivered:
    """A message, or none: the ids that it names, and how many of them were taken from it; whether it was given back."""

    __slots__ = ("ids", "is_returned", "message", "taken")

    def __init__(self, ids: list[str], message: Any) -> None:
        """Nothing is taken."""
        self.ids, self.message, self.taken, self.is_returned = ids, message, 0, False


class Inbox:
    """Between the broker's consumer and the ledger's claim.

    After the commit nothing depends on the broker any more, so acknowledging never waits for the function. A message is
    acknowledged when all that it names is claimed, or somebody else's.
    """

    def __init__(self) -> None:
        """No consumer yet."""
        self._messages: deque[Delivered] = deque()
        # What is being claimed: from which message, and how many of its ids were taken before.
        self._claiming: list[tuple[Delivered, int]] = []
        self._consumer: Any = None
        self._on_broken: Callable[[Exception], None] | None = None
        self._multiple = False
        self._paused = False
        self.waiting = 0
        self.ignored = 0

    def attach(self, consumer: Any, *, acknowledges_multiple: bool, on_broken: Callable[[Exception], None]) -> None:
        """A new connection. `on_broken` is called once when it is found broken here: nobody else may notice."""
        self.detach()
        self._consumer, self._multiple, self._on_broken = consumer, acknowledges_multiple, on_broken

    def detach(self) -> None:
        """The connection is gone: what it delivered is void, the broker brings it again."""
        self._messages.clear()
        self._claiming.clear()
        self.waiting = 0
        self._consumer = self._on_broken = None
        self._paused = False

    def deliver(self, message: Any) -> bool:
        """Take a message; False: it names no call, and is gone."""
        ids = ids_of(message.headers)
        if not ids:
            self.refuse(message, "it names no call")
            return False
        self._messages.append(Delivered(ids, message))
        self.waiting += len(ids)
        return True

    def found(self, ids: list[str]) -> None:
        """Take ids that no message named."""
        self._messages.append(Delivered(ids, None))
        self.waiting += len(ids)

    def refuse(self, message: Any, reason: str) -> None:
        """Let go of a message that is none of ours; on RabbitMQ it is parked."""
        self.ignored += 1
        log.warning("message ignored", extra={"reason": reason, "ignored": self.ignored})
        self._tell(message.reject)

    def take(self, most: int) -> list[str]:
        """The ids delivered first, to be claimed; `claimed` or `not_claimed` must follow."""
        found: list[str] = []
        while self._messages and len(found) < most:
            first = self._messages[0]
            before, first.taken = first.taken, min(len(first.ids), first.taken + most - len(found))
            found += first.ids[before : first.taken]
            self._claiming.append((first, before))
            if first.taken < len(first.ids):
                break
            self._messages.popleft()
        self.waiting -= len(found)
        return found

    @property
    def is_idle(self) -> bool:
        """Listening, and nothing was delivered that is not claimed yet."""
        return not (self._messages or self._claiming or self._paused)

    def claimed(self) -> None:
        """What was taken is claimed, or somebody else's: acknowledge the messages that are used up."""
        messages = [
            each.message for each, _ in self._claiming if each.message is not None and each.taken == len(each.ids)
        ]
        self._claiming = []
        if not messages:
            return
        if self._multiple:
            last = messages[-1]
            self._tell(lambda: last.channel.basic_ack(last.delivery_tag, multiple=True))
        else:
            for message in messages:
                self._tell(message.ack)

    def not_claimed(self) -> None:
        """The claim was refused, or nobody knows: what was taken waits again."""
        for each, before in reversed(self._claiming):
            if each.is_returned:
                continue
            self.waiting += each.taken - before
            each.taken = before
            if not self._messages or self._messages[0] is not each:
                self._messages.appendleft(each)
        self._claiming = []

    def pause(self) -> None:
        """Take no more messages, return those not claimed: another worker may be idle."""
        if self._paused or self._consumer is None:
            return
        self._paused = True
        self._tell(lambda: self._consumer.task_consumer.cancel())
        while self._messages:
            # Of one that was used in part the next worker finds some ids taken.
            each = self._messages.pop()
            each.is_returned = True
            self.waiting -= len(each.ids) - each.taken
            if each.message is not None:
                self._tell(each.message.requeue)

    def resume(self) -> None:
        """Take messages again."""
        if self._paused and self._consumer is not None:
            self._paused = False
            self._tell(lambda: self._consumer.task_consumer.consume())

    def listen_again(self) -> None:
        """Cancel the consumer and begin anew, unless it pauses."""
        if not self._paused:
            self.pause()
            self.resume()

    def _tell(self, action: Callable[[], object]) -> None:
        """The connection may be gone: then the broker delivers again, and the claim drops the duplicate."""
        try:
            action()
        except Exception as error:  # noqa: BLE001 # whatever the transport raises
            log.debug("broker not told", extra={"reason": str(error)})
            on_broken, self._on_broken = self._on_broken, None
            if on_broken is not None:
                on_broken(error)
