"""A machine joins: its node and the logins of its agent and workers. Passwords leave this process as verifiers only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from pyfi.core.names import DEFAULT_NETWORK, checked_name
from pyfi.core.scram import verifier
from pyfi.core.urls import DatabaseUrl, parse_database
from pyfi.db.nodes import is_node
from pyfi.db.rows import opened
from pyfi.db.session import Database
from pyfi.errors import ForbiddenError


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLogins:
    """Where the agent and its workers log in; both URLs hold passwords."""

    agent: DatabaseUrl = field(repr=False)
    worker: DatabaseUrl = field(repr=False)


def enroll(database: Database, name: str, *, hostname: str, network: str | None = None) -> NodeLogins:
    """Make the node, or give it new logins: those it had are refused from now on.

    Raises: ForbiddenError: it takes START_AGENT. NotFoundError: the network.
    """
    checked_name("node", name)
    agent_password, worker_password = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    with opened(database) as rows:
        rows.require("START_AGENT")
        made = rows.enroll_node(
            name,
            hostname,
            network or DEFAULT_NETWORK,
            verifier(agent_password, secrets.token_bytes(16)),
            verifier(worker_password, secrets.token_bytes(16)),
        )
    return NodeLogins(
        agent=database.url.login(made["login"], agent_password),
        worker=database.url.login(made["worker_login"], worker_password),
    )


def still_enrolled(kept: str, place: str) -> bool:
    """Whether the node's login `kept` (a libpq URL) is one of the database at `place` and works there.

    Raises: UnavailableError: the database does not answer, so nothing is known.
    """
    url = parse_database(kept)
    if url.place != place:
        return False
    try:
        return is_node(url)
    except ForbiddenError:
        return False
