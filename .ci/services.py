"""Connect to each service that the tests are about to use; exit 1 naming the ones that do not answer.

Reads FLOW_TEST_DB, FLOW_TEST_BROKER and FLOW_TEST_BACKEND. Passwords are not printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

import amqp
import psycopg2
import redis


def database(url: str) -> str:
    """Its version."""
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        with connection.cursor() as cursor:
            cursor.execute("show server_version")
            row = cursor.fetchone()
    finally:
        connection.close()
    return f"PostgreSQL {row[0] if row else '?'}"


def broker(url: str) -> str:
    """Its version."""
    parts = urlsplit(url)
    connection = amqp.Connection(
        host=f"{parts.hostname}:{parts.port or 5672}",
        userid=parts.username or "guest",
        password=parts.password or "guest",
        virtual_host=parts.path[1:] or "/",
        connect_timeout=5,
    )
    connection.connect()
    try:
        return f"{connection.server_properties['product']} {connection.server_properties['version']}"
    finally:
        connection.close()


def backend(url: str) -> str:
    """Its version."""
    client = redis.Redis.from_url(url, socket_connect_timeout=5)
    try:
        return f"Redis {client.info('server')['redis_version']}"
    finally:
        client.close()


CHECKS: dict[str, Callable[[str], str]] = {
    "FLOW_TEST_DB": database,
    "FLOW_TEST_BROKER": broker,
    "FLOW_TEST_BACKEND": backend,
}


def main() -> None:
    """One line per service."""
    missing = False
    for variable, ask in CHECKS.items():
        url = os.environ.get(variable, "")
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.hostname}:{parts.port}" if url else "not set"
        try:
            print(f"{variable}: {ask(url)} at {place}")
        except (OSError, ValueError, psycopg2.Error, amqp.AMQPError, redis.RedisError) as error:
            missing = True
            reason = str(error).strip().partition("\n")[0]
            print(f"{variable}: no answer ({place}): {type(error).__name__}: {reason}", file=sys.stderr)
    sys.exit(int(missing))


if __name__ == "__main__":
    main()
