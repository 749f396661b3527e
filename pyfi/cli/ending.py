"""How a run ends: the exit code, and one line on stderr with a hint."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path

import click

from pyfi.errors import CallFailedError, InvariantError, PyfiError, TryAgainError, UnavailableError

REFUSED, USAGE, UNAVAILABLE, INTERNAL, TRY_AGAIN, INTERRUPTED, CLOSED = 1, 2, 69, 70, 75, 130, 141

# The machine's no is not our bug.
MACHINE_REFUSES = {errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT}


def say(text: str) -> None:
    """A line for people: stderr."""
    from pyfi.logs import printable

    click.echo(printable(text), err=True)


def exit_code(error: PyfiError) -> int:
    """By the error's place in the tree."""
    if isinstance(error, UnavailableError):
        return UNAVAILABLE
    if isinstance(error, TryAgainError):
        return TRY_AGAIN
    return INTERNAL if isinstance(error, InvariantError) else REFUSED


def _told(message: str, hint: str, *, trace: str = "") -> None:
    from pyfi.logs import masked

    say(f"error: {masked(' '.join(message.split()))}")
    if trace:
        say(trace.rstrip())
    if hint:
        say(f"hint: {masked(hint)}")


def _usage(error: click.UsageError) -> str:
    """click names every spelling of an option; the first two are enough."""
    if isinstance(error, click.BadParameter) and type(error) is click.BadParameter and error.param is not None:
        return f"{' / '.join(error.param.opts[:2])}: {error.message}"
    return error.format_message()


def ended_by(error: BaseException, *, debug: bool) -> int:
    """Say it and give the exit code."""
    if debug and not isinstance(error, click.exceptions.Exit | click.Abort):
        from pyfi.logs import masked

        say(masked("".join(traceback.format_exception(error)).rstrip()))
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            say(error.format_message())
            return USAGE
        case click.UsageError():
            where = error.ctx.command_path if error.ctx else "flow"
            _told(_usage(error), f"{where} --help")
            return USAGE
        case click.Abort() | KeyboardInterrupt():
            say("interrupted")
            return INTERRUPTED
        case click.ClickException():
            _told(error.format_message(), "")
            return error.exit_code
        case BrokenPipeError():
            return CLOSED
        case OSError() if error.errno in MACHINE_REFUSES:
            where = f"{error.filename}: " if error.filename else ""
            _told(f"{where}{error.strerror}", "")
            return REFUSED
        case PyfiError():
            trace = error.error.get("traceback") if isinstance(error, CallFailedError) else None
            _told(error.message, error.hint, trace=str(trace or ""))
            return exit_code(error)
        case _:
            _told(f"PyFI failed: {type(error).__name__}: {error}", "run it again with --debug and report what it says")
            return INTERNAL


def prepare_streams() -> None:
    """A stream that was closed before we began takes all and gives nothing; a name that the terminal's encoding lacks
    is no reason to fail.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 # as long as the process
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def close_streams() -> int:
    """Flush; a reader that went away is an end like any other."""
    try:
        sys.stdout.flush()
    except OSError as error:
        drop_stdout()
        return CLOSED if isinstance(error, BrokenPipeError) else REFUSED
    return 0


def drop_stdout() -> None:
    """So that the interpreter does not complain about the closed pipe when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
