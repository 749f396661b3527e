"""A call's own lines, as they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from pyfi.logs import printable

if TYPE_CHECKING:
    from pyfi.ledger.calls import Calls


class Lines:
    """Gives each line of one call once."""

    def __init__(self, ledger: Calls, call_id: UUID, show: Callable[[str], object]) -> None:
        """`show` gets each line without its end."""
        self._ledger, self._call_id, self._show = ledger, call_id, show
        self._after = 0
        self._attempt = 0

    def catch_up(self) -> None:
        """Show what is new. A second attempt is announced, since its lines repeat the first one's."""
        for line in self._ledger.logs(self._call_id, self._after):
            self._after = line.id
            if line.attempt != self._attempt and line.attempt > 1:
                self._show(f"-- attempt {line.attempt}")
            self._attempt = line.attempt
            self._show(printable(line.text.rstrip("\n")))


def follow_lines(ledger: Calls, call_id: UUID, show: Callable[[str], object], *, follow: bool) -> None:
    """Show all lines; with `follow` until the call is settled."""
    lines = Lines(ledger, call_id, show)

    def woken(kind: str, ids: frozenset[UUID]) -> None:
        if kind in {"", "l"} and call_id in ids:
            lines.catch_up()

    lines.catch_up()
    if follow:
        ledger.wait([call_id], None, on_wake=woken)
        lines.catch_up()
