"""The calls that a worker holds: claimed, in its guest, finished but not yet committed."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_WINDOW = 64
# The guest is given ahead what it does in about this time; more would wait here while another worker is idle.
WINDOW_SECONDS = 0.02
# What is claimed is done in about this time; the rest is left to whoever is idle.
AHEAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Held:
    """A claimed call. token: of the claim, the fence. attempt: the number that a start of it would have.

    ends: its deadline on our monotonic clock, None: it has none.
    arguments: None when they are by reference, to be read from the ledger.
    """

    id: str
    token: int
    attempt: int
    socket: str
    arguments: str | None
    root: str
    parent: str | None
    ends: float | None = None


class Finished(NamedTuple):
    """An outcome to be committed. outcome: done, each (a generator's), failed, lost or stopped; value: JSON text.

    payload: instead of the value, where it was written. large: the same for what was put into plugs.
    """

    id: str
    token: int
    outcome: str
    value: str | None
    seconds: float
    output: str | None = None
    plugs: tuple[tuple[str, str], ...] = ()
    payload: str | None = None
    large: tuple[tuple[str, str], ...] = ()


class Yielded(NamedTuple):
    """A generator's seq-th item: JSON text, or the payload where it was written; neither: it has only seq - 1."""

    id: str
    token: int
    seq: int
    value: str | None
    payload: str | None


class Line(NamedTuple):
    """A log line of a call. at: unix seconds. token, number: told twice, it is the same line."""

    id: str
    attempt: int
    at: float
    stream: int
    text: str
    token: int = 0
    number: int = 0


class Calls:
    """waiting: claimed, not in the guest. sent: in the guest, in the order of starting; the first one runs.

    newest: the greatest token of all that it ever held.

    The guest starts calls in the order of their tokens, so that its mark tells of all of them.
    """

    def __init__(self) -> None:
        """Holds nothing."""
        self.waiting: deque[Held] = deque()
        self.sent: OrderedDict[int, Held] = OrderedDict()
        self.window = 1
        self.newest = 0
        self._mean_seconds = 0.0
        self._known = False

    def claimed(self, calls: list[Held]) -> None:
        """Take over what a turn claimed."""
        self.waiting.extend(sorted(calls, key=lambda call: call.token))
        self.newest = max(self.newest, *(call.token for call in calls)) if calls else self.newest

    def room(self) -> int:
        """How many more to claim."""
        return max(0, self._most() - len(self.waiting) - len(self.sent))

    def _most(self) -> int:
        """What is done in about AHEAD_SECONDS. While nothing is known of the durations: what the window may become."""
        if not self._known:
            return LONGEST_WINDOW
        return max(1, min(LONGEST_WINDOW, int(AHEAD_SECONDS / max(self._mean_seconds, 1e-6))))

    def excess(self) -> list[Held]:
        """Let go of what was claimed before it was known how long it takes: the newest, as many as are too many."""
        over = min(len(self.waiting), len(self.waiting) + len(self.sent) - self._most())
        return [self.waiting.pop() for _ in range(over)][::-1]

    def room_for_children(self) -> int:
        """How many calls that follow from what is told now may be claimed with it: no more than is done soon."""
        held = len(self.waiting) + len(self.sent)
        return max(0, min(self.room(), self.window - held))

    def takes_long(self, count: int) -> bool:
        """Whether so many more would wait here so long that somebody idle should have them."""
        return self._known and count * self._mean_seconds > AHEAD_SECONDS

    def next_to_send(self) -> Held | None:
        """Move one call to the guest's side if its window has room."""
        if not self.waiting or len(self.sent) >= self.window:
            return None
        call = self.waiting.popleft()
        self.sent[call.token] = call
        return call

    def overdue(self, now: float) -> list[Held]:
        """Let go of what waits and whose deadline is over. now: monotonic seconds."""
        late = [call for call in self.waiting if call.ends is not None and call.ends <= now]
        self.drop(frozenset(call.id for call in late))
        return late

    def running(self) -> Held | None:
        """The call at the guest's head."""
        return next(iter(self.sent.values()), None)

    def withdrawn(self, token: int) -> Held | None:
        """Forget a call that the guest did not start; None: it was given back already."""
        return self.sent.pop(token, None)

    def done(self, token: int, seconds: float) -> Held | None:
        """Forget a call of the guest's, learn from its duration; None: it is not held any more."""
        self._mean_seconds = seconds if not self._known else 0.8 * self._mean_seconds + 0.2 * seconds
        self._known = True
        self.window = max(1, min(LONGEST_WINDOW, int(WINDOW_SECONDS / max(self._mean_seconds, 1e-6))))
        return self.sent.pop(token, None)

    def guest_died(self, started: int) -> list[Held]:
        """The calls that were started and have no outcome; what was not started waits again, first."""
        lost = [call for call in self.sent.values() if call.token <= started]
        self.waiting.extendleft(call for call in reversed(self.sent.values()) if call.token > started)
        self.sent.clear()
        self.window = 1
        self._known = False
        return lost

    def give_back(self, withdraw: Callable[[int], int]) -> list[Held]:
        """Let go of all that is not started. `withdraw(token)`: takes back from the guest, gives the last started."""
        given = list(self.waiting)
        self.waiting.clear()
        if len(self.sent) > 1:
            started = withdraw(next(reversed(self.sent)))
            given[:0] = [call for call in self.sent.values() if call.token > started]
            for call in given:
                self.sent.pop(call.token, None)
        return given

    def drop(self, ids: frozenset[str]) -> None:
        """Forget calls that wait and are somebody else's now, or were cancelled."""
        if not ids:
            return
        self.waiting = deque(call for call in self.waiting if call.id not in ids)

    def all(self) -> list[Held]:
        """Everything held and not finished."""
        return [*self.sent.values(), *self.waiting]
