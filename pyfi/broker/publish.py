"""Publishing wake-ups: persistent, mandatory, confirmed in windows; a queue that is missing is declared."""

from __future__ import annotations

import contextlib
import select
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import amqp
from kombu import Connection

from pyfi import logs
from pyfi.broker import wakeup
from pyfi.broker.confirms import Confirms
from pyfi.broker.queues import declare, transport_options
from pyfi.broker.wakeup import Wakeup
from pyfi.core.urls import broker_kind
from pyfi.errors import BrokerUnavailableError
from pyfi.faultpoints import fault

CONFIRM_SECONDS = 15.0
WINDOW = 1000


class QueueRefusedError(BrokerUnavailableError):
    """The broker answers, and refuses this queue: one of the same name is there, and of another kind."""

    code = "queue_refused"


class QueueMuteError(BrokerUnavailableError):
    """The broker answers, and says nothing of what these queues were sent: a quorum queue without a leader does so."""

    code = "queue_mute"

    def __init__(self, addresses: frozenset[str]) -> None:
        """`addresses`: of the queues."""
        super().__init__(f"these queues do not answer: {', '.join(sorted(addresses))}")
        self.addresses = addresses


class Publisher:
    """One connection to the broker. Connects when first used, again after an error. Not thread-safe."""

    def __init__(self, url: str) -> None:
        """`url`: RabbitMQ's or Redis's.

        Raises: InvalidError: another scheme.
        """
        self._url = url
        self._kind = broker_kind(url)
        self._connection: Connection | None = None
        self._channel: Any = None
        self._declared: set[str] = set()
        self._confirms = Confirms()
        self._is_blocked = False

    def publish(self, wakeups: Sequence[Wakeup]) -> None:
        """Publish these messages and wait until the broker has confirmed them all.

        Raises: BrokerUnavailableError, QueueRefusedError, QueueMuteError: not all are confirmed; publishing them again
            is harmless.
        """
        self._again_if_idled(lambda: self._publish(wakeups))

    def send(self, wakeups: Sequence[Wakeup], row: int) -> None:
        """Publish the messages of one outbox row without waiting: `confirmed` gives the row when the broker has them.

        Raises: BrokerUnavailableError, QueueRefusedError: they are the relay's.
        """
        self._again_if_idled(lambda: self._write(wakeups, row))

    def confirmed(self, *, wait: bool) -> list[int]:
        """The rows that the broker has confirmed since the last time. `wait`: until it has said something of all.

        What it refused, or did not say before the connection was lost, is never named: it is the relay's.
        """
        with contextlib.suppress(BrokerUnavailableError), self._mapped():
            self._hear(wait=wait)
        return self._confirms.done()

    def _again_if_idled(self, action: Callable[[], None]) -> None:
        """A connection may have been cut while it idled, and a queue that was known may be gone."""
        was_open = self._channel is not None
        try:
            with self._mapped():
                action()
        except BrokerUnavailableError as error:
            if not was_open or isinstance(error.__cause__, TimeoutError):
                raise
            with self._mapped():
                action()

    def _publish(self, wakeups: Sequence[Wakeup]) -> None:
        for start in range(0, len(wakeups), WINDOW):
            self._write(wakeups[start : start + WINDOW], None)
            self._hear(wait=True)
        if self._confirms.refused:
            raise ConnectionError(
                f"the broker refused {len(self._confirms.refused)} wake-ups: {self._confirms.refused[0]}"
            )

    def _write(self, wakeups: Sequence[Wakeup], row: int | None) -> None:
        channel = self._open()
        self._confirms.refused.clear()
        for address in {address for address, _ in wakeups} - self._declared:
            self._declare(address)
        (self._write_redis if self._kind == "redis" else self._write_amqp)(channel, wakeups, row)
        fault("publisher.sent")

    def _hear(self, *, wait: bool) -> None:
        """Take the broker's confirms: those that are here, or all."""
        while self._confirms.are_open and self._connection is not None:
            if not wait and not _is_readable(self._connection.connection.sock.fileno()):
                return
            try:
                self._connection.drain_events(timeout=CONFIRM_SECONDS)
            except TimeoutError as error:
                if self._is_blocked:
                    raise ConnectionError("it takes no messages for want of memory or disk") from error
                raise QueueMuteError(self._confirms.unanswered) from error

    def depth(self, address: str) -> int:
        """How many wake-ups wait in a queue; 0 when it is not there.

        Raises: BrokerUnavailableError, QueueRefusedError.
        """
        with self._mapped():
            channel = self._open()
            if self._kind == "redis":
                return int(channel._size(address))  # passive declare of an empty Redis queue raises
            self._declare(address)
            with self._required().channel() as own:
                return int(own.queue_declare(address, passive=True).message_count)

    def delete_queue(self, address: str) -> None:
        """Remove a socket's queue with what waits in it; the calls stay in the ledger.

        Raises: BrokerUnavailableError.
        """
        with self._mapped():
            channel = self._open()
            if self._kind == "redis":
                channel.client.delete(address)
            else:
                channel.queue_delete(address)
            self._declared.discard(address)

    def renew(self, address: str) -> None:
        """Replace a queue that does not answer by a new one; the wake-ups in it are lost, the calls are in the ledger.

        Raises: BrokerUnavailableError, QueueRefusedError.
        """
        self.delete_queue(address)
        with self._mapped():
            self._open()
            self._declare(address)

    def check(self) -> str:
        """Connect, and say to what: product and version.

        Raises: BrokerUnavailableError.
        """
        with self._mapped():
            channel = self._open()
            if self._kind == "redis":
                return f"Redis {channel.client.info('server').get('redis_version', '')}"
            properties = self._required().connection.server_properties
            return f"{properties.get('product', 'AMQP')} {properties.get('version', '')}"

    def close(self) -> None:
        """Let go of the connection; may be called twice."""
        connection, self._connection, self._channel = self._connection, None, None
        self._declared.clear()
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.release()

    def _drop(self) -> None:
        """Let go of a connection that does not answer, without a goodbye that nobody would answer."""
        connection, self._connection, self._channel = self._connection, None, None
        self._declared.clear()
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.collect(socket_timeout=0.1)

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        """Whatever a transport raises in the middle of a broken connection, it is one: `AttributeError` is common."""
        try:
            yield
        except Exception as error:
            self._drop() if isinstance(error.__cause__ or error, TimeoutError) else self.close()
            if isinstance(error, QueueMuteError):
                raise
            reason = logs.masked(str(error)).partition("\n")[0] or type(error).__name__
            if isinstance(error, amqp.ChannelError) or "WRONGTYPE" in reason:
                raise QueueRefusedError(f"the broker refuses a queue: {reason}") from error
            raise BrokerUnavailableError(
                f"the broker does not answer: {reason}", hint="flow config shows the URL in use"
            ) from error

    def _required(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def _open(self) -> Any:
        if self._channel is None:
            self._connection = Connection(
                self._url, transport_options=transport_options(self._url), connect_timeout=5, heartbeat=0
            )
            self._connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=8)
            self._channel = self._connection.channel()
            if self._kind == "rabbitmq":
                self._confirms = Confirms(self._confirms.done())
                self._is_blocked = False
                transport = self._connection.connection
                transport.on_blocked, transport.on_unblocked = self._on_blocked, self._on_unblocked
                self._channel.confirm_select()
                self._channel.events["basic_ack"].add(self._confirms.acknowledged)
                self._channel.events["basic_nack"].add(self._confirms.rejected)
                self._channel.events["basic_return"].add(self._on_return)
        return self._channel

    def _declare(self, address: str) -> None:
        if address not in self._declared:
            declare(self._required(), self._url, address)
            self._declared.add(address)

    def _on_blocked(self, _reason: str) -> None:
        self._is_blocked = True

    def _on_unblocked(self) -> None:
        self._is_blocked = False

    def _on_return(self, error: Any, exchange: str, routing_key: str, message: Any) -> None:
        self._declared.discard(routing_key)
        row = str(message.properties.get("message_id", ""))
        self._confirms.lost(int(row) if row.isdecimal() else None, f"no queue {routing_key}")

    def _write_amqp(self, channel: Any, wakeups: Sequence[Wakeup], row: int | None) -> None:
        known = {} if row is None else {"message_id": str(row)}
        for address, ids in wakeups:
            message = amqp.Message(
                wakeup.BODY,
                content_type=wakeup.CONTENT_TYPE,
                content_encoding=wakeup.CONTENT_ENCODING,
                delivery_mode=2,
                application_headers=wakeup.headers(ids),
                **known,
            )
            channel._basic_publish(message, "", address, mandatory=True)
            self._confirms.sent(address, row)

    def _write_redis(self, channel: Any, wakeups: Sequence[Wakeup], row: int | None) -> None:
        with self._required().Producer(channel) as producer:
            for address, ids in wakeups:
                producer.publish(
                    wakeup.BODY,
                    exchange="",
                    routing_key=address,
                    content_type=wakeup.CONTENT_TYPE,
                    content_encoding=wakeup.CONTENT_ENCODING,
                    headers=wakeup.headers(ids),
                    delivery_mode=2,
                )
        if row is not None:
            self._confirms.has(row)


def _is_readable(fd: int) -> bool:
    waiting = select.poll()  # select() refuses descriptors above 1023
    waiting.register(fd, select.POLLIN)
    return bool(waiting.poll(0))
