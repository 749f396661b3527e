"""SCRAM-SHA-256 verifiers: what Postgres stores instead of a password.

Source: RFC 5802 and RFC 7677; the textual form is PostgreSQL's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

ITERATIONS = 4096


def verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """The verifier of `password` for `salt` (16 random bytes of the caller's).

    The password must be printable ASCII: then SASLprep changes nothing and need not be done here.

    Raises: ValueError: the password is empty or has other characters.
    """
    if not password or not password.isascii() or not password.isprintable():
        raise ValueError("a password is one or more printable ASCII characters")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = (salt, hashlib.sha256(client_key).digest(), server_key)
    coded = [base64.b64encode(part).decode() for part in parts]
    return f"SCRAM-SHA-256${iterations}:{coded[0]}${coded[1]}:{coded[2]}"
