"""Log in, log out, and which installation is meant."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from pyfi.control import keyring
from pyfi.control.installation import default_prefix
from pyfi.control.login import configured
from pyfi.core.names import checked_name
from pyfi.core.urls import DatabaseUrl, broker_kind, parse_database
from pyfi.db import people
from pyfi.db.rows import opened
from pyfi.db.session import Database
from pyfi.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from pyfi.settings import (
    Settings,
    forget_credentials,
    keep_credentials,
    read_contexts,
    read_credentials,
    write_contexts,
)

Contexts = dict[str, dict[str, str]]


def role_of(settings: Settings, name: str, prefix: str | None) -> str:
    """The Postgres role of a user: the installation's prefix, a dot, his name.

    The prefix is the given one, else that of the login that is kept for the place, else the one that `db init` makes.
    """
    checked_name("user", name)
    url = configured(settings)
    kept = read_credentials(settings).get(url.place)
    if prefix is None and kept and "." in kept[0]:
        prefix = kept[0].partition(".")[0]
    return f"{prefix or default_prefix(url.database)}.{name}"


def log_in(settings: Settings, name: str, ask: Callable[[], str], *, prefix: str | None = None) -> tuple[str, str]:
    """Try the login, note it in the history, and keep it on this machine. Gives the name, and where the password is.

    A login that was kept here before (the first administrator's) is tried without asking; the one in use is put aside.

    Raises: ForbiddenError: the database refuses it. ConflictError: the configured URL names a login, which goes before.
    """
    url = configured(settings)
    if "." in url.user:
        raise ConflictError(
            f"the database's URL ({settings.origins.get('db')}) names the login {url.user}, which goes before others",
            hint="leave the user out of the URL: flow config shows it",
        )
    role = role_of(settings, name, prefix)
    password = _known(settings, url, role)
    found = None
    if password is not None:
        with contextlib.suppress(ForbiddenError):
            found = _tried(url.login(role, password))
    if password is None or found is None:
        password = ask()
        found = _tried(url.login(role, password))
    in_keyring = keyring.keep(role, url.place, password)
    present = read_credentials(settings).get(url.place)
    if present and present[0] != role:
        keep_credentials(settings, f"{present[0]}@{url.place}", *present)
    forget_credentials(settings, f"{role}@{url.place}")
    keep_credentials(settings, url.place, role, None if in_keyring else password)
    return found, "the system's keyring" if in_keyring else str(settings.credentials_file)


def _known(settings: Settings, url: DatabaseUrl, role: str) -> str | None:
    kept = read_credentials(settings).get(f"{role}@{url.place}")
    return (kept[1] or keyring.read(role, url.place)) if kept else None


def _tried(url: DatabaseUrl) -> str:
    database = Database(url)
    try:
        with opened(database) as rows:
            me = rows.me()
            if me["name"] is None:
                raise ForbiddenError(f"{me['login']} is no user of PyFI", hint="flow add user")
            people.note_login(rows, "flow login")
            return str(me["name"])
    finally:
        database.close()


def log_out(settings: Settings) -> str | None:
    """Forget the login that is kept for the configured place; gives whose it was, None when there was none."""
    place = configured(settings).place
    kept = read_credentials(settings).get(place)
    if kept is None:
        return None
    keyring.forget(kept[0], place)
    forget_credentials(settings, place)
    return kept[0].partition(".")[2]


def renew_kept(settings: Settings, name: str, password: str) -> bool:
    """The login kept for the configured place gets the user's new password; False: it is not his."""
    place = configured(settings).place
    kept = read_credentials(settings).get(place)
    if kept is None or kept[0].partition(".")[2] != name:
        return False
    in_keyring = kept[1] is None and keyring.keep(kept[0], place, password)
    keep_credentials(settings, place, kept[0], None if in_keyring else password)
    return True


def contexts(settings: Settings) -> tuple[str, Contexts]:
    """The one in use ('' for none), and all."""
    return read_contexts(settings.home)


def add_context(settings: Settings, name: str, *, db: str, broker: str | None, backend: str | None) -> None:
    """Keep a set of URLs under a name; from now on it is in use.

    Raises: InvalidError: the name, a URL, or a URL with a password.
    """
    checked_name("context", name)
    url = parse_database(db)
    if url.password:
        raise InvalidError(
            f"the URL of context {name} holds a password, and contexts keep none", hint="leave it out; then flow login"
        )
    if broker:
        broker_kind(broker)
    _, known = read_contexts(settings.home)
    values = {"db": db, "broker": broker, "backend": backend}
    known[name] = {key: value for key, value in values.items() if value}
    write_contexts(settings.home, name, known)


def use_context(settings: Settings, name: str | None) -> None:
    """Mean that context from now on; None: none.

    Raises: NotFoundError.
    """
    _, known = read_contexts(settings.home)
    _refuse_unknown(name, known)
    write_contexts(settings.home, name or "", known)


def delete_context(settings: Settings, name: str) -> None:
    """Forget it; the logins that are kept stay.

    Raises: NotFoundError.
    """
    current, known = read_contexts(settings.home)
    _refuse_unknown(name, known)
    del known[name]
    write_contexts(settings.home, "" if current == name else current, known)


def _refuse_unknown(name: str | None, known: Contexts) -> None:
    if name is not None and name not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise NotFoundError(f"there is no context {name}: there is {listed}", hint="flow context add makes one")
