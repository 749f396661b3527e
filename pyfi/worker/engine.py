"""What a worker does when: wake-up -> claim -> guest -> finish, all on one event loop, nothing of it waiting.

Natural batching: whenever the database's connection is free, everything that came meanwhile is one turn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import psycopg2

from pyfi import logs
from pyfi.clock import SYSTEM, Clock
from pyfi.errors import PyfiError
from pyfi.faultpoints import fault
from pyfi.runner.frames import OK, WITHDRAWN, Done, Log
from pyfi.worker import leases, lookout, turn
from pyfi.worker.attention import Attention
from pyfi.worker.config import Limits, WorkerConfig
from pyfi.worker.database import AsyncDatabase, Rows
from pyfi.worker.fetch import Fetch
from pyfi.worker.forward import Forwarder
from pyfi.worker.guesthost import GuestHost, ModuleNotLoadedError
from pyfi.worker.held import Calls, Finished, Held
from pyfi.worker.inbox import Inbox
from pyfi.worker.leases import Leases
from pyfi.worker.lookout import Lookout
from pyfi.worker.outcome import crashed, lost, nondeterministic, overrun, seconds_of, stopped
from pyfi.worker.report import Report
from pyfi.worker.turn import Turn
from pyfi.worker.values import Values
from pyfi.worker.watch import Watcher

log = logs.get(__name__)

TICK_SECONDS = 0.25
# A call that runs (or a guest that loads) longer than this holds no other back: what waits goes to whoever is idle.
LONG_CALL_SECONDS = 1.0
# Who was told of nothing for so long listens anew: a broker may have forgotten a consumer without a word (RabbitMQ 3.10
# does when its queue is deleted and declared again in the same moment).
QUIET_SECONDS = 30.0
# To forget outbox rows alone is not worth a turn, until there are so many or a tick has passed.
FORGET_ROWS = 64
# After the guest was ended: to tell the ledger of it. What is not told by then, the agent tells.
LAST_WORDS_SECONDS = 5.0
RESYNC = "select ledger.resync(%s::uuid, %s::bigint[], %s)"


class Engine:
    """One worker's calls. Built once per process; `attach` at each connection to the broker."""

    def __init__(
        self,
        config: WorkerConfig,
        sockets: list[dict[str, str]],
        lease_seconds: float,
        limits: Limits | None = None,
        *,
        quit_with: Callable[[int], None],
        clock: Clock = SYSTEM,
    ) -> None:
        """`sockets`: id, name, task, address. `quit_with(code)` ends the process in order."""
        self._config, self._clock, self._quit_with = config, clock, quit_with
        self._leases = Leases(lease_seconds, clock.monotonic())
        self._functions = {socket["id"]: number for number, socket in enumerate(sockets)}
        self.watcher = Watcher(lambda: quit_with(70))
        self.inbox = Inbox()
        self._calls = Calls()
        self._attention = Attention(config.worker_id)
        self._report = Report(config.worker_id)
        limits = limits or Limits()
        self._values = Values(
            config, limits, self._report, self._calls, self.watcher, on_progress=self._on_progress, clock=clock
        )
        self._forwarder = Forwarder(config.broker, {socket["address"] for socket in sockets})
        self._database = AsyncDatabase(
            config.database,
            watch=self._watch_database,
            on_connected=self._on_connected,
            on_lost=self._on_lost,
            on_told=self._attention.on_told,
            clock=clock,
        )
        self._database_fd = -1
        tasks = {number: socket["task"] for number, socket in enumerate(sockets)}
        self.guest = GuestHost(
            config,
            tasks,
            self.watcher,
            on_done=self._on_done,
            on_log=self._on_log,
            on_ready=self._on_ready,
            on_died=self._on_died,
            on_failed=self._on_guest_failed,
            on_value=self._values.take,
            admits=self._values.admits,
            limits=limits,
        )
        self._fetch = Fetch(
            self._values.transfer,
            limits.largest_bytes,
            lambda: self.guest,
            on_sent=self._feed,
            on_failed=self._on_not_fetched,
            clock=clock,
        )
        self._in_flight: Turn | None = None
        self._head_since = self._listened = clock.monotonic()
        self._resynced = self._is_refused = self._is_tick = False
        self._lookout = Lookout(config.worker_id)
        self.ending: dict[str, str] | None = None
        self.draining = False

    def start(self) -> None:
        """Connect to the database and start the guest."""
        self._database.connect()
        self.guest.start()

    # The database

    def _watch_database(self, fd: int, wants_write: bool) -> None:
        if self._database_fd >= 0 and fd != self._database_fd:
            self.watcher.forget(self._database_fd)
        if fd >= 0:
            if fd != self._database_fd:
                self.watcher.read(fd, self._database.on_ready)
            self.watcher.write(fd, self._database.on_ready if wants_write else None)
        self._database_fd = fd

    def _on_connected(self) -> None:
        """Give back what a lost reply claimed for us, then say again what got no answer."""
        held = [*(call.token for call in self._calls.all()), *self._report.tokens()]
        self._resynced = False
        self._attention.on_connected()
        self._database.send(
            RESYNC, (self._config.worker_id, held, self._calls.newest), self._on_resynced, self._on_refused
        )
        fault("worker.resyncing", self._database.fileno())

    def _on_resynced(self, _rows: Rows) -> None:
        self._resynced = True
        self._leases.renewed(self._clock.monotonic())
        self.pump()

    def _on_lost(self) -> None:
        now, self._in_flight = self._in_flight, None
        if now is not None:
            self._report.unanswered(now)
            self.inbox.not_claimed()

    def _on_refused(self, error: psycopg2.Error) -> None:
        """The ledger does not know this worker any more, or contradicts it: end, the agent decides what is next."""
        reason = str(error).partition("\n")[0]
        self._is_refused = True
        self.ending = {"action": "refused", "message": f"the ledger refused: {reason}"}
        log.error("ledger refused", extra={"code": error.pgcode, "reason": reason})
        self._quit_with(70)

    # Turns

    def pump(self) -> None:
        """Send a turn if the connection is free and there is something to say."""
        if not self._can_ask:
            return
        now = self._report.again() or self._next_turn()
        if now is None:
            return
        self._in_flight = now
        self._database.send(turn.SQL, now.parameters(), self._on_turn, self._on_turn_error)
        turn.meet(now, "ing", self._database.fileno())
        # Last: pausing waits for the broker, which may deliver meanwhile and so come here again.
        if self._calls.takes_long(self.inbox.waiting):
            self.inbox.pause()

    def _next_turn(self) -> Turn | None:
        forget = self._forwarder.confirmed()
        takes = self.guest.is_ready and not self.draining
        # What was delivered is older than what follows from a call that ends now.
        room = self._calls.room_for_children() if takes and self.inbox.is_idle else 0
        claim = self.inbox.take(self._calls.room()) if takes else []
        more = self._calls.room() - len(claim) if takes else 0
        now = self._report.turn(claim, forget, room, more)
        soon = len(forget) >= FORGET_ROWS or self._is_tick or self.draining
        if now.is_empty or (now.is_idle and not soon):
            self._forwarder.keep(forget)
            return None
        return now

    def _on_turn(self, rows: Rows) -> None:
        now, self._in_flight = self._in_flight, None
        assert now is not None
        turn.meet(now, "ed")
        reply = turn.read(rows, self._clock.monotonic())
        if now.claim:
            self.inbox.claimed()
            fault("worker.acknowledged")
            self._report.duplicates += reply.count_duplicates(now.claim)
        self._values.answered(now.items, reply.broken)
        for call_id, place in reply.broken.items():
            self._end_broken(call_id, place)
        self._report.fenced += sum(each.id not in reply.finished for each in now.finished)
        if reply.claimed and self.draining:
            self._report.back += reply.claimed
        else:
            self._calls.claimed(reply.claimed)
        self._forwarder.forward(reply.outbox, self._calls.window)
        if reply.is_held:
            self._give_back()
        self._feed()
        self.guest.go_on()
        self.pump()

    def _on_progress(self) -> None:
        """A piece of a large value is written, or read."""
        self.guest.go_on()
        self.pump()

    def _end_broken(self, call_id: str, place: int) -> None:
        """A generator contradicts an earlier attempt. If it has ended already, its outcome will say so."""
        call = self._calls.running()
        if call is not None and call.id == call_id and not self.guest.is_heard_out:
            self._report.finished.append(nondeterministic(call, place))
            self._calls.sent.pop(call.token, None)
            self.guest.replace("the function is not deterministic")

    def _on_turn_error(self, error: psycopg2.Error) -> None:
        """A value that the database cannot keep must not hold up the others."""
        now, self._in_flight = self._in_flight, None
        assert now is not None
        is_value = isinstance(error, psycopg2.DataError) or str(error.pgcode)[:2] == "54"
        if is_value and self._report.refused(now, error):
            self.inbox.not_claimed()
            self.pump()
        else:
            self._on_refused(error)

    # The guest

    def _feed(self) -> None:
        """Fill the guest's window."""
        if not self.guest.is_ready or self.draining or self._fetch.call is not None:
            return
        was_empty = self._calls.running() is None
        sent = False
        now = self._clock.monotonic()
        # The ledger ends those: they never start.
        self._report.back += self._calls.overdue(now)
        while (call := self._calls.next_to_send()) is not None:
            if call.arguments is None:
                self._fetch.start(call, self._functions[call.socket])
                break
            self.guest.send(call, self._functions[call.socket], now)
            sent = True
        if sent:
            self.guest.flush()
            fault("worker.fed")
        if was_empty:
            self._head_since = now

    def _on_not_fetched(self, call: Held, outcome: Finished | None) -> None:
        self._calls.sent.pop(call.token, None)
        if outcome is not None:
            self._report.finished.append(outcome)
        self._feed()
        self.pump()

    def _on_ready(self) -> None:
        self._head_since = self._clock.monotonic()
        self._feed()
        self._take_more()
        self.pump()

    def _on_done(self, frame: Done) -> None:
        if frame.outcome == WITHDRAWN:
            self._report.back += filter(None, [self._calls.withdrawn(frame.token)])
            self.pump()
            return
        call = self._calls.done(frame.token, seconds_of(frame))
        self._head_since = self._clock.monotonic()
        if call is not None:
            fault("worker.heard")
            self._report.finished.append(self._values.finished(call, frame))
            self._report.back += self._calls.excess()
            if frame.outcome != OK:
                log.info("call failed", extra={"call": call.id})
        self._feed()
        self._take_more()
        self.pump()

    def _take_more(self) -> None:
        if not self._calls.waiting and not self.draining and self._calls.room() > 0:
            self.inbox.resume()

    def _on_log(self, frame: Log) -> None:
        call = self._calls.sent.get(frame.token)
        if call is None:
            print(frame.text, file=sys.stderr)  # noqa: T201 # what the module prints while it is loaded, to the worker's log
        else:
            self._report.line(call, frame.at, frame.stream, frame.text)

    def _on_died(self, started: int, cause: str, is_crash: bool) -> None:
        self._lose(started, cause, crashed if is_crash else lost)
        self._head_since = self._clock.monotonic()
        self.pump()

    def _lose(self, started: int, cause: str, end: Callable[[Held, str, float], Finished] = lost) -> None:
        self._values.forget()
        self._fetch.stop()
        for call in self._calls.guest_died(started):
            log.warning("call lost", extra={"call": call.id, "reason": cause})
            self._report.finished.append(end(call, cause, self._clock.monotonic() - self._head_since))

    def _on_guest_failed(self, error: PyfiError) -> None:
        is_module = isinstance(error, ModuleNotLoadedError)
        self.ending = {"action": "load_failed" if is_module else error.code, "message": error.message}
        self._quit_with(3 if is_module else 70)

    # Time

    def tick(self) -> None:
        """Several times a second: time limits, fairness, leases, reconnecting."""
        now = self._clock.monotonic()
        self._database.tick()
        self._values.transfer.tick()
        running = self._calls.running()
        if running is not None and (running is self._fetch.call or self.guest.is_heard_out):
            # It does not run yet, or no more.
            self._head_since = now
        is_busy = running is not None or not self.guest.is_ready
        ran = now - self._head_since if is_busy else 0.0
        if running is not None and (late := overrun(running, ran, now, self._config.time_limit_seconds)) is not None:
            self._end_late(running, late)
            running, ran = self._calls.running(), 0.0
        if ran > LONG_CALL_SECONDS:
            self._give_back()
            self.inbox.pause()
        elif not is_busy and now - max(self._head_since, self._listened) > QUIET_SECONDS:
            self._listened = now
            self.inbox.listen_again()
        else:
            self._take_more()
        long = running if ran > LONG_CALL_SECONDS else None
        self._listen(now, is_long=long is not None)
        self._renew(now, long)
        self._look(now)
        self._is_tick = True
        self.pump()
        self._is_tick = False

    def _end_late(self, call: Held, late: Finished) -> None:
        self.guest.hear()
        if self._calls.running() is call:
            self._report.finished.append(late)
            self._calls.sent.pop(call.token, None)
            self.guest.replace("the time of a call was over")

    @property
    def _can_ask(self) -> bool:
        return self._database.is_free and self._resynced and not self._is_refused

    def _listen(self, now: float, *, is_long: bool) -> None:
        if self._can_ask and (statement := self._attention.statement(now, is_long=is_long)):
            self._database.send(statement, (), lambda _: self.tick(), self._on_refused)  # which looks at the rows

    def _renew(self, now: float, running: Held | None) -> None:
        held = self._calls.all()
        if not held:
            self._leases.renewed(now)
            return
        if self._leases.are_lost(now):
            self._end_what_is_held()
            return
        if not ((self._attention.is_told or self._leases.are_due(now, running)) and self._can_ask):
            return
        self._attention.is_told = False

        def on_rows(rows: Rows) -> None:
            self._leases.renewed(now)
            if rows:
                self._drop(frozenset(row[0] for row in rows))
            self.pump()

        asked = self._leases.parameters(self._config.worker_id, held, running)
        self._database.send(leases.SQL, asked, on_rows, self._on_refused)
        fault("worker.renewing", self._database.fileno())

    def _look(self, now: float) -> None:
        """While no wake-up comes."""
        if not (self._can_ask and self.guest.is_ready and self.inbox.is_idle) or self.draining:
            return
        if (asked := self._lookout.parameters(now, self._calls.room())) is not None:
            self._database.send(lookout.SQL, asked, self._on_looked, self._on_refused)

    def _on_looked(self, rows: Rows) -> None:
        if ids := self._lookout.found(rows):
            self.inbox.found(ids)
            self.pump()

    def _end_what_is_held(self) -> None:
        """Others may have it by now. It is told all the same: the fence knows whether it still counts."""
        self.guest.hear()
        if held := self._calls.all():
            log.error("lease lost", extra={"calls": len(held)})
        if self._calls.running() is not None:
            self.guest.replace("the lease could not be renewed")
        self._give_back()

    def _drop(self, ids: frozenset[str]) -> None:
        """Calls that are somebody else's now, or cancelled. One that finished meanwhile is refused by the fence."""
        self._calls.drop(ids)
        running = self._calls.running()
        if running is not None and running.id in ids:
            self._calls.sent.pop(running.token, None)
            self.guest.replace("the call was taken away")
        elif any(call.id in ids for call in self._calls.sent.values()):
            self._give_back()

    def _give_back(self) -> None:
        """All that is not started goes to whoever is idle."""
        self._report.back += self._calls.give_back(self.guest.withdraw)
        if self._fetch.call is not None and self._fetch.call.token not in self._calls.sent:
            self._fetch.stop()

    def live_without_broker(self, seconds: float, check: Callable[[], None]) -> None:
        """Celery is between two connections: claim, finish and renew all the same. `check` may end it by raising."""
        until = self._clock.monotonic() + seconds
        tick = self.watcher.guarded(self.tick)
        with self._lookout:
            while (left := until - self._clock.monotonic()) > 0:
                self.watcher.turn(min(left, TICK_SECONDS))
                tick()
                check()

    # The end

    def drain(self, seconds: float) -> None:
        """Let the running call finish, give everything else back, say so, end the guest. Waits at most `seconds`."""
        self.draining = True
        self._give_back()
        self.inbox.pause()
        self._live_until(seconds, lambda: self._calls.running() is None and self._has_said_all())
        self.guest.close()
        self._lose(self.guest.started_token(), "the worker was told to stop", stopped)
        self._give_back()
        self._live_until(LAST_WORDS_SECONDS, self._has_said_all)
        fault("worker.drained")
        self._forwarder.close()
        self._values.transfer.close()
        self._database.close()

    def _live_until(self, seconds: float, is_over: Callable[[], bool]) -> None:
        def step() -> None:
            self.pump()
            self.watcher.turn(0.05)
            self._database.tick()
            self._values.transfer.tick()
            self._renew(self._clock.monotonic(), self._calls.running())

        until = self._clock.monotonic() + seconds
        guarded = self.watcher.guarded(step)
        while self._clock.monotonic() < until and not self._is_refused and not is_over():
            guarded()

    def _has_said_all(self) -> bool:
        return self._report.is_empty and self._in_flight is None
