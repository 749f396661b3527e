"""Large values. Only the ledger's functions write and read them (`ledger.read_payload`): no login role may."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from pyfi.db.base import Base, reference


class Payload(Base):
    """An argument document or a result that is too long for its call's row: the bytes of JSON text in pieces."""

    __tablename__ = "payload"
    __table_args__ = (Index("payload_unused_idx", "written", postgresql_where=text("not used")),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, doc="what a call names")
    root_id: Mapped[uuid.UUID | None] = mapped_column(
        index=True, doc="the first call of its flow: with the last call of that it goes; none before a submit"
    )
    owner_id: Mapped[uuid.UUID | None] = mapped_column(doc="who uploaded it")
    call_id: Mapped[uuid.UUID | None] = mapped_column(doc="the call whose worker wrote it")
    claim: Mapped[int | None] = mapped_column(BigInteger, doc="the claim under which it did")
    length: Mapped[int] = mapped_column("bytes", BigInteger, server_default=text("0"), doc="its length so far")
    used: Mapped[bool] = mapped_column(
        server_default=text("false"), doc="a call or another payload has it: it is final"
    )
    written: Mapped[datetime] = mapped_column(server_default=func.now(), doc="when its last piece came")


class Piece(Base):
    """A part of a payload: bytes of its own, or all of another payload of the same flow."""

    __tablename__ = "piece"
    __table_args__ = (CheckConstraint("(data is null) <> (source_id is null)", name="data"),)

    payload_id: Mapped[uuid.UUID] = mapped_column(
        reference("payload", ondelete="CASCADE"), primary_key=True, doc="of which payload"
    )
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, doc="its first byte there")
    length: Mapped[int] = mapped_column("bytes", BigInteger, doc="its length")
    data: Mapped[bytes | None] = mapped_column(LargeBinary, doc="its bytes")
    source_id: Mapped[uuid.UUID | None] = mapped_column(doc="instead of bytes: the payload that stands here")
