"""Everything that a login may read, as one document."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from pyfi.core.rights import CODE_COLUMNS, CONFIG_COLUMNS
from pyfi.db.base import SCHEMA, Base
from pyfi.db.views import VIEWS

DETAIL = CODE_COLUMNS + CONFIG_COLUMNS
# Encrypted, but still nothing to carry about. What of a processor needs a right of its own is asked for apart.
LEFT_OUT = {"secret": {"ciphertext"}, "processor": {*DETAIL}, "audit": {"before", "after", "hash"}}
# Nobody reads them but by ledger.read_payload.
UNREADABLE = {"payload", "piece"}


def document(session: Session) -> dict[str, list[dict[str, Any]]]:
    """table -> rows, in the order of what refers to what."""
    tables = [table for table in Base.metadata.sorted_tables if table.schema == SCHEMA and table.name not in UNREADABLE]
    found = {
        table.name: [
            dict(row)
            for row in session.execute(
                select(*(c for c in table.c if c.name not in LEFT_OUT.get(table.name, ()))).order_by(
                    *table.primary_key.columns
                )
            ).mappings()
        ]
        for table in tables
    }
    view = VIEWS["processor"].subquery()
    details = {row["id"]: dict(row) for row in session.execute(select(view)).mappings()}
    for row in found["processor"]:
        row |= {name: details.get(row["id"], {}).get(name) for name in DETAIL}
    told = text("select a.id, d.before, d.after, d.hash from pyfi.audit a, access.audit_detail(a.id) d")
    changes = {
        id_: {"before": before, "after": after, "hash": hash_} for id_, before, after, hash_ in session.execute(told)
    }
    for row in found["audit"]:
        row |= changes[row["id"]]
    return found
