"""What somebody with psql types to get more than he has: a user without rights, on ann's rows."""

from __future__ import annotations

import psycopg2
import pytest

from tests.integration.db.scene import Scene
from tests.security.people import furnished

TYPED = [
    "truncate pyfi.queue",
    "copy pyfi.privilege from stdin",
    "copy pyfi.queue to '/tmp/x'",
    "copy (select 1) to program 'id'",
    'set role "{admin}"',
    'set session authorization "{admin}"',
    'grant "{admins}" to "{stranger}"',
    'alter role "{stranger}" superuser',
    'alter role "{stranger}" bypassrls',
    'alter role "{stranger}" createrole',
    "alter role \"{ann}\" password 'x'",
    "create role x",
    "create schema x",
    "create function pyfi.me() returns int language sql as 'select 1'",
    "create function access.acting() returns name language sql as $$ select 'postgres'::name $$",
    "create function public.x() returns int language sql as 'select 1'",
    "create function pg_temp.x() returns int language sql as 'select 1'",
    "create temp table x (id int)",
    "create temp view x as select 1",
    "create view pyfi.x as select * from pyfi.queue",
    "alter table pyfi.queue disable row level security",
    "alter table pyfi.queue no force row level security",
    "create policy x on pyfi.queue using (true)",
    "drop policy queue_select on pyfi.queue",
    "create trigger x before insert on pyfi.queue for each row execute function access.touch()",
    "alter function access.me() owner to \"{stranger}\"",
    "create index x on pyfi.queue (name)",
    "create table pyfi.x (q uuid references pyfi.queue)",
    "select access.make_role('{stranger}', '{admins}', 'SCRAM-SHA-256$4096:AA==$AA==:AA==')",
    "select access.close_login('{ann}')",
    "select access.change_group('{stranger}', true)",
    "select access.user_named('admin')",
    "select access.through('ALL')",
    "select pg_read_file('/etc/passwd')",
    "select lo_import('/etc/passwd')",
    "select rolpassword from pg_authid",
    "select nextval('ledger.claim_token')",
    "alter system set log_statement = 'all'",
    "set session_replication_role = replica",
    "comment on table pyfi.queue is 'x'",
    "do $$ begin perform access.record('x', 'x', null, 'x', null, null, null); end $$",
]  # fmt: skip


@pytest.mark.parametrize("typed", TYPED)
def test_is_refused(scene: Scene, typed: str) -> None:
    """By Postgres itself, before anything happened."""
    login = scene.login(".bob")
    names = {name: scene.roles.user(name) for name in ("ann", "admin")}
    statement = typed.format(stranger=scene.roles.user("bob"), admins=scene.roles.group("flow_admin"), **names)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), login.connection.cursor() as cursor:
        cursor.execute(statement)


SHOWS_NOTHING = [
    "copy pyfi.queue (name) to stdout",
    "select name from pyfi.queue where name ~ '.'",
    "select (select name from pyfi.queue limit 1)",
    "select 1 / (case when name = 'p' then 0 else 1 end) from pyfi.queue",
    "select * from pyfi.processor_detail",
    "select * from access.processor_detail('{processor}')",
    "select access.processors('READ'), access.sockets('READ'), access.people('LS_USER')",
]


@pytest.mark.parametrize("typed", SHOWS_NOTHING)
def test_shows_nothing_of_hers(scene: Scene, typed: str) -> None:
    """A leaky expression is evaluated after the policy; a definer's function speaks of the asker alone."""
    stranger = furnished(scene)["stranger"]
    processor = scene.superuser.one("select id from pyfi.processor")
    if typed.startswith("copy"):
        import io

        out = io.StringIO()
        with stranger.connection.cursor() as cursor:
            cursor.copy_expert(typed, out)
        assert out.getvalue() == ""
        return
    seen = [value for row in stranger.ask(typed.format(processor=processor)) for value in row]
    assert not [value for value in seen if value not in (None, [], "{}")]
