"""Celery as it is set up against losing tasks: acks_late, quorum queue, results in Redis; what it does not need is off.

Publishes are not confirmed unless asked: that is Celery's default.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from celery import Celery
from celery.worker.consumer import Consumer
from kombu import Exchange, Queue

PREFETCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """name: of the queue, and the prefix of its keys in Redis."""

    name: str
    broker: str
    backend: str
    confirmed: bool = False

    def asdict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class WithoutDelays(Consumer):
    """Celery's consumer without the 28 queues for delayed delivery, which nothing here uses and nobody would remove."""

    class Blueprint(Consumer.Blueprint):
        """All steps but one."""

        default_steps = tuple(step for step in Consumer.Blueprint.default_steps if "DelayedDelivery" not in step)


def make(peer: Peer) -> Celery:
    """The application: tasks `noop` and `gather` on one queue."""
    is_amqp = peer.broker.startswith(("amqp", "pyamqp"))
    app = Celery("bench", broker=peer.broker, backend=peer.backend, set_as_current=False)
    app.conf.update(
        broker_transport_options={"confirm_publish": peer.confirmed} if is_amqp else {},
        result_backend_transport_options={"global_keyprefix": f"{peer.name}."},
        task_acks_late=True,
        task_default_exchange="",
        task_default_queue=peer.name,
        task_default_routing_key=peer.name,
        task_queues=[
            Queue(
                peer.name,
                Exchange("", type="direct"),
                routing_key=peer.name,
                queue_arguments={"x-queue-type": "quorum"} if is_amqp else {},
            )
        ],
        worker_consumer="benchmarks.peers.celery_app:WithoutDelays",
        worker_detect_quorum_queues=is_amqp,
        worker_enable_remote_control=False,
        worker_prefetch_multiplier=PREFETCH,
        worker_send_task_events=False,
    )

    @app.task(name="noop")
    def noop(value: Any) -> Any:
        return value

    @app.task(name="gather")
    def gather(values: list[Any]) -> int:
        return len(values)

    app.noop, app.gather = noop, gather
    return app
