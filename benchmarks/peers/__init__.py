"""What PyFI is measured against. Celery runs in the project's own environment, the others in one of their own.

Takes: servers' URLs, names of their own there.
Gives: rates, latencies and process ids of the peer.
Never: imports pyfi.
"""
