"""The one declaration of who may do what to which rows; pyfi/db/generated.py makes SQL of it.

A policy asks each function once a statement, as `(select ...)`, and one's own row first.
Both ends of a link are looked at: a foreign key asks nobody's rights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pyfi.core import rights

ME = "(select access.me())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What users may do to a table's rows: an expression each, '' where nobody may.

    update: which rows may be changed; check: what a changed row must still be, besides. hidden, unwritten: columns that
    are not read, or not written; insert_columns: the only ones that are inserted.
    """

    select: str
    insert: str = ""
    update: str = ""
    check: str = ""
    delete: str = ""
    group: str = "flow_user"
    hidden: tuple[str, ...] = ()
    unwritten: tuple[str, ...] = ()
    insert_columns: tuple[str, ...] = field(default=())


def reach(right: str, *, row: str = "", shared: str = "joined", column: str = "network_id") -> str:
    """The rows that a right reaches: one's own, those of the networks one is in, all."""
    own = f"{row}owner_id = {ME}"
    asked = {"": "", "joined": "access.joined()"}.get(shared, f"access.{shared}('{right}')")
    network = f"{own} or {row}{column} = any ((select {asked})::uuid[])" if asked else own
    return by_scope(right, own=own, network=network)


def by_scope(right: str, *, own: str, network: str) -> str:
    """One look at the scope, and then no more than what it takes: most people's is their own."""
    return (
        f"case (select access.scope('{right}')) when 'own' then {own} when 'network' then {network}"
        " when 'all' then true else false end"
    )


def added(right: str, *ends: str) -> str:
    """A new row is its maker's, and refers only to what he may use."""
    return " and ".join([f"owner_id = (select access.mine('{right}'))", *ends])


def end(table: str, kind: str, right: str, link: str, **reached: str) -> str:
    """The other end of a link belongs to the same owner, or the right reaches it."""
    return (
        f"exists (select from pyfi.{kind} e where e.id = {table}.{link}"
        f" and (e.owner_id = {table}.owner_id or {reach(right, row='e.', **reached)}))"
    )


def into(right: str) -> str:
    """To see a network is not to be in it: what is put into one runs on its nodes."""
    return (
        "(network_id = (select n.id from pyfi.network n where n.name = 'default')"
        f" or network_id = any ((select access.joined())::uuid[]) or (select access.wide('{right}')))"
    )


BY_PROCESSOR = {"shared": "processors", "column": "processor_id"}
BY_SOURCE = {"shared": "sockets", "column": "source_id"}
BY_ID = {"shared": "sockets", "column": "id"}


def owned(noun: str, *, lists: str = "") -> Table:
    """A named row of an owner in a network, with rights of its own noun."""
    return Table(
        select=reach(lists or f"READ_{noun}"),
        insert=added(f"ADD_{noun}", into(f"ADD_{noun}")),
        update=reach(f"UPDATE_{noun}"),
        check=into(f"UPDATE_{noun}"),
        delete=reach(f"DELETE_{noun}"),
    )


def general(*ends: str) -> Table:
    """A row without rights of its own noun: the general words."""
    return Table(
        select=reach("READ"),
        insert=added("CREATE", into("CREATE"), *ends),
        update=reach("UPDATE"),
        check=" and ".join([into("UPDATE"), *ends]),
        delete=reach("DELETE"),
    )


def of_processor(right: str) -> str:
    """Rows that hang on a processor that the right reaches."""
    return f"processor_id in (select p.id from pyfi.processor p where {reach(right, row='p.')})"


def of_task(right: str) -> str:
    """Rows that hang on a task of such a processor."""
    return f"task_id in (select t.id from pyfi.task t where t.{of_processor(right)})"


def of_plug(right: str) -> str:
    """One's own rows that hang on a plug, and those on plugs that the right reaches."""
    reached = f"e.source_id = any ((select access.sockets('{right}'))::uuid[])"
    own = reach(right, shared="")
    return f"({own} or plug_id in (select e.id from pyfi.plug e where {reached}))"


OWN_NETWORK = (
    "network_id in (select n.id from pyfi.network n where n.owner_id = (select access.me()))"
    " or network_id = any ((select access.networks('{0}'))::uuid[]) or (select access.wide('{0}'))"
)
SOCKET_ENDS = " and ".join((
    end("socket", "processor", "UPDATE_PROCESSOR", "processor_id"),
    end("socket", "queue", "UPDATE_QUEUE", "queue_id"),
    "task_id in (select t.id from pyfi.task t where t.processor_id = socket.processor_id)",
))  # fmt: skip
PLUG_ENDS = " and ".join((
    end("plug", "socket", "UPDATE_SOCKET", "source_id", **BY_ID),
    end("plug", "socket", "RUN_TASK", "target_id", **BY_ID),
    end("plug", "queue", "UPDATE_QUEUE", "queue_id"),
))  # fmt: skip
NODE_ENDS = "(scheduler_id is null or scheduler_id in (select id from pyfi.scheduler))"
FLOW_ENDS = "(file_id is null or file_id in (select id from pyfi.file))"
GATE_ENDS = end("gate", "plug", "UPDATE_PLUG", "plug_id", **BY_SOURCE)
AGENT_ENDS = end("agent", "node", "UPDATE_NODE", "node_id")
# Where agents would place it too: on a node of the processor's network.
SAME_NETWORK = (
    "exists (select from pyfi.node n join pyfi.processor p on p.network_id = n.network_id"
    " where n.id = deployment.node_id and p.id = deployment.processor_id)"
)
# Not `exists`, which is planned twice, once for a list of all calls.
OF_CALL = "(select true from pyfi.call c where c.id = call_id)"
# Not who owns the socket of the flow's first call: what waits at another socket is not his.
OF_ROOT = (
    f"exists (select from pyfi.call c where c.id = root_id and (c.owner_id = {ME} or (select access.wide('READ'))))"
    f" or socket_id in (select s.id from pyfi.socket s where s.owner_id = {ME})"
    " or socket_id = any ((select access.sockets('READ'))::uuid[])"
)
MINE = f"user_id = {ME} or "
OTHERS = "user_id = any ((select access.people('READ_PRIVILEGE'))::uuid[]) or (select access.wide('READ_PRIVILEGE'))"
# A page of calls passes over many rows of others: who asks is looked up again only for a row with two owners, and for
# most people the third part is one constant.
CALL = (
    f"owner_id = {ME} or socket_owner_id <> owner_id and socket_owner_id = {ME}"
    " or (select access.scope('READ') in ('network', 'all'))"
    " and (socket_id = any ((select access.sockets('READ'))::uuid[]) or (select access.wide('READ')))"
)
# Lines that are public are looked up one by one, and only by those to whom READ_LOG was given.
PUBLIC_LOG = (
    "case when (select access.scope('READ_LOG')) in ('network', 'all') then access.reads_log(call_id) else false end"
)
PROCESSOR = owned("PROCESSOR", lists="LS_PROCESSORS")

TABLES: Mapping[str, Table] = {
    "agent": Table(
        select=reach("LS_AGENTS"),
        insert=added("ADD_AGENT", AGENT_ENDS, into("ADD_AGENT")),
        update=reach("UPDATE_AGENT"),
        check=f"{AGENT_ENDS} and {into('UPDATE_AGENT')}",
        delete=reach("DELETE_AGENT"),
    ),
    "argument": Table(
        select="task_id in (select id from pyfi.task)", insert=of_task("ADD_TASK"), delete=of_task("ADD_TASK")
    ),
    # Who may read of a change: who made it, whose row it was. The values: access.audit_detail, by the columns' rights.
    "audit": Table(select=f"{MINE}owner_id = {ME} or (select access.is_admin())", hidden=("before", "after", "hash")),
    # To be kept elsewhere: who has it sees that entries were cut off.
    "audit_head": Table(select="(select access.is_admin())"),
    "backlog": Table(select="queue_id in (select id from pyfi.queue)"),
    "call": Table(select=CALL),
    "counter": Table(select="(select access.wide('READ'))"),
    "deployment": Table(
        select="processor_id in (select id from pyfi.processor)",
        insert=f"{of_processor('ADD_DEPLOYMENT')} and {SAME_NETWORK}",
        update=of_processor("EDIT_PROCESSOR_CONFIG"),
        check=SAME_NETWORK,
        delete=of_processor("EDIT_PROCESSOR_CONFIG"),
    ),
    "event": Table(select=OF_CALL),
    "frame": Table(select=OF_CALL),
    "junction": Table(select=OF_ROOT),
    "slot": Table(select=OF_ROOT),
    "file": general(),
    "flow": general(FLOW_ENDS),
    "gate": Table(
        select=of_plug("LS_PLUGS"),
        insert=added("ADD_PLUG", GATE_ENDS),
        update=of_plug("UPDATE_PLUG"),
        check=GATE_ENDS,
        delete=of_plug("DELETE_PLUG"),
    ),
    "log": Table(select=f"{OF_CALL} or {PUBLIC_LOG}"),
    "login": Table(
        select=f"{MINE}(select access.wide('READ_USER'))", insert=f"user_id = {ME}", insert_columns=("program",)
    ),
    "member": Table(select=f"{MINE}network_id in (select id from pyfi.network)"),
    # The default network is everybody's to use; to have others one is a member.
    "network": Table(
        select=f"name = 'default' or id = any ((select access.joined())::uuid[]) or {reach('READ', shared='')}",
        insert=added("CREATE"),
        update=reach("UPDATE", column="id"),
        check="true",
        delete=reach("DELETE", column="id"),
    ),
    # A network's machines are its owner's: whoever owns a node could take it from everybody whose processors run there.
    "node": Table(
        select=reach("LS_NODES"),
        insert=added("ADD_NODE", f"({OWN_NETWORK.format('ADD_NODE')})", NODE_ENDS),
        update=reach("UPDATE_NODE"),
        check=f"({OWN_NETWORK.format('UPDATE_NODE')}) and {NODE_ENDS}",
        delete=reach("DELETE_NODE"),
        # Which Postgres roles are a node's is written by its enrolment alone.
        unwritten=("login", "worker_login"),
    ),
    "outbox": Table(select="(select access.wide('READ'))"),
    # Their ids say nothing about who may read them: that the call says, in ledger.read_payload.
    "payload": Table(select="false"),
    "piece": Table(select="false"),
    "plug": Table(
        select=reach("LS_PLUGS", **BY_SOURCE),
        insert=added("ADD_PLUG", PLUG_ENDS),
        update=reach("UPDATE_PLUG", **BY_SOURCE),
        check=PLUG_ENDS,
        delete=reach("DELETE_PLUG", **BY_SOURCE),
    ),
    "privilege": Table(select=f"{MINE}role_id in (select id from pyfi.role) or {OTHERS}"),
    # Which right a change needs depends on the columns: the trigger processor_guard asks for it.
    "processor": Table(
        select=PROCESSOR.select,
        insert=PROCESSOR.insert,
        update=reach("CHANGE_PROCESSOR"),
        check=into("CHANGE_PROCESSOR"),
        delete=PROCESSOR.delete,
        hidden=rights.CODE_COLUMNS + rights.CONFIG_COLUMNS,
        unwritten=rights.OBSERVED_COLUMNS,
    ),
    "queue": owned("QUEUE", lists="LS_QUEUES"),
    "retention": Table(select="(select access.is_admin())"),
    "role": Table(
        select=f"{reach('READ_ROLE', shared='')} or id in (select role_id from pyfi.user_role where user_id = {ME})",
        insert=added("ADD_ROLE"),
        update=reach("UPDATE_ROLE", shared=""),
        check="true",
        delete=reach("DELETE_ROLE", shared=""),
    ),
    "scheduler": owned("SCHEDULER", lists="LS_SCHEDULERS"),
    # What is sealed is given to whom it is for by functions: who could read it could open it with a key ring.
    "secret": replace(general(), hidden=("ciphertext",)),
    "setting": Table(
        select=f"{ME} is not null",
        insert="(select access.is_admin())",
        update="(select access.is_admin())",
        check="true",
        delete="(select access.is_admin())",
        group="flow_admin",
    ),
    "socket": Table(
        select=reach("LS_SOCKETS", **BY_PROCESSOR),
        insert=added("ADD_SOCKET", SOCKET_ENDS),
        update=reach("UPDATE_SOCKET", **BY_PROCESSOR),
        check=SOCKET_ENDS,
        delete=reach("DELETE_SOCKET", **BY_PROCESSOR),
    ),
    "throttle": Table(select="socket_id in (select id from pyfi.socket)"),
    "task": Table(
        select="processor_id in (select id from pyfi.processor)",
        insert=of_processor("ADD_TASK"),
        update=of_processor("ADD_TASK"),
        delete=of_processor("ADD_TASK"),
    ),
    "user": Table(
        select=f"id = {ME} or id = any ((select access.people('LS_USER'))::uuid[]) or (select access.wide('LS_USER'))"
    ),
    "user_role": Table(select=f"{MINE}{OTHERS}"),
    "version": Table(
        select="file_id in (select id from pyfi.file)",
        insert=f"file_id in (select f.id from pyfi.file f where {reach('UPDATE', row='f.')})",
    ),
    "worker": Table(select=of_processor("LS_WORKERS")),
}

# They ask with the reader's rights, so that the policies of what they show are theirs.
VIEWS = ("call_event", "processor_detail")
