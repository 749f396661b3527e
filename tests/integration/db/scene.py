"""Who acts in the tests: an administrator, two tenants, two nodes with agents and workers, a superuser who looks."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 # a class of the driver's
from psycopg2.extras import register_uuid

from pyfi.core.faults import error_for
from pyfi.core.scram import verifier
from pyfi.core.urls import DatabaseUrl
from pyfi.db.roles import Roles
from pyfi.errors import PyfiError

PASSWORD = "canary of the tests"

RESET = """
do $$ declare t text; begin
  set local session_replication_role = replica;
  for t in select tablename from pg_tables where schemaname = 'kept' loop
    execute format('delete from pyfi.%I', t);
    execute format('insert into pyfi.%I overriding system value table kept.%I', t, t);
  end loop;
  update pyfi.node set lease_until = now() + interval '1 hour';
end $$
"""
register_uuid()


class Login:
    """One role's connection, autocommit. Errors are pyfi's, as the rooms above get them."""

    def __init__(self, url: DatabaseUrl) -> None:
        self.url = url
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """Connects when first asked."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg2.connect(self.url.libpq(), application_name="pyfi test")
            self._connection.autocommit = True
        return self._connection

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement; empty when it gives none."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return list(cursor.fetchall()) if cursor.description else []
        except psycopg2.Error as error:
            raise refusal(error) from error

    def one(self, statement: str, *values: object) -> Any:
        """The only column of the only row."""
        ((value,),) = self.ask(statement, *values)
        return value

    def count(self, statement: str, *values: object) -> int:
        """How many rows a statement touched."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return int(cursor.rowcount)
        except psycopg2.Error as error:
            raise refusal(error) from error

    def is_fresh(self) -> bool:
        """Forget the session's settings; False: it is not connected, or within a transaction."""
        connection = self._connection
        if connection is None or connection.closed or not connection.autocommit:
            return False
        try:
            self.ask("discard all")
        except PyfiError:
            return False
        connection.notifies.clear()
        return True

    def another(self) -> Login:
        """A second connection of the same role."""
        return Login(self.url)

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def refusal(error: psycopg2.Error) -> PyfiError:
    """The same mapping as pyfi.db.faults makes."""
    return error_for(
        error.pgcode or "", error.diag.message_primary or str(error), constraint=error.diag.constraint_name or ""
    )


@dataclass(slots=True, kw_only=True)
class Scene:
    """A database and its people. Logins connect when first used."""

    superuser_url: DatabaseUrl = field(repr=False)
    roles: Roles
    server: str
    _logins: dict[str, Login] = field(default_factory=dict)

    def login(self, role: str) -> Login:
        """By the role's name without the prefix: `.ann`, `:node:n1`."""
        if role not in self._logins:
            self._logins[role] = Login(self.superuser_url.login(self.roles.prefix + role, PASSWORD))
        return self._logins[role]

    @property
    def superuser(self) -> Login:
        """Sees what really is. Only to look, and to play fate."""
        return self._logins.setdefault("", Login(self.superuser_url))

    @property
    def admin(self) -> Login:
        """The first administrator."""
        return self.login(".admin")

    @property
    def ann(self) -> Login:
        """A tenant."""
        return self.login(".ann")

    @property
    def bob(self) -> Login:
        """Another tenant."""
        return self.login(".bob")

    def agent(self, node: str = "n1") -> Login:
        """The login of a node's agent."""
        return self.login(f":node:{node}")

    def worker(self, node: str = "n1") -> Login:
        """The login of a node's workers."""
        return self.login(f":worker:{node}")

    def reset(self) -> None:
        """Every table as the template was furnished, every connection as new; strays of a failed test are cut."""
        own = []
        for name, login in self._logins.items():
            if login.is_fresh():
                own.append(login.connection.info.backend_pid)
            elif name:
                login.close()
        self.superuser.ask(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
            " and backend_type = 'client backend' and pid <> all (%s) and pid <> pg_backend_pid()",
            own,
        )
        self.superuser.ask(RESET)

    def close(self) -> None:
        """Disconnect everybody."""
        for login in self._logins.values():
            login.close()

    def setting(self, key: str, value: str) -> None:
        """Change a setting of the installation."""
        self.admin.ask(
            "insert into pyfi.setting (key, value) values (%s, %s)"
            " on conflict (key) do update set value = excluded.value",
            key,
            value,
        )

    def call(self, id_: UUID) -> dict[str, Any]:
        """A call as it stands, JSON columns as text."""
        row, *texts = self.superuser.ask(
            "select to_json(c)::text, args::text, result::text, error::text, output::text"
            " from pyfi.call c where id = %s",
            id_,
        )[0]
        found: dict[str, Any] = json.loads(row)
        return found | dict(zip(("args", "result", "error", "output"), texts, strict=True))

    def children(self, id_: UUID) -> list[dict[str, Any]]:
        """The calls that a call made, by the name of their socket."""
        found = self.superuser.ask("select id from pyfi.call where parent_id = %s order by name, id", id_)
        return [self.call(child) for (child,) in found]


def furnish(scene: Scene) -> None:
    """What every test finds: the tenants ann and bob, the nodes n1 and n2 with live agents."""
    for name in ("ann", "bob"):
        scene.admin.ask("select access.create_user(%s, null, %s, false, '{member}')", name, fresh_verifier())
    for name in ("n1", "n2"):
        scene.admin.ask(
            "select access.enroll_node(%s, %s, 'default', %s, %s)",
            name,
            f"host-{name}",
            fresh_verifier(),
            fresh_verifier(),
        )
        scene.agent(name).ask("select agent.register(%s, %s, 4, '{}')", name, f"host-{name}")


def fresh_verifier() -> str:
    """Of the one password of all test logins."""
    return verifier(PASSWORD, secrets.token_bytes(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A processor with one socket of each task, on a queue of the processor's name."""

    processor: UUID
    queue: UUID
    sockets: dict[str, UUID]


def network_of(login: Login, name: str = "default") -> UUID:
    """The id of a network that the login sees."""
    return UUID(str(login.one("select id from pyfi.network where name = %s", name)))


def add_processor(login: Login, name: str, *, retries: int = 0, concurrency: int | None = None) -> UUID:
    """A processor in the default network."""
    return UUID(
        str(
            login.one(
                'insert into pyfi.processor (name, network_id, gitrepo, "commit", module, retries, concurrency)'
                " values (%s, %s, 'https://example.org/code', %s, 'code', %s, %s) returning id",
                name,
                network_of(login),
                "0" * 40,
                retries,
                concurrency,
            )
        )
    )


def add_queue(login: Login, name: str, kind: str = "direct") -> UUID:
    """A queue in the default network."""
    return UUID(
        str(
            login.one(
                "insert into pyfi.queue (name, network_id, type) values (%s, %s, %s) returning id",
                name,
                network_of(login),
                kind,
            )
        )
    )


def add_socket(login: Login, processor: UUID, queue: UUID, task: str) -> UUID:
    """A socket of that task, of the task's name."""
    made = login.one("insert into pyfi.task (processor_id, name) values (%s, %s) returning id", processor, task)
    return UUID(
        str(
            login.one(
                "insert into pyfi.socket (name, processor_id, queue_id, task_id) values (%s, %s, %s, %s) returning id",
                task,
                processor,
                queue,
                made,
            )
        )
    )


def add_part(login: Login, name: str, *tasks: str, retries: int = 0) -> Part:
    """A processor, its queue and its sockets."""
    processor, queue = add_processor(login, name, retries=retries), add_queue(login, name)
    sockets = {task: add_socket(login, processor, queue, task) for task in tasks}
    return Part(processor=processor, queue=queue, sockets=sockets)


def add_plug(
    login: Login, name: str, source: UUID, target: UUID, queue: UUID, kind: str = "RESULT", argument: str | None = None
) -> UUID:
    """An edge from source to target."""
    return UUID(
        str(
            login.one(
                "insert into pyfi.plug (name, source_id, target_id, queue_id, type, argument)"
                " values (%s, %s, %s, %s, %s, %s) returning id",
                name,
                source,
                target,
                queue,
                kind,
                argument,
            )
        )
    )


def arguments(*values: object) -> str:
    """The text that submit takes."""
    return json.dumps({"args": values, "kwargs": {}})
