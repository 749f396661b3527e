"""Passwords in the system's keyring, where there is one: the package `keyring` with a backend that works."""

from __future__ import annotations

import importlib
from typing import Any

SERVICE = "pyfi"


def _usable() -> Any:
    """The package, None when it is not installed or has nothing but backends that always fail."""
    try:
        package = importlib.import_module("keyring")
        return package if package.get_keyring().priority >= 1 else None
    except Exception:  # noqa: BLE001 # a backend raises what it likes: no session bus, a locked collection
        return None


def keep(user: str, place: str, password: str) -> bool:
    """False: there is no usable keyring."""
    package = _usable()
    if package is None:
        return False
    try:
        package.set_password(SERVICE, f"{user}@{place}", password)
    except Exception:  # noqa: BLE001 # a backend raises what it likes: no session bus, a locked collection
        return False
    return True


def read(user: str, place: str) -> str | None:
    """None: it has none, or there is no keyring any more."""
    package = _usable()
    try:
        found = package.get_password(SERVICE, f"{user}@{place}") if package else None
    except Exception:  # noqa: BLE001 # a backend raises what it likes: no session bus, a locked collection
        return None
    return None if found is None else str(found)


def forget(user: str, place: str) -> None:
    """Nothing happens when it has none."""
    package = _usable()
    try:
        if package is not None:
            package.delete_password(SERVICE, f"{user}@{place}")
    except Exception:  # noqa: BLE001 # a backend raises what it likes: no session bus, a locked collection
        return
