"""How git is handed what a private repository asks for: never in a URL, an argument or its configuration."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 # a folder of our own is made in it
# git asks "Username for ...: " and "Password for ...: ".
_ASKPASS = '#!/bin/sh\nexec cat "${0%/*}/${1%% *}"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """askpass: the program that git asks. ssh_options: what is added to ssh's command line; no secret is in either."""

    askpass: str = "/bin/false"
    ssh_options: str = ""


NONE = Credential()


@contextmanager
def opened(secret: str, known_hosts: str = "") -> Iterator[Credential]:
    """Have the secret at hand for git, in files that only this user can read and that are gone afterwards.

    Args: secret: empty; a private key of ssh; `user:password`; or a token alone. known_hosts: the only hosts that ssh
        may believe; empty: as the user's ssh knows them, and the first key of a new one.
    """
    if not (secret or known_hosts):
        yield NONE
        return
    in_memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="pyfi-", dir=in_memory))
    try:
        options = _only(known_hosts, folder) if known_hosts else ""
        if "PRIVATE KEY-----" in secret:
            key = _kept(folder / "key", secret.strip() + "\n")
            options += f" -oIdentitiesOnly=yes -oIdentityAgent=none -i {shlex.quote(str(key))}"
        if not secret or "PRIVATE KEY-----" in secret:
            yield Credential(ssh_options=options)
        else:
            user, colon, password = secret.strip().partition(":")
            _kept(folder / "Username", user if colon else "git")
            _kept(folder / "Password", password if colon else user)
            yield Credential(askpass=str(_kept(folder / "askpass", _ASKPASS, 0o700)), ssh_options=options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _only(known_hosts: str, folder: Path) -> str:
    file = shlex.quote(str(_kept(folder / "known_hosts", known_hosts + "\n")))
    return f" -oStrictHostKeyChecking=yes -oUserKnownHostsFile={file} -oGlobalKnownHostsFile=/dev/null"


def _kept(path: Path, text: str, mode: int = 0o600) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    return path
