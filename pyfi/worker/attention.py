"""When a worker listens to the database: while something runs that a person may want to end.

Each notification of the database wakes every connection that listens to anything. A worker of short calls listens to
nothing: its calls are over before they could be ended, and announcing them would wake all others each time.
"""

from __future__ import annotations

from uuid import UUID

# So long after the last long call it listens no more.
LISTEN_ON_SECONDS = 10.0


class Attention:
    """The channel of one worker. `is_told`: somebody ended something that it may hold; set it back after looking."""

    def __init__(self, worker_id: str) -> None:
        """Listens to nothing."""
        self._channel = f"pyfi_worker_{UUID(worker_id).hex}"
        self._is_listening = False
        self._long_at = 0.0
        self.is_told = False

    def on_connected(self) -> None:
        """A new connection listens to nothing."""
        self._is_listening = False

    def on_told(self) -> None:
        """A notification came. Anybody can send one, so it says nothing but that it is time to look."""
        self.is_told = True

    def statement(self, now: float, *, is_long: bool) -> str | None:
        """What to send now, if anything. now: monotonic seconds. is_long: a call has run for a while."""
        if is_long:
            self._long_at = now
            if not self._is_listening:
                self._is_listening = True
                return f"listen {self._channel}"
        elif self._is_listening and now - self._long_at > LISTEN_ON_SECONDS:
            self._is_listening = False
            return "unlisten *"
        return None
