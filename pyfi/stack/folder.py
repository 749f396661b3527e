"""The stack's folder: what is in it, whose it is, and what is remembered from one start to the next."""

from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyfi.errors import InvalidError, NotConfiguredError
from pyfi.settings import write_private
from pyfi.system.processes import NOBODY, user_namespaces_work

_LOG_LIMIT_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Stays the same over restarts, so that what other processes wrote down stays true. A port of 0: none yet."""

    postgres_password: str = field(repr=False)
    valkey_password: str = field(repr=False)
    postgres_port: int = 0
    valkey_port: int = 0


@dataclass(frozen=True, slots=True)
class StackFolder:
    """The folder `stack` in the data folder; only its owner can look into it."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held while the stack starts or stops."""
        return self.path / "lock"

    @property
    def in_use(self) -> Path:
        """A lock that the servers hold as long as one of their processes lives, also where it cannot be seen."""
        return self.path / "in_use"

    @property
    def urls(self) -> Path:
        """stack.json: the URLs and processes of the stack that runs."""
        return self.path / "stack.json"

    @property
    def kept(self) -> Path:
        """The passwords and ports."""
        return self.path / "kept.json"

    @property
    def postgres(self) -> Path:
        """Postgres' data."""
        return self.path / "postgres"

    @property
    def unfinished_postgres(self) -> Path:
        """Postgres' data while they are made; never started on."""
        return self.path / "postgres.new"

    @property
    def valkey(self) -> Path:
        """Valkey's data."""
        return self.path / "valkey"

    def log(self, server: str) -> Path:
        """What that server says."""
        return self.path / f"{server}.log"

    def prepare(self) -> None:
        """Make it, or check that it is ours.

        Raises: InvalidError: it is another user's. NotConfiguredError: this user cannot run Postgres here.
        """
        if os.geteuid() == 0 and sys.platform != "linux":
            raise NotConfiguredError(
                "the embedded stack does not run as root on this system", hint="run `flow up` as an ordinary user"
            )
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.path.is_symlink() or self.path.stat().st_uid != os.geteuid():
            raise InvalidError(
                f"the folder {self.path} belongs to another user", hint="set FLOW_HOME to one of your own"
            )
        self.path.chmod(0o700)

    def read_kept(self) -> Kept:
        """What is remembered; new passwords when there is no data yet.

        Raises: InvalidError: there are data, but their passwords are lost.
        """
        try:
            return Kept(**json.loads(self.kept.read_text(encoding="utf-8")))
        except FileNotFoundError:
            if not self.postgres.exists():
                return Kept(postgres_password=secrets.token_urlsafe(24), valkey_password=secrets.token_urlsafe(24))
            reason = "is gone"
        except (ValueError, TypeError):
            reason = "cannot be read"
        raise InvalidError(
            f"the file {self.kept} with the passwords of the embedded stack {reason}",
            hint=f"bring it back, or move {self.path} away to begin anew",
        )

    def write_kept(self, kept: Kept) -> None:
        """Remember it; 0600."""
        write_private(self.kept, json.dumps(asdict(kept), indent=1))


def runs_by_setuid() -> bool:
    """Whether servers run as the real user nobody: we are root, and may not make user namespaces."""
    return os.geteuid() == 0 and not user_namespaces_work()


def give_to_server(path: Path) -> None:
    """Make `path`, with all in it if it is a folder, belong to the user that the server is on disk."""
    owner = NOBODY if runs_by_setuid() else os.geteuid()
    if path.stat().st_uid == owner:
        return
    for top, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(top) / name, owner, owner, follow_symlinks=False)
    # Last, so that an interrupted change is begun again.
    os.chown(path, owner, owner, follow_symlinks=False)


def start_log(path: Path) -> None:
    """Keep one older log when this one has grown large."""
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    path.touch(mode=0o600)
