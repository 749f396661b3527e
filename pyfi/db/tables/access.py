"""Who may do what: users, roles, privileges, logins, secrets."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from pyfi.db.base import NAME_RULE, Base, Identified, InNetwork, Owned, one_of, reference


class User(Identified, Base):
    """A person. `login` is the Postgres role that he logs in as; no column ever holds a password."""

    __tablename__ = "user"
    __table_args__ = (UniqueConstraint("name"), UniqueConstraint("login"), NAME_RULE)

    name: Mapped[str] = mapped_column(doc="what people call him")
    login: Mapped[str] = mapped_column(doc="his Postgres role: prefix, dot, name")
    email: Mapped[str | None] = mapped_column(doc="for people")
    admin: Mapped[bool] = mapped_column(server_default=text("false"), doc="sees and writes everybody's rows")
    active: Mapped[bool] = mapped_column(server_default=text("true"), doc="false: his login is nobody any more")


class Role(Owned, Base):
    """A named set of rights that users may be given."""

    __tablename__ = "role"
    __table_args__ = (UniqueConstraint("name"), NAME_RULE)


class UserRole(Base):
    """A role that a user has."""

    __tablename__ = "user_role"

    user_id: Mapped[uuid.UUID] = mapped_column(
        reference("user", ondelete="CASCADE"), primary_key=True, doc="who has it"
    )
    role_id: Mapped[uuid.UUID] = mapped_column(
        reference("role", ondelete="CASCADE"), primary_key=True, index=True, doc="what he has"
    )
    created: Mapped[datetime] = mapped_column(server_default=func.now(), doc="since when")


class Member(Base):
    """A user who shares a network with its owner."""

    __tablename__ = "member"

    network_id: Mapped[uuid.UUID] = mapped_column(
        reference("network", ondelete="CASCADE"), primary_key=True, doc="which network"
    )
    user_id: Mapped[uuid.UUID] = mapped_column(
        reference("user", ondelete="CASCADE"), primary_key=True, index=True, doc="who is a member"
    )
    added_by: Mapped[uuid.UUID] = mapped_column(
        reference("user"), server_default=text("access.me()"), index=True, doc="who let him in"
    )
    created: Mapped[datetime] = mapped_column(server_default=func.now(), doc="since when")


class Privilege(Identified, Base):
    """A right given to a user or to a role, or taken from a user."""

    __tablename__ = "privilege"
    __table_args__ = (
        CheckConstraint("(user_id is null) <> (role_id is null)", name="holder"),
        one_of("scope", "own", "network", "all"),
        Index("privilege_user_key", "user_id", "right", unique=True, postgresql_where=text("user_id is not null")),
        Index("privilege_role_key", "role_id", "right", unique=True, postgresql_where=text("role_id is not null")),
    )

    user_id: Mapped[uuid.UUID | None] = mapped_column(
        reference("user", ondelete="CASCADE"), doc="whose right it is, or"
    )
    role_id: Mapped[uuid.UUID | None] = mapped_column(reference("role", ondelete="CASCADE"), doc="which role's")
    right: Mapped[str] = mapped_column(doc="the right's word")
    scope: Mapped[str] = mapped_column(server_default="own", doc="on which rows")
    revoked: Mapped[bool] = mapped_column(server_default=text("false"), doc="taken away, whatever roles give")
    granted_by: Mapped[uuid.UUID] = mapped_column(
        reference("user"), server_default=text("access.me()"), index=True, doc="who gave it"
    )


class Login(Base):
    """A user logged in to the command line."""

    __tablename__ = "login"
    # Everybody writes it, whatever his rights.
    __table_args__ = (CheckConstraint("length(program) <= 200", name="program"),)

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid(), doc="what other rows refer to"
    )
    user_id: Mapped[uuid.UUID] = mapped_column(
        reference("user", ondelete="CASCADE"), server_default=text("access.me()"), index=True, doc="who"
    )
    program: Mapped[str | None] = mapped_column(doc="with what")
    address: Mapped[str | None] = mapped_column(
        server_default=text("host(inet_client_addr())"), doc="from where; none over a socket of the machine"
    )
    at: Mapped[datetime] = mapped_column(server_default=func.now(), doc="when")


class Audit(Base):
    """One change that somebody made: written by triggers, never changed, chained by hashes."""

    __tablename__ = "audit"
    __table_args__ = (UniqueConstraint("number"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True, doc="rises")
    number: Mapped[int | None] = mapped_column(BigInteger, doc="its place in the chain; none until the commit")
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), index=True, doc="when")
    login: Mapped[str] = mapped_column(doc="the Postgres role that did it")
    user_id: Mapped[uuid.UUID | None] = mapped_column(doc="the user whose login it is; none for a node's")
    program: Mapped[str] = mapped_column(doc="`application_name` of the connection")
    client: Mapped[str] = mapped_column(doc="the address it came from; empty on the server's own socket")
    verb: Mapped[str] = mapped_column(doc="`insert`, `update`, `delete`, or the name of a verb on something else")
    kind: Mapped[str] = mapped_column(doc="the table")
    row_id: Mapped[uuid.UUID | None] = mapped_column(index=True, doc="the row, where it has an id")
    name: Mapped[str] = mapped_column(doc="the row's name then")
    owner_id: Mapped[uuid.UUID | None] = mapped_column(doc="the row's owner, where it has one")
    before: Mapped[Any | None] = mapped_column(JSONB, doc="what was there; of an update the changed columns")
    after: Mapped[Any | None] = mapped_column(
        JSONB, doc="what is there; secrets and contents are told by a few digits of a hash"
    )
    hash: Mapped[bytes | None] = mapped_column(LargeBinary, doc="SHA-256 over the hash before and this row")


class AuditHead(Base):
    """The end of the audit's chain: one row, so that a cut is seen."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("single", name="single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, doc="true: there is one row")
    number: Mapped[int] = mapped_column(BigInteger, doc="the last entry's")
    hash: Mapped[bytes] = mapped_column(LargeBinary, doc="the last entry's")


class Secret(InNetwork, Base):
    """An encrypted value; the key is outside the database."""

    __tablename__ = "secret"
    __table_args__ = (UniqueConstraint("network_id", "owner_id", "name"), NAME_RULE)

    key_id: Mapped[str] = mapped_column(doc="which key it is encrypted with")
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary, doc="the encrypted value")
    changed: Mapped[datetime] = mapped_column(server_default=func.now(), doc="when its value was last set")
