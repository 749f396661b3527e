"""The seam to Celery: who takes the messages, what a consumer consists of, how it connects and how it stops."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Never

from celery import bootsteps
from celery.worker.consumer import Consumer
from celery.worker.consumer.delayed_delivery import DelayedDelivery
from celery.worker.consumer.gossip import Gossip
from celery.worker.consumer.heart import Heart
from celery.worker.consumer.mingle import Mingle
from celery.worker.loops import asynloop
from celery.worker.state import maybe_shutdown

from pyfi import logs
from pyfi.faultpoints import fault
from pyfi.worker.engine import TICK_SECONDS, Engine

log = logs.get(__name__)

UNUSED = (DelayedDelivery, Gossip, Heart, Mingle)
LONGEST_BACKOFF_SECONDS = 5.0
# Between two connections that come to nothing: each takes the worker's loop until the broker is given up.
LONGEST_REST_SECONDS = 20.0


class LeanConsumer(Consumer):  # type: ignore[misc] # Celery is untyped
    """Celery's consumer without the steps that we never use; delayed delivery would declare 28 queues.

    Whatever a message holds or a transport raises, the worker lives on: the queue is common to all, so what ends one
    worker ends them all, one after the other.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """The remaining steps."""

        default_steps = tuple(
            step
            for step in Consumer.Blueprint.default_steps
            if step not in {f"{u.__module__}:{u.__name__}" for u in UNUSED}
        )

    # Connections in a row on which consuming could not begin: RabbitMQ may be there and a queue of it without a leader.
    _fruitless = 0

    @property
    def _engine(self) -> Engine:
        engine: Engine = self.app.pyfi_engine
        return engine

    def ensure_connected(self, connection: Any) -> Any:
        """Connect, try after try; in between the engine finishes, renews and commits without the broker."""
        engine, delay = self._engine, 0.5
        engine.inbox.detach()
        if self._fruitless:
            log.warning("queues do not answer", extra={"connections": self._fruitless})
            engine.live_without_broker(min(LONGEST_REST_SECONDS, 2.0**self._fruitless), maybe_shutdown)
        while True:
            try:
                connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
            except connection.connection_errors as error:
                seconds = random.uniform(0.5, 1) * delay  # noqa: S311 # jitter
                delay = min(LONGEST_BACKOFF_SECONDS, 2 * delay)
                log.warning("broker away", extra={"reason": _reason(error), "next_try_seconds": round(seconds, 2)})
                engine.live_without_broker(seconds, maybe_shutdown)
            else:
                self.first_connection_attempt = False
                self._fruitless += 1
                return connection

    def create_task_handler(self, *_: Any) -> Callable[[Any], None]:
        """Called at each connection: the loop has forgotten its readers and the old tags are void.

        Celery's own handler lets a message with a strange header end the worker.
        """
        engine, hub = self._engine, self.hub

        def reconnect(error: Exception) -> None:
            hub.call_soon(_fail, _reason(error))

        # Virtual transports keep acknowledgements by message, only a real AMQP channel takes them up to a tag.
        multiple = self.connection.transport.driver_type == "amqp"
        engine.inbox.attach(self, acknowledges_multiple=multiple, on_broken=reconnect)
        engine.watcher.attach(hub)
        # Celery cancels the timers that a connection made.
        hub.call_repeatedly(TICK_SECONDS, engine.watcher.guarded(engine.tick))
        deliver, pump = engine.inbox.deliver, engine.watcher.guarded(engine.pump)

        def take(message: Any) -> None:
            if deliver(message):
                fault("worker.delivered")
                pump()

        return take

    def on_ready(self) -> None:
        """Every queue has said that we consume it."""
        self._fruitless = 0
        super().on_ready()

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A message that cannot even be unpacked; Celery's own logs all of its body."""
        self._engine.inbox.refuse(message, _reason(exc))

    def loop(self, *arguments: Any) -> None:
        """Turn the event loop until the connection is lost; an error that Celery does not know is such a loss."""
        try:
            asynloop(*arguments)
        except self.connection_errors:
            raise
        except Exception as error:
            log.exception("broker's messages not understood")
            self._engine.live_without_broker(1.0, maybe_shutdown)
            raise ConnectionResetError(_reason(error)) from error


def _reason(error: Exception) -> str:
    return logs.masked(str(error)).partition("\n")[0] or type(error).__name__


def _fail(reason: str) -> Never:
    raise ConnectionResetError(reason)


class Drain(bootsteps.StartStopStep):  # type: ignore[misc]
    """On a warm shutdown Celery would wait for nothing: our calls are unknown to it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        """Keep nothing; the engine is the application's."""
        super().__init__(parent, **kwargs)

    def start(self, parent: Any) -> None:
        """Nothing: the consumer attaches."""

    def stop(self, parent: Any) -> None:
        """Also called at each reconnect: draining is `shutdown`'s."""

    def shutdown(self, parent: Any) -> None:
        """Finish the running call, give back the rest."""
        engine: Engine = parent.app.pyfi_engine
        if not engine.draining:
            engine.drain(parent.app.pyfi_drain_seconds)
