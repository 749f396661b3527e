"""The declarative base, the naming convention and what most tables share."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, MetaData, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

SCHEMA = "pyfi"

NAMING = {
    "pk": "%(table_name)s_pk",
    "fk": "%(table_name)s_%(column_0_N_name)s_fk",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


class Base(DeclarativeBase):
    """Every table of the meta-model and of the ledger."""

    metadata = MetaData(schema=SCHEMA, naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 # SQLAlchemy reads it from the class
        str: Text,
        datetime: TIMESTAMP(timezone=True),
        uuid.UUID: Uuid(as_uuid=True),
    }


def one_of(column: str, *words: str) -> CheckConstraint:
    """A CHECK that `column` is one of `words` (text and CHECK instead of an enum keep migrations simple)."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} in ({listed})", name=column)


def reference(target: str, *, ondelete: str | None = None) -> Any:
    """A foreign key to `table.id` in our schema."""
    return ForeignKey(f"{SCHEMA}.{target}.id", ondelete=ondelete)


class Identified:
    """`id` (uuid, made by the database) and the two times."""

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=func.gen_random_uuid(), sort_order=-10, doc="what other rows refer to"
    )
    created: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=90, doc="when it was made")
    updated: Mapped[datetime] = mapped_column(
        server_default=func.now(), sort_order=91, doc="when it was last written, by a trigger"
    )


class Owned(Identified):
    """A named row of one owner. The owner is set by the database and never changes."""

    name: Mapped[str] = mapped_column(sort_order=-9, doc="what people call it; can be changed")

    @declared_attr
    def owner_id(cls) -> Mapped[uuid.UUID]:  # noqa: N805 # SQLAlchemy's declared_attr
        """Whose row it is."""
        return mapped_column(
            reference("user"),
            server_default=text("access.me()"),
            index=True,
            sort_order=-8,
            doc="who made it; never changes",
        )


class InNetwork(Owned):
    """A row that belongs to a network."""

    @declared_attr
    def network_id(cls) -> Mapped[uuid.UUID]:  # noqa: N805
        """The network it belongs to."""
        return mapped_column(reference("network"), index=True, sort_order=-7, doc="the network it belongs to")


NAME_RULE = CheckConstraint("name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')", name="name")
