"""What programs import: `from pyfi.client.api import Plug, Processor, Socket`."""

from __future__ import annotations

from pyfi.client.connection import connect, connection, disconnect
from pyfi.client.handle import Handle
from pyfi.client.objects import Agent, Deployment, Network, Node, NotYetWarning, Processor, Queue
from pyfi.client.results import Results
from pyfi.client.sockets import Plug, Socket

__all__ = [
    "Agent",
    "Deployment",
    "Handle",
    "Network",
    "Node",
    "NotYetWarning",
    "Plug",
    "Processor",
    "Queue",
    "Results",
    "Socket",
    "connect",
    "connection",
    "disconnect",
]
