"""The database as a whole: made, upgraded, dropped, dumped. The only verbs that log in as a superuser."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from pyfi.control import secrets as secret_keys
from pyfi.control.login import configured, login, open_database
from pyfi.core.urls import DatabaseUrl
from pyfi.db import dump as tables
from pyfi.db import migrate as schema
from pyfi.db.rows import opened
from pyfi.db.session import Database
from pyfi.errors import ForbiddenError, PyfiError
from pyfi.runner.policy import ALLOW_FILE
from pyfi.settings import Settings, forget_credentials, keep_credentials

LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1|/.*")


def default_prefix(database: str) -> str:
    """Postgres roles are cluster-wide: two installations in one server must not share theirs.

    >>> default_prefix("My-Flow")
    'my_flow'
    """
    cleaned = re.sub(r"[^a-z0-9_]", "_", database.lower())[:20]
    return cleaned if cleaned[:1].isalpha() else f"p{cleaned[:19]}"


def init(
    settings: Settings,
    *,
    prefix: str | None = None,
    admin: str = "admin",
    told: Callable[[str], None] = lambda _table: None,
) -> DatabaseUrl:
    """Make database, roles, tables and the first administrator, whose login is kept on this machine.

    Args: told: is given each table as it is secured.
    Raises: AlreadyExistsError: it is initialised. ForbiddenError: the URL's user is no superuser.
    """
    url = configured(settings)
    password = secrets.token_urlsafe(24)
    login = schema.init(
        url,
        prefix=prefix or default_prefix(url.database),
        admin=admin,
        password=password,
        salt=secrets.token_bytes(16),
        told=told,
    )
    keep_credentials(settings, url.place, login.user, password)
    database = Database(login)
    try:
        with opened(database) as rows:
            secret_keys.start(rows, settings.home)
            rows.put_setting(ALLOW_FILE, "true" if LOOPBACK.fullmatch(url.host) else "false")
    finally:
        database.close()
    return login


def renew_admin(settings: Settings, *, admin: str = "admin") -> DatabaseUrl:
    """A new password for an administrator, kept on this machine.

    Raises: NotFoundError, ForbiddenError.
    """
    url = configured(settings)
    password = secrets.token_urlsafe(24)
    login = schema.renew_admin(url, name=admin, password=password, salt=secrets.token_bytes(16))
    keep_credentials(settings, url.place, login.user, password)
    return login


def _require(settings: Settings, right: str) -> None:
    """Whose login is kept here must hold the right over everything; being a superuser besides is not enough.

    Where no login is kept, or it works no more, the superuser is on his own.
    """
    if login(settings).user == configured(settings).user and "." not in configured(settings).user:
        return
    database = open_database(settings)
    try:
        with opened(database) as rows:
            name, scope = rows.me()["name"], rows.scope(right)
    except PyfiError:
        return
    finally:
        database.close()
    if name is not None and scope != "all":
        raise ForbiddenError(
            f"{name} lacks the right {right} with scope all",
            hint=f"who may give it: flow add privilege -u {name} -n {right} -s all",
        )


def migrate(settings: Settings) -> tuple[str | None, str]:
    """Upgrade; gives the revision before and after.

    Raises: ForbiddenError: it takes DB_INIT.
    """
    _require(settings, "DB_INIT")
    return schema.migrate(configured(settings))


def check_login(settings: Settings) -> None:
    """Log in as this machine's login for the database.

    Raises: ForbiddenError, UnavailableError: it does not work, or passes row-level security.
    """
    database = open_database(settings)
    try:
        with opened(database) as rows:
            rows.me()
    finally:
        database.close()


def drop(settings: Settings) -> None:
    """Drop schemas and roles, and forget the login.

    Raises: NotFoundError: it is not initialised. ForbiddenError: it takes DB_DROP.
    """
    _require(settings, "DB_DROP")
    url = configured(settings)
    schema.drop(url)
    forget_credentials(settings, url.place)


def dump(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """All that the login may read, by table."""
    database = open_database(settings)
    try:
        with database.session() as session:
            return tables.document(session)
    finally:
        database.close()
