"""A node's token: all that a machine needs to become that node, once and for a while."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass, field

from pyfi.control.nodes import NodeLogins
from pyfi.core.names import DEFAULT_NETWORK, checked_name
from pyfi.core.scram import verifier
from pyfi.core.urls import parse_database
from pyfi.db.nodes import join
from pyfi.db.rows import opened
from pyfi.db.session import Database
from pyfi.errors import DatabaseUnavailableError, ForbiddenError, InvalidError

PASSWORD_BYTES = 24
LONGEST_HOURS = 168.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """database: URL of the login that may join, once. broker: of the wake-ups, empty: the machine knows it."""

    name: str
    database: str = field(repr=False)
    broker: str = field(default="", repr=False)

    def text(self) -> str:
        """One word; whoever has it can become the node."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()

    @classmethod
    def from_text(cls, text: str) -> Token:
        """The inverse of `text`.

        Raises: InvalidError: it is none. The message holds nothing of it.
        """
        try:
            read = json.loads(base64.b64decode(text.strip(), altchars=b"-_", validate=True))
            return cls(name=str(read["name"]), database=str(read["database"]), broker=str(read["broker"]))
        except (ValueError, KeyError, TypeError):
            raise InvalidError("that is no token of a node", hint="flow node enroll -n NAME makes one") from None


def offer(database: Database, name: str, *, network: str | None, hours: float, broker: str | None) -> Token:
    """Make the node, and a token for it; an earlier one of the node is over.

    Raises: InvalidError, ForbiddenError, NotFoundError: the network.
    """
    checked_name("node", name)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    with opened(database) as rows:
        login = rows.offer_node(
            name, network or DEFAULT_NETWORK, verifier(password, secrets.token_bytes(16)), round(hours * 3600)
        )
    return Token(name=name, database=database.url.login(login, password).libpq(), broker=broker or "")


def redeem(token: Token, *, hostname: str) -> NodeLogins:
    """Become the node: the token works no more, and neither do logins that the node had.

    Raises: ForbiddenError: it was used, revoked or is over. DatabaseUnavailableError.
    """
    url = parse_database(token.database)
    passwords = [secrets.token_urlsafe(PASSWORD_BYTES) for _ in range(2)]
    verifiers = [verifier(password, secrets.token_bytes(16)) for password in passwords]
    try:
        made = join(url, hostname, *verifiers)
    except DatabaseUnavailableError as error:
        if "password authentication failed" in error.message:
            raise _over() from None
        raise
    except ForbiddenError as error:
        if "password" in error.message:
            raise _over() from None
        raise
    return NodeLogins(
        agent=url.login(made["login"], passwords[0]), worker=url.login(made["worker_login"], passwords[1])
    )


def _over() -> ForbiddenError:
    return ForbiddenError("this token was used, revoked or is over", hint="flow node enroll makes another one")


def revoke(database: Database, name: str, *, network: str | None) -> None:
    """Take a node's logins and its open token away; what runs with them is refused from now on.

    Raises: NotFoundError, ForbiddenError.
    """
    with opened(database) as rows:
        rows.revoke_node(name, network or DEFAULT_NETWORK)
