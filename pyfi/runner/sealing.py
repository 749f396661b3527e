"""Sealing a value for whoever holds a key: anybody may seal, only the holder opens.

A sealed value is a version byte, a public key made for it alone, a nonce, and AES-256-GCM's output. The row's id is
authenticated with it: a value that is moved to another row opens nowhere.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pyfi.errors import InvalidError

_VERSION = b"\x01"
_KEY_BYTES, _NONCE_BYTES = 32, 12
_HEAD_BYTES = 1 + _KEY_BYTES + _NONCE_BYTES


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What values are sealed with. id: what rows name it by."""

    id: str
    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> PublicKey:
        """By its 32 bytes; its id follows from them."""
        return cls(hashlib.sha256(raw).hexdigest()[:16], raw)

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """The inverse of `text`.

        Raises: InvalidError: it is none.
        """
        try:
            raw = base64.b64decode(text, validate=True)
        except ValueError:
            raw = b""
        if len(raw) != _KEY_BYTES:
            raise InvalidError("the installation's key for secrets cannot be read", hint="flow secret rotate")
        return cls.of(raw)

    @property
    def text(self) -> str:
        """Base64."""
        return base64.b64encode(self.raw).decode()


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """What opens them. Its bytes are kept in the key ring only."""

    raw: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """Its other half."""
        return PublicKey.of(bytes(_private(self.raw).public_key().public_bytes_raw()))


def new_key() -> PrivateKey:
    """A random one."""
    return PrivateKey(bytes(X25519PrivateKey.generate().private_bytes_raw()))


def _private(raw: bytes) -> X25519PrivateKey:
    try:
        return X25519PrivateKey.from_private_bytes(raw)
    except ValueError:
        raise InvalidError("a key of the key ring cannot be read") from None


def _cipher(shared: bytes, one: bytes, other: bytes) -> AESGCM:
    derived = HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=one + other, info=b"pyfi secret").derive(shared)
    return AESGCM(derived)


def seal(value: bytes, key: PublicKey, row: str) -> bytes:
    """The value, sealed for the holder of `key` and for the row of that id."""
    once = X25519PrivateKey.generate()
    mine = once.public_key().public_bytes_raw()
    nonce = os.urandom(_NONCE_BYTES)
    shared = once.exchange(X25519PublicKey.from_public_bytes(key.raw))
    bound = f"{key.id}:{row}".encode()
    return bytes(_VERSION + mine + nonce + _cipher(shared, mine, key.raw).encrypt(nonce, value, bound))


def unseal(sealed: bytes, key: PrivateKey, row: str) -> bytes:
    """The inverse of `seal`.

    Raises: InvalidError: another key, another row, or changed since.
    """
    theirs, nonce = sealed[1 : 1 + _KEY_BYTES], sealed[1 + _KEY_BYTES : _HEAD_BYTES]
    if len(sealed) <= _HEAD_BYTES or sealed[:1] != _VERSION:
        raise InvalidError("a sealed value cannot be read")
    public = key.public
    try:
        shared = _private(key.raw).exchange(X25519PublicKey.from_public_bytes(theirs))
        bound = f"{public.id}:{row}".encode()
        return bytes(_cipher(shared, theirs, public.raw).decrypt(nonce, sealed[_HEAD_BYTES:], bound))
    except (InvalidTag, ValueError):
        raise InvalidError("a sealed value was changed, or belongs to another row or key") from None
