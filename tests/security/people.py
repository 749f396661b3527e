"""Who is in the matrix, and the rows that they try: ann's, one in each table, in a network that kim is a member of."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.db.scene import (
    Login,
    Scene,
    add_part,
    add_plug,
    add_socket,
    arguments,
    fresh_verifier,
)
from tests.integration.db.workers import start_worker, submit

# anonymous: in the users' group and no user; former: in the administrators' group and no administrator.
WHO = ("anonymous", "stranger", "reader", "owner", "member", "holder", "former", "admin", "node", "worker")

# Rows that no verb makes yet, or that only functions make: put there as they are, without triggers and foreign keys.
PLANTED = {
    "argument": "(task_id, name, position, kind) values ({task}, 'x', 0, 'positional')",
    "file": "(name, owner_id, network_id, type) values ('f', {ann}, {lab}, 'text')",
    "version": "(file_id, number, content) values ({file}, 1, 'x')",
    "flow": "(name, owner_id, network_id) values ('fl', {ann}, {lab})",
    "secret": "(name, owner_id, network_id, key_id, ciphertext) values ('s', {ann}, {lab}, 'k', '\\x00')",
    "scheduler": "(name, owner_id, network_id) values ('sch', {ann}, {lab})",
    "gate": "(name, owner_id, plug_id) values ('g', {ann}, {plug})",
    "role": "(name, owner_id) values ('annrole', {ann})",
    "login": "(user_id, program) values ({ann}, 'x')",
    "user_role": "(user_id, role_id) values ({ann}, {role})",
    "privilege": "(user_id, \"right\", granted_by) values ({ann}, 'RUN_TASK', {ann})",
    "event": "(call_id, name) values ({call}, 'retry')",
    "frame": "(call_id, need, keeps_errors) values ({call}, 1, false)",
    "junction": "(root_id, socket_id) values ({call}, {socket})",
    "slot": "(root_id, socket_id, argument, round, source_id, plug_id, seq, value)"
    " values ({call}, {socket}, 'x', 1, {call}, {plug}, 0, '1')",
    "outbox": "(address, ids) values ('a', array[{call}])",
    "counter": "(name) values ('c')",
    "throttle": "(socket_id) values ({socket})",
    "backlog": "(queue_id) values ({queue})",
    "payload": "(id, owner_id) values ({call}, {ann})",
    "piece": "(payload_id, start, bytes, data) values ({call}, 0, 1, '\\x00')",
    "retention": "(key) values ('k')",
}  # fmt: skip


def furnished(scene: Scene) -> dict[str, Login]:
    """Everybody's connection, after ann has a row in each table."""
    for name in ("stranger", "reader", "member", "holder", "former"):
        scene.admin.ask("select access.create_user(%s, null, %s, false)", name, fresh_verifier())
    scene.admin.ask("select access.grant_right('member', null, 'ALL', 'network', false)")
    scene.admin.ask("select access.grant_right('reader', null, 'READ', 'all', false)")
    scene.admin.ask("select access.grant_right('holder', null, 'ALL', 'all', false)")
    ann = scene.ann
    lab = ann.one("insert into pyfi.network (name) values ('lab') returning id")
    ann.ask("select access.share_network('lab', 'member', true)")
    part = add_part(ann, "p", "one")
    two = add_socket(ann, part.processor, part.queue, "two")
    plug = add_plug(ann, "edge", part.sockets["one"], two, part.queue)
    node = ann.one("insert into pyfi.node (name, network_id, hostname) values ('a1', %s, 'h') returning id", lab)
    ann.ask("insert into pyfi.agent (name, network_id, node_id) values ('a1', %s, %s)", lab, node)
    worker = start_worker(scene, part.processor)
    (call,) = submit(ann, part.sockets["one"], arguments(1))
    worker.claim_one(call)
    worker.turn(logs=[(call, 1, 1e9, 1, "hello")])
    look = scene.superuser
    for table in ("processor", "queue"):
        look.ask(f"update pyfi.{table} set network_id = %s", lab)
    look.ask("update pyfi.deployment set node_id = %s", node)
    known: dict[str, Any] = {
        "ann": ann.one("select access.me()"),
        "lab": lab,
        "plug": plug,
        "queue": part.queue,
        "call": call,
        "socket": part.sockets["one"],
        "task": look.one("select task_id from pyfi.socket where id = %s", part.sockets["one"]),
    }
    look.ask(f'grant "{scene.roles.group("flow_admin")}" to "{scene.roles.user("former")}"')
    look.ask("set session_replication_role = replica")
    for table, rest in PLANTED.items():
        if look.one(f'select count(*) from pyfi."{table}" {restriction(scene, table)}') == 0:
            quoted = {key: f"'{value}'::uuid" for key, value in known.items()}
            look.ask(f"insert into pyfi.{table} {rest.format(**quoted)}")
        if table in {"file", "role"}:
            known[table] = look.one(f"select id from pyfi.{table} where owner_id = %s", known["ann"])
    look.ask("reset session_replication_role")
    anonymous = scene.bob.another()
    anonymous.ask(f'set role "{scene.roles.group("flow_user")}"')
    return {
        "anonymous": anonymous,
        "owner": ann,
        "admin": scene.admin,
        "node": scene.agent(),
        "worker": scene.worker(),
    } | {name: scene.login(f".{name}") for name in ("stranger", "reader", "member", "holder", "former")}


OWN = {
    "user": "id = {ann}", "member": "network_id = {lab}", "login": "user_id = {ann}", "user_role": "user_id = {ann}",
    "privilege": "user_id = {ann}", "network": "id = {lab}", "audit": "owner_id = {ann}",
    "setting": "key = 'role_prefix'",
}  # fmt: skip


def restriction(scene: Scene, table: str) -> str:
    """Which row of a table is ann's."""
    ann = scene.superuser.one("select id from pyfi.\"user\" where name = 'ann'")
    if table in OWN:
        lab = scene.superuser.ask("select id from pyfi.network where name = 'lab'")
        return "where " + OWN[table].format(ann=f"'{ann}'::uuid", lab=f"'{lab[0][0]}'::uuid" if lab else "null")
    owned = scene.superuser.one(
        "select count(*) from pg_attribute where attrelid = %s::regclass and attname = 'owner_id'", f'pyfi."{table}"'
    )
    return f"where owner_id = '{ann}'" if owned else ""


def row_of(scene: Scene, table: str) -> dict[str, Any]:
    """Ann's row as JSON."""
    rows = scene.superuser.ask(f'select to_jsonb(t)::text from pyfi."{table}" t {restriction(scene, table)} limit 1')
    assert rows, f"the matrix has no row of {table}: put one into PLANTED"
    found: dict[str, Any] = json.loads(rows[0][0])
    return found
