"""The embedded Valkey: a password, loopback only, what was written is on disk after a second at most."""

from __future__ import annotations

import contextlib
import signal
import socket

from pyfi.stack.binaries import Binaries
from pyfi.stack.folder import StackFolder, give_to_server, start_log
from pyfi.stack.server import HOST, StartedServer, StartOptions, Steps, end_processes_in, server_environment, start
from pyfi.system.processes import Child, spawn

STOP: Steps = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
# Debian calls the file of redis-server redis-check-rdb.
PROGRAMS = ("valkey-server", "redis-server", "redis-check-rdb")
_READY = "Ready to accept connections"

# `dir ./`: it may be a folder that only the server's working directory leads to.
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
dir ./
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
logfile ""
loglevel notice
"""


def end_leftovers(folder: StackFolder) -> None:
    """End what still runs of an earlier start whose record was lost."""
    end_processes_in(folder.valkey, PROGRAMS, STOP)


def start_valkey(binaries: Binaries, folder: StackFolder, options: StartOptions) -> StartedServer:
    """Start it on its data and wait until it answers.

    Nobody else may run on these data: the caller has made sure of it.
    Raises: UnavailableError: it did not start.
    """
    data, log = folder.valkey, folder.log("valkey")
    data.mkdir(exist_ok=True, mode=0o700)
    give_to_server(data)
    start_log(log)
    said_before = log.stat().st_size

    def spawn_on(chosen: int) -> Child:
        nonlocal said_before
        said_before = log.stat().st_size
        return spawn(
            [str(binaries.valkey), "-"],
            env=server_environment(folder.path),
            cwd=data,
            # Not in its argv, which everyone on the machine can read.
            stdin_bytes=_CONFIGURATION.format(port=chosen, password=options.password).encode(),
            stdout=log,
            stderr=log,
            as_nobody=True,
            pass_fds=[options.inherited],
            die_with_parent=signal.SIGTERM if options.die_with_parent else None,
        )

    def is_ready(_child: Child, chosen: int) -> bool:
        # Only a server that says it listens gets to see the password.
        said = log.read_bytes()[said_before:]
        return _READY.encode() in said and _takes_password(chosen, options.password)

    return start("Valkey", options.port, spawn=spawn_on, ready=is_ready, log=log)


def url(port: int, password: str, database: int) -> str:
    """The URL of one of its numbered databases."""
    return f"redis://:{password}@{HOST}:{port}/{database}"


def _takes_password(port: int, password: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=2.0) as connection:
        secret = password.encode()
        connection.sendall(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(secret), secret))
        return connection.recv(64).startswith(b"+OK")
    return False
