"""URLs of services: read, normalised, masked. No connection is made here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from pyfi.errors import InvalidError

POSTGRES_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg2")
# libpq takes these after the question mark too, where they would outlive `login` and show in `masked`.
LOGIN_OPTIONS = frozenset({"user", "password"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrl:
    """Where a Postgres database is and as whom to log in.

    `port` is a TCP port; `query` is libpq's, kept as it was written (sslmode=...), without a login.
    """

    host: str
    port: int
    database: str
    user: str = ""
    password: str = ""
    query: str = ""

    @property
    def place(self) -> str:
        """`host:port/database`: the key under which credentials are kept."""
        return f"{self.host}:{self.port}/{self.database}"

    def login(self, user: str, password: str) -> DatabaseUrl:
        """The same database as another user."""
        return replace(self, user=user, password=password)

    def at(self, database: str) -> DatabaseUrl:
        """Another database of the same server."""
        return replace(self, database=database)

    def _render(self, scheme: str, password: str) -> str:
        login = quote(self.user, safe="") + (f":{password}" if self.password else "") + "@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{login}{host}:{self.port}/{quote(self.database, safe='')}" + (
            f"?{self.query}" if self.query else ""
        )

    def libpq(self) -> str:
        """For psycopg2. Holds the password: never log it."""
        return self._render("postgresql", quote(self.password, safe=""))

    def sqlalchemy(self) -> str:
        """For SQLAlchemy, with the driver named. Holds the password: never log it."""
        return self._render("postgresql+psycopg2", quote(self.password, safe=""))

    def masked(self) -> str:
        """For people: the password is ***."""
        return self._render("postgresql", "***")


def parse_database(url: str) -> DatabaseUrl:
    """Read a Postgres URL.

    Raises: InvalidError: another scheme, no database name, or a port that is no number.

    >>> parse_database("postgres://joe:s%40x@db/flow").masked()
    'postgresql://joe:***@db:5432/flow'
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        raise InvalidError(
            "the database URL cannot be read", hint="postgresql://user:password@host:5432/pyfi"
        ) from None
    if parts.scheme not in POSTGRES_SCHEMES:
        raise InvalidError(
            f"the database URL's scheme {parts.scheme!r} is not PostgreSQL's",
            hint="postgresql://user:password@host:5432/pyfi",
        )
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise InvalidError("the database URL names no database", hint="postgresql://user:password@host:5432/pyfi")
    options = [part.partition("=") for part in parts.query.split("&") if part]
    named = {key: unquote(value) for key, _, value in options if key in LOGIN_OPTIONS}
    return DatabaseUrl(
        host=parts.hostname or "localhost",
        port=port,
        database=database,
        user=named.get("user", unquote(parts.username or "")),
        password=named.get("password", unquote(parts.password or "")),
        query="&".join("".join(option) for option in options if option[0] not in LOGIN_OPTIONS),
    )


def broker_kind(url: str) -> str:
    """`rabbitmq` or `redis`.

    Raises: InvalidError: any other scheme (sqla, filesystem, memory and pgmq lose or stall messages).
    """
    scheme = urlsplit(url).scheme
    if scheme in {"amqp", "pyamqp", "amqps"}:
        return "rabbitmq"
    if scheme in {"redis", "rediss"}:
        return "redis"
    raise InvalidError(
        f"the broker URL's scheme {scheme!r} is neither RabbitMQ's nor Redis's",
        hint="amqp://user:password@host:5672/vhost",
    )
