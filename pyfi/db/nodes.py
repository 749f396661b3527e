"""What a node's own login can be asked."""

from __future__ import annotations

from sqlalchemy import text

from pyfi.core.urls import DatabaseUrl
from pyfi.db.session import Database


def join(url: DatabaseUrl, hostname: str, node_verifier: str, worker_verifier: str) -> dict[str, str]:
    """Log in with a token and become its node; gives name, network, login, worker_login.

    Raises: ForbiddenError: it was used, revoked or is over. DatabaseUnavailableError.
    """
    database = Database(url)
    try:
        with database.session() as session:
            found: dict[str, str] = session.execute(
                text("select access.join_node(:hostname, :node, :worker)"),
                {"hostname": hostname, "node": node_verifier, "worker": worker_verifier},
            ).scalar_one()
            return found
    finally:
        database.close()


def is_node(url: DatabaseUrl) -> bool:
    """Log in and ask what only a node may.

    Raises: ForbiddenError: the login is refused, or is no node's. DatabaseUnavailableError.
    """
    database = Database(url)
    try:
        with database.session() as session:
            session.execute(text("select agent.offers()"))
    finally:
        database.close()
    return True
