"""The message broker: it carries wake-ups, never the call.

Takes: broker queues' names and call ids.
Gives: queues of the right type, confirmed publishes, depths; the Celery application of a worker.
Never: believes more of a message than the call id in its header.
"""
