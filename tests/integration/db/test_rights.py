"""Rights in the database: the same as the pure rules say, with an effect each."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from pyfi.core import rights
from pyfi.core.rights import Grant
from pyfi.errors import AlreadyExistsError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from tests.integration.db.scene import (
    Login,
    Scene,
    add_part,
    add_plug,
    add_processor,
    add_queue,
    arguments,
    fresh_verifier,
    network_of,
)
from tests.integration.db.workers import deploy, start_worker, submit
from tests.security.people import furnished

NOBODY = "insert into pyfi.queue (name, network_id) select %s, id from pyfi.network where name = 'default'"


@pytest.fixture
def joe(scene: Scene) -> Login:
    """A user without any right but to read his own."""
    scene.admin.ask("select access.create_user('joe', null, %s, false)", fresh_verifier())
    return scene.login(".joe")


def give(scene: Scene, right: str, scope: str = "own", *, user: str | None = "joe", role: str | None = None) -> None:
    """By the administrator."""
    scene.admin.ask("select access.grant_right(%s, %s, %s, %s, false)", user, role, right, scope)


def revoke(scene: Scene, right: str) -> None:
    """From joe."""
    scene.admin.ask("select access.grant_right('joe', null, %s, 'own', true)", right)


def network(scene: Scene, name: str = "lab") -> UUID:
    """A network of ann's that joe is a member of."""
    made = scene.ann.one("insert into pyfi.network (name) values (%s) returning id", name)
    scene.ann.ask("select access.share_network(%s, 'joe', true)", name)
    return UUID(str(made))


@pytest.mark.parametrize("seed", range(8))
def test_database_and_rules_agree(scene: Scene, joe: Login, seed: int) -> None:
    """Random grants, roles and revocations: the same rights at the same scopes."""
    chance = random.Random(seed)
    scene.admin.ask("insert into pyfi.role (name) values ('r')")
    grants = []
    for right in chance.sample(rights.RIGHTS, 6):
        scope, source = chance.choice(rights.SCOPES), chance.choice(["user", "role r"])
        give(scene, right, scope, user="joe" if source == "user" else None, role=None if source == "user" else "r")
        grants.append(Grant(right=right, scope=scope, source=source))
    scene.admin.ask("select access.give_role('joe', 'r')")
    for right in chance.sample(sorted(set(rights.RIGHTS) - {grant.right for grant in grants}), chance.randrange(4)):
        revoke(scene, right)
        grants.append(Grant(right=right, revoked=True))
    wanted = {each.right: each.scope for each in rights.effective(grants)}
    found = dict(joe.ask("select r, access.scope(r) from unnest(%s) r", list(rights.RIGHTS)))
    assert {right: scope for right, scope in found.items() if scope} == wanted


def test_a_right_that_nobody_knows_is_an_error_and_no_silent_no(scene: Scene, joe: Login) -> None:
    """Neither asked for nor given."""
    with pytest.raises(InvalidError, match="there is no right 'FLY'"):
        joe.ask("select access.scope('FLY')")
    for right in ("FLY", "ADD_TASK", "all", ""):
        with pytest.raises(InvalidError):
            give(scene, right)


def test_joe_adds_a_processor_a_socket_and_its_queue_link_and_nothing_else(scene: Scene, joe: Login) -> None:
    """With these two rights alone; the queue is the processor's own."""
    give(scene, "ADD_PROCESSOR")
    give(scene, "ADD_SOCKET")
    processor = add_processor(joe, "p")
    queue = joe.one("select access.socket_queue(%s)", processor)
    task = joe.one("insert into pyfi.task (processor_id, name) values (%s, 'run') returning id", processor)
    socket = joe.one(
        "insert into pyfi.socket (name, processor_id, task_id, queue_id) values ('s', %s, %s, %s) returning id",
        processor, task, queue,
    )  # fmt: skip
    with pytest.raises(ForbiddenError, match="row-level security"):
        add_queue(joe, "other")
    with pytest.raises(ForbiddenError, match="joe lacks the right RUN_TASK on socket s"):
        submit(joe, socket, arguments(1))
    for statement in (
        "update pyfi.socket set name = 'x'",
        "update pyfi.processor set name = 'x'",
        "update pyfi.processor set requested_status = 'stopped'",
        "update pyfi.queue set name = 'x'",
        "delete from pyfi.socket",
        "delete from pyfi.processor",
        "delete from pyfi.queue",
    ):
        assert joe.count(statement) == 0, statement


def test_socket_queue_is_for_ones_own_processor(scene: Scene, joe: Login) -> None:
    """Not a way to make queues elsewhere; asked again it is the same queue."""
    give(scene, "ADD_SOCKET")
    theirs = add_processor(scene.ann, "theirs")
    with pytest.raises(NotFoundError):
        joe.ask("select access.socket_queue(%s)", theirs)
    with pytest.raises(ForbiddenError, match="lacks the right ADD_SOCKET"):
        revoke(scene, "ADD_SOCKET")
        give(scene, "ADD_PROCESSOR")
        joe.ask("select access.socket_queue(%s)", add_processor(joe, "mine"))
    mine = add_processor(scene.ann, "mine")
    assert scene.ann.one("select access.socket_queue(%s)", mine) == scene.ann.one(
        "select access.socket_queue(%s)", mine
    )


ADDS = {
    "ADD_QUEUE": NOBODY,
    "ADD_SCHEDULER": NOBODY.replace("queue", "scheduler"),
    "ADD_PROCESSOR": 'insert into pyfi.processor (name, network_id, gitrepo, "commit", module)'
    " select %s, id, 'r', 'c', 'm' from pyfi.network where name = 'default'",
    "ADD_ROLE": "insert into pyfi.role (name) values (%s)",
    "CREATE": "insert into pyfi.network (name) values (%s)",
}


@pytest.mark.parametrize("right", sorted(ADDS))
def test_adding_takes_its_right(scene: Scene, joe: Login, right: str) -> None:
    """Refused without it, done with it, by itself, by its general word, by a role; gone when revoked."""
    with pytest.raises(ForbiddenError):
        joe.ask(ADDS[right], "a")
    give(scene, right)
    assert joe.count(ADDS[right], "a") == 1
    revoke(scene, right)
    with pytest.raises(ForbiddenError):
        joe.ask(ADDS[right], "b")
    scene.admin.ask("select access.forget_right('joe', null, %s)", right)
    scene.admin.ask("select access.give_role('joe', 'member')")
    assert joe.count(ADDS[right], "b") == 1


CHANGES = {
    "EDIT_PROCESSOR_CODE": "gitrepo = 'other'",
    "EDIT_PROCESSOR_CONFIG": "retries = 3",
    "PAUSE_PROCESSOR": "requested_status = 'paused'",
    "STOP_PROCESSOR": "requested_status = 'stopped'",
    "START_PROCESSOR": "restart_token = restart_token + 1",
    "LOCK_PROCESSOR": "locked = true",
    "UPDATE_PROCESSOR": "description = 'x'",
}


@pytest.mark.parametrize("right", sorted(CHANGES))
def test_each_right_on_a_shared_processor_changes_its_columns_only(scene: Scene, joe: Login, right: str) -> None:
    """Joe has one right, with scope network, on ann's processor in the network that they share."""
    lab = network(scene)
    processor = add_processor(scene.ann, "p")
    scene.superuser.ask("update pyfi.processor set network_id = %s", lab)
    for change in CHANGES.values():
        assert joe.count(f"update pyfi.processor set {change}") == 0
    give(scene, right, "network")
    implied = rights.brought(right)
    for other, change in sorted(CHANGES.items(), key=lambda each: each[0] == right):
        if other in implied:
            joe.connection.autocommit = False
            assert joe.count(f"update pyfi.processor set {change} where id = %s", processor) == 1
            joe.connection.rollback()
            joe.connection.autocommit = True
        else:
            with pytest.raises(ForbiddenError, match=f"joe lacks the right {other} on processor p"):
                joe.ask(f"update pyfi.processor set {change} where id = %s", processor)


def test_resume_is_another_right_than_start(scene: Scene, joe: Login) -> None:
    """By what it was before."""
    give(scene, "ADD_PROCESSOR")
    give(scene, "RESUME_PROCESSOR")
    add_processor(joe, "p")
    scene.superuser.ask("update pyfi.processor set requested_status = 'stopped'")
    with pytest.raises(ForbiddenError, match="START_PROCESSOR"):
        joe.ask("update pyfi.processor set requested_status = 'running'")
    scene.superuser.ask("update pyfi.processor set requested_status = 'paused'")
    assert joe.count("update pyfi.processor set requested_status = 'running'") == 1


def test_a_locked_processor_takes_no_changes_and_no_calls(scene: Scene) -> None:
    """Not from its owner, not from an administrator, until it is unlocked; a locked one's sockets stay as they are."""
    part = add_part(scene.ann, "p", "run")
    scene.ann.ask("update pyfi.processor set locked = true")
    for login in (scene.ann, scene.admin):
        for statement in (
            "update pyfi.processor set retries = 5",
            "delete from pyfi.processor",
            "update pyfi.socket set concurrency = 2",
            "delete from pyfi.socket",
        ):
            with pytest.raises(ConflictError, match="processor p is locked"):
                login.ask(statement)
        with pytest.raises(ConflictError, match="processor p is locked"):
            submit(login, part.sockets["run"], arguments(1))
    scene.ann.ask("update pyfi.processor set locked = false")
    assert scene.ann.count("update pyfi.processor set retries = 5") == 1
    submit(scene.ann, part.sockets["run"], arguments(1))


def test_code_and_configuration_are_columns_with_rights_of_their_own(scene: Scene, joe: Login) -> None:
    """The row is seen, these are not; the base table's are nobody's to read."""
    lab = network(scene)
    add_processor(scene.ann, "p", retries=2)
    scene.superuser.ask("update pyfi.processor set network_id = %s", lab)
    look = "select gitrepo, retries from pyfi.processor_detail"
    with pytest.raises(ForbiddenError, match="permission denied"):
        scene.ann.ask("select gitrepo from pyfi.processor")
    assert scene.ann.ask(look) == [("https://example.org/code", 2)]
    assert joe.ask(look) == []
    give(scene, "VIEW_PROCESSOR", "network")
    assert joe.ask(look) == [(None, None)]
    give(scene, "VIEW_PROCESSOR_CONFIG", "network")
    assert joe.ask(look) == [(None, 2)]
    give(scene, "VIEW_PROCESSOR_CODE", "network")
    assert joe.ask(look) == [("https://example.org/code", 2)]


def test_a_shared_socket_is_run_with_run_task(scene: Scene, joe: Login) -> None:
    """Scope network reaches it while joe is a member; the call is joe's, and ann sees it too."""
    lab = network(scene)
    part = add_part(scene.ann, "p", "run")
    scene.superuser.ask("update pyfi.processor set network_id = %s", lab)
    with pytest.raises(NotFoundError):
        submit(joe, part.sockets["run"], arguments(1))
    give(scene, "LS_SOCKETS", "network")
    with pytest.raises(ForbiddenError, match="joe lacks the right RUN_TASK on socket run"):
        submit(joe, part.sockets["run"], arguments(1))
    give(scene, "RUN_TASK", "network")
    (id_,) = submit(joe, part.sockets["run"], arguments(1))
    assert scene.ann.one("select count(*) from pyfi.call where id = %s", id_) == 1
    (hers,) = submit(scene.ann, part.sockets["run"], arguments(2))
    assert joe.ask("select 1 from pyfi.call where id = %s", hers) == []
    scene.ann.ask("select access.share_network('lab', 'joe', false)")
    with pytest.raises(NotFoundError):
        submit(joe, part.sockets["run"], arguments(1))


def test_a_plug_to_anothers_socket_takes_run_task_and_through_anothers_queue_nothing_helps(
    scene: Scene, joe: Login
) -> None:
    """Seeing a row is not enough to link to it: her fanout queue would carry her data to him."""
    lab = network(scene)
    hers = add_part(scene.ann, "hers", "run")
    scene.superuser.ask("update pyfi.processor set network_id = %s", lab)
    scene.admin.ask("select access.give_role('joe', 'member')")
    mine = add_part(joe, "mine", "run")
    plug = "insert into pyfi.plug (name, source_id, target_id, queue_id) values ('x', %s, %s, %s)"
    give(scene, "READ", "all")
    for source, target, queue in (
        (mine.sockets["run"], hers.sockets["run"], mine.queue),
        (hers.sockets["run"], mine.sockets["run"], mine.queue),
        (mine.sockets["run"], mine.sockets["run"], hers.queue),
    ):
        with pytest.raises(ForbiddenError):
            joe.ask(plug, source, target, queue)
    with pytest.raises(ForbiddenError):
        joe.ask("update pyfi.socket set queue_id = %s where id = %s", hers.queue, mine.sockets["run"])
    give(scene, "RUN_TASK", "network")
    assert joe.count(plug, mine.sockets["run"], hers.sockets["run"], mine.queue) == 1


def test_public_logs_are_read_with_read_log(scene: Scene, joe: Login) -> None:
    """Those that are not public are the owners' alone."""
    part = add_part(scene.ann, "p", "run")
    worker = start_worker(scene, part.processor)
    (id_,) = submit(scene.ann, part.sockets["run"], arguments(1))
    worker.claim_one(id_)
    worker.turn(logs=[(id_, 1, 1e9, 1, "hello")])

    def seen(login: Login) -> list[tuple[str]]:
        rows = login.ask("select text from pyfi.log")
        assert login.ask("select text from ledger.lines(%s, 0)", id_) == rows, "the function is not the policy"
        return rows

    give(scene, "READ_LOG", "all")
    assert seen(joe) == []
    scene.ann.ask("update pyfi.processor set public_logs = true")
    assert seen(joe) == [("hello",)]
    give(scene, "READ_LOG", "network")
    assert seen(joe) == []
    revoke(scene, "READ_LOG")
    assert seen(joe) == []
    assert seen(scene.ann) == [("hello",)]
    give(scene, "READ", "all")
    assert seen(joe) == [("hello",)]


def test_nobody_gives_what_he_has_not(scene: Scene, joe: Login) -> None:
    """Neither directly, nor by a role, nor by a user that he makes, nor more widely than he has it."""
    give(scene, "ADD_PRIVILEGE", "all")
    give(scene, "UPDATE_PRIVILEGE", "all")
    give(scene, "UPDATE_USER", "all")
    give(scene, "ADD_USER", "all")
    give(scene, "ADD_QUEUE")
    grant = "select access.grant_right(%s, null, %s, %s, false)"
    for right, scope in (("ALL", "own"), ("ADD_QUEUE", "all"), ("DB_DROP", "all")):
        with pytest.raises(ForbiddenError, match="nobody gives what he has not"):
            joe.ask(grant, "joe", right, scope)
    joe.ask(grant, "bob", "ADD_QUEUE", "own")
    with pytest.raises(ForbiddenError, match="nobody gives"):
        joe.ask("select access.give_role('joe', 'member')")
    with pytest.raises(ForbiddenError, match="nobody gives"):
        joe.ask("select access.create_user('eve', null, %s, false, '{member}')", fresh_verifier())
    for statement in (
        "select access.create_user('eve', null, 'x', true)",
        "select access.change_user('joe', null, true)",
        "select access.renew_password('ann', 'x')",
        "select access.activate_user('admin', false)",
        "select access.grant_right('admin', null, 'ADD_QUEUE', 'own', true)",
    ):
        with pytest.raises(ForbiddenError, match="needs an administrator"):
            joe.ask(statement)


def test_giving_back_what_was_revoked_is_giving(scene: Scene, joe: Login) -> None:
    """With DELETE_PRIVILEGE alone joe lifts no revocation of his own."""
    give(scene, "DELETE_PRIVILEGE", "all")
    revoke(scene, "READ_QUEUE")
    with pytest.raises(ForbiddenError, match="nobody gives"):
        joe.ask("select access.forget_right('joe', null, 'READ_QUEUE')")


def test_privileges_are_written_by_the_functions_alone(scene: Scene, joe: Login) -> None:
    """Not by an administrator with psql either: who gave what would be what he writes."""
    for login in (joe, scene.admin):
        for statement in (
            "insert into pyfi.privilege (user_id, \"right\") select access.me(), 'ALL'",
            "update pyfi.privilege set scope = 'all'",
            "delete from pyfi.privilege",
            "insert into pyfi.user_role select access.me(), id from pyfi.role",
            "insert into pyfi.member (network_id, user_id) select id, access.me() from pyfi.network",
            'update pyfi."user" set admin = true',
        ):
            with pytest.raises(ForbiddenError, match="permission denied"):
                login.ask(statement)


def test_administrators_are_not_revoked_from_and_the_last_one_stays(scene: Scene) -> None:
    """Else nobody could mend it."""
    with pytest.raises(ConflictError, match="is an administrator"):
        scene.admin.ask("select access.grant_right('admin', null, 'READ', 'own', true)")
    for statement in ("select access.change_user('admin', null, false)", "select access.activate_user('admin', false)"):
        with pytest.raises(ConflictError, match="last administrator"):
            scene.admin.ask(statement)


def test_who_is_deactivated_is_refused_and_his_sessions_end(scene: Scene, joe: Login) -> None:
    """His rows stay; activated again he needs a new password."""
    give(scene, "ADD_QUEUE")
    queue = add_queue(joe, "q")
    scene.admin.ask("select access.activate_user('joe', false)")
    with pytest.raises(Exception, match=r"terminat|closed"):
        joe.ask("select 1")
    joe.close()
    with pytest.raises(Exception, match="not permitted to log in"):
        joe.ask("select 1")
    assert scene.admin.ask("select name from pyfi.queue where id = %s", queue) == [("q",)]
    scene.admin.ask("select access.renew_password('joe', %s)", fresh_verifier())
    with pytest.raises(Exception, match="not permitted to log in"):
        joe.ask("select 1")
    scene.admin.ask("select access.activate_user('joe', true)")
    scene.admin.ask("select access.renew_password('joe', %s)", fresh_verifier())
    assert joe.ask("select name from pyfi.queue") == [("q",)]


def test_making_somebody_again_changes_nobodys_password(scene: Scene, joe: Login) -> None:
    """It is refused as a whole."""
    before = scene.superuser.one("select rolpassword from pg_authid where rolname = %s", scene.roles.user("joe"))
    with pytest.raises(AlreadyExistsError, match="there is a user joe already"):
        scene.admin.ask("select access.create_user('joe', null, %s, false)", fresh_verifier())
    after = scene.superuser.one("select rolpassword from pg_authid where rolname = %s", scene.roles.user("joe"))
    assert before == after


def test_a_node_of_others_is_not_taken_over_by_starting_an_agent(scene: Scene, joe: Login) -> None:
    """START_AGENT enrols machines; one that is enrolled is its owner's."""
    give(scene, "START_AGENT", "all")
    enrol = "select access.enroll_node(%s, 'h', 'default', %s, %s)"
    with pytest.raises(ForbiddenError, match="lacks the right UPDATE_NODE on node n1"):
        joe.ask(enrol, "n1", fresh_verifier(), fresh_verifier())
    joe.ask(enrol, "n7", fresh_verifier(), fresh_verifier())
    joe.ask(enrol, "n7", fresh_verifier(), fresh_verifier())
    assert network_of(joe)
    scene.superuser.ask("select pg_terminate_backend(pid) from pg_stat_activity where usename like '%%:n7'")


def test_nobody_lifts_a_revocation_by_what_it_takes_away(scene: Scene, joe: Login) -> None:
    """A role would give joe everything as soon as the row is gone: what he holds is asked before."""
    scene.admin.ask("insert into pyfi.role (name) values ('boss')")
    give(scene, "ALL", "all", user=None, role="boss")
    scene.admin.ask("select access.give_role('joe', 'boss')")
    revoke(scene, "RUN_TASK")
    with pytest.raises(ForbiddenError, match="nobody gives what he has not"):
        joe.ask("select access.forget_right('joe', null, 'RUN_TASK')")
    assert joe.one("select access.scope('RUN_TASK')") is None
    scene.admin.ask("select access.forget_right('joe', null, 'RUN_TASK')")
    assert joe.one("select access.scope('RUN_TASK')") == "all"


SEEN_ONLY = {
    "a processor in her network": 'insert into pyfi.processor (name, network_id, gitrepo, "commit", module)'
    " select 'mine', id, 'https://example.org/x', repeat('0', 40), 'm' from pyfi.network where name = 'lab'",
    "a queue in her network": "insert into pyfi.queue (name, network_id)"
    " select 'q', id from pyfi.network where name = 'lab'",
    "his processor moved there": "update pyfi.processor set network_id = n.id from pyfi.network n"
    " where n.name = 'lab' and processor.owner_id = access.me()",
    "a deployment on her node": "insert into pyfi.deployment (processor_id, node_id, cpus)"
    " select p.id, n.id, 1 from pyfi.processor p, pyfi.node n where p.owner_id = access.me() and n.name = 'hers'",
    "an agent of her node": "insert into pyfi.agent (name, network_id, node_id)"
    " select 'a', d.id, n.id from pyfi.node n, pyfi.network d where n.name = 'hers' and d.name = 'default'",
    "a gate in her plug": "insert into pyfi.gate (name, plug_id) select 'g', id from pyfi.plug where name = 'edge'",
    "a secret in her network": "insert into pyfi.secret (name, network_id, key_id, ciphertext)"
    " select 's', id, 'k', '\\x00' from pyfi.network where name = 'lab'",
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(SEEN_ONLY))
def test_to_see_is_not_to_be_there(scene: Scene, joe: Login, what: str) -> None:
    """Joe reads everything and may make everything of his own: his code reaches no node of a network of others."""
    lab = scene.ann.one("insert into pyfi.network (name) values ('lab') returning id")
    hers = add_part(scene.ann, "hers", "one", "two")
    add_plug(scene.ann, "edge", hers.sockets["one"], hers.sockets["two"], hers.queue)
    scene.ann.ask("insert into pyfi.node (name, network_id, hostname) values ('hers', %s, 'h')", lab)
    scene.admin.ask("select access.give_role('joe', 'member')")
    give(scene, "READ", "all")
    add_processor(joe, "mine")
    with pytest.raises(
        ForbiddenError, match=r"row-level security|lacks the right UPDATE_PROCESSOR on .* in that network"
    ):
        joe.ask(SEEN_ONLY[what])
    if "network" in what or "moved" in what:
        scene.ann.ask("select access.share_network('lab', 'joe', true)")
        assert joe.count(SEEN_ONLY[what]) == 1


def test_a_processor_that_went_to_another_network_leaves_the_nodes_of_this_one(scene: Scene, joe: Login) -> None:
    """The deployment's row stays; the node is not told of it."""
    scene.ann.ask("insert into pyfi.network (name) values ('lab')")
    processor = add_processor(scene.ann, "p")
    deploy(scene, processor)
    told = "select count(*) from jsonb_array_elements(agent.desired() -> 'deployments')"
    assert scene.agent().one(told) == 1
    scene.ann.ask("update pyfi.processor set network_id = (select id from pyfi.network where name = 'lab')")
    assert scene.agent().one(told) == 0


def test_a_sealed_secret_is_its_owners(scene: Scene, joe: Login) -> None:
    """Who reads the row does not read what is sealed: with the key ring he could open it."""
    id_ = scene.ann.one(
        "insert into pyfi.secret (name, network_id, key_id, ciphertext) values ('s', %s, 'k', '\\x01') returning id",
        network_of(scene.ann),
    )
    give(scene, "READ", "all")
    assert joe.one("select name from pyfi.secret") == "s"
    for look in ("select ciphertext from pyfi.secret", "select * from pyfi.secret", "table pyfi.secret"):
        with pytest.raises(ForbiddenError, match="permission denied"):
            joe.ask(look)
    with pytest.raises(NotFoundError, match="no such secret"):
        joe.ask("select access.sealed(%s)", id_)
    for login in (scene.ann, scene.admin):
        assert bytes(login.one("select access.sealed(%s)", id_)) == b"\x01"


def test_who_leaves_a_network_leaves_its_nodes(scene: Scene, joe: Login) -> None:
    """His processors there stop, and stay so until he takes them elsewhere; others' go on."""
    network(scene)
    scene.admin.ask("select access.give_role('joe', 'member')")
    theirs = add_processor(scene.ann, "hers")
    mine = add_processor(joe, "mine")
    scene.superuser.ask("update pyfi.processor set network_id = (select id from pyfi.network where name = 'lab')")
    status = "select requested_status from pyfi.processor where id = %s"
    scene.ann.ask("select access.share_network('lab', 'joe', false)")
    assert (joe.one(status, mine), scene.ann.one(status, theirs)) == ("stopped", "running")
    with pytest.raises(ForbiddenError, match="row-level security"):
        joe.ask("update pyfi.processor set requested_status = 'running' where id = %s", mine)
    joe.ask("update pyfi.processor set network_id = %s where id = %s", network_of(joe), mine)
    assert joe.count("update pyfi.processor set requested_status = 'running' where id = %s", mine) == 1


@pytest.mark.parametrize("table", ["network", "node", "queue", "processor", "socket", "plug", "secret", "role"])
def test_ids_and_owners_stay(scene: Scene, table: str) -> None:
    """Calls name a socket by its id, also one that is gone: nobody's row becomes another, nor an administrator's."""
    furnished(scene)
    ann, admin = scene.ann.one("select access.me()"), scene.admin.one("select access.me()")
    change = f"update pyfi.{table} set {{}} where owner_id = %s"
    for login in (scene.ann, scene.admin):
        with pytest.raises(ForbiddenError, match=f"the id of a {table} cannot be changed"):
            login.ask(change.format("id = gen_random_uuid()"), ann)
        with pytest.raises(ForbiddenError, match=f"the owner of a {table} cannot be changed"):
            login.ask(change.format("owner_id = %s"), admin, ann)
