"""Each right by itself: what is not done without it, is done with it and nothing else, and not when it is revoked."""

from __future__ import annotations

import psycopg2
import pytest

from pyfi.core.rights import RIGHTS
from tests.integration.db.scene import Login, Scene, add_part, arguments, fresh_verifier
from tests.security.people import furnished


def listed(table: str, where: str = "owner_id = '{ann}'") -> str:
    return f"select 1 from pyfi.{table} where {where}"


def changed(table: str, what: str = "name = 'other'") -> str:
    return f"update pyfi.{table} set {what} where owner_id = '{{ann}}'"


def gone(table: str) -> str:
    return f"delete from pyfi.{table} where owner_id = '{{ann}}'"


def made(table: str, columns: str = "", values: str = "") -> str:
    return f"insert into pyfi.{table} (name{columns}) values ('new'{values})"


IN_HIS = (", network_id", ", '{net}'")
# Two need a superuser's URL besides: by name, the tests that show what they do.
ELSEWHERE = {
    "DB_DROP": "tests/cli/test_identity.py::test_dropping_the_database_takes_db_drop",
    "DB_INIT": "tests/cli/test_identity.py::test_dropping_the_database_takes_db_drop",
}
EFFECTS = {
    "ALL": gone("secret"),
    "CREATE": made("network"),
    "READ": listed("call"),
    "UPDATE": changed("network", "description = 'x'"),
    "DELETE": gone("secret"),
    "START_AGENT": "select access.offer_node('new', 'lab', '{verifier}', 60)",
    "RUN_TASK": "select ledger.submit(array['{new}'::uuid], '{socket}', array['{args}'], true)",
    "CANCEL_TASK": "select ledger.cancel(array['{call}'::uuid], null, true)",
    "START_PROCESSOR": changed("processor", "restart_token = restart_token + 1"),
    "STOP_PROCESSOR": changed("processor", "requested_status = 'stopped'"),
    "PAUSE_PROCESSOR": changed("processor", "requested_status = 'paused'"),
    "RESUME_PROCESSOR": changed("processor", "requested_status = 'running'"),
    "LOCK_PROCESSOR": changed("processor", "locked = true"),
    "UNLOCK_PROCESSOR": changed("processor", "locked = false"),
    "VIEW_PROCESSOR": listed("processor"),
    "VIEW_PROCESSOR_CONFIG": listed("processor_detail", "processor_id = '{processor}' and retries is not null"),
    "VIEW_PROCESSOR_CODE": listed("processor_detail", "processor_id = '{processor}' and gitrepo is not null"),
    "EDIT_PROCESSOR_CONFIG": changed("processor", "retries = 9"),
    "EDIT_PROCESSOR_CODE": changed("processor", "gitrepo = 'https://example.org/other'"),
    "LS_PROCESSORS": listed("processor"),
    "LS_USERS": listed("user", "id = '{ann}'"),
    "LS_USER": listed("user", "id = '{ann}'"),
    "LS_PLUGS": listed("plug"),
    "LS_SOCKETS": listed("socket"),
    "LS_QUEUES": listed("queue"),
    "LS_AGENTS": listed("agent"),
    "LS_NODES": listed("node"),
    "LS_SCHEDULERS": listed("scheduler"),
    "LS_WORKERS": listed("worker", "processor_id = '{processor}'"),
    "ADD_PROCESSOR": made("processor", f'{IN_HIS[0]}, gitrepo, "commit", module', f"{IN_HIS[1]}, 'r', 'c', 'm'"),
    "ADD_AGENT": made("agent", f"{IN_HIS[0]}, node_id", f"{IN_HIS[1]}, '{{node}}'"),
    "ADD_NODE": made("node", f"{IN_HIS[0]}, hostname", f"{IN_HIS[1]}, 'h'"),
    "ADD_PLUG": made("plug", ", source_id, target_id, queue_id", ", '{his}', '{his}', '{his_queue}'"),
    "ADD_PRIVILEGE": "select access.grant_right('bob', null, 'READ_QUEUE', 'own', false)",
    "ADD_QUEUE": made("queue", *IN_HIS),
    "ADD_ROLE": made("role"),
    "ADD_SCHEDULER": made("scheduler", *IN_HIS),
    "ADD_SOCKET": made(
        "socket", ", processor_id, task_id, queue_id", ", '{his_processor}', '{his_task}', '{his_queue}'"
    ),
    "ADD_USER": "select access.create_user('new', null, '{verifier}', false)",
    "UPDATE_PROCESSOR": changed("processor", "description = 'x'"),
    "UPDATE_AGENT": changed("agent"),
    "UPDATE_NODE": changed("node"),
    "UPDATE_PLUG": changed("plug", "description = 'x'"),
    "UPDATE_PRIVILEGE": "select access.grant_right('bob', null, 'READ', 'own', false)",
    "UPDATE_QUEUE": changed("queue", "max_length = 9"),
    "UPDATE_ROLE": changed("role"),
    "UPDATE_SCHEDULER": changed("scheduler"),
    "UPDATE_SOCKET": changed("socket", "description = 'x'"),
    "UPDATE_USER": "select access.change_user('bob', 'new@example.org', null)",
    "DELETE_PROCESSOR": gone("processor"),
    "DELETE_AGENT": gone("agent"),
    "DELETE_NODE": gone("node"),
    "DELETE_PLUG": gone("plug"),
    "DELETE_PRIVILEGE": "select access.forget_right('bob', null, 'READ')",
    "DELETE_QUEUE": gone("queue"),
    "DELETE_ROLE": gone("role"),
    "DELETE_SCHEDULER": gone("scheduler"),
    "DELETE_SOCKET": gone("socket"),
    "DELETE_USER": "select access.activate_user('bob', false)",
    "READ_PROCESSOR": listed("processor"),
    "READ_AGENT": listed("agent"),
    "READ_NODE": listed("node"),
    "READ_PLUG": listed("plug"),
    "READ_PRIVILEGE": listed("privilege", "user_id = '{ann}'"),
    "READ_QUEUE": listed("queue"),
    "READ_ROLE": listed("role"),
    "READ_SCHEDULER": listed("scheduler"),
    "READ_SOCKET": listed("socket"),
    "READ_USER": listed("login", "user_id = '{ann}'"),
    "READ_LOG": "select 1 from pyfi.log where text = 'hello'",
}
# General words bring the sight of nothing that has no right of its own.
SEES_NOTHING = {"UPDATE", "DELETE"}
# How ann's processor is before.
BEFORE = {"UNLOCK_PROCESSOR": "locked = true", "RESUME_PROCESSOR": "requested_status = 'paused'"}


def test_every_right_is_here() -> None:
    assert set(EFFECTS) | set(ELSEWHERE) == set(RIGHTS)


def done(login: Login, statement: str) -> bool:
    """Whether it touches a row; what a foreign key or a state refuses has passed the rights. Rolled back."""
    connection = login.connection
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.rowcount > 0
    except psycopg2.errors.IntegrityError:
        return True
    except psycopg2.Error as error:
        assert error.pgcode in {"42501", "PF403", "PF404", "PF409"}, error
        return error.pgcode == "PF409" and "is locked" not in str(error)
    finally:
        connection.rollback()
        connection.autocommit = True


def words(scene: Scene) -> dict[str, object]:
    """What stands in braces: ann has one of everything, joe a part, a node and a network of his own and no right."""
    furnished(scene)
    look, admin = scene.superuser, scene.admin
    admin.ask("select access.create_user('joe', null, %s, false, '{member}')", fresh_verifier())
    admin.ask("select access.grant_right('bob', null, 'READ', 'own', false)")
    joe = scene.login(".joe")
    net = joe.one("insert into pyfi.network (name) values ('his') returning id")
    part = add_part(joe, "his", "run")
    node = joe.one("insert into pyfi.node (name, network_id, hostname) values ('his', %s, 'h') returning id", net)
    admin.ask("select access.take_role('joe', 'member')")
    ann = look.one("select id from pyfi.\"user\" where name = 'ann'")
    look.ask("update pyfi.processor set public_logs = true where owner_id = %s", ann)
    return {
        "ann": ann,
        "net": net,
        "node": node,
        "his": part.sockets["run"],
        "his_queue": part.queue,
        "his_processor": part.processor,
        "his_task": look.one("select task_id from pyfi.socket where id = %s", part.sockets["run"]),
        "processor": look.one("select id from pyfi.processor where owner_id = %s", ann),
        "socket": look.one("select id from pyfi.socket where owner_id = %s and name = 'one'", ann),
        "call": look.one("select id from pyfi.call where owner_id = %s", ann),
        "new": "01999999-9999-7999-8999-999999999999",
        "verifier": fresh_verifier(),
        "args": arguments(1),
    }


@pytest.mark.parametrize("right", EFFECTS)
def test_it_does_what_it_says_and_nothing_else_does(scene: Scene, right: str) -> None:
    """Not without it; with it, held on everything; not when it is revoked; and no reading right changes anything."""
    found = words(scene)
    statement = EFFECTS[right].format(**found)
    if right in BEFORE:
        scene.superuser.ask(f"update pyfi.processor set {BEFORE[right]} where owner_id = %s", found["ann"])
    joe = scene.login(".joe")
    assert not done(joe, statement), "without it"
    if right not in {"ALL", "READ"} and not right.startswith(("READ_", "LS_", "VIEW_")):
        scene.admin.ask("select access.grant_right('joe', null, 'READ', 'all', false)")
        assert not done(joe, statement), "with READ on everything"
        if right not in SEES_NOTHING:
            scene.admin.ask("select access.forget_right('joe', null, 'READ')")
    scene.admin.ask("select access.grant_right('joe', null, %s, 'all', false)", right)
    assert done(joe, statement), "with it"
    scene.admin.ask("select access.grant_right('joe', null, %s, 'own', true)", right)
    assert not done(joe, statement), "revoked"
