"""The host's side of a guest. For an event loop: only `start` and `kill` take longer than a system call (20 ms)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from pyfi.core.variables import is_allowed
from pyfi.errors import InvariantError
from pyfi.runner.frames import (
    STDERR,
    STDOUT,
    WITHDRAWN,
    Done,
    Frame,
    GuestProtocolError,
    Item,
    Load,
    Log,
    Part,
    pack_arguments,
    pack_call,
    unpack,
)
from pyfi.runner.output import PipeLines
from pyfi.runner.sandbox import HIGHEST, OPEN, Sandbox, guest_files, interpreter_folders
from pyfi.system.processes import Child, kill_session, signal_group, signal_text, spawn

_GUEST = str(Path(__file__).with_name("guest.py"))
_READ_BYTES = 1 << 18
_MOST_READS = 16
_TOKEN_BYTES = 8
_SIGNALLED = 128


def guest_environment(python: Path, home: Path, declared: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a guest: PATH, LANG, HOME, TMPDIR, and what the processor may declare."""
    own = {
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        "VIRTUAL_ENV": str(python.parent.parent),
    }
    return own | {name: value for name, value in (declared or {}).items() if is_allowed(name)}


class GuestLink:
    """One guest process and the buffers between it and us.

    Register `fileno`, `stdout_fileno`, `stderr_fileno` and `exit_fileno` for reading and call `receive` when any of
    them is readable; register `fileno` for writing while `wants_write` and call `flush`. The numbers stay until
    `close`.
    """

    def __init__(
        self,
        python: Path,
        env: Mapping[str, str],
        mark: Path,
        cpu: int | None = None,
        *,
        sandbox: Sandbox = OPEN,
        checkout: Path | None = None,
    ) -> None:
        """python: of the processor's virtualenv. env: whole (`guest_environment`); HOME is where it runs.

        mark: the file of the start mark, made when it is not there; what is in it stays. sandbox: what it is kept in;
        checkout: what it sees of the node in there.
        """
        self._sandbox, self._checkout = sandbox, checkout
        self._python, self._env, self._mark_path, self._cpu = python, dict(env), mark, cpu
        self._child: Child | None = None
        self._socket: socket.socket | None = None
        self._mark = self._exit = -1
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._longest_bytes = 1 << 20
        self._pipes: tuple[PipeLines, ...] = ()
        self._sent: dict[int, None] = {}
        self._done_last = 0
        self._withdrawn = 0
        self._broken: GuestProtocolError | None = None
        self._ended = False

    def start(self) -> None:
        """Start the process; call it from a thread that lives as long as the guest shall (it dies with that thread).

        Raises: OSError: it could not be started.
        """
        self._mark = os.open(self._mark_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if os.fstat(self._mark).st_size < 2 * _TOKEN_BYTES:
            os.ftruncate(self._mark, 2 * _TOKEN_BYTES)
        self._withdraw(0)
        ours, theirs = socket.socketpair()
        self._socket = ours
        out, to_out = os.pipe()
        err, to_err = os.pipe()
        self._pipes = (PipeLines(out, STDOUT), PipeLines(err, STDERR))
        for fd in (ours.fileno(), out, err):
            os.set_blocking(fd, False)
        try:
            home, guest = Path(self._env["HOME"]), self._guest()
            words = [str(self._python), "-I", str(guest), str(theirs.fileno()), str(self._mark)]
            seen = [*interpreter_folders(self._python), guest.parent, *([self._checkout] if self._checkout else [])]
            self._child = spawn(
                self._sandbox.argv(words, home=home, readable=seen),
                env=self._env,
                cwd=home,
                stdout=to_out,
                stderr=to_err,
                pass_fds=(theirs.fileno(), self._mark),
                die_with_parent=signal.SIGKILL,
                cpu=self._cpu,
                user=self._sandbox.user,
                limits=self._sandbox.limits,
            )
        except OSError:
            self.close()
            raise
        finally:
            theirs.close()
            os.close(to_out)
            os.close(to_err)
        if self._child.fileno() >= 0:
            # Of our own: the child's is closed when it is reaped, and whoever polls must be able to forget it later.
            self._exit = os.dup(self._child.fileno())

    def _guest(self) -> Path:
        """The guest's program; in a sandbox a copy that it can read, in a home that is its user's."""
        home = Path(self._env["HOME"])
        if not self._sandbox.level:
            return Path(_GUEST)
        if self._sandbox.user:
            os.chown(home, self._sandbox.user.uid, self._sandbox.user.gid)
        return guest_files(home.parent)

    @property
    def pid(self) -> int:
        """The guest's process id."""
        return self._started().pid

    def fileno(self) -> int:
        """The socket."""
        return self._socket.fileno() if self._socket else -1

    def stdout_fileno(self) -> int:
        """The pipe behind the guest's descriptor 1."""
        return self._pipes[0].fileno() if self._pipes else -1

    def stderr_fileno(self) -> int:
        """The pipe behind the guest's descriptor 2."""
        return self._pipes[1].fileno() if self._pipes else -1

    def exit_fileno(self) -> int:
        """Readable when the process has ended, even while something it started holds the socket; -1 on macOS."""
        return self._exit

    def send_load(self, load: Load) -> None:
        """Queue the LOAD frame; `flush` sends."""
        self._longest_bytes = load.longest_frame_bytes
        for pipe in self._pipes:
            pipe.limit_bytes, pipe.limit_lines = load.log_limit_bytes, load.log_limit_lines
        self._outgoing += load.pack()

    def send_arguments(self, token: int, data: bytes) -> None:
        """Queue a part of a call's large arguments, which is sent without any then; `flush` sends."""
        self._outgoing += pack_arguments(token, data)

    def send_call(
        self,
        token: int,
        function: int,
        arguments: bytes,
        *,
        call_id: UUID,
        root_id: UUID,
        parent_id: UUID | None = None,
        attempt: int = 1,
        deadline_seconds: float = 0.0,
    ) -> None:
        """Queue a CALL frame; `flush` sends. See frames.pack_call."""
        self._outgoing += pack_call(
            token,
            function,
            arguments,
            call_id=call_id,
            root_id=root_id,
            parent_id=parent_id,
            attempt=attempt,
            deadline_seconds=deadline_seconds,
        )
        self._sent[token] = None

    @property
    def wants_write(self) -> bool:
        """Whether something is left to send."""
        return bool(self._outgoing)

    def flush(self) -> None:
        """Send what the guest takes now. That it is gone is `receive`'s to say."""
        while self._outgoing and self._socket:
            try:
                with memoryview(self._outgoing) as view:
                    sent = self._socket.send(view[:_READ_BYTES])
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._outgoing.clear()
                return
            del self._outgoing[:sent]

    def receive(self) -> list[Frame]:
        """What has come since the last time, also what was written to descriptors 1 and 2, as LOG frames.

        Raises:
            EOFError: the guest has ended or closed its socket, and all it said before was given. `kill` it, then
                `exit_text` says how it ended.
            GuestProtocolError: it sent what is no frame. `kill` it.
        """
        if self._broken is not None:
            raise self._broken
        if self._ended:
            raise EOFError("the guest is gone")
        came = self._read_socket()
        if came == 0 and self._started().exited():
            # Something that it started may hold the socket open; what it sent before it died is there by now.
            came = self._read_socket() or None
        # The pipes after the socket: what a call wrote is there before its outcome is.
        frames: list[Frame] = [*self._output(finished=came is None)]
        try:
            for frame in unpack(self._incoming, self._longest_bytes):
                # All these frames were sent before the pipes were read: one that was dry then has nothing of theirs.
                if isinstance(frame, Done) and not all(pipe.is_dry for pipe in self._pipes):
                    frames.extend(self._output(finished=True))
                frames.append(self._checked(frame))
        except GuestProtocolError as error:
            self._broken = error
            if not frames:
                raise
            # What came before it counts; the end of the socket makes sure that this is called again.
            if self._socket:
                self._socket.shutdown(socket.SHUT_RD)
        self._ended = came is None
        if self._ended and not frames and self._broken is None:
            raise EOFError("the guest is gone")
        return frames

    def _checked(self, frame: Frame) -> Frame:
        """A hostile function can falsify the call that it runs in, no other."""
        if isinstance(frame, Done):
            if frame.token != self._running_token() or frame.token == 0:
                raise GuestProtocolError("the guest sent the outcome of a call that it does not run")
            if frame.outcome == WITHDRAWN and frame.token > self._withdrawn:
                raise GuestProtocolError("the guest refused a call")
            del self._sent[frame.token]
            self._done_last = frame.token
        elif isinstance(frame, Part | Item):
            if frame.token != self._running_token() or frame.token == 0:
                raise GuestProtocolError("the guest sent a value of a call that it does not run")
        elif isinstance(frame, Log) and frame.token not in self._sent and frame.token != self._done_last:
            return frame._replace(token=self._running_token())
        return frame

    def _read_socket(self) -> int | None:
        """How many bytes came now; None: the other end is closed."""
        came = 0
        # Not until nothing is left: a large result must not keep the event loop.
        for _ in range(_MOST_READS):
            try:
                chunk = self._socket.recv(_READ_BYTES) if self._socket else b""
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                chunk = b""
            if not chunk:
                return came or None
            self._incoming += chunk
            came += len(chunk)
            if len(chunk) < _READ_BYTES:
                break
        return came

    def _output(self, *, finished: bool) -> list[Log]:
        token = self._running_token()
        return [line for pipe in self._pipes for line in pipe.read(token, finished=finished)]

    def _running_token(self) -> int:
        return next(iter(self._sent), 0)

    def started_token(self) -> int:
        """The token of the call that was started last, as the guest wrote it; valid after any death. 0: none yet."""
        return int.from_bytes(os.pread(self._mark, _TOKEN_BYTES, 0), "little")

    def withdraw(self, token: int) -> int:
        """Take back all calls up to `token`; returns the last that was started: those after it never will be.

        The guest says WITHDRAWN of each when it comes to it, also of one that it was just about to start.
        """
        self._withdraw(token)
        return self.started_token()

    def _withdraw(self, token: int) -> None:
        self._withdrawn = token
        os.pwrite(self._mark, token.to_bytes(_TOKEN_BYTES, "little"), _TOKEN_BYTES)

    def kill(self) -> None:
        """End the guest and whatever it started (its process group and its session), and reap it.

        Also needed when it has ended by itself: its children may live. Waits for at most two seconds.
        """
        if self._child is None:
            return
        if self._ended and self._sandbox.level == HIGHEST:
            # Bubblewrap ends a moment after its program, and then says how that ended.
            self._child.wait(0.5)
        with contextlib.suppress(PermissionError):
            signal_group(self._child.identity, signal.SIGKILL)
        kill_session(self._child.identity, wait_seconds=1.0)
        self._child.wait(1.0)

    def exit_text(self) -> str:
        """How it ended: `signal 9 (SIGKILL)`, `exit 3`; `running`: it has not."""
        code = self._started().poll()
        if code is None:
            return "running"
        if self._sandbox.level == HIGHEST and code > _SIGNALLED:
            # So bubblewrap tells of its program's end.
            code = _SIGNALLED - code
        return signal_text(-code) if code < 0 else f"exit {code}"

    def close(self) -> None:
        """Let go of all descriptors; may be called twice. Does not end the guest: `kill` does, before."""
        if self._socket:
            self._socket.close()
            self._socket = None
        for pipe in self._pipes:
            pipe.close()
        self._pipes = ()
        for fd in (self._mark, self._exit):
            if fd >= 0:
                os.close(fd)
        self._mark = self._exit = -1

    def _started(self) -> Child:
        if self._child is None:
            raise InvariantError("the guest was not started")
        return self._child
