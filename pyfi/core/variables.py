"""What a processor's owner writes about its process: variables, a package index, where its module is. Pure checks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pyfi.errors import InvalidError

SECRET = "secret:"  # noqa: S105 # the prefix of a reference, no secret
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
# Ours; and what the loader or the C library obeys before any program of ours has started.
_REFUSED = re.compile(
    r"FLOW_|LD_|DYLD_|GLIBC_|MALLOC_|GCONV_PATH\Z|LOCPATH\Z|NLSPATH\Z|HOSTALIASES\Z|RES_OPTIONS\Z|BASH_ENV\Z|ENV\Z"
)
_PASSWORD_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/]*:[^\s]*@")
_MOST_BYTES = 64 << 10
_SECRET_HINT = "flow secret set -n NAME keeps it; then --env VARIABLE=secret:NAME"  # noqa: S105


def is_allowed(name: str) -> bool:
    """Whether a variable of that name may be set for the functions' process."""
    return bool(_NAME.match(name)) and not _REFUSED.match(name)


def read_variables(words: Iterable[str]) -> dict[str, str]:
    """`NAME=value` words as a mapping.

    Raises: InvalidError: no such word, a name that is refused, or a value that holds a password.

    >>> read_variables(["LEVEL=debug", "TOKEN=secret:github"])
    {'LEVEL': 'debug', 'TOKEN': 'secret:github'}
    """
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidError(
                f"{name[:40]!r} is no variable with a value", hint="--env NAME=value, --env NAME=secret:NAME"
            )
        found[name] = value
    return checked_variables(found)


def checked_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The mapping itself.

    Raises: InvalidError: see read_variables. The message holds no value.
    """
    for name, value in variables.items():
        if not is_allowed(name):
            raise InvalidError(
                f"the variable {name[:60]!r} cannot be set",
                hint="letters, digits and _; not FLOW_*, LD_* and others that a program obeys before it starts",
            )
        if "\0" in value:
            raise InvalidError(f"the value of {name} holds a NUL byte")
        if _PASSWORD_IN_URL.search(value):
            raise InvalidError(f"the value of {name} is a URL with a password, and rows are read", hint=_SECRET_HINT)
    if sum(len(name) + len(value) for name, value in variables.items()) > _MOST_BYTES:
        raise InvalidError(f"the variables are larger than {_MOST_BYTES} bytes together")
    return dict(variables)


def secret_of(value: str) -> str | None:
    """The secret's name that a variable's value stands for; None: it is the value itself."""
    return value.removeprefix(SECRET) if value.startswith(SECRET) else None


def checked_index(url: str) -> str:
    """The URL of a package index.

    Raises: InvalidError: it is none of https (http on this machine only), or holds a login.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if "@" in url:
        raise InvalidError(
            "the index URL holds a login, and rows are read", hint="flow secret set -n NAME; then --index-secret NAME"
        )
    plain = url.isascii() and url.isprintable() and " " not in url and not url.startswith("-") and not parts.fragment
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in {"localhost", "127.0.0.1"})
    if not (plain and host and secure):
        raise InvalidError(f"{url[:80]!r} is no package index", hint="https://host/simple")
    return url


def checked_module(module: str) -> str:
    """The name of a Python module.

    Raises: InvalidError: it is none: `os:system`, `..x`, `a/b`.
    """
    if not module.isascii() or not all(part.isidentifier() for part in module.split(".")):
        raise InvalidError(f"{module[:80]!r} is not the name of a Python module", hint="some.module, as in import")
    return module


def checked_modulepath(path: str) -> str:
    """A path within the repository.

    Raises: InvalidError: it leaves it.
    """
    steps = PurePosixPath(path)
    if (
        not path.isprintable()
        or steps.is_absolute()
        or ".." in steps.parts
        or "\\" in path
        or path.startswith(("-", "~"))
    ):
        raise InvalidError(
            f"the module path {path[:80]!r} is not one within the repository", hint="src/package/module.py"
        )
    return path
