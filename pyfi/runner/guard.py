"""Which repositories' URLs may reach git, and in which form. No I/O but resolving a path of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pyfi.errors import RepositoryError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
# What a C library reads as an address: 2130706433, 0x7f.1, 0177.0.0.1. Four plain numbers are the one spelling of it.
_NUMERIC = re.compile(r"(?:.*\.)?(?:0x[0-9a-f]*|[0-9]+)\Z", re.IGNORECASE)
_DOTTED = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}\Z")
_PLAIN_STEP = "-._~+@"
_SSH_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_SCP_LIKE = re.compile(r"(?P<user>[^@/:]+)@(?P<host>[^@/:]+):(?P<path>(?!//).+)\Z")
_EGG = re.compile(r"egg=[^&]*\Z")
_REF = re.compile(r"(?!-)[A-Za-z0-9._/@+=-]{1,200}\Z")
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_DEFAULT_PORTS = {"https": 443, "ssh": 22}
_HTTPS_HINT = "https://host/owner/name, ssh://git@host/owner/name"


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalUrl:
    """A repository's URL that passed the guard.

    url: for git. canonical: one spelling for each repository, for allow and deny lists and for keys: lower-case host,
    no default port, no `.git`, no closing slash, no user, percent-encoding only where it is needed. host, port: none of
    a path.
    """

    url: str
    canonical: str
    scheme: str
    host: str = ""
    port: int = 0


def check_url(url: str, *, allow_file: bool) -> CanonicalUrl:
    """Read a repository's URL. A leading `git+` and a `#egg=...` are dropped; a plain path means file://.

    Args: allow_file: whether repositories of this machine's file system are allowed.

    Raises: RepositoryError: another scheme, a user or password (https; ssh may name a user), an option in disguise,
        control characters, `..`, or anything else that is no plain URL. The message holds no password.

    >>> check_url("git+https://Example.org:443/a/b.git#egg=b", allow_file=False).canonical
    'https://example.org/a/b'
    """
    text = url.strip().removeprefix("git+")
    text, _, fragment = text.partition("#")
    if fragment and not _EGG.match(fragment):
        raise RepositoryError(f"the repository URL ends with #{fragment[:40]!r}: only #egg=... is understood")
    if not text or text.startswith("-") or _CONTROL.search(unquote(text)):
        raise RepositoryError(
            "the repository URL is empty, begins with '-' or holds control characters", hint=_HTTPS_HINT
        )
    if text.startswith(("/", "./", "../")) or text in {".", ".."}:
        return _local(Path(text), allow_file=allow_file)
    if " " in text or "\\" in text:
        raise RepositoryError("the repository URL holds spaces or backslashes", hint=_HTTPS_HINT)
    scp = _SCP_LIKE.match(text)
    if scp and "://" not in text:
        text = f"ssh://{scp['user']}@{scp['host']}/{scp['path'].lstrip('/')}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise RepositoryError("the repository URL cannot be read", hint=_HTTPS_HINT) from None
    scheme = parts.scheme.lower()
    if scheme == "file":
        if parts.netloc not in {"", "localhost"} or parts.query:
            raise RepositoryError("a file:// repository is a path of this machine", hint="file:///path/to/repository")
        return _local(Path(unquote(parts.path)), allow_file=allow_file)
    if scheme not in _DEFAULT_PORTS:
        raise RepositoryError(f"repositories are not fetched by {scheme or 'that'!r}", hint=_HTTPS_HINT)
    user = _user(scheme, parts.username, parts.password, "@" in parts.netloc)
    host = _host(parts.hostname or "")
    return _remote(scheme, user, host, port, parts.path, parts.query)


def _user(scheme: str, user: str | None, password: str | None, has_at: bool) -> str:
    if not has_at:
        return ""
    if scheme == "ssh" and password is None and user and _SSH_USER.match(user):
        return f"{user}@"
    raise RepositoryError(
        "the repository URL holds a user or a password: it would be seen in rows, logs and process lists",
        hint="flow secret set -n NAME keeps it; then flow add processor ... --git-secret NAME",
    )


def _host(host: str) -> str:
    if host.startswith("[") or ":" in host:
        raise RepositoryError("the repository URL names its host by a number of IPv6; use its name", hint=_HTTPS_HINT)
    if not host.isascii():
        # Letters of other alphabets look like ours: what is meant is to be typed as the name system has it.
        try:
            spelled = f"if that host is meant, write {host.encode('idna').decode().lower()}"
        except UnicodeError:
            spelled = _HTTPS_HINT
        raise RepositoryError("the repository URL's host holds letters that are not ASCII", hint=spelled)
    lower = host.lower()
    if not _HOST.match(lower) or ".." in lower or (_NUMERIC.match(lower) and not _DOTTED.match(lower)):
        raise RepositoryError(f"{host!r} is not a host's name", hint=_HTTPS_HINT)
    return lower


def _remote(scheme: str, user: str, host: str, port: int | None, path: str, query: str) -> CanonicalUrl:
    if not path.isascii():
        raise RepositoryError(
            f"the path of the repository URL at {host} holds letters that are not ASCII",
            hint=f"if they are meant, write {quote(path, safe='/%')}",
        )
    plain = [_decoded(host, step) for step in path.split("/") if step]
    if query or not plain or any(step in {".", ".."} or step.startswith("-") or "/" in step for step in plain):
        raise RepositoryError(f"the path of the repository URL at {host} is not a plain one", hint=_HTTPS_HINT)
    where = host if port in {None, _DEFAULT_PORTS[scheme]} else f"{host}:{port}"
    joined = "/".join(quote(step, safe=_PLAIN_STEP) for step in plain)
    return CanonicalUrl(
        url=f"{scheme}://{user}{where}/{joined}",
        canonical=f"{scheme}://{where}/{_stem(joined)}",
        scheme=scheme,
        host=host,
        port=port or _DEFAULT_PORTS[scheme],
    )


def _decoded(host: str, step: str) -> str:
    """One step of a path, decoded once; encoded twice it would mean something else to the server."""
    try:
        plain = unquote(step, errors="strict")
    except UnicodeDecodeError:
        plain = "%"
    if "%" in plain or "\\" in plain:
        raise RepositoryError(f"the path of the repository URL at {host} is not a plain one", hint=_HTTPS_HINT)
    return plain


def _local(path: Path, *, allow_file: bool) -> CanonicalUrl:
    if not allow_file:
        raise RepositoryError(
            f"the repository {path} is a path, and this installation fetches from {_HTTPS_HINT} only",
            hint="flow up (the embedded stack) allows paths; elsewhere the administrator does",
        )
    uri = path.resolve().as_uri()
    return CanonicalUrl(url=uri, canonical=_stem(uri), scheme="file")


def _stem(path: str) -> str:
    return path.removesuffix("/.git").removesuffix(".git")


def check_ref(ref: str) -> str:
    """A branch's or tag's name, or a full commit.

    Raises: RepositoryError: it is none, or an option in disguise.
    """
    if not _REF.match(ref) or ".." in ref or "@{" in ref or ref.startswith("/") or ref.endswith(("/", ".lock", ".")):
        raise RepositoryError(f"{ref[:60]!r} is neither a branch, a tag nor a full commit")
    return ref


def is_commit(text: str) -> bool:
    """Whether `text` is a full commit id: 40 (or 64) lower-case hex digits."""
    return _COMMIT.match(text) is not None
