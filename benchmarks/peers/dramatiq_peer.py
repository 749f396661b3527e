"""`python dramatiq_peer.py SPEC`: drain messages that do nothing with dramatiq, and print a line of JSON.

SPEC is JSON: broker (RabbitMQ's or Redis's URL), backend (Redis's), name (of its queues and keys), count. One worker
of one thread; classic queues on RabbitMQ, since it knows no others; results in Redis.
"""

import json
import sys
import time
from urllib.parse import urlsplit

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

PAYLOAD = {"name": "benchmark", "numbers": [1, 2, 3, 4, 5]}
TIMEOUT_MS = 120_000


def connected(url: str, name: str) -> dramatiq.Broker:
    """Its broker of that kind."""
    parts = urlsplit(url)
    if parts.scheme.startswith("redis"):
        return RedisBroker(url=url, namespace=name)
    # Others read an empty or doubled slash as the vhost "/", its client does not.
    return RabbitmqBroker(url=parts._replace(path=parts.path if parts.path.strip("/") else "/%2F").geturl())


def drained(broker: dramatiq.Broker, store: RedisBackend, name: str, count: int) -> float:
    """Messages per second, from the first start to the last."""
    broker.add_middleware(Results(backend=store))
    times: list[float] = []

    @dramatiq.actor(queue_name=name, store_results=True, broker=broker)
    def noop(value):
        times.append(time.perf_counter())
        return value

    for _ in range(count):
        noop.send(PAYLOAD)
    worker = dramatiq.Worker(broker, worker_threads=1)
    worker.start()
    broker.join(name, timeout=TIMEOUT_MS)
    worker.stop()
    assert len(times) == count, len(times)
    return count / (times[-1] - times[0])


def remove(broker: dramatiq.Broker, store: RedisBackend, name: str) -> None:
    """Its queues and keys."""
    if isinstance(broker, RabbitmqBroker):
        for queue in (name, f"{name}.DQ", f"{name}.XQ"):
            broker.channel.queue_delete(queue)
    for client in {store.client, getattr(broker, "client", store.client)}:
        keys = list(client.scan_iter(match=f"{name}*", count=1000))
        if keys:
            client.delete(*keys)
    broker.close()


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    queue_name = told["name"]
    queues, results = connected(told["broker"], queue_name), RedisBackend(url=told["backend"], namespace=queue_name)
    try:
        rate = drained(queues, results, queue_name, told["count"])
    finally:
        remove(queues, results, queue_name)
    print(json.dumps({"rate": rate}))
