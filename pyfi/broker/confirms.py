"""What the broker has still to confirm: publishes by their tags, the queues they go to and the rows they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


class Confirms:
    """Of one channel. A row is confirmed when all its messages are; one that was refused never is."""

    def __init__(self, done: Sequence[int] = ()) -> None:
        """Nothing was published; `done`: rows confirmed on a channel before, of which nobody was told yet."""
        self._published = 0
        self._open: dict[int, tuple[str, int | None]] = {}
        self._left: Counter[int] = Counter()
        self._done = list(done)
        self.refused: list[str] = []

    @property
    def are_open(self) -> bool:
        """Whether something is not confirmed yet."""
        return bool(self._open)

    @property
    def unanswered(self) -> frozenset[str]:
        """The queues of which something is not confirmed yet."""
        return frozenset(address for address, _ in self._open.values())

    def sent(self, address: str, row: int | None) -> None:
        """One more message was published; `row` it belongs to, None: whoever published it waits for it."""
        self._published += 1
        self._open[self._published] = address, row
        if row is not None:
            self._left[row] += 1

    def acknowledged(self, tag: int, multiple: bool) -> None:
        """The broker has this one, or all up to it."""
        tags = [tag]
        if multiple:
            tags = []
            for each in self._open:
                if each > tag:
                    break
                tags.append(each)
        for each in tags:
            _, row = self._open.pop(each, ("", None))
            if row is not None and row in self._left:
                self._left[row] -= 1
                if not self._left[row]:
                    del self._left[row]
                    self._done.append(row)

    def rejected(self, tag: int, multiple: bool) -> None:
        """The broker does not take this one, or none up to it."""
        for each in [each for each in self._open if each == tag or (multiple and each < tag)]:
            self.lost(self._open.pop(each)[1], f"message {each}")

    def lost(self, row: int | None, what: str) -> None:
        """A message came to nothing: its row is left to the relay, or whoever waits is told."""
        if row is None:
            self.refused.append(what)
        else:
            self._left.pop(row, None)

    def has(self, row: int) -> None:
        """The broker took all of this row at once."""
        self._done.append(row)

    def done(self) -> list[int]:
        """The rows that were confirmed since the last time."""
        done, self._done = self._done, []
        return done
