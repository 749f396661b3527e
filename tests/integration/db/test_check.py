"""The gate of `make check` is green, and turns red for each thing that may never be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection

from pyfi.core.urls import DatabaseUrl
from pyfi.db import migrate
from pyfi.db.check import check, differences
from pyfi.db.lint import RULES, findings
from tests.integration.db.installation import Installation, databases_like, roles_like
from tests.integration.db.scene import Scene


def test_nothing_is_wrong_and_nothing_stays_behind(server: tuple[str, DatabaseUrl]) -> None:
    """Models equal migrations, down and up again is the same schema, every rule holds, on an empty database."""
    _, superuser = server
    assert check(superuser) == []
    assert databases_like(superuser, "pyfi_check_") == []
    assert roles_like(superuser, "check_") == []


# What somebody might do one day -> the offence that the check names. {user}: group, {login}: a login, {definer}.
MUTATIONS = {
    "alter table pyfi.queue no force row level security": "has no row-level security, enabled and forced",
    "alter table pyfi.outbox disable row level security": "has no row-level security, enabled and forced",
    "create table pyfi.x (); alter table pyfi.x enable row level security, force row level security": "has no policy",
    "create policy x on pyfi.queue for select using (true)": "has a policy for everybody instead of a group",
    "create policy x on pyfi.queue for update to {user} using (true)": (
        "has a policy that lets rows be written which it does not check"
    ),
    "create view pyfi.x as select * from pyfi.call": "is a view that asks with its owner's rights",
    "alter function ledger.sweep() reset search_path": "is a definer's function without a fixed search_path",
    "alter function ledger.sweep() owner to {owner}": "is a definer's function that belongs to somebody else",
    "create function agent.x() returns int language sql as 'select 1'": "is a function that everybody may execute",
    "alter function access.touch() owner to {maker}": "is the maker's, who should only own what makes logins",
    "alter table pyfi.queue owner to {login}": "belongs to a role that can log in",
    "alter schema ledger owner to {login}": "belongs to a role that can log in",
    "alter table pyfi.queue owner to {definer}": "is a relation that the definer or the maker owns",
    "grant insert on pyfi.call to {user}": "may be written by a role that can log in, or by a group",
    "grant update (state) on pyfi.call to {login}": "may be written by a role that can log in, or by a group",
    "grant truncate on pyfi.queue to {user}": "may be truncated, referred to or given triggers by a group",
    "grant trigger on pyfi.log to public": "may be truncated, referred to or given triggers by a group",
    "alter role {login} createrole": "is a role with more than it needs",
    "alter role {login} bypassrls": "is a role with more than it needs",
    "grant {definer} to {login}": "is a member of a role that no login may become",
    "grant create on schema pyfi to {user}": "is a schema or database where a group may create",
    "grant temporary on database {database} to {user}": "is a schema or database where a group may create",
    "drop index pyfi.plug_queue_id_idx": "is a foreign key without an index",
    "alter table pyfi.secret add column password text": "is a column that may hold a clear secret",
}


@pytest.fixture
def connection(scene: Scene) -> Iterator[Connection]:
    """A superuser's transaction that is rolled back: roles are the whole cluster's."""
    with migrate.connected(scene.superuser_url, autocommit=True) as opened:
        opened.exec_driver_sql("begin")
        yield opened
        opened.exec_driver_sql("rollback")


@pytest.mark.parametrize("statement", list(MUTATIONS))
def test_each_offence_is_found(scene: Scene, connection: Connection, statement: str) -> None:
    """By its name."""
    roles = scene.roles
    assert findings(connection, roles) == []
    names = {
        "user": roles.group("flow_user"),
        "owner": roles.owner,
        "definer": roles.definer,
        "maker": roles.maker,
        "login": f'"{roles.user("ann")}"',
        "database": scene.superuser_url.database,
    }
    connection.exec_driver_sql(statement.format(**names))
    assert any(finding.endswith(MUTATIONS[statement]) for finding in findings(connection, roles))


def test_every_rule_has_its_offence() -> None:
    """A rule that nothing breaks is no rule."""
    assert set(RULES) == set(MUTATIONS.values())


@pytest.mark.parametrize(
    "statement",
    [
        "alter table pyfi.queue add column x int",
        "alter table pyfi.queue drop column expires",
        "alter table pyfi.call alter column name drop not null",
        "drop index pyfi.call_expires_idx",
        "alter table pyfi.worker alter column ordinal type bigint",
        "alter table pyfi.socket drop constraint socket_address_key",
        "create table pyfi.x (id int)",
    ],
)
def test_models_that_differ_from_the_tables_are_found(connection: Connection, statement: str) -> None:
    """Columns, types, NULLs, indexes, constraints, tables."""
    assert differences(connection) == []
    connection.exec_driver_sql(statement)
    assert differences(connection)


def test_the_template_itself_is_sound(installation: Installation) -> None:
    """The rules hold with users and nodes in it, too."""
    with migrate.connected(installation.url) as connection:
        assert findings(connection, installation.roles) == []
