"""Saved flows: files, their versions, and the flows drawn in them."""

from __future__ import annotations

import uuid

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pyfi.db.base import NAME_RULE, Base, Identified, InNetwork, reference


class File(InNetwork, Base):
    """A saved document in a folder."""

    __tablename__ = "file"
    __table_args__ = (UniqueConstraint("network_id", "owner_id", "path", "name"), NAME_RULE)

    path: Mapped[str] = mapped_column(server_default="", doc="its folder")
    type: Mapped[str] = mapped_column(doc="what it holds")


class Version(Identified, Base):
    """One saved state of a file."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("file_id", "number"),)

    file_id: Mapped[uuid.UUID] = mapped_column(reference("file", ondelete="CASCADE"), doc="of which file")
    number: Mapped[int] = mapped_column(doc="1 for the first")
    content: Mapped[str] = mapped_column(doc="the whole text")


class Flow(InNetwork, Base):
    """A drawing of processors, sockets and plugs, kept in a file."""

    __tablename__ = "flow"
    __table_args__ = (UniqueConstraint("network_id", "owner_id", "name"), NAME_RULE)

    file_id: Mapped[uuid.UUID | None] = mapped_column(
        reference("file", ondelete="SET NULL"), index=True, doc="where its drawing is kept"
    )
