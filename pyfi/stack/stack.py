"""Both servers together: up, down, and what runs now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pyfi import logs
from pyfi.clock import wait_until
from pyfi.errors import InUseError
from pyfi.stack import postgres, valkey
from pyfi.stack.binaries import Binaries, find
from pyfi.stack.folder import StackFolder
from pyfi.stack.running import Running, read, write
from pyfi.stack.server import StartOptions
from pyfi.system.locks import FileLock
from pyfi.system.processes import ProcessIdentity, end_process, is_alive

log = logs.get(__name__)

_LEFTOVER_SECONDS = 10.0  # a backend notices the end of its postmaster within two


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """One server. address: host:port. pid: None when it does not run."""

    name: str
    address: str
    pid: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The stack as it is now; without secrets. servers: empty when it was never started or was stopped."""

    running: bool
    foreground: bool = False
    servers: tuple[ServerStatus, ...] = ()


def up(home: Path, *, foreground: bool = False, postgres_bin: Path | None = None) -> Running:
    """Start the stack of the data folder `home`, or find the one that runs; two at once give one stack.

    Args: foreground: the servers end when the calling thread does, however it ends (Linux): call it from the main
    thread. Else they outlive this process. postgres_bin: a folder with initdb and postgres to be used first.

    Raises:
        NotConfiguredError: the servers' programs are not installed.
        UnavailableError: a server did not start.
        InUseError: another container or host runs a stack in this folder.
        InvalidError: the folder is another user's, or lost its passwords.
    """
    # The servers stand in folders of their own: a relative name would be another one to them.
    folder = StackFolder(home.resolve() / "stack")
    folder.prepare()
    with FileLock(folder.lock):
        found = read(folder)
        if found is not None and found.is_alive():
            return found
        binaries = find(postgres_bin=postgres_bin)
        folder.urls.unlink(missing_ok=True)
        if found is not None:
            found.end()
        running = _start(binaries, folder, foreground=foreground)
        write(folder, running)
    log.info("embedded stack started", extra={"home": str(home), "foreground": foreground})
    return running


def down(home: Path) -> bool:
    """Stop the stack of `home`; the data stay. False: none was running."""
    folder = StackFolder(home.resolve() / "stack")
    if not folder.path.is_dir():
        return False
    with FileLock(folder.lock):
        found = read(folder)
        if found is None:
            return False
        was_running = is_alive(found.postgres) or is_alive(found.valkey)
        folder.urls.unlink(missing_ok=True)
        found.end()
    return was_running


def status(home: Path) -> Status:
    """What runs now; nothing is changed."""
    found = read(StackFolder(home.resolve() / "stack"))
    if found is None:
        return Status(running=False)
    return Status(
        running=found.is_alive(),
        foreground=found.foreground,
        servers=(
            _server_status("postgres", found.db, found.postgres),
            _server_status("valkey", found.broker, found.valkey),
        ),
    )


def _server_status(name: str, url: str, identity: ProcessIdentity) -> ServerStatus:
    address = url.rpartition("@")[2].partition("/")[0]
    return ServerStatus(name=name, address=address, pid=identity.pid if is_alive(identity) else None)


def _start(binaries: Binaries, folder: StackFolder, *, foreground: bool) -> Running:
    kept = folder.read_kept()
    # Before there are data: data whose passwords are lost are worth nothing.
    folder.write_kept(kept)
    valkey.end_leftovers(folder)
    postgres.end_leftovers(folder)
    in_use = FileLock(folder.in_use)
    if not wait_until(in_use.acquire, timeout_seconds=_LEFTOVER_SECONDS):
        raise InUseError(
            f"the stack in {folder.path} runs where this process cannot see it: in another container or host",
            hint="stop it there, or set FLOW_HOME to another folder",
        )

    def options(port: int, password: str) -> StartOptions:
        return StartOptions(port=port, password=password, die_with_parent=foreground, inherited=in_use.fileno())

    redis = None
    try:
        redis = valkey.start_valkey(binaries, folder, options(kept.valkey_port, kept.valkey_password))
        database = postgres.start_postgres(binaries, folder, options(kept.postgres_port, kept.postgres_password))
    except BaseException:
        if redis is not None:
            end_process(redis.child.identity, valkey.STOP)
        raise
    finally:
        # The servers hold it from here on.
        in_use.release()
    folder.write_kept(replace(kept, postgres_port=database.port, valkey_port=redis.port))
    return Running(
        home=folder.path.parent,
        db=postgres.url(database.port, kept.postgres_password),
        broker=valkey.url(redis.port, kept.valkey_password, 0),
        backend=valkey.url(redis.port, kept.valkey_password, 1),
        postgres=database.child.identity,
        valkey=redis.child.identity,
        foreground=foreground,
        started=True,
        children=(database.child, redis.child),
    )
