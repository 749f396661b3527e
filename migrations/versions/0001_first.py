"""The first schema: tables, ledger, agents' functions, rights.

Purpose: everything. Lock: none, the schemas are new. Time: well below a second. Undo: downgrade drops the schemas.
The SQL is written out in migrations/sql/0001, so that it never follows a later change of the models.

Revision: 0001. After: nothing.
"""

from __future__ import annotations

from pathlib import Path

from alembic import context, op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql" / "0001"


def upgrade() -> None:
    """Make the schemas and run the files in the order of their names."""
    fill = context.config.attributes["fill"]
    # The driver's own cursor: the files hold % signs and no parameters.
    with op.get_bind().connection.cursor() as cursor:
        for schema in ("pyfi", "ledger", "agent"):
            cursor.execute(f"create schema {schema}")
        cursor.execute("set local check_function_bodies = off")
        for path in sorted(SQL.glob("*.sql")):
            cursor.execute(fill(path.read_text(encoding="utf-8")))


def downgrade() -> None:
    """Drop what upgrade made; `access` stays, it holds alembic's version."""
    connection = op.get_bind()
    for schema in ("pyfi", "ledger", "agent"):
        connection.exec_driver_sql(f"drop schema {schema} cascade")
    connection.exec_driver_sql(
        "do $$ declare f record; begin for f in select p.oid::regprocedure as s from pg_proc p"
        " join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'access' loop"
        " execute 'drop function ' || f.s || ' cascade'; end loop; end $$"
    )
