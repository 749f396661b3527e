"""Alembic's environment: pyfi.db.migrate hands over an open connection and the names of the roles."""

from __future__ import annotations

from alembic import context

import pyfi.db.tables  # noqa: F401 # fills the metadata
from pyfi.db.base import SCHEMA, Base

config = context.config


def ours(name: str | None, type_: str, parent: object) -> bool:
    """Whether alembic compares that schema."""
    return type_ != "schema" or name == SCHEMA


def run() -> None:
    """Migrate on the connection that pyfi.db.migrate opened as the owner."""
    connection = config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_schemas=True,
        include_name=ours,
        version_table="alembic_version",
        version_table_schema="access",
        compare_type=True,
        compare_server_default=False,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
