"""As whom we log in."""

from __future__ import annotations

from pyfi.control import keyring
from pyfi.core.urls import DatabaseUrl, parse_database
from pyfi.db.session import Database
from pyfi.errors import ForbiddenError, NotConfiguredError
from pyfi.settings import Settings, read_credentials


def configured(settings: Settings) -> DatabaseUrl:
    """The URL as it is configured; its user may be a superuser.

    Raises: NotConfiguredError. InvalidError: it is no URL of a Postgres database.
    """
    if not settings.db:
        raise NotConfiguredError(
            "no database is configured",
            hint="flow up starts an embedded stack; flow --config or FLOW_DB names one of yours",
        )
    return parse_database(settings.db)


def login(settings: Settings) -> DatabaseUrl:
    """The URL with the login that is used.

    A URL that names one of pyfi's users (a role with a dot) is used as it is; else the login kept for that place by
    `flow login` or `flow db init`; else the URL's own user.
    """
    url = configured(settings)
    if "." in url.user:
        return url
    kept = read_credentials(settings).get(url.place)
    if kept is None:
        return url
    user, password = kept
    if password is None:
        password = keyring.read(user, url.place)
    if password is None:
        raise ForbiddenError(f"the keyring has no password of {user} for {url.place}", hint=f"flow login -u {user}")
    return url.login(user, password)


def open_database(settings: Settings, *, application: str = "pyfi") -> Database:
    """The configured database as that login; nothing connects before it is used."""
    return Database(login(settings), application=application)
