"""The private keys that open secrets: one file of this machine that only its user can read. Never in the database."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from pyfi.errors import ForbiddenError, InvalidError
from pyfi.runner.sealing import PrivateKey, new_key, unseal
from pyfi.settings import write_private
from pyfi.system.locks import FileLock


class Keyring:
    """The keys of one data folder, by id."""

    def __init__(self, home: Path) -> None:
        """`home`: the data folder; nothing is read yet."""
        self.path = home / "keyring.json"

    def keys(self) -> dict[str, PrivateKey]:
        """id -> key, the newest last; empty when there is no file.

        Raises: InvalidError: it cannot be read. ForbiddenError: others can read it.
        """
        try:
            mode = self.path.stat().st_mode
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        if mode & 0o077:
            raise ForbiddenError(f"others than its user can read {self.path}", hint=f"chmod 600 {self.path}")
        return read_keys(text)

    def text(self) -> str:
        """All keys, to be carried to another machine; whoever reads it opens every secret."""
        return _written(self.keys())

    def add(self, more: Mapping[str, PrivateKey]) -> None:
        """Keep these keys too."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self.path.with_suffix(".lock")):
            write_private(self.path, _written(self.keys() | dict(more)))

    def make(self) -> PrivateKey:
        """A new key, kept."""
        key = new_key()
        self.add({key.public.id: key})
        return key

    def open(self, sealed: bytes, key_id: str, row: str, name: str) -> str:
        """The value of secret `name`.

        Raises: ForbiddenError: this machine lacks the key. InvalidError: it was changed.
        """
        key = self.keys().get(key_id)
        if key is None:
            raise ForbiddenError(
                f"this machine has no key {key_id} to open secret {name}",
                hint="where it is: flow secret key export; here: flow secret key import",
            )
        try:
            return unseal(sealed, key, row).decode()
        except UnicodeDecodeError:
            raise InvalidError(f"secret {name} is no text") from None


def read_keys(text: str) -> dict[str, PrivateKey]:
    """What `Keyring.text` wrote.

    Raises: InvalidError: it is something else.
    """
    try:
        keys = [PrivateKey(base64.b64decode(each, validate=True)) for each in json.loads(text)["keys"]]
        return {key.public.id: key for key in keys}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidError("that is no key ring", hint="flow secret key export writes one") from None


def _written(keys: Mapping[str, PrivateKey]) -> str:
    return json.dumps({"keys": [base64.b64encode(key.raw).decode() for key in keys.values()]})
