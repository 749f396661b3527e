"""Git as a program: with none of the user's configuration, none of its ways to run something, and within limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyfi.errors import RepositoryError
from pyfi.logs import masked, printable
from pyfi.runner import inherit
from pyfi.runner.credential import NONE, Credential
from pyfi.runner.guard import CanonicalUrl
from pyfi.system.processes import Completed, run

_HINTS = (
    ("Could not resolve host", "is the host's name right, and is this node online?"),
    ("not found", "is the URL right? A private repository that may not be read is 'not found' too"),
    ("does not exist", "is the path right?"),
    ("does not appear to be a git repository", "is the path right? A folder needs: git init, git add, git commit"),
    ("could not read Username", "it is private, or absent: --git-secret names a secret that may read it"),
    ("Authentication failed", "it is private: --git-secret names a secret that may read it"),
    ("Host key verification failed", "the host's key is not the one that is known: flow setting ls ssh_known_hosts"),
    ("Permission denied", "--git-secret names a secret with a key that may read it"),
    ("returned error: 30", "the repository has moved: use its new URL, perhaps with .git at the end"),
    ("redirect", "the repository has moved: use its new URL, perhaps with .git at the end"),
    ("dubious ownership", "the folder belongs to another user than the agent's"),
    ("certificate", "the host's certificate is not trusted here: SSL_CERT_FILE names the file of those that are"),
)
_SETTINGS = (
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.symlinks=false", "core.protectNTFS=true"),
    *("core.protectHFS=true", "transfer.fsckObjects=true", "http.followRedirects=false", "credential.helper="),
    *("http.lowSpeedLimit=1000", "http.lowSpeedTime=30", "gc.auto=0", "maintenance.auto=false"),
    *("submodule.recurse=false", "fetch.recurseSubmodules=false", "protocol.allow=never", "advice.detachedHead=false"),
)
# -F: the user's configuration may run programs (ProxyCommand) for hosts of any name.
_SSH = "ssh -F/dev/null -oBatchMode=yes -oConnectTimeout=20 -oClearAllForwardings=yes"
# Where the administrator named no keys of hosts: the first one is believed, another one later is not.
_TRUSTING = " -oStrictHostKeyChecking=accept-new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a repository may cost. seconds: for each step of git. bytes: of what is fetched, and of the files."""

    seconds: float = 300.0
    fetched_bytes: int = 1 << 30
    tree_bytes: int = 1 << 30
    files: int = 100_000


def git(
    arguments: list[str],
    *,
    source: CanonicalUrl,
    limits: Limits,
    address: str = "",
    credential: Credential = NONE,
    environment: dict[str, str] | None = None,
    output_limit_bytes: int = 1 << 20,
    fails: bool = False,
) -> Completed:
    """Run git. `source`: the repository that it is about: only its scheme is allowed, and messages name it.

    `address`: the one that its host has, whatever its name is by now. With `fails`, its failing is an answer.

    Raises: RepositoryError: it failed, took too long, or is not installed.
    """
    wanted = [*_SETTINGS, f"protocol.{source.scheme}.allow=always"]
    if address and source.scheme == "https":
        wanted.append(
            f"http.curloptResolve={source.host}:{source.port}:{f'[{address}]' if ':' in address else address}"
        )
    settings = [part for setting in wanted for part in ("-c", setting)]
    env = inherit.for_git() | {
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": source.scheme,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": credential.askpass,
        "GIT_SSH_COMMAND": _ssh(source, address, credential),
        "GIT_NO_REPLACE_OBJECTS": "1",
        "LC_ALL": "C",
    }
    try:
        done = run(
            ["git", *settings, *arguments],
            env=env | (environment or {}),
            cwd=Path("/"),
            timeout_seconds=limits.seconds,
            output_limit_bytes=output_limit_bytes,
            file_size_limit_bytes=max(limits.fetched_bytes, limits.tree_bytes),
        )
    except TimeoutError:
        raise RepositoryError(f"git took longer than {limits.seconds:g} s with {source.canonical}") from None
    except FileNotFoundError:
        raise RepositoryError("git is not installed on this node", hint="apt install git, brew install git") from None
    if done.returncode != 0 and not fails:
        raise failure(done, source, limits)
    return done


def _ssh(source: CanonicalUrl, address: str, credential: Credential) -> str:
    pinned = f" -oHostName={address} -oHostKeyAlias={source.host} -oCheckHostIP=no" if address else ""
    # Of an option that is given twice ssh takes the first.
    return _SSH + credential.ssh_options + _TRUSTING + pinned


def failure(done: Completed, source: CanonicalUrl, limits: Limits) -> RepositoryError:
    """What git said, in one line, with a hint where we know one."""
    said = printable(masked(done.stderr.decode(errors="replace")))
    if "signal 25" in said or "File too large" in said or done.returncode == -25:
        return RepositoryError(f"{source.canonical} is larger than the limit of {limits.fetched_bytes} bytes")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:"))] or lines or ["it says nothing"]
    hint = next((hint for words, hint in _HINTS if words in said), "")
    return RepositoryError(f"{source.canonical}: {telling[0].removeprefix('fatal: ')[:300]}", hint=hint)
