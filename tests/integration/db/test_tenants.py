"""Row-level security: two tenants do not see, change or link each other's rows. Who may try what: test_grants.py."""

from __future__ import annotations

from uuid import UUID

import pytest

from pyfi.errors import ForbiddenError
from tests.integration.db.scene import (
    Part,
    Scene,
    add_part,
    add_plug,
    add_processor,
    add_queue,
    add_socket,
    arguments,
    network_of,
)
from tests.integration.db.workers import deploy, start_worker, submit

OWN = (
    "network",
    "queue",
    "processor",
    "task",
    "socket",
    "plug",
    "deployment",
    "worker",
    "call",
    "event",
    "log",
    "gate",
)
SOCKET = "insert into pyfi.socket (name, processor_id, task_id, queue_id) values "
PLUG = "insert into pyfi.plug (name, source_id, target_id, queue_id) values "


@pytest.fixture
def part(scene: Scene) -> Part:
    """Ann has one row of each kind that matters, and a call with a log line and an event."""
    ann = scene.ann
    ann.ask("insert into pyfi.network (name) values ('annet')")
    made = add_part(ann, "p", "one", "two", retries=1)
    plug = add_plug(ann, "edge", made.sockets["one"], made.sockets["two"], made.queue)
    ann.ask("insert into pyfi.gate (name, plug_id) values ('door', %s)", plug)
    worker = start_worker(scene, made.processor)
    (id_,) = submit(ann, made.sockets["one"], arguments(1))
    call = worker.claim_one(id_)
    worker.turn(logs=[(id_, 1, 1e9, 1, "hello")])
    worker.fail(call)
    return made


def seen(scene: Scene, who: str) -> dict[str, int]:
    """How many rows of each kind a login sees."""
    login = scene.login(f".{who}")
    return {table: int(login.one(f"select count(*) from pyfi.{table}")) for table in OWN}


def test_a_tenant_sees_his_own_and_the_other_nothing(scene: Scene, part: Part) -> None:
    """The default network is everybody's."""
    assert seen(scene, "ann") == {
        "network": 2, "queue": 1, "processor": 1, "task": 2, "socket": 2, "plug": 1, "deployment": 1, "worker": 1,
        "call": 1, "event": 1, "log": 1, "gate": 1,
    }  # fmt: skip
    assert seen(scene, "bob") == dict.fromkeys(OWN, 0) | {"network": 1}
    assert seen(scene, "admin")["call"] == 1


@pytest.mark.parametrize("table", ["queue", "processor", "task", "socket", "plug", "deployment", "gate"])
def test_another_tenant_changes_and_deletes_nothing(scene: Scene, part: Part, table: str) -> None:
    """The statements touch no row: what he does not see is not there for him."""
    change = f"update pyfi.{table} set {'cpus = 1' if table == 'deployment' else 'name = name'}"
    assert scene.bob.count(change) == 0
    assert scene.bob.count(f"delete from pyfi.{table}") == 0
    assert scene.admin.count(change) > 0


def test_the_default_network_is_not_everybodys_to_change(scene: Scene) -> None:
    """To use it is."""
    assert scene.bob.count("update pyfi.network set name = 'mine'") == 0
    assert scene.bob.count("delete from pyfi.network") == 0


def test_an_owner_never_changes(scene: Scene, part: Part) -> None:
    """Neither given away by the owner nor by an administrator, nor taken at the birth of a row."""
    bob, ann = scene.bob.one("select access.me()"), scene.ann.one("select access.me()")
    for login in (scene.ann, scene.admin):
        with pytest.raises(ForbiddenError):
            login.ask("update pyfi.processor set owner_id = %s where id = %s", bob, part.processor)
    with pytest.raises(ForbiddenError):
        scene.bob.ask(
            "insert into pyfi.queue (name, network_id, owner_id) values ('q', %s, %s)", network_of(scene.bob), ann
        )


LINKS = {
    "socket to another's processor": SOCKET + "('x', {theirs.processor}, {task}, {queue})",
    "socket to another's task": SOCKET + "('x', {processor}, {their_task}, {queue})",
    "socket to another's queue": SOCKET + "('x', {processor}, {task}, {theirs.queue})",
    "socket moved to another's processor": (
        "update pyfi.socket set processor_id = {theirs.processor} where id = {socket}"
    ),
    "socket moved to another's queue": "update pyfi.socket set queue_id = {theirs.queue} where id = {socket}",
    "plug to another's socket": PLUG + "('x', {socket}, {their_socket}, {queue})",
    "plug from another's socket": PLUG + "('x', {their_socket}, {socket}, {queue})",
    "plug through another's queue": PLUG + "('x', {socket}, {socket}, {theirs.queue})",
    "plug turned to another's socket": "update pyfi.plug set target_id = {their_socket} where id = {plug}",
    "task on another's processor": "insert into pyfi.task (processor_id, name) values ({theirs.processor}, 'x')",
    "task moved to another's processor": "update pyfi.task set processor_id = {theirs.processor} where id = {task}",
    "deployment of another's processor": (
        "insert into pyfi.deployment (processor_id, node_id, cpus) values ({theirs.processor}, {node}, 1)"
    ),
    "deployment on a node of others": (
        "insert into pyfi.deployment (processor_id, node_id, cpus) values ({processor}, {node}, 1)"
    ),
    "gate in another's plug": "insert into pyfi.gate (name, plug_id) values ('x', {their_plug})",
    "processor in another's network": (
        'insert into pyfi.processor (name, network_id, gitrepo, "commit", module)'
        " values ('x', {annet}, 'r', 'c', 'm')"
    ),
    "processor moved to another's network": "update pyfi.processor set network_id = {annet} where id = {processor}",
    "queue in another's network": "insert into pyfi.queue (name, network_id) values ('x', {annet})",
    "node in another's network": "insert into pyfi.node (name, network_id, hostname) values ('x', {annet}, 'h')",
    "node in the default network": (
        "insert into pyfi.node (name, network_id, hostname) select 'x', id, 'h' from pyfi.network"
        " where name = 'default'"
    ),
    "agent on another's node": (
        "insert into pyfi.agent (name, network_id, node_id, epoch) select 'x', id, {node}, 99 from pyfi.network"
        " where name = 'default'"
    ),
}


@pytest.mark.parametrize("link", sorted(LINKS))
def test_links_across_tenants_are_refused(scene: Scene, part: Part, link: str) -> None:
    """A foreign key asks for no rights; the policies look at both ends."""
    bob = scene.bob
    processor, queue = add_processor(bob, "mine"), add_queue(bob, "mine")
    socket = add_socket(bob, processor, queue, "run")
    add_plug(bob, "own", socket, socket, queue)
    look = scene.superuser.one
    node = look("select id from pyfi.node where name = 'n1'")
    statement = LINKS[link].format(
        theirs=Quoted(part),
        their_socket=quoted(part.sockets["one"]),
        their_task=quoted(look("select task_id from pyfi.socket where id = %s", part.sockets["one"])),
        their_plug=quoted(look("select id from pyfi.plug where name = 'edge'")),
        annet=quoted(look("select id from pyfi.network where name = 'annet'")),
        node=quoted(node),
        processor=quoted(processor),
        queue=quoted(queue),
        socket=quoted(socket),
        task=quoted(bob.one("select id from pyfi.task")),
        plug=quoted(bob.one("select id from pyfi.plug")),
    )
    with pytest.raises(ForbiddenError):
        bob.ask(statement)


class Quoted:
    """A part's ids as literals."""

    def __init__(self, part: Part) -> None:
        self.processor, self.queue = quoted(part.processor), quoted(part.queue)


def quoted(id_: UUID) -> str:
    """An id as a literal."""
    return f"'{id_}'::uuid"


def test_a_node_of_a_tenants_own_network_is_his(scene: Scene) -> None:
    """He may name it and its agent, but not who logs in as it."""
    bob = scene.bob
    network = bob.one("insert into pyfi.network (name) values ('bobnet') returning id")
    node = bob.one("insert into pyfi.node (name, network_id, hostname) values ('b1', %s, 'h') returning id", network)
    bob.ask("insert into pyfi.agent (name, network_id, node_id) values ('b1', %s, %s)", network, node)
    bob.ask("update pyfi.node set hostname = 'other' where id = %s", node)
    for column in ("login", "worker_login"):
        with pytest.raises(ForbiddenError):
            bob.ask(f"update pyfi.node set {column} = session_user where id = %s", node)


@pytest.mark.parametrize("table", ["call", "outbox", "event", "log", "counter"])
@pytest.mark.parametrize("who", ["ann", "admin"])
def test_nobody_writes_the_ledger(scene: Scene, part: Part, table: str, who: str) -> None:
    """Not the owner of the calls, not an administrator."""
    login = scene.login(f".{who}")
    column = {"outbox": "address", "counter": "name", "log": "text"}.get(table, "name")
    for statement in (
        f"insert into pyfi.{table} default values",
        f"update pyfi.{table} set {column} = 'x'",
        f"delete from pyfi.{table}",
        f"truncate pyfi.{table}",
    ):
        with pytest.raises(ForbiddenError):
            login.ask(statement)


@pytest.mark.parametrize("role", [":node:n1", ":worker:n1"])
def test_a_nodes_logins_see_no_table(scene: Scene, part: Part, role: str) -> None:
    """Not even that there are any: they have no right on the schema."""
    login = scene.login(role)
    tables = [name for (name,) in scene.superuser.ask("select tablename from pg_tables where schemaname = 'pyfi'")]
    assert len(tables) > 20
    for table in [*tables, "call_event"]:
        with pytest.raises(ForbiddenError):
            login.ask(f'select 1 from pyfi."{table}"')


def test_setting_a_role_gives_nothing(scene: Scene, part: Part) -> None:
    """A group is nobody; another login's role and the superuser's are refused; reset is back at oneself."""
    bob, prefix = scene.bob, scene.roles.prefix
    nologins = scene.roles.owner, scene.roles.definer, scene.roles.maker
    for role in (f"{prefix}.ann", f"{prefix}.admin", *nologins, "postgres"):
        with pytest.raises(ForbiddenError):
            bob.ask(f'set role "{role}"')
        with pytest.raises(ForbiddenError):
            bob.ask(f'set session authorization "{role}"')
    bob.ask(f'set role "{scene.roles.group("flow_user")}"')
    assert bob.one("select access.me()") is None
    assert bob.ask("select 1 from pyfi.processor") == []
    bob.ask("reset role")
    assert bob.one("select access.me()") is not None
    assert bob.ask("select 1 from pyfi.processor") == []


def test_row_security_cannot_be_switched_off(scene: Scene, part: Part) -> None:
    """`row_security = off` is an error instead of other rows."""
    scene.bob.ask("set row_security = off")
    with pytest.raises(ForbiddenError):
        scene.bob.ask("select 1 from pyfi.processor")


FORBIDDEN_CALLS = [
    "agent.register('n1', 'h', 1, '{}')",
    "agent.heartbeat(1, '{}')",
    "agent.leave(1)",
    "agent.desired()",
    "agent.offers()",
    "agent.place(gen_random_uuid(), 1)",
    "agent.report(1, '{}')",
    "agent.worker_exited(gen_random_uuid(), 1, '')",
    "ledger.take_outbox(1)",
    "ledger.next_due()",
    "ledger.forget('{}')",
    "ledger.sweep()",
    "ledger.retire(1)",
    "ledger.stale(1)",
    "ledger.rewake('', 1, 1)",
    "ledger.enlist(gen_random_uuid(), '', gen_random_uuid(), 1, 1, 1, null)",
    "ledger.resync(gen_random_uuid(), '{}', 0)",
    "ledger.renew(gen_random_uuid(), '{}', '{}', null)",
    "ledger.turn(gen_random_uuid(),null,null,0,0,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,0)",
    "ledger.release(gen_random_uuid(), 1, '{}', '')",
    "ledger.count('x', 1)",
    "ledger.announce('d', '{}')",
    "access.make_role('x', 'y', 'z')",
]


@pytest.mark.parametrize("call", FORBIDDEN_CALLS)
@pytest.mark.parametrize("who", ["bob", "admin"])
def test_a_user_calls_no_function_of_nodes_and_workers(scene: Scene, call: str, who: str) -> None:
    """Refused before anything of it runs."""
    with pytest.raises(ForbiddenError, match="permission denied"):
        scene.login(f".{who}").ask(f"select {call}")


def test_a_tenant_makes_neither_users_nor_nodes(scene: Scene) -> None:
    """All rights on his own rows are none on these; membership of the administrators' group alone is not either."""
    scene.superuser.ask(f'grant "{scene.roles.group("flow_admin")}" to "{scene.roles.user("bob")}"')
    try:
        with pytest.raises(ForbiddenError, match="bob lacks the right ADD_USER"):
            scene.bob.ask("select access.create_user('eve', null, 'x', true)")
        with pytest.raises(ForbiddenError, match="bob lacks the right START_AGENT"):
            scene.bob.ask("select access.enroll_node('n9', 'h', 'default', 'x', 'y')")
    finally:
        scene.superuser.ask(f'revoke "{scene.roles.group("flow_admin")}" from "{scene.roles.user("bob")}"')


def test_the_view_of_events_shows_ones_own(scene: Scene, part: Part) -> None:
    """It asks with the reader's rights, not its owner's."""
    assert {name for (name,) in scene.ann.ask("select name from pyfi.call_event")} == {"received", "prerun", "retry"}
    assert scene.bob.ask("select name from pyfi.call_event") == []


def test_without_its_policy_a_table_would_be_open(own_scene: Scene) -> None:
    """What the tests above look at is the policies: without one of them the rows are others' too."""
    scene = own_scene
    deploy(scene, add_processor(scene.ann, "p"))
    assert seen(scene, "bob")["processor"] == 0
    scene.superuser.ask("drop policy processor_select on pyfi.processor")
    scene.superuser.ask("create policy open on pyfi.processor for select using (true)")
    assert seen(scene, "bob")["processor"] == 1
    assert seen(scene, "bob")["deployment"] == 1


def test_another_node_of_the_administrators_is_not_seen_by_tenants(scene: Scene, part: Part) -> None:
    """Nodes and agents are their owner's; where one's own processors run is in the deployments."""
    deploy(scene, part.processor, "n2")
    assert scene.ann.ask("select 1 from pyfi.node") == []
    assert scene.ann.one("select count(*) from pyfi.deployment") == 2
