"""What the administrator lets be fetched and installed. Decides; asks nobody."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyfi.errors import InvalidError, RepositoryError
from pyfi.runner.guard import CanonicalUrl, check_url

# The keys in `setting`, and the fields of Policy that they fill.
ALLOW_FILE = "allow_file_repositories"
ALLOW = "repositories_allow"
DENY = "repositories_deny"
PRIVATE_HOSTS = "repositories_private_hosts"
SIGNERS = "commit_signers"
STRICT = "strict_installs"
KNOWN_HOSTS = "ssh_known_hosts"
KEYS = (ALLOW_FILE, ALLOW, DENY, PRIVATE_HOSTS, SIGNERS, STRICT, KNOWN_HOSTS)

_YES = "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """allow_file: repositories may be paths of the node.

    allow, deny: patterns of repositories, see `matches`; an empty `allow` allows all, `deny` wins. private_hosts: names
    and networks (10.0.0.0/8) that are fetched from although their addresses are not public. signers: whose signature a
    commit needs: the text of an allowed_signers file of ssh, or public keys of gpg; empty: none is asked for.
    strict: nothing is installed but what is named with its hash. known_hosts: the text of ssh's file of that name:
    other hosts, and other keys of these, are refused; empty: a host's first key is believed.
    """

    allow_file: bool = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    signers: str = ""
    strict: bool = False
    known_hosts: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Policy:
        """From the rows of `setting`; absent ones are the defaults."""
        return cls(
            allow_file=settings.get(ALLOW_FILE) == _YES,
            allow=tuple(settings.get(ALLOW, "").split()),
            deny=tuple(settings.get(DENY, "").split()),
            private_hosts=tuple(settings.get(PRIVATE_HOSTS, "").lower().split()),
            signers=settings.get(SIGNERS, "").strip(),
            strict=settings.get(STRICT) == _YES,
            known_hosts=settings.get(KNOWN_HOSTS, "").strip(),
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Policy:
        """The inverse of dataclasses.asdict, through JSON."""
        lists = {name: tuple(document.get(name, ())) for name in ("allow", "deny", "private_hosts")}
        return cls(
            allow_file=bool(document.get("allow_file", False)),
            signers=str(document.get("signers", "")),
            strict=bool(document.get("strict", False)),
            known_hosts=str(document.get("known_hosts", "")),
            **lists,
        )

    def lets_private(self, host: str, address: str) -> bool:
        """Whether that host may have that address, which is not public."""
        for entry in self.private_hosts:
            if entry == host:
                return True
            try:
                if ipaddress.ip_address(address) in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
        return False


def matches(pattern: str, canonical: str, *, any_case: bool) -> bool:
    """Whether `pattern` names the repository or something that it lies in.

    A pattern is `[scheme://]host[:port][/path]`; `*.host` means every host below. A path ends at a slash, never within
    a name. Args: any_case: do not distinguish upper from lower case in paths (many servers do not either).

    >>> matches("github.com/radiantone", "https://github.com/radiantone/pyfi", any_case=False)
    True
    >>> matches("github.com/radiant", "https://github.com/radiantone/pyfi", any_case=False)
    False
    """
    scheme, found, rest = pattern.partition("://")
    wanted = rest if found else pattern
    has, _, where = canonical.partition("://")
    if found and scheme.lower() != has:
        return False
    host, _, path = where.partition("/")
    wanted_host, _, wanted_path = wanted.rstrip("/").removesuffix(".git").partition("/")
    wanted_host = wanted_host.lower()
    if any_case:
        path, wanted_path = path.casefold(), wanted_path.casefold()
    is_any_below = wanted_host.startswith("*.")
    same_host = host.endswith(wanted_host[1:]) if is_any_below else host == wanted_host
    return same_host and (not wanted_path or path == wanted_path or path.startswith(wanted_path + "/"))


def admitted(url: str, policy: Policy) -> CanonicalUrl:
    """The checked URL of a repository that the policy lets through.

    Raises: RepositoryError: see check_url; or the lists refuse it.
    """
    source = check_url(url, allow_file=policy.allow_file)
    refused = next((each for each in policy.deny if matches(each, source.canonical, any_case=True)), None)
    if refused is not None:
        raise RepositoryError(
            f"{source.canonical} is on the list of refused repositories ({refused})", hint=f"flow setting ls {DENY}"
        )
    if policy.allow and not any(matches(each, source.canonical, any_case=False) for each in policy.allow):
        raise RepositoryError(
            f"{source.canonical} is not on the list of allowed repositories", hint=f"flow setting ls {ALLOW}"
        )
    return source


def checked_setting(key: str, value: str) -> str:
    """The value of one of KEYS.

    Raises: InvalidError: it would mean nothing, or not what it looks like.
    """
    if key in {ALLOW_FILE, STRICT} and value not in {"true", "false"}:
        raise InvalidError(f"{key} is true or false, not {value[:40]!r}")
    if key in {ALLOW, DENY}:
        for each in value.split():
            rest = each.partition("://")[2] or each
            if "@" in each or "*" in rest.removeprefix("*.") or not each.isascii():
                raise InvalidError(
                    f"{each!r} is no pattern of repositories", hint="github.com/owner, *.example.org, file:///srv/git"
                )
    if key == SIGNERS and value.strip() and not _is_signers(value):
        raise InvalidError(
            "these are neither lines of an allowed_signers file nor public keys of gpg",
            hint="a line is: joe@example.org ssh-ed25519 AAAA...",
        )
    if key == KNOWN_HOSTS and value.strip() and not _is_known_hosts(value):
        raise InvalidError(
            "these are no lines of a known_hosts file", hint="a line is: git.example.org ssh-ed25519 AAAA..."
        )
    return value


def _is_known_hosts(text: str) -> bool:
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    # Of a line that begins with a marker the host comes second.
    told = [line[1:] if line[0].startswith("@") else line for line in lines]
    return bool(told) and all(len(line) >= 3 and line[1].startswith(("ssh-", "sk-", "ecdsa-")) for line in told)


def _is_signers(text: str) -> bool:
    if is_gpg(text):
        return "PRIVATE KEY" not in text
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return bool(lines) and all("ssh-" in line or "sk-" in line or "ecdsa-" in line for line in lines)


def is_gpg(signers: str) -> bool:
    """Whether these signers are keys of gpg; else they are ssh's."""
    return "-----BEGIN PGP" in signers
