"""Broker queues: one per socket. Limits, priorities and expiry are the ledger's; here are only type and parking."""

from __future__ import annotations

from typing import Any

from kombu import Connection, Exchange, Queue

from pyfi.core.urls import broker_kind

PARKING = "pyfi.parking"
DELIVERY_LIMIT = 1000

# A broker that is connected and says nothing for so long, when asked, is gone. Far less than a lease: who waits for it
# renews none.
ANSWER_SECONDS = 10

# Redis gives a message again when it was not acknowledged for this long; the ledger makes that harmless.
REDIS_OPTIONS = {"visibility_timeout": 60, "unacked_restore_interval": 5, "unacked_restore_throttle": 1}


def transport_options(url: str) -> dict[str, Any]:
    """What the transport is told, by kind of broker."""
    if broker_kind(url) == "redis":
        options = {"socket_connect_timeout": 5, "socket_timeout": ANSWER_SECONDS, "socket_keepalive": True}
        return REDIS_OPTIONS | options
    return {"connect_timeout": 5, "read_timeout": ANSWER_SECONDS, "write_timeout": ANSWER_SECONDS}


def arguments(url: str) -> dict[str, Any]:
    """The arguments a socket's queue is declared with: quorum and dead-lettering on RabbitMQ, none on Redis."""
    if broker_kind(url) == "redis":
        return {}
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": PARKING,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def socket_queue(url: str, address: str) -> Queue:
    """The queue of one socket, on the default exchange: no binding that a flushed Redis could forget."""
    return Queue(
        address,
        exchange=Exchange("", type="direct"),
        routing_key=address,
        durable=True,
        auto_delete=False,
        queue_arguments=arguments(url),
    )


def declare(connection: Connection, url: str, address: str) -> None:
    """Declare a socket's queue and, on RabbitMQ, where its dead letters go. Idempotent."""
    with connection.channel() as channel:
        if broker_kind(url) == "rabbitmq":
            channel.exchange_declare(PARKING, "fanout", durable=True, auto_delete=False)
            channel.queue_declare(PARKING, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
            channel.queue_bind(PARKING, PARKING, "")
        socket_queue(url, address)(channel).declare()
