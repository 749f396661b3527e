"""Secrets: sealed here for the key that nodes have, kept as rows that nobody can read."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from pyfi.control import find
from pyfi.core.names import DEFAULT_NETWORK, checked_name
from pyfi.core.rights import needed
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.session import Database
from pyfi.errors import ForbiddenError, InvalidError, NotConfiguredError, NotFoundError
from pyfi.runner.keyring import Keyring
from pyfi.runner.sealing import PublicKey, seal

PUBLIC_KEY = "secret_key"
LONGEST_BYTES = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """key: the id of the key that is in use now. secrets: how many were sealed anew."""

    key: str
    secrets: int


def public_key(rows: Rows) -> PublicKey:
    """The key that values are sealed with.

    Raises: NotConfiguredError: the installation has none.
    """
    text = rows.setting(PUBLIC_KEY)
    if text is None:
        raise NotConfiguredError(
            "this installation has no key for secrets", hint="an administrator: flow secret rotate"
        )
    return PublicKey.from_text(text)


def start(rows: Rows, home: Path) -> None:
    """Make the first key of a new installation; it is kept on this machine."""
    rows.put_setting(PUBLIC_KEY, Keyring(home).make().public.text)


def checked_value(value: str) -> str:
    """What can be a secret.

    Raises: InvalidError: empty, too long, or with a NUL byte. The message holds nothing of it.
    """
    if not value or "\0" in value or len(value.encode(errors="replace")) > LONGEST_BYTES:
        raise InvalidError(f"a secret's value has 1 to {LONGEST_BYTES} bytes, none of them NUL")
    return value


def put(database: Database, name: str, value: str, *, network: str | None = None) -> Row:
    """Set one of one's own, new or not. Workers that use it are replaced.

    Raises: InvalidError, NotConfiguredError, NotFoundError: the network.
    """
    checked_name("secret", name)
    checked_value(value)
    with opened(database) as rows:
        key = public_key(rows)
        network_id = find.one(rows, "network", network or DEFAULT_NETWORK)["id"]
        found = rows.find("secret", name=name, network=network or DEFAULT_NETWORK, mine=True)
        row = found[0]["id"] if found else uuid.uuid4()
        sealed = seal(value.encode(), key, str(row))
        if found:
            return rows.change_secret(row, key_id=key.id, ciphertext=sealed)
        new = {"id": row, "name": name, "network_id": network_id, "key_id": key.id, "ciphertext": sealed}
        return rows.add("secret", new)


def remove(database: Database, name: str, *, network: str | None = None) -> Row:
    """Delete one.

    Raises: NotFoundError.
    """
    with opened(database) as rows:
        rows.require(needed("delete", "secret"))
        row = find.one(rows, "secret", name, network=network)
        rows.delete("secret", [row["id"]])
        return row


def value_of(rows: Rows, home: Path, name: str, *, network: str | None = None) -> str:
    """The value of one of one's own, where this machine has the key.

    Raises: NotFoundError. ForbiddenError: it has not. InvalidError: it was changed.
    """
    checked_name("secret", name)
    found = rows.find("secret", name=name, network=network or DEFAULT_NETWORK, mine=True)
    if not found:
        raise NotFoundError(f"you have no secret {name}", hint=f"flow secret set -n {name}")
    row = found[0]
    return Keyring(home).open(rows.sealed(row["id"]), row["key_id"], str(row["id"]), name)


def rotate(database: Database, home: Path) -> Rotated:
    """Seal all secrets with another key: the newest of this machine's, if it is not the one in use, else a new one.

    Raises: ForbiddenError: it takes an administrator, and the keys in use.
    """
    keyring = Keyring(home)
    with opened(database) as rows:
        me = rows.me()
        if not me["admin"]:
            raise ForbiddenError(f"{me['login']} may not rotate the key: it takes an administrator", hint="flow whoami")
        newest = next(reversed(keyring.keys().values()), None)
        if newest is None or rows.setting(PUBLIC_KEY) == newest.public.text:
            newest = keyring.make()
        public = newest.public
        rows.put_setting(PUBLIC_KEY, public.text)
        secrets = [row for row in rows.find("secret") if row["key_id"] != public.id]
        for row in secrets:
            value = keyring.open(rows.sealed(row["id"]), row["key_id"], str(row["id"]), row["name"])
            rows.change_secret(
                row["id"], key_id=public.id, ciphertext=seal(value.encode(), public, str(row["id"])), same=True
            )
        return Rotated(key=public.id, secrets=len(secrets))
