"""Being a node: enrolled once, then agent, relay and sweeper in one process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pyfi import logs
from pyfi import settings as files
from pyfi.agent import credentials, wiring
from pyfi.agent.confine import wanted
from pyfi.agent.credentials import NodeCredentials
from pyfi.agent.folders import NodeFolder
from pyfi.control import nodes, tokens
from pyfi.control.login import configured, open_database
from pyfi.control.tokens import Token
from pyfi.core.urls import parse_database
from pyfi.errors import InvalidError, NotConfiguredError, PyfiError
from pyfi.ledger.relay import Relay
from pyfi.ledger.sweep import Sweeper
from pyfi.node import main as node
from pyfi.settings import Settings


def enrolled(settings: Settings, name: str, network: str | None = None) -> NodeCredentials:
    """How the node's processes log in. The logins it has are kept while they work, so that workers that outlived
    an agent keep theirs.

    Raises: NotConfiguredError, ForbiddenError: only an administrator enrols nodes. UnavailableError.
    """
    path = NodeFolder.of(settings.home, name).credentials
    if not settings.db and path.exists():
        # Enrolled by a token: the machine knows no more of the database than its own logins.
        known = credentials.read(path)
        settings = replace(settings, db=without_login(known.database), broker=settings.broker or known.broker)
    if not settings.broker:
        raise NotConfiguredError("no message broker is configured", hint="flow --config or FLOW_BROKER names one")
    place = configured(settings).place
    try:
        kept = credentials.read(path)
        urls = (kept.database, kept.worker_database) if nodes.still_enrolled(kept.database, place) else None
    except PyfiError as error:
        if path.exists() and error.code == "database_unavailable":
            raise
        urls = None
    if urls is None:
        database = open_database(settings)
        try:
            logins = nodes.enroll(database, name, hostname=files.hostname(), network=network)
        finally:
            database.close()
        urls = (logins.agent.libpq(), logins.worker.libpq())
    made = credentials.NodeCredentials(
        database=urls[0], worker_database=urls[1], broker=settings.broker, backend=settings.backend
    )
    credentials.write(path, made)
    return made


def without_login(url: str) -> str:
    """Where the database is, as nobody."""
    return parse_database(url).login("", "").libpq()


def joined(settings: Settings, token: Token) -> None:
    """Become the node that the token is for; its logins are kept on this machine.

    Raises: ForbiddenError: it was used, revoked or is over. NotConfiguredError: neither it nor we know a broker.
    """
    broker = settings.broker or token.broker
    if not broker:
        raise NotConfiguredError("no message broker is configured", hint="FLOW_BROKER or -r names one")
    wiring.hold(settings.home, token.name).release()
    logins = tokens.redeem(token, hostname=files.hostname())
    made = credentials.NodeCredentials(
        database=logins.agent.libpq(), worker_database=logins.worker.libpq(), broker=broker, backend=settings.backend
    )
    credentials.write(NodeFolder.of(settings.home, token.name).credentials, made)


def serve(
    settings: Settings,
    name: str | None,
    *,
    cpus: int | None = None,
    port: int | None = None,
    network: str | None = None,
    sandbox: int | None = None,
    user: str | None = None,
    token: str | None = None,
    on_ready: Callable[[str], None] = lambda _name: None,
) -> None:
    """Be this machine's agent, with relay and sweeper beside it, until told to stop. Called in the main thread.

    Args: sandbox, user: see confine.wanted. token: become the node that it is for, first.

    Raises: NotConfiguredError, ForbiddenError, InvalidError, UnavailableError. ConflictError: there is another agent of
        that name.
    """
    confined = wanted(sandbox, user)
    if token is not None:
        offered = Token.from_text(token)
        if name not in {None, offered.name}:
            raise InvalidError(f"the token is for node {offered.name}, not for {name}", hint="leave -n out")
        joined(settings, offered)
        settings = replace(settings, db=without_login(offered.database), broker=settings.broker or offered.broker)
        name = offered.name
    name = name or files.hostname()
    # Before new logins are made: another agent's would stop working.
    wiring.hold(settings.home, name).release()
    logins = enrolled(settings, name, network)
    logs.setup()
    companions = (Relay(logins.database, logins.broker), Sweeper(logins.database, logins.broker))
    node.run(
        settings,
        name=name,
        cpus=cpus,
        port=port,
        companions=companions,
        on_ready=lambda: on_ready(name),
        confined=confined,
    )
