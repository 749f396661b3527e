"""init, migrate, renew_admin, drop: what the superuser does, and what is left afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from psycopg2 import sql

from pyfi.core.urls import DatabaseUrl
from pyfi.db import migrate
from pyfi.db.roles import Roles
from pyfi.db.session import Database
from pyfi.errors import AlreadyExistsError, ForbiddenError, InvalidError, NotFoundError
from tests.integration.db.installation import databases_like, maintaining, roles_like
from tests.integration.db.scene import PASSWORD, Login, Scene, fresh_verifier


@pytest.fixture
def place(server: tuple[str, DatabaseUrl]) -> Iterator[DatabaseUrl]:
    """A superuser's URL of a database that does not exist yet."""
    url = server[1].at(f"pyfi_init_{secrets.token_hex(4)}")
    yield url
    with maintaining(url) as ask:
        ask(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(url.database)))
    assert roles_like(url, prefix_of(url)) == []


def prefix_of(url: DatabaseUrl) -> str:
    """A prefix of that database alone."""
    return "i" + url.database.rpartition("_")[2]


def made(url: DatabaseUrl, prefix: str | None = None) -> DatabaseUrl:
    """Initialise it; the administrator's URL."""
    return migrate.init(
        url,
        prefix=prefix or prefix_of(url),
        admin="admin",
        password=PASSWORD,
        salt=secrets.token_bytes(16),
        told=lambda _: None,
    )


def test_init_tells_each_table_that_it_secures(place: DatabaseUrl) -> None:
    """All of them; the administrator can log in and finds the default network."""
    told: list[str] = []
    admin = migrate.init(
        place, prefix=prefix_of(place), admin="root.of-all", password=PASSWORD, salt=b"s" * 16, told=told.append
    )
    superuser = Login(place)
    tables = {name for (name,) in superuser.ask("select tablename from pg_tables where schemaname = 'pyfi'")}
    superuser.close()
    assert set(told) == tables and len(tables) > 25
    login = Login(admin)
    assert login.ask("select name, owner_id = access.me(), access.is_admin() from pyfi.network") == [
        ("default", True, True)
    ]
    login.close()
    migrate.drop(place)


def test_init_twice_is_refused_and_changes_nothing(place: DatabaseUrl) -> None:
    """Not even the administrator's password."""
    admin = made(place)
    with pytest.raises(AlreadyExistsError, match="initialised already"):
        made(place, prefix_of(place) + "x")
    login = Login(admin)
    assert login.one("select access.is_admin()")
    login.close()
    migrate.drop(place)


def test_a_prefix_of_another_database_is_refused(place: DatabaseUrl, server: tuple[str, DatabaseUrl]) -> None:
    """Its logins are the other's people: init would give their administrator a new password."""
    admin = made(place)
    second = server[1].at(place.database + "_2")
    try:
        with pytest.raises(AlreadyExistsError, match=f"role prefix {prefix_of(place)}"):
            made(second, prefix_of(place))
        login = Login(admin)
        assert login.one("select access.is_admin()")
        login.close()
    finally:
        migrate.drop(place)
        with maintaining(place) as ask:
            ask(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(second.database)))


def test_roles_that_were_left_behind_are_taken_over(place: DatabaseUrl, server: tuple[str, DatabaseUrl]) -> None:
    """The database was dropped by hand: its roles are nobody's."""
    made(place)
    with maintaining(place) as ask:
        ask(sql.SQL("drop database {} with (force)").format(sql.Identifier(place.database)))
    assert Roles(prefix_of(place)).owner in roles_like(place, prefix_of(place))
    login = Login(made(place))
    assert login.one("select access.is_admin()")
    login.close()
    migrate.drop(place)


@pytest.mark.parametrize("name", ["", "a b", "ö", "x" * 64, "-a", "a/b", 'a"b'])
def test_an_impossible_administrator_leaves_nothing_half_made(place: DatabaseUrl, name: str) -> None:
    """Neither schema nor roles."""
    with pytest.raises(InvalidError):
        migrate.init(place, prefix=prefix_of(place), admin=name, password="x", salt=b"s", told=lambda _: None)
    with pytest.raises(NotFoundError, match="not initialised"):
        migrate.drop(place)


def test_only_a_superuser_may(scene: Scene) -> None:
    """An administrator of PyFI may not."""
    admin = scene.admin.url
    for verb in (migrate.migrate, migrate.drop, made):
        with pytest.raises(ForbiddenError):
            verb(admin)


def test_a_superuser_may_not_work(scene: Scene) -> None:
    """He would pass every policy without noticing."""
    database = Database(scene.superuser_url)
    with pytest.raises(ForbiddenError, match="passes row-level security"), database.session():
        pass
    database.close()


def test_migrate_at_the_head_changes_nothing(place: DatabaseUrl) -> None:
    """And says where it is."""
    made(place)
    assert migrate.migrate(place) == (migrate.newest(), migrate.newest())
    with pytest.raises(NotFoundError):
        migrate.migrate(place.at("postgres"))
    migrate.drop(place)


def test_an_administrators_password_can_be_renewed(place: DatabaseUrl) -> None:
    """By the superuser; the old one is worth nothing where passwords are asked for."""
    made(place)
    renewed = migrate.renew_admin(place, name="admin", password="another", salt=b"t" * 16)
    login = Login(renewed)
    assert login.one("select access.is_admin()")
    login.close()
    with pytest.raises(NotFoundError, match="no administrator bob"):
        migrate.renew_admin(place, name="bob", password="another", salt=b"t" * 16)
    migrate.drop(place)


def test_drop_leaves_neither_schema_nor_role(place: DatabaseUrl) -> None:
    """With users, nodes and a row of theirs in it; the database itself stays, and can be initialised again."""
    admin = Login(made(place))
    admin.ask("select access.create_user('joe', null, %s, true)", fresh_verifier())
    admin.ask("select access.enroll_node('n', 'h', 'default', %s, %s)", fresh_verifier(), fresh_verifier())
    admin.ask("insert into pyfi.network (name) values ('more')")
    admin.close()
    migrate.drop(place)
    superuser = Login(place)
    assert (
        superuser.ask("select nspname from pg_namespace where nspname in ('pyfi', 'ledger', 'agent', 'access')") == []
    )
    superuser.close()
    assert roles_like(place, prefix_of(place)) == []
    assert databases_like(place, place.database) == [place.database]
    made(place)
    migrate.drop(place)


def test_users_log_in_with_their_own_password(scene: Scene) -> None:
    """What the database keeps is the verifier that was computed outside."""
    (kept,) = scene.superuser.ask("select rolpassword from pg_authid where rolname = %s", scene.roles.user("ann"))
    assert kept[0].startswith("SCRAM-SHA-256$4096:")
    assert PASSWORD not in kept[0]


@pytest.mark.parametrize(
    ("name", "verifier", "error"),
    [
        ("ann", None, AlreadyExistsError),
        ("joe", "clear text", InvalidError),
        ("joe", "md5" + "0" * 32, InvalidError),
        ("joe", "SCRAM-SHA-256$1:x$y:z' superuser --", InvalidError),
        ("x" * 63, None, InvalidError),
        ("a b", None, InvalidError),
        ("", None, InvalidError),
        ('a" superuser; --', None, InvalidError),
    ],
)
def test_users_that_cannot_be(scene: Scene, name: str, verifier: str | None, error: type[Exception]) -> None:
    """Taken names, clear passwords, names that are no names: no role is made, none is changed."""
    look = "select rolname, rolpassword, rolsuper from pg_authid where starts_with(rolname, %s) order by 1"
    before = scene.superuser.ask(look, scene.roles.prefix)
    with pytest.raises(error):
        scene.admin.ask("select access.create_user(%s, null, %s, false)", name, verifier or fresh_verifier())
    assert scene.superuser.ask(look, scene.roles.prefix) == before


def test_a_second_enrolment_gives_new_passwords(scene: Scene) -> None:
    """To the same two logins, of the same node."""
    enroll = "select access.enroll_node('n1', 'moved', 'default', %s, %s)"
    keep = "select rolname, rolpassword from pg_authid where rolname like %s order by 1"
    pattern = f"{scene.roles.prefix}:%:n1"
    before = scene.superuser.ask(keep, pattern)
    first = scene.admin.one("select id from pyfi.node where name = 'n1'")
    try:
        assert scene.admin.one(enroll, fresh_verifier(), fresh_verifier())["node_id"] == str(first)
        after = scene.superuser.ask(keep, pattern)
        assert [name for name, _ in before] == [name for name, _ in after]
        assert not {*before} & {*after}
        with pytest.raises(NotFoundError, match="no network"):
            scene.admin.ask("select access.enroll_node('n1', 'h', 'nowhere', 'x', 'y')")
    finally:
        assert scene.agent().one("select agent.heartbeat(1, '{}')")
