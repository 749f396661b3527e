"""The tables, by theme.

Takes: nothing; importing fills `Base.metadata`.
Gives: one class a table; its docstring and each column's `doc` are docs/reference/model.md.
Never: queries; never decides who may see a row (policies do).
"""

from pyfi.db.tables.access import Audit, AuditHead, Login, Member, Privilege, Role, Secret, User, UserRole
from pyfi.db.tables.flow import Argument, Backlog, Deployment, Gate, Plug, Processor, Queue, Socket, Task, Throttle
from pyfi.db.tables.library import File, Flow, Version
from pyfi.db.tables.network import Agent, Network, Node, Scheduler, Setting, Worker
from pyfi.db.tables.payloads import Payload, Piece
from pyfi.db.tables.work import Call, Counter, Event, Frame, Junction, Log, Outbox, Retention, Slot

__all__ = [
    "Agent",
    "Argument",
    "Audit",
    "AuditHead",
    "Backlog",
    "Call",
    "Counter",
    "Deployment",
    "Event",
    "File",
    "Flow",
    "Frame",
    "Gate",
    "Junction",
    "Log",
    "Login",
    "Member",
    "Network",
    "Node",
    "Outbox",
    "Payload",
    "Piece",
    "Plug",
    "Privilege",
    "Processor",
    "Queue",
    "Retention",
    "Role",
    "Scheduler",
    "Secret",
    "Setting",
    "Slot",
    "Socket",
    "Task",
    "Throttle",
    "User",
    "UserRole",
    "Version",
    "Worker",
]
