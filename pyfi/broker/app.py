"""The Celery application of one worker: connection, QoS and consuming are Celery's, the calls are ours."""

from __future__ import annotations

from collections.abc import Sequence

from celery import Celery

from pyfi.broker.queues import socket_queue, transport_options

PREFETCH = 64
HEARTBEAT_SECONDS = 30


def make_app(url: str, addresses: Sequence[str], *, consumer: str) -> Celery:
    """An application that consumes the queues of `addresses`.

    Args: consumer: import path of the consumer's class, whose `create_task_handler` takes the messages.
    JSON only, no remote control (an unauthenticated channel), no gossip, no events, acknowledged by us.
    """
    app = Celery("pyfi", broker=url, set_as_current=False, fixups=[])
    app.conf.update(
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=HEARTBEAT_SECONDS,
        broker_transport_options=transport_options(url),
        task_acks_late=True,
        task_create_missing_queues=False,
        task_ignore_result=True,
        task_queues=[socket_queue(url, address) for address in addresses],
        task_serializer="json",
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_consumer=consumer,
        worker_detect_quorum_queues=True,
        worker_enable_prefetch_count_reduction=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=PREFETCH,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
    )

    return app
