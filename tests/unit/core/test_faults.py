"""What a message of Postgres becomes."""

from __future__ import annotations

import pytest

from pyfi import errors
from pyfi.core.faults import error_for

CONNECTING = 'connection to server at "127.0.0.1", port 5432 failed: FATAL:  '


@pytest.mark.parametrize(
    ("code", "message", "kind", "hint"),
    [
        ("", f'{CONNECTING}role "joe" does not exist', errors.ForbiddenError, "flow config"),
        ("", f'{CONNECTING}password authentication failed for user "joe"', errors.ForbiddenError, "flow config"),
        ("", f'{CONNECTING}database "pyfi" does not exist', errors.UnavailableError, "flow db init"),
        ("", 'connection to server at "127.0.0.1", port 1 failed: refused', errors.DatabaseUnavailableError, "flow up"),
        ("42P01", 'relation "pyfi.call" does not exist', errors.UnavailableError, "flow db init"),
        ("42501", "permission denied for table call", errors.ForbiddenError, ""),
        ("PF409", "that is final", errors.ConflictError, ""),
        ("XX000", "something of its own", errors.InvariantError, ""),
    ],
)
def test_error_for_what_postgres_says(code: str, message: str, kind: type[errors.PyfiError], hint: str) -> None:
    """The kind, the whole line, and where to look."""
    error = error_for(code, f"{message}\nDETAIL: more")
    assert type(error) is kind
    assert error.message.endswith(message)
    assert hint in error.hint
