"""The embedded Postgres: a cluster in our folder, SCRAM everywhere, loopback only."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg2
from psycopg2 import sql

from pyfi.errors import UnavailableError
from pyfi.settings import write_private
from pyfi.stack.binaries import Binaries
from pyfi.stack.folder import StackFolder, give_to_server, runs_by_setuid, start_log
from pyfi.stack.server import HOST, StartedServer, StartOptions, Steps, end_processes_in, server_environment, start
from pyfi.system.processes import Child, run, spawn

SUPERUSER = "postgres"
DATABASE = "pyfi"
PROGRAMS = ("postgres", "initdb")
# Fast shutdown; then, if it hangs, the immediate one; then the kernel's.
STOP: Steps = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_LEFTOVER: Steps = ((signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_INITDB_SECONDS = 120.0
_FIRST_WITH_SYNCFS = 17

_CONFIGURATION = """\
# Written anew by every start of the stack.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
cluster_name = 'pyfi'
max_connections = 100
password_encryption = 'scram-sha-256'
shared_buffers = '64MB'
max_wal_size = '256MB'
fsync = on
synchronous_commit = on
jit = off
timezone = 'UTC'
lc_messages = 'C'
# A statement may hold a password or a caller's data: none is ever written to the log.
log_destination = 'stderr'
logging_collector = off
log_statement = 'none'
log_min_error_statement = 'panic'
log_min_duration_statement = -1
log_error_verbosity = 'terse'
log_checkpoints = off
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
"""


def end_leftovers(folder: StackFolder) -> None:
    """End what still runs of an earlier start whose record was lost."""
    for data in (folder.postgres, folder.unfinished_postgres):
        end_processes_in(data, PROGRAMS, _LEFTOVER)


def start_postgres(binaries: Binaries, folder: StackFolder, options: StartOptions) -> StartedServer:
    """Make the cluster if there is none, start it, wait until it answers, make the database if there is none.

    Nobody else may run on these data: the caller has made sure of it.
    Raises: UnavailableError: it did not start.
    """
    data, log = folder.postgres, folder.log("postgres")
    start_log(log)
    if not data.exists():
        _make_cluster(binaries, folder.unfinished_postgres, password=options.password)
        folder.unfinished_postgres.rename(data)
    # Stale, since nobody else runs here; and the number in it may be a stranger's by now.
    (data / "postmaster.pid").unlink(missing_ok=True)

    def spawn_on(chosen: int) -> Child:
        configuration = data / "postgresql.conf"
        write_private(configuration, _CONFIGURATION.format(port=chosen))
        give_to_server(data)
        give_to_server(configuration)
        return spawn(
            [str(binaries.postgres), "-D", _as_seen(data), "-p", str(chosen)],
            env=server_environment(folder.path),
            cwd=data,
            stdout=log,
            stderr=log,
            as_nobody=True,
            pass_fds=[options.inherited],
            die_with_parent=signal.SIGINT if options.die_with_parent else None,
        )

    return start(
        "Postgres",
        options.port,
        spawn=spawn_on,
        ready=lambda child, chosen: _says_ready(data, child) and _has_database(chosen, options.password),
        log=log,
    )


def url(port: int, password: str) -> str:
    """The superuser's URL of the database."""
    return f"postgresql://{SUPERUSER}:{password}@{HOST}:{port}/{DATABASE}"


def _as_seen(data: Path) -> str:
    # The real user nobody may not walk to a folder inside a private one, but may stand in it.
    return "/proc/self/cwd" if runs_by_setuid() else str(data)


def _make_cluster(binaries: Binaries, data: Path, *, password: str) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    give_to_server(data)
    argv: Sequence[str] = (
        str(binaries.initdb),
        *("-D", _as_seen(data), "-U", SUPERUSER, "-E", "UTF8", "--no-locale", "--no-instructions"),
        *("--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--pwfile=/dev/stdin"),
        *_quick_sync(binaries),
    )
    made = run(
        argv,
        env=server_environment(data),
        cwd=data,
        timeout_seconds=_INITDB_SECONDS,
        stdin_bytes=f"{password}\n".encode(),
        as_nobody=True,
    )
    if made.returncode != 0:
        said = (made.stderr or made.stdout).decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise UnavailableError(
            f"initdb could not make the embedded database: {said[-1]}", hint=f"look at {data.parent}"
        )


def _quick_sync(binaries: Binaries) -> tuple[str, ...]:
    """One sync of the file system in place of a thousand of files: a fraction of a second in place of several."""
    if sys.platform != "linux":
        return ()
    said = run([str(binaries.initdb), "--version"], env={"LC_ALL": "C"}, timeout_seconds=10.0).stdout
    version = re.search(rb"\(PostgreSQL\) (\d+)", said)
    return ("--sync-method=syncfs",) if version and int(version[1]) >= _FIRST_WITH_SYNCFS else ()


def _says_ready(data: Path, child: Child) -> bool:
    """What pg_ctl does: the file is that process's, and its eighth line says ready."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready"


def _has_database(port: int, password: str) -> bool:
    """Log in, and make the database when it is missing."""
    try:
        connection = psycopg2.connect(
            host=HOST,
            port=port,
            user=SUPERUSER,
            password=password,
            dbname="postgres",
            connect_timeout=5,
            sslmode="disable",
            options="",
        )
    except psycopg2.OperationalError as error:
        if "password authentication failed" in str(error):
            raise UnavailableError(
                "the embedded Postgres does not take the password that was kept for it",
                hint="bring the stack's kept.json back, or move its folder away to begin anew",
            ) from None
        return False
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    finally:
        connection.close()
    return True
