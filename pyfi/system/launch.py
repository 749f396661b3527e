"""Becomes another program after setting what only the child itself can set. Standard library only.

Started by path with `python -I -S launch.py ERROR_FD OPTIONS_JSON ARGV...`: not a preexec_fn, since Python code between
fork and exec deadlocks when the parent has threads. The error pipe closes by itself when exec succeeds; else it carries
the errno and the reason.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

NOBODY = 65534  # the one unprivileged user that every system knows
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123 # pathlib would double the start of every child
        file.write(text)


def _enter_user_namespace(libc: ctypes.CDLL) -> None:
    """Be nobody in a namespace of its own: programs that refuse root run, and files on disk stay root's."""
    uid, gid = os.geteuid(), os.getegid()
    _check(libc.unshare(_CLONE_NEWUSER), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{NOBODY} {uid} 1")
    _write("/proc/self/gid_map", f"{NOBODY} {gid} 1")


def _become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _limit(options: dict[str, Any]) -> None:
    import resource

    processes = options.get("processes")
    # A crash's picture of the memory would hold what the process was told.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if isinstance(processes, int):
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))


def _prepare(options: dict[str, Any]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    cpu, limit, death = options.get("cpu"), options.get("file_size_limit_bytes"), options.get("death_signal")
    if isinstance(cpu, int) and sys.platform == "linux":
        os.sched_setaffinity(0, {cpu})
    if isinstance(limit, int):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if options.get("nobody") == "namespace":
        _enter_user_namespace(libc)
    elif options.get("nobody") == "setuid":
        _become_nobody()
    if options.get("limits"):
        _limit(options)
    user = options.get("user")
    if isinstance(user, list):
        _become(*user)
    if options.get("no_new_privileges") and sys.platform == "linux":
        _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    if isinstance(death, int) and sys.platform == "linux":
        # After any change of user, which clears it.
        _check(libc.prctl(_PR_SET_PDEATHSIG, death, 0, 0, 0), "prctl")
        if os.getppid() != options.get("parent"):
            os.kill(os.getpid(), signal.SIGKILL)
    for name in options.get("unset") or ():
        os.environ.pop(name, None)  # noqa: TID251 # the child's own environment, which it gets by exec
    # Python ignores the first two, a shell the others for what it starts with `&`; and what is ignored stays ignored in
    # the program it becomes.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def main() -> None:
    """Never returns."""
    error_pipe, options, argv = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(error_pipe, False)
    try:
        _prepare(options)
        os.execvp(argv[0], argv)  # noqa: S606 # becoming that program is the purpose
    except OSError as error:
        os.write(error_pipe, f"{error.errno or 1} {error.strerror}"[:4000].encode(errors="replace"))
        os._exit(127)


if __name__ == "__main__":
    main()
