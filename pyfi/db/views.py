"""What each kind of object looks like to a reader: one SELECT a kind, joined with the names of what it belongs to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, Text, case, cast, column, func, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from pyfi.core.rights import CODE_COLUMNS, CONFIG_COLUMNS
from pyfi.db.tables import (
    Agent,
    Deployment,
    Login,
    Member,
    Network,
    Node,
    Plug,
    Privilege,
    Processor,
    Queue,
    Role,
    Scheduler,
    Secret,
    Socket,
    Task,
    User,
    UserRole,
    Worker,
)

LOST = "lost"
HELD = "held"
# A condition, not a state: the workers are there, and would take calls if the code did not crash.
STATUS = case(
    ((Processor.held_since.is_not(None)) & (Processor.requested_status == "running"), HELD), else_=Processor.status
).label("status")


def _select(*columns: Any) -> Select[Any]:
    return select(*columns)


def _owned(table: Any, *columns: Any) -> Select[Any]:
    """id, name, owner, whether it is one's own, the columns, the two times."""
    return select(
        table.id,
        table.name,
        User.name.label("owner"),
        (table.owner_id == func.access.me()).label("mine"),
        *columns,
        table.created,
        table.updated,
    ).outerjoin_from(table, User, User.id == table.owner_id)


def _in_network(table: Any, *columns: Any) -> Select[Any]:
    return _owned(table, Network.name.label("network"), *columns).join(Network, Network.id == table.network_id)


def _leased(status: Any) -> Any:
    """A node's word is worth something only as long as its lease runs."""
    return case((status.in_(("unknown", "stopped")), status), (Node.lease_until > func.now(), status), else_=LOST)


def _nodes() -> Select[Any]:
    return _in_network(
        Node, Node.hostname, Node.cpus, _leased(Node.status).label("status"), Node.lease_until, Node.facts
    )


def _agents() -> Select[Any]:
    return _in_network(
        Agent,
        Node.name.label("node"),
        Node.hostname,
        Node.cpus,
        _leased(Agent.status).label("status"),
        Agent.pid,
        Agent.port,
        Agent.epoch,
        Agent.seen,
        Agent.node_id,
    ).join(Node, Node.id == Agent.node_id)


def _queues() -> Select[Any]:
    return _in_network(
        Queue,
        Queue.type,
        Queue.durable,
        Queue.max_length,
        Queue.max_length_bytes,
        Queue.message_ttl,
        Queue.expires,
        select(func.count()).where(Socket.queue_id == Queue.id).scalar_subquery().label("sockets"),
    )


def _detail() -> Any:
    """The columns of a processor that need a right of their own; null where the reader lacks it."""
    columns = [column(name, Processor.__table__.c[name].type) for name in CODE_COLUMNS + CONFIG_COLUMNS]
    return func.access.processor_detail(Processor.id).table_valued(*columns, joins_implicitly=True).lateral("detail")


def _processors() -> Select[Any]:
    detail = _detail()
    return _in_network(
        Processor,
        Processor.module,
        *(detail.c[name] for name in CODE_COLUMNS + CONFIG_COLUMNS),
        Processor.description,
        Processor.locked,
        Processor.public_logs,
        Processor.requested_status,
        STATUS,
        case((STATUS == HELD, Processor.held_reason), else_=Processor.reason).label("reason"),
        case((STATUS == HELD, Processor.held_since), else_=Processor.status_since).label("status_since"),
        func.extract("epoch", func.now() - func.coalesce(Processor.held_since, Processor.status_since)).label(
            "status_seconds"
        ),
        Processor.generation,
        Processor.restart_token,
        Processor.network_id,
    ).outerjoin(detail, true())


def _sockets() -> Select[Any]:
    return (
        _owned(
            Socket,
            Network.name.label("network"),
            Processor.name.label("processor"),
            Task.name.label("task"),
            Processor.module,
            Queue.name.label("queue"),
            Queue.type.label("queue_type"),
            Socket.concurrency,
            Socket.rate,
            Socket.burst,
            Socket.description,
            Socket.address,
            Processor.requested_status,
            STATUS,
            Socket.processor_id,
            Socket.task_id,
            Socket.queue_id,
        )
        .join(Processor, Processor.id == Socket.processor_id)
        .join(Network, Network.id == Processor.network_id)
        .join(Task, Task.id == Socket.task_id)
        .join(Queue, Queue.id == Socket.queue_id)
    )


def _plugs() -> Select[Any]:
    source, target, origin, aim = aliased(Socket), aliased(Socket), aliased(Processor), aliased(Processor)
    return (
        _owned(
            Plug,
            Network.name.label("network"),
            Plug.type,
            Plug.argument,
            origin.name.label("processor"),
            source.name.label("source"),
            aim.name.label("target_processor"),
            target.name.label("target"),
            Queue.name.label("queue"),
            Plug.description,
            Plug.source_id,
            Plug.target_id,
            Plug.queue_id,
        )
        .join(source, source.id == Plug.source_id)
        .join(target, target.id == Plug.target_id)
        .join(origin, origin.id == source.processor_id)
        .join(aim, aim.id == target.processor_id)
        .join(Network, Network.id == origin.network_id)
        .join(Queue, Queue.id == Plug.queue_id)
    )


def _deployments() -> Select[Any]:
    return (
        _select(
            Deployment.id,
            (Processor.name + "@" + Node.name).label("name"),
            User.name.label("owner"),
            (Processor.owner_id == func.access.me()).label("mine"),
            Network.name.label("network"),
            Processor.name.label("processor"),
            Node.name.label("node"),
            Node.hostname,
            Deployment.cpus,
            Deployment.origin,
            Deployment.status,
            Deployment.reason,
            Deployment.status_since,
            Deployment.observed_generation,
            Deployment.processor_id,
            Deployment.node_id,
            Deployment.created,
            Deployment.updated,
        )
        .join_from(Deployment, Processor, Processor.id == Deployment.processor_id)
        .join(Network, Network.id == Processor.network_id)
        .outerjoin(Node, Node.id == Deployment.node_id)
        .outerjoin(User, User.id == Processor.owner_id)
    )


def _workers() -> Select[Any]:
    return (
        _select(
            Worker.id,
            Worker.key.label("name"),
            User.name.label("owner"),
            (Processor.owner_id == func.access.me()).label("mine"),
            Network.name.label("network"),
            Processor.name.label("processor"),
            Node.name.label("node"),
            Worker.ordinal,
            Worker.pid,
            Worker.status,
            Worker.reason,
            Worker.restarts,
            Worker.last_exit,
            Worker.next_try,
            Worker.processor_id,
            Worker.created,
            Worker.updated,
        )
        .join_from(Worker, Processor, Processor.id == Worker.processor_id)
        .join(Network, Network.id == Processor.network_id)
        .outerjoin(Node, Node.id == Worker.node_id)
        .outerjoin(User, User.id == Processor.owner_id)
    )


def _tasks() -> Select[Any]:
    return (
        _select(
            Task.id,
            Task.name,
            User.name.label("owner"),
            (Processor.owner_id == func.access.me()).label("mine"),
            Network.name.label("network"),
            Processor.name.label("processor"),
            Processor.module,
            Task.processor_id,
            Task.created,
            Task.updated,
        )
        .join_from(Task, Processor, Processor.id == Task.processor_id)
        .join(Network, Network.id == Processor.network_id)
        .outerjoin(User, User.id == Processor.owner_id)
    )


def _users() -> Select[Any]:
    return _select(
        User.id,
        User.name,
        User.name.label("owner"),
        (User.id == func.access.me()).label("mine"),
        User.email,
        User.login,
        User.admin,
        User.active,
        User.created,
        User.updated,
    )


def _roles() -> Select[Any]:
    return _owned(
        Role,
        select(func.count()).where(UserRole.role_id == Role.id).scalar_subquery().label("users"),
        select(func.array_agg(aggregate_order_by(Privilege.right, Privilege.right)))
        .where(Privilege.role_id == Role.id)
        .scalar_subquery()
        .label("rights"),
    )


def _members() -> Select[Any]:
    adder = aliased(User)
    return (
        _select(
            func.concat(Member.network_id, "/", Member.user_id).label("id"),
            func.coalesce(User.name, cast(Member.user_id, Text)).label("name"),
            Network.name.label("network"),
            (Network.owner_id == func.access.me()).label("mine"),
            adder.name.label("by"),
            Member.created,
            Member.created.label("updated"),
        )
        .join_from(Member, Network, Network.id == Member.network_id)
        .outerjoin(User, User.id == Member.user_id)
        .outerjoin(adder, adder.id == Member.added_by)
    )


def _privileges() -> Select[Any]:
    giver = aliased(User)
    return (
        _select(
            Privilege.id,
            func.coalesce(User.name, Role.name).label("name"),
            User.name.label("user"),
            Role.name.label("role"),
            Privilege.right,
            Privilege.scope,
            Privilege.revoked,
            giver.name.label("by"),
            Privilege.user_id,
            Privilege.role_id,
            Privilege.created,
            Privilege.updated,
        )
        .outerjoin_from(Privilege, User, User.id == Privilege.user_id)
        .outerjoin(Role, Role.id == Privilege.role_id)
        .outerjoin(giver, giver.id == Privilege.granted_by)
    )


def _logins() -> Select[Any]:
    return _select(
        Login.id,
        User.name,
        Login.program,
        Login.address,
        Login.at,
        Login.at.label("created"),
        Login.at.label("updated"),
    ).join_from(Login, User, User.id == Login.user_id)


VIEWS: dict[str, Select[Any]] = {
    "network": _owned(Network, Network.description),
    "node": _nodes(),
    "agent": _agents(),
    "queue": _queues(),
    "processor": _processors(),
    "socket": _sockets(),
    "plug": _plugs(),
    "deployment": _deployments(),
    "worker": _workers(),
    "task": _tasks(),
    "user": _users(),
    "role": _roles(),
    "member": _members(),
    "privilege": _privileges(),
    "login": _logins(),
    "secret": _in_network(Secret, Secret.key_id, Secret.changed),
    "scheduler": _in_network(Scheduler, Scheduler.strategy),
}
