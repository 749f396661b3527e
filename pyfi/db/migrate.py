"""Make, upgrade, drop and check the schema. The only room that connects as a superuser."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection

from pyfi.core.scram import verifier
from pyfi.core.urls import DatabaseUrl
from pyfi.db.faults import mapping
from pyfi.db.roles import GROUPS, Roles, filled
from pyfi.db.session import make_engine
from pyfi.errors import AlreadyExistsError, ForbiddenError, InvalidError, NotFoundError

APPLICATION = "pyfi db"
LOCK = "select pg_advisory_xact_lock(hashtext('pyfi migrate'))"


def migrations_folder() -> Path:
    """Beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    packed = package / "_migrations"
    return packed if packed.is_dir() else package.parent / "migrations"


@contextmanager
def connected(url: DatabaseUrl, *, autocommit: bool = False) -> Iterator[Connection]:
    """A connection of its own, one transaction (or none: `autocommit`)."""
    engine = make_engine(url, application=APPLICATION, pooled=False)
    with mapping(), engine.connect() as connection:
        if autocommit:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection
        else:
            with connection.begin():
                yield connection


def _require_superuser(connection: Connection) -> None:
    name, superuser = connection.execute(
        text("select current_user, rolsuper from pg_catalog.pg_roles where rolname = current_user")
    ).one()
    if not superuser:
        raise ForbiddenError(
            f"{name} is no superuser: the database's roles and policies are made by one",
            hint="flow -d postgresql://postgres:...@HOST/DATABASE db init",
        )


def configured(connection: Connection, roles: Roles) -> Config:
    """Alembic's, for an open connection of the superuser's."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["fill"] = functools.partial(filled, roles=roles)
    return config


def _make_database(url: DatabaseUrl) -> None:
    with connected(url.at("postgres"), autocommit=True) as connection:
        _require_superuser(connection)
        connection.execute(text("select pg_advisory_lock(hashtext('pyfi make database'))"))
        known = connection.execute(
            text("select from pg_catalog.pg_database where datname = :name"), {"name": url.database}
        )
        if known.first() is None:
            quoted = connection.dialect.identifier_preparer.quote_identifier(url.database)
            connection.execute(text(f"create database {quoted} encoding 'UTF8' template template0"))


def _refuse_others_prefix(connection: Connection, roles: Roles) -> None:
    """Roles are the whole server's: with another database's prefix its people would get new passwords."""
    found = connection.execute(
        text(
            "select d.datname from pg_catalog.pg_shdepend s join pg_catalog.pg_database d on d.oid = s.dbid"
            " where s.refclassid = 'pg_authid'::regclass and s.refobjid = to_regrole(:owner)"
            " and d.datname <> current_database()"
        ),
        {"owner": roles.owner},
    ).scalar()
    if found is not None:
        raise AlreadyExistsError(
            f"the role prefix {roles.prefix} belongs to database {found} of the same server",
            hint="flow db init --prefix names another",
        )


def _make_roles(connection: Connection, roles: Roles) -> None:
    wanted = {
        roles.owner: "nologin",
        roles.definer: "nologin bypassrls",
        roles.maker: "nologin createrole",
        **{roles.group(name): "nologin" for name in GROUPS},
    }
    present = set(connection.execute(text("select rolname from pg_catalog.pg_roles")).scalars())
    for name, attributes in wanted.items():
        connection.execute(text(f"{'alter' if name in present else 'create'} role {name} {attributes}"))
    for name in GROUPS:
        connection.execute(text(f"grant {roles.group(name)} to {roles.maker} with admin option"))
    # Who is deactivated is logged out.
    connection.execute(text(f"grant pg_signal_backend to {roles.maker}"))
    database = connection.dialect.identifier_preparer.quote_identifier(connection.engine.url.database or "")
    connection.execute(text(f"revoke all on database {database} from public"))
    everybody = ", ".join(roles.group(name) for name in GROUPS)
    connection.execute(text(f"grant connect on database {database} to {everybody}"))
    connection.execute(text("revoke create on schema public from public"))


# The functions that may make, close and group roles.
MAKERS = ("make_role", "close_login", "change_group")

OWNED_TABLES = """
select format('alter %s %I.%I owner to {owner}',
    case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end, n.nspname, c.relname)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('pyfi', 'ledger', 'access', 'agent') and c.relkind in ('r', 'p', 'v', 'S')
    and not exists (select from pg_catalog.pg_depend d where d.objid = c.oid and d.deptype = 'i' and c.relkind = 'S')
  order by c.relkind
"""
OWNED_FUNCTIONS = """
select format('alter function %s owner to %I', p.oid::regprocedure,
    case when p.proname = any (array{made}) then '{maker}' when p.prosecdef then '{definer}' else '{owner}' end)
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('pyfi', 'ledger', 'access', 'agent')
"""


def settle_owners(connection: Connection, roles: Roles) -> None:
    """Tables to the owner, definer functions to the definer: neither can log in."""
    # What is to be done at the commit (the audit's chain) would keep its tables from being altered.
    connection.execute(text("set constraints all immediate"))
    for schema in ("pyfi", "ledger", "access", "agent"):
        connection.execute(text(f"alter schema {schema} owner to {roles.owner}"))
    for query in (OWNED_TABLES, OWNED_FUNCTIONS):
        filled_in = query.format(owner=roles.owner, definer=roles.definer, maker=roles.maker, made=list(MAKERS))
        for statement in connection.exec_driver_sql(filled_in.replace("%", "%%")).scalars().all():
            connection.exec_driver_sql(statement)


def installed_roles(connection: Connection) -> Roles | None:
    """The roles that this database was initialised with, None when it was not."""
    if connection.execute(text("select to_regclass('pyfi.setting')")).scalar() is None:
        return None
    prefix = connection.execute(text("select value from pyfi.setting where key = 'role_prefix'")).scalar()
    return Roles(prefix) if prefix else None


def secured_tables(connection: Connection) -> list[str]:
    """Tables whose row-level security is enabled and forced."""
    return list(
        connection.execute(
            text(
                "select c.relname from pg_catalog.pg_class c where c.relnamespace = 'pyfi'::regnamespace"
                " and c.relkind in ('r', 'p') and c.relrowsecurity and c.relforcerowsecurity order by 1"
            )
        ).scalars()
    )


def init(
    url: DatabaseUrl, *, prefix: str, admin: str, password: str, salt: bytes, told: Callable[[str], None]
) -> DatabaseUrl:
    """Make the database, its roles, schema, default network and first administrator.

    Args: url: a superuser's. password: of the administrator; only its verifier (made with `salt`) leaves this process.
        told: gets the name of each table as its row-level security is found enabled and forced.
    Returns: the administrator's own URL.
    Raises: AlreadyExistsError: the database is initialised. ForbiddenError: not a superuser.
    """
    _make_database(url)
    roles = Roles(prefix)
    with connected(url) as connection:
        _require_superuser(connection)
        connection.execute(text(LOCK))
        if installed_roles(connection):
            raise AlreadyExistsError(
                f"database {url.database} is initialised already",
                hint="flow db migrate upgrades it, flow db rebuild starts anew, flow db admin renews the first login",
            )
        _refuse_others_prefix(connection, roles)
        _make_roles(connection, roles)
        connection.execute(text("create schema if not exists access"))
        command.upgrade(configured(connection, roles), "head")
        connection.execute(text("insert into pyfi.setting values ('role_prefix', :prefix)"), {"prefix": prefix})
        # First the owners: on Postgres 16 and newer only who made a role may change it, and that is to be the maker.
        settle_owners(connection, roles)
        login = _first_admin(connection, roles, admin, verifier(password, salt))
        for name in secured_tables(connection):
            told(name)
    return url.login(login, password)


def _first_admin(connection: Connection, roles: Roles, name: str, secret: str) -> str:
    login = roles.user(name)
    for group in ("flow_user", "flow_admin"):
        connection.execute(
            text("select access.make_role(:login, :group, :verifier)"),
            {"login": login, "group": roles.group(group), "verifier": secret},
        )
    user = connection.execute(
        text('insert into pyfi."user" (name, login, admin) values (:name, :login, true) returning id'),
        {"name": name, "login": login},
    ).scalar_one()
    connection.execute(
        text(
            "insert into pyfi.network (name, owner_id, description)"
            " values ('default', :user, 'meant when none is named')"
        ),
        {"user": user},
    )
    # What an ordinary user of the network is given at once: everything, with his own rows.
    connection.execute(
        text(
            "with made as (insert into pyfi.role (name, owner_id) values ('member', :user) returning id)"
            " insert into pyfi.privilege (role_id, \"right\", granted_by) select id, 'ALL', :user from made"
        ),
        {"user": user},
    )
    return login


def renew_admin(url: DatabaseUrl, *, name: str, password: str, salt: bytes) -> DatabaseUrl:
    """Give an administrator a new password, as superuser: the way back when his login was lost.

    Raises: NotFoundError: the database is not initialised, or it has no administrator of that name.
    """
    with connected(url) as connection:
        _require_superuser(connection)
        roles = _required(connection, url)
        found = connection.execute(text('select login from pyfi."user" where name = :name and admin'), {"name": name})
        login = found.scalar()
        if login is None:
            raise NotFoundError(f"there is no administrator {name}", hint="flow db init --admin names another")
        connection.execute(
            text("select access.make_role(:login, :group, :verifier)"),
            {"login": login, "group": roles.group("flow_admin"), "verifier": verifier(password, salt)},
        )
    return url.login(str(login), password)


def _required(connection: Connection, url: DatabaseUrl) -> Roles:
    roles = installed_roles(connection)
    if roles is None:
        raise NotFoundError(f"database {url.database} is not initialised", hint="flow db init")
    return roles


def migrate(url: DatabaseUrl) -> tuple[str | None, str]:
    """Upgrade to the newest revision; two at once wait for each other. Returns the revision before and after."""
    with connected(url) as connection:
        _require_superuser(connection)
        connection.execute(text(LOCK))
        roles = _required(connection, url)
        before = current(connection)
        _make_roles(connection, roles)
        command.upgrade(configured(connection, roles), "head")
        settle_owners(connection, roles)
        return before, current(connection) or ""


def current(connection: Connection) -> str | None:
    """The revision of the database."""
    return MigrationContext.configure(
        connection, opts={"version_table": "alembic_version", "version_table_schema": "access"}
    ).get_current_revision()


def newest() -> str:
    """The revision that this version of pyfi brings."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    head = ScriptDirectory.from_config(config).get_current_head()
    if head is None:
        raise InvalidError("the migrations have no head")
    return head


def drop(url: DatabaseUrl) -> None:
    """Drop the schemas of this database, and the installation's roles as far as no other database holds on to them.

    Raises: NotFoundError: the database is not initialised.
    """
    with connected(url) as connection:
        _require_superuser(connection)
        connection.execute(text(LOCK))
        roles = _required(connection, url)
        for schema in ("pyfi", "ledger", "agent", "access"):
            connection.execute(text(f"drop schema if exists {schema} cascade"))
        _drop_roles(connection, roles)


def _drop_roles(connection: Connection, roles: Roles) -> None:
    own = [roles.owner, roles.definer, roles.maker, *(roles.group(name) for name in GROUPS)]
    logins = connection.execute(
        text("select rolname from pg_catalog.pg_roles where rolname like :users or rolname like :services"),
        {"users": f"{roles.prefix}.%".replace("_", r"\_"), "services": f"{roles.prefix}:%".replace("_", r"\_")},
    ).scalars()
    quote = connection.dialect.identifier_preparer.quote_identifier
    for name in [*logins.all(), *own]:
        connection.exec_driver_sql(f"drop owned by {quote(name)}".replace("%", "%%"))
        statement = f"drop role {quote(name)}; exception when dependent_objects_still_exist then null"
        connection.exec_driver_sql(f"do $$ begin {statement}; end $$".replace("%", "%%"))
