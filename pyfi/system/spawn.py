"""Starting a program: what it gets, what it may do, and when it dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from pyfi.settings import environment
from pyfi.system.child import Child
from pyfi.system.identity import LINUX

_LAUNCH = str(Path(__file__).with_name("launch.py"))
_LIBRARIES = "LD_LIBRARY_PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Another Unix user. Becoming him is root's to do; his supplementary groups are none."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program may do at most; when it crashes it leaves no picture of its memory.

    processes: of its user together. no_new_privileges: no program that it starts gives it more rights.
    """

    processes: int | None = None
    no_new_privileges: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What does not depend on the way a program is started."""

    env: Mapping[str, str]
    stdin: int | IO[bytes] = subprocess.DEVNULL
    stdout: int = subprocess.DEVNULL
    stderr: int = subprocess.DEVNULL
    cwd: Path | None = None
    pass_fds: tuple[int, ...] = ()
    new_session: bool = True
    umask: int = 0o077


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin_bytes: bytes | None = None,
    stdout: Path | int | None = None,
    stderr: Path | int | None = None,
    pass_fds: Sequence[int] = (),
    die_with_parent: signal.Signals | None = None,
    as_nobody: bool = False,
    user: User | None = None,
    limits: Limits | None = None,
    cpu: int | None = None,
    new_session: bool = True,
    umask: int = 0o077,
    file_size_limit_bytes: int | None = None,
) -> Child:
    """Start `argv` and return when it runs (its exec has succeeded).

    Args: env: its whole environment. stdin_bytes: what it reads; None: nothing. stdout, stderr: a file
    (appended to, made 0600), a descriptor, or None for nowhere. die_with_parent: the signal it gets when the *thread*
    that called this ends, however (Linux; call it from a thread that lives as long as the process). as_nobody: when
    this process is root, the child is user nobody: in a user namespace (files on disk stay root's), or, where these
    are forbidden, by setuid. cpu: the one CPU it may use (Linux).

    Raises: OSError: it could not be started (FileNotFoundError: no such program or folder).
    """
    options = {
        "death_signal": int(die_with_parent) if die_with_parent is not None and LINUX else None,
        "cpu": cpu if LINUX else None,
        "file_size_limit_bytes": file_size_limit_bytes,
        "nobody": _nobody_by() if as_nobody else None,
        "user": [user.uid, user.gid] if user else None,
        "limits": True if limits else None,
        "processes": limits.processes if limits else None,
        "no_new_privileges": True if limits and limits.no_new_privileges else None,
    }
    with ExitStack() as stack:
        start = _Start(
            env=env,
            stdin=stack.enter_context(_input(stdin_bytes)),
            stdout=_output(stack, stdout),
            stderr=_output(stack, stderr),
            cwd=cwd,
            pass_fds=tuple(pass_fds),
            new_session=new_session,
            umask=umask,
        )
        # A child would inherit that Ctrl-C is ignored, as it is in what a shell starts with `&`: launch.py undoes it.
        is_deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        if not is_deaf and all(value is None for value in options.values()):
            return _popen(argv, start, env=env)
        return _launch(argv, start, options)


@cache
def user_namespaces_work() -> bool:
    """Whether root may run a program as nobody in a user namespace (a container's profile may forbid it)."""
    try:
        child = _launch(["true"], _Start(env={"PATH": os.defpath}), {"nobody": "namespace"})
    except OSError:
        return False
    return child.wait(10.0) == 0


def _nobody_by() -> str | None:
    if os.geteuid() != 0:
        return None
    return "namespace" if user_namespaces_work() else "setuid"


def _launch(argv: Sequence[str], start: _Start, options: Mapping[str, object]) -> Child:
    """Start it by way of launch.py, which sets the options and then becomes it."""
    # What our Python needs to start at all the launcher needs as well; the program does not get it.
    needed = {name: value for name, value in environment().items() if name == _LIBRARIES and name not in start.env}
    # And Python adds this one by itself.
    unset = [*needed, *({"LC_CTYPE"} - set(start.env))]
    order = json.dumps({**options, "parent": os.getpid(), "unset": unset})
    reading, writing = os.pipe()
    try:
        try:
            launcher = [sys.executable, "-I", "-S", _LAUNCH, str(writing), order]
            child = _popen([*launcher, *argv], start, env={**start.env, **needed}, also_passed=writing)
        finally:
            os.close(writing)
        said = b""
        while chunk := os.read(reading, 4096):
            said += chunk
    finally:
        os.close(reading)
    if said:
        child.wait(5.0)
        code, _, reason = said.decode(errors="replace").partition(" ")
        raise OSError(int(code), f"{reason}: {argv[0]}")
    return child


def _popen(argv: Sequence[str], start: _Start, *, env: Mapping[str, str], also_passed: int | None = None) -> Child:
    process = subprocess.Popen(
        list(argv),
        env=dict(env),
        cwd=start.cwd,
        stdin=start.stdin,
        stdout=start.stdout,
        stderr=start.stderr,
        pass_fds=start.pass_fds if also_passed is None else (*start.pass_fds, also_passed),
        start_new_session=start.new_session,
        umask=start.umask,
        close_fds=True,
    )
    # From here on Child reaps; Popen would warn about, and later reap, a process that is meant to outlive it.
    process.returncode = 0
    return Child(process.pid)


@contextmanager
def _input(content: bytes | None) -> Iterator[int | IO[bytes]]:
    if content is None:
        yield subprocess.DEVNULL
        return
    # Memory, where the platform has it: what goes this way is often a secret.
    file = os.fdopen(os.memfd_create("stdin"), "w+b") if LINUX else tempfile.TemporaryFile()  # noqa: SIM115
    with file:
        file.write(content)
        file.seek(0)
        yield file


def _output(stack: ExitStack, to: Path | int | None) -> int:
    if to is None:
        return subprocess.DEVNULL
    if isinstance(to, int):
        return to
    opened = os.open(to, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, opened)
    return opened
