"""The rows of the meta-model as one login sees them, inside one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from pyfi.core import rights
from pyfi.db.faults import mapping, refused_by
from pyfi.db.session import Database
from pyfi.db.tables import (
    Agent,
    Deployment,
    Network,
    Node,
    Plug,
    Processor,
    Queue,
    Role,
    Secret,
    Setting,
    Socket,
    Task,
)
from pyfi.db.views import VIEWS
from pyfi.errors import ForbiddenError

Row = dict[str, Any]

TABLES: dict[str, Any] = {
    "network": Network,
    "node": Node,
    "agent": Agent,
    "queue": Queue,
    "processor": Processor,
    "socket": Socket,
    "plug": Plug,
    "deployment": Deployment,
    "task": Task,
    "role": Role,
    "secret": Secret,
}


POLICY = "42501"
SHOWS = "flow ls user --effective shows what you have"


def forbidden(verb: str, kind: str, right: str) -> ForbiddenError:
    """What a policy did, in words. It only hides rows from an update: silence would look like success."""
    return ForbiddenError(
        f"you may not {verb} this {kind}: your right {rights.shown(right)} does not reach it"
        + (", or what it refers to" if verb != "delete" else ""),
        hint=SHOWS,
    )


class Rows:
    """Read and write by kind. Reads give plain dicts whose keys are the JSON of `flow ls -o json`."""

    def __init__(self, session: Session) -> None:
        """`session` is an open transaction of a login."""
        self.session = session

    def find(self, kind: str, **where: object) -> list[Row]:
        """All rows of a kind, by name; `where` compares columns, a list or tuple means any of its values."""
        view = VIEWS[kind].subquery()
        query = select(view).order_by(view.c.name, view.c.created)
        for key, value in where.items():
            column = view.c[key]
            query = query.where(column.in_(value) if isinstance(value, list | tuple) else column == value)
        return [dict(row) for row in self.session.execute(query).mappings()]

    def add(self, kind: str, values: Mapping[str, object]) -> Row:
        """Insert and read it back."""
        table = TABLES[kind]
        right = rights.needed("add", kind)
        self.require(right)
        given = {key: value for key, value in values.items() if value is not None}
        try:
            with mapping():
                made: UUID = self.session.execute(insert(table).values(given).returning(table.id)).scalar_one()
        except ForbiddenError as error:
            if refused_by(error) != POLICY:
                raise
            raise forbidden("add", kind, right) from error
        return self.find(kind, id=made)[0]

    def change(self, kind: str, id: UUID, values: Mapping[str, object], *, right: str = "") -> Row:  # noqa: A002 # the column's name
        """Update the named columns and read it back. right: what it takes where the columns do not say."""
        table = TABLES[kind]
        if values:
            wanted = [right or rights.needed("change", kind)]
            if kind == "processor":
                now = self.find(kind, id=id)
                wanted = rights.to_change_processor(values, now[0] if now else {}) or wanted
            for right in wanted:
                self.require(right)
            done = self.session.execute(update(table).where(table.id == id).values(dict(values)).returning(table.id))
            if len(done.all()) != 1:
                raise forbidden("change", kind, wanted[0])
        return self.find(kind, id=id)[0]

    def restart(self, processor_id: UUID, requested_status: str) -> None:
        """Ask for new workers, whatever the present ones do."""
        self.require("START_PROCESSOR")
        done = self.session.execute(
            update(Processor)
            .where(Processor.id == processor_id)
            .values(requested_status=requested_status, restart_token=Processor.restart_token + 1)
            .returning(Processor.id)
        )
        if len(done.all()) != 1:
            raise forbidden("change", "processor", "START_PROCESSOR")

    def delete(self, kind: str, ids: list[UUID]) -> None:
        """Delete by id."""
        table = TABLES[kind]
        right = rights.needed("delete", kind)
        self.require(right)
        done = self.session.execute(delete(table).where(table.id.in_(ids)).returning(table.id))
        if len(done.all()) != len(ids):
            raise forbidden("delete", kind, right)

    def socket_queue(self, processor_id: UUID) -> UUID:
        """The queue of the processor's name, made when there is none; it takes ADD_SOCKET, not ADD_QUEUE."""
        found: UUID = self.session.execute(text("select access.socket_queue(:id)"), {"id": processor_id}).scalar_one()
        return found

    def scope(self, right: str) -> str | None:
        """own, network or all; None when the login does not hold the right."""
        found: str | None = self.session.execute(text("select access.scope(:right)"), {"right": right}).scalar_one()
        return found

    def require(self, right: str) -> None:
        """Hold the right at any scope; on which rows, the policies say.

        Raises: ForbiddenError: it names the right.
        """
        if self.scope(right) is None:
            me = self.me()
            name = me["name"] or me["login"]
            first = rights.ANY_OF.get(right, (right,))[0]
            raise ForbiddenError(
                f"{name} lacks the right {rights.shown(right)}",
                hint=f"who may give it: flow add privilege -u {name} -n {first}",
            )

    def me(self) -> Row:
        """Who is logged in: login (the Postgres role), name, admin; name is None when he is no user of pyfi."""
        role, id_ = self.session.execute(text("select current_user::text, access.me()")).one()
        found = self.find("user", id=id_) if id_ else []
        return {"login": role, "name": found[0]["name"] if found else None, "admin": bool(found and found[0]["admin"])}

    def setting(self, key: str) -> str | None:
        """A value of this installation."""
        return self.session.execute(select(Setting.value).where(Setting.key == key)).scalar()

    def live_agents(self, network: str) -> int:
        """Agents of a network whose lease runs."""
        query = (
            select(func.count())
            .select_from(Node)
            .join(Network, Network.id == Node.network_id)
            .where(Network.name == network, Node.lease_until > func.now(), Node.status == "running")
        )
        return int(self.session.execute(query).scalar_one())

    def put_setting(self, key: str, value: str) -> None:
        """Set a value of this installation; an administrator's right."""
        self.session.execute(
            text(
                "insert into pyfi.setting (key, value) values (:key, :value)"
                " on conflict (key) do update set value = excluded.value, updated = now()"
            ),
            {"key": key, "value": value},
        )

    def sealed(self, id: UUID) -> bytes:  # noqa: A002 # the column's name
        """A secret's sealed value, for its owner and administrators."""
        return bytes(self.session.execute(text("select access.sealed(:id)"), {"id": id}).scalar_one())

    def change_secret(self, id: UUID, *, key_id: str, ciphertext: bytes, same: bool = False) -> Row:  # noqa: A002
        """Write a secret's sealed value. `same`: it is the same value under another key."""
        values = {"key_id": key_id, "ciphertext": ciphertext}
        return self.change("secret", id, values if same else values | {"changed": func.now()})

    def drop_setting(self, key: str) -> None:
        """Forget a value of this installation; an administrator's right."""
        self.session.execute(delete(Setting).where(Setting.key == key))

    def offer_node(self, name: str, network: str, verifier: str, seconds: int) -> str:
        """Make a node and the login that may join as it; gives that login."""
        values = {"name": name, "network": network, "verifier": verifier, "seconds": seconds}
        made = text("select access.offer_node(:name, :network, :verifier, :seconds)")
        return str(self.session.execute(made, values).scalar_one())

    def revoke_node(self, name: str, network: str) -> None:
        """Make a node's logins nobody's."""
        self.session.execute(text("select access.revoke_node(:name, :network)"), {"name": name, "network": network})

    def enroll_node(
        self, name: str, hostname: str, network: str, node_verifier: str, worker_verifier: str
    ) -> dict[str, str]:
        """Make or renew a node and the logins of its processes; gives node_id, login, worker_login."""
        found: dict[str, str] = self.session.execute(
            text("select access.enroll_node(:name, :hostname, :network, :node, :worker)"),
            {
                "name": name,
                "hostname": hostname,
                "network": network,
                "node": node_verifier,
                "worker": worker_verifier,
            },
        ).scalar_one()
        return found


@contextmanager
def opened(database: Database) -> Iterator[Rows]:
    """One transaction of `database`."""
    with database.session() as session:
        yield Rows(session)
