"""The process that runs a user's functions, in the user's virtualenv: standard library only.

Started by path: `<venv>/bin/python -I guest.py FD MARK_FD`, so that neither our folder nor the environment reaches
`sys.path` and a user's module may have any name. FD is a socket to the host, MARK_FD a file of 16 bytes.
Frames (pyfi/runner/link.py is the other end): 4 bytes length of what follows, 1 byte kind, then the body.

What holds, and what the worker builds on:
- the claim's token is in the mark from just before the user's function is entered: arguments are decoded and matched
  with the signature before that, so a call that never started is never counted as an attempt;
- the outcome of a call is sent before the next one starts;
- a call that the host has withdrawn (bytes 8 to 16 of the mark: all tokens up to that one) is not started;
- nobody but this process can keep the socket open: not its children, not what it execs.
"""

from __future__ import annotations

import datetime
import faulthandler
import fcntl
import gc
import importlib.util
import json
import mmap
import os
import resource
import socket
import struct
import sys
import threading
import time
import traceback
import types
import uuid
from typing import TYPE_CHECKING, Any

LOAD, CALL, ARGUMENTS = 1, 2, 3
LOADED, LOAD_FAILED, LOG, DONE, PART, ITEM = 10, 11, 12, 13, 14, 15
OK, RAISED, NOT_SERIALISABLE, TOO_LARGE, NO_SUCH_FUNCTION, WITHDRAWN = 0, 1, 2, 3, 4, 5
LOAD_FAILED_EXIT, LINK_LOST_EXIT = 3, 4

_READ_BYTES = 1 << 18
_MOST_MESSAGE, _MOST_TRACEBACK, _MOST_BASES = 8_000, 32_000, 32
_MOST_OUTPUT_BYTES = _MOST_PLUGS_BYTES = 1 << 20
_length = struct.Struct(">I")
_call_header = struct.Struct(">QH16s16s16sHd")
_log_header = struct.Struct(">IBQdB")
_done_header = struct.Struct(">IBQBdI")
_part_header = struct.Struct(">IBQI")
_item_header = struct.Struct(">IBQQBI")
_mark = struct.Struct("<Q")
_mark_of_part = struct.Struct(">Q")
_NO_PARENT = bytes(16)
_OURS = (os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest"), __file__, "<frozen importlib")
_LAZY = frozenset({types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType})


def _beside(name: str) -> Any:
    """The module in the file beside this one, under a name that no user's module has."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"guest_{name}.py")
    spec = importlib.util.spec_from_file_location(f"_pyfi_guest_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyfi.runner import guest_limit, guest_log, guest_module, guest_values
else:
    guest_limit, guest_log, guest_module, guest_values = map(_beside, ("limit", "log", "module", "values"))


class Call:
    """What a function sees that declares `call`.

    id, tracking (the first call of the flow), parent: UUIDs as text, parent None for a first call. attempt: 1 the first
    time. deadline: aware UTC time at which the call is ended, or None. SoftTimeLimit: what is raised in the function
    when the processor's soft time limit is over, a TimeoutError.
    """

    SoftTimeLimit = guest_limit.SoftTimeLimit
    __slots__ = ("_ends", "_log", "attempt", "deadline", "id", "parent", "tracking")

    def __init__(self, ids: tuple[bytes, bytes, bytes], attempt: int, seconds: float, log: guest_log.CallLog) -> None:
        """ids: of the call, the root and the parent. seconds: left until the deadline, 0: there is none."""
        own, root, parent = ids
        self.id = str(uuid.UUID(bytes=own))
        self.tracking = str(uuid.UUID(bytes=root))
        self.parent = None if parent == _NO_PARENT else str(uuid.UUID(bytes=parent))
        self.attempt = attempt
        self.deadline = (
            datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017 # the user's Python may be older than ours
            + datetime.timedelta(seconds=seconds)
            if seconds
            else None
        )
        self._ends = time.monotonic() + seconds if seconds else None
        self._log = log

    def remaining(self) -> float | None:
        """Seconds until the deadline, 0.0 when it is over; None: there is none."""
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    def log(self, *words: object) -> None:
        """Write a line to the call's log, as `print` does."""
        self._log.line(guest_log.LOGGING, " ".join(map(str, words)))

    def progress(self, fraction: float, words: str = "") -> None:
        """Say in the call's log how far it is: 0.0 to 1.0."""
        self._log.line(guest_log.LOGGING, f"progress {fraction:.0%} {words}".rstrip())


class Wire:
    """The socket to the host. Threads of the user's may print at any time: one frame goes out whole."""

    def __init__(self, sock: socket.socket) -> None:
        """sock: blocking."""
        self._socket = sock
        self._lock = threading.RLock()
        self._is_sending = False
        self.receive = sock.recv

    def send(self, *parts: bytes) -> None:
        """Send one frame. When that is impossible nobody hears us any more, and the process ends."""
        try:
            with self._lock:
                self._is_sending = True
                for part in parts:
                    self._socket.sendall(part)
                self._is_sending = False
        except OSError:
            os._exit(LINK_LOST_EXIT)

    def is_sending(self) -> bool:
        """Whether a frame is half sent: no signal may end it there."""
        return self._is_sending

    def log(self, token: int, at: float, stream: int, text: bytes) -> None:
        """Send a LOG frame."""
        self.send(_log_header.pack(18 + len(text), LOG, token, at, stream) + text)

    def done(self, token: int, outcome: int, seconds: float, first: bytes, second: bytes) -> None:
        """Send a DONE frame."""
        head = _done_header.pack(22 + len(first) + len(second), DONE, token, outcome, seconds, len(first))
        if len(first) + len(second) < _READ_BYTES:
            self.send(head + first + second)
        else:
            self.send(head, first, second)

    def part(self, token: int, number: int, data: bytes) -> None:
        """Send a PART frame: the next bytes of the call's large value of that number."""
        self.send(_part_header.pack(13 + len(data), PART, token, number), data)

    def item(self, token: int, seq: int, goes_on: bool, number: int, value: bytes) -> None:
        """Send an ITEM frame: what a generator yielded, or the number of a large value that it is."""
        self.send(_item_header.pack(22 + len(value), ITEM, token, seq, goes_on, number) + value)

    def close(self) -> None:
        """Let go of it: in a forked child the next send ends the process."""
        self._lock = threading.RLock()
        self._socket.close()


def _error_record(code: str, kind: str, message: str, trace: str = "", bases: Sequence[str] = ()) -> bytes:
    return json.dumps(
        {
            "error": code,
            "type": guest_values.safe_text(kind, _MOST_MESSAGE),
            "bases": [guest_values.safe_text(each, _MOST_MESSAGE) for each in bases],
            "message": guest_values.safe_text(message, _MOST_MESSAGE),
            "traceback": guest_values.safe_text(trace, _MOST_TRACEBACK),
        }
    ).encode()


def _raised(error: BaseException, code: str = "raised") -> bytes:
    """The record of an exception. The user's own classes may fail even at being shown."""
    try:
        message = str(error)
    except Exception:
        message = "(the exception's text cannot be shown)"
    user_part = error.__traceback__
    while user_part is not None and user_part.tb_frame.f_code.co_filename.startswith(_OURS):
        user_part = user_part.tb_next
    try:
        trace = "".join(traceback.format_exception(type(error), error, user_part))
    except Exception:
        trace = "".join(traceback.format_tb(user_part)) + guest_values.type_name(error)
    bases = [guest_values.class_name(each) for each in type(error).__mro__[1:-1]]
    return _error_record(code, guest_values.type_name(error), message, trace, bases[:_MOST_BASES])


class Guest:
    """Loads one module, then answers calls until the host is gone."""

    def __init__(self, wire: Wire, log: guest_log.CallLog, mark: mmap.mmap) -> None:
        """mark: 16 bytes, shared with the host."""
        self._wire = wire
        self._log = log
        self._mark = mark
        self._functions: dict[int, guest_module.Function] = {}
        self._limit: guest_limit.SoftLimit | None = None
        self._limit_bytes = 256 << 20
        self._inline_bytes = 1 << 16
        self._numbers = 0
        self._arguments: tuple[int, list[bytes]] = (0, [])
        self._loop: Any = None
        self._barrier = threading.Lock()

    def load(self, body: bytes) -> bool:
        """Import the module and find its functions. False: it could not be imported, and the host knows why."""
        order = json.loads(body)
        self._limit_bytes = order["result_limit_bytes"]
        self._inline_bytes = order["inline_bytes"]
        self._log.limit_bytes = order["log_limit_bytes"]
        self._log.limit_lines = order["log_limit_lines"]
        if order["soft_time_limit_seconds"]:
            self._limit = guest_limit.SoftLimit(order["soft_time_limit_seconds"], self._wire.is_sending)
        self._log.begin(0)
        try:
            module = guest_module.load_module(
                checkout=order["checkout"],
                modulepath=order["modulepath"],
                module=order["module"],
                installed=order["installed"],
            )
        except BaseException as error:
            self._log.end()
            self._frame(LOAD_FAILED, _raised(error, "load_failed"))
            return False
        answers: dict[str, Any] = {}
        for number, name in order["functions"].items():
            try:
                self._functions[int(number)] = guest_module.find_function(module, name)
                answers[number] = None
            except LookupError as error:
                answers[number] = {"error": "no_such_function", "type": "LookupError", "message": error.args[0]}
        self._log.end()
        # What is imported stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        self._frame(LOADED, json.dumps({"functions": answers}).encode())
        return True

    def _frame(self, kind: int, body: bytes) -> None:
        self._wire.send(_length.pack(1 + len(body)) + bytes([kind]) + body)

    def call(self, frame: bytes) -> None:
        """Run one call and send its outcome."""
        token, number, own, root, parent, attempt, seconds = _call_header.unpack_from(frame, 1)
        mark, log = self._mark, self._log
        if token <= _mark.unpack_from(mark, 8)[0]:
            self._wire.done(token, WITHDRAWN, 0.0, b"", b"")
            return
        log.begin(token)
        function = self._functions.get(number)
        if function is None:
            message = f"this guest has no function number {number}"
            self._wire.done(
                token, NO_SUCH_FUNCTION, 0.0, _error_record("no_such_function", "LookupError", message), b""
            )
            return
        plugs: dict[str, Any] = {}
        output: dict[str, Any] = {}
        own_values = {"plugs": plugs, "output": output}
        try:
            args, kwargs = self._decoded(token, memoryview(frame)[1 + _call_header.size :])
            named = bool(kwargs)
            for name, position in function.injected:
                if len(args) <= position and name not in kwargs:
                    kwargs[name] = (
                        own_values[name] if name != "call" else Call((own, root, parent), attempt, seconds, log)
                    )
            if named or not function.fewest <= len(args) <= function.most:
                function.check(args, kwargs)
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            record = _error_record("arguments", guest_values.type_name(error), f"{function.name}: {error}")
            self._wire.done(token, RAISED, 0.0, record, b"")
            return
        clock = time.perf_counter
        # One copy of eight bytes: whoever is killed between two of them has not started.
        mark[0:8] = _mark.pack(token)
        # The host withdraws first and reads the mark then, we the other way round: one of us sees the other. A lock
        # keeps the processor from turning that round.
        with self._barrier:
            is_withdrawn = token <= _mark.unpack_from(mark, 8)[0]
        if is_withdrawn:
            log.end()
            self._wire.done(token, WITHDRAWN, 0.0, b"", b"")
            return
        began = clock()
        try:
            if self._limit is None:
                result, each = self._result(function, args, kwargs, token, plugs)
            else:
                result, each = self._limited(self._limit, function, args, kwargs, token, plugs)
        except BaseException as error:
            outcome, first, second = _ended_by(error)
        else:
            outcome, first, second = self._outcome(token, result, plugs, output, each)
        seconds = clock() - began
        if sys.stdout is not log.streams[0] or sys.stderr is not log.streams[1]:
            guest_log.reinstall(log)
        log.end()
        self._wire.done(token, outcome, seconds, first, second)

    def _result(
        self,
        function: guest_module.Function,
        args: list[Any],
        kwargs: dict[str, Any],
        token: int,
        plugs: dict[str, Any],
    ) -> tuple[Any, bool]:
        result = function.call(*args, **kwargs)
        return self._finish(result, token, plugs) if type(result) in _LAZY else (result, False)

    def _limited(
        self,
        limit: guest_limit.SoftLimit,
        function: guest_module.Function,
        args: list[Any],
        kwargs: dict[str, Any],
        token: int,
        plugs: dict[str, Any],
    ) -> tuple[Any, bool]:
        limit.begin()
        try:
            return self._result(function, args, kwargs, token, plugs)
        except BaseException as error:
            if (meant := limit.meant(error)) is not error:
                raise meant from None
            raise
        finally:
            limit.end()

    def _decoded(self, token: int, body: memoryview) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call; without a body they are what ARGUMENTS frames brought."""
        text = str(body, "utf-8")
        if not text:
            (whose, parts), self._arguments = self._arguments, (0, [])
            if whose != token:
                raise ValueError("the arguments did not arrive")
            text = b"".join(parts).decode()
        arguments = json.loads(text)
        return arguments["args"], arguments["kwargs"]

    def arguments(self, frame: bytes) -> None:
        """Keep a part of the arguments of a call that follows; of one that never came the host sends no more."""
        token = _mark_of_part.unpack_from(frame, 1)[0]
        if self._arguments[0] != token:
            self._arguments = (token, [])
        self._arguments[1].append(frame[9:])

    def _finish(self, result: Any, token: int, plugs: dict[str, Any]) -> tuple[Any, bool]:
        """Run a coroutine, exhaust a generator. True: it was one, and its items are sent."""
        if type(result) is types.CoroutineType:
            result = self._run(result)
        items = _Items(self, token, plugs)
        if type(result) is types.AsyncGeneratorType:
            self._run(items.take_all(result))
            return None, True
        if type(result) is types.GeneratorType:
            for item in result:
                items.take(item)
            return None, True
        return result, False

    def _run(self, coroutine: Any) -> Any:
        loop = self._event_loop()
        task = loop.create_task(coroutine)
        if self._limit is not None:
            self._limit.watch(loop, task)
        return loop.run_until_complete(task)

    def value(self, token: int, value: Any, limit_bytes: int, name: str, inline_bytes: int) -> tuple[bytes, int, int]:
        """A value's JSON, or the number under which it was sent because it is long, and its length.

        Raises: guest_values.RefusedError.
        """
        waiting, number, size = bytearray(), 0, 0
        for piece in guest_values.pieces(value, limit_bytes, name):
            waiting += piece
            size += len(piece)
            if not number and len(waiting) > inline_bytes:
                self._numbers = number = self._numbers % 0xFFFFFFFF + 1
            while number and len(waiting) >= _READ_BYTES:
                self._wire.part(token, number, bytes(waiting[:_READ_BYTES]))
                del waiting[:_READ_BYTES]
        if not number:
            return bytes(waiting), 0, size
        if waiting:
            self._wire.part(token, number, bytes(waiting))
        return b"", number, size

    def item(self, token: int, seq: int, item: Any, goes_on: bool, left_bytes: int) -> int:
        """Send what a generator yielded; returns its length.

        Raises: _RefusedItemError.
        """
        try:
            value, number, size = self.value(token, item, left_bytes, f"result[{seq - 1}]", self._inline_bytes)
        except guest_values.RefusedError as refused:
            raise _RefusedItemError(refused) from None
        self._wire.item(token, seq, goes_on, number, value)
        return size

    @property
    def limit_bytes(self) -> int:
        """Of a result."""
        return self._limit_bytes

    def _event_loop(self) -> Any:
        """One loop for the guest's life, so that connections may be kept from call to call."""
        if self._loop is None or self._loop.is_closed():
            import asyncio  # 50 ms that most guests need not pay

            self._loop = asyncio.new_event_loop()
        return self._loop

    def _outcome(
        self, token: int, result: Any, plugs: dict[str, Any], output: dict[str, Any], each: bool
    ) -> tuple[int, bytes, bytes]:
        try:
            first, number = b"", 0
            if not each:
                first, number, _ = self.value(token, result, self._limit_bytes, "result", self._inline_bytes)
            if not plugs and not output and not each and not number:
                return OK, first, b""
            named, large = self._plugs(token, plugs)
            parts = [
                b'"plugs":' + named,
                b'"output":' + guest_values.encode(output, _MOST_OUTPUT_BYTES, "output"),
            ]
            if large or number:
                parts.append(json.dumps({"result": number, "large": large})[1:-1].encode())
            if each:
                parts.append(b'"each":true')
            return OK, first, b"{" + b",".join(parts) + b"}"
        except guest_values.RefusedError as refused:
            return _refused(refused)

    def _plugs(self, token: int, plugs: dict[str, Any]) -> tuple[bytes, dict[str, int]]:
        """The short values as one JSON object, the numbers of the long ones."""
        if guest_values.is_small(plugs):
            return guest_values.encode(plugs, self._limit_bytes, "plugs"), {}
        short, large, left = [], {}, _MOST_PLUGS_BYTES
        for name, value in plugs.items():
            key = guest_values.encode({name: None}, self._inline_bytes, "plugs")[1:-5]
            most = min(self._inline_bytes, left)
            text, number, _ = self.value(token, value, self._limit_bytes, f"plugs[{name!r}]", most)
            if number:
                large[json.loads(key[:-1])] = number
            else:
                short.append(key + text)
                left -= len(text)
        return b"{" + b",".join(short) + b"}", large

    def serve(self) -> int:
        """Answer frames until the host closes its end. Returns the exit code."""
        buffer = bytearray()
        receive, unpack_length, call = self._wire.receive, _length.unpack_from, self.call
        while chunk := receive(_READ_BYTES):
            buffer += chunk
            position, end = 0, len(buffer)
            while end - position > 4:
                body = position + 4 + unpack_length(buffer, position)[0]
                if body > end:
                    break
                frame = bytes(memoryview(buffer)[position + 4 : body])
                position = body
                if frame[0] == CALL:
                    call(frame)
                elif frame[0] == ARGUMENTS:
                    self.arguments(frame)
                elif frame[0] == LOAD and not self.load(frame[1:]):
                    return LOAD_FAILED_EXIT
            del buffer[:position]
        return 0


class _RefusedItemError(BaseException):
    """A generator yielded what is not JSON, or too much. No Exception: it is not the function's to catch."""

    def __init__(self, reason: guest_values.RefusedError) -> None:
        super().__init__(reason.message)
        self.reason = reason


def _ended_by(error: BaseException) -> tuple[int, bytes, bytes]:
    return _refused(error.reason) if isinstance(error, _RefusedItemError) else (RAISED, _raised(error), b"")


def _refused(refused: guest_values.RefusedError) -> tuple[int, bytes, bytes]:
    outcome = TOO_LARGE if refused.code == guest_values.TOO_LARGE else NOT_SERIALISABLE
    return outcome, _error_record(refused.code, refused.kind, refused.message), b""


class _Items:
    """What one generator yields: each item is sent at once, so that it goes on while the generator runs."""

    def __init__(self, guest: Guest, token: int, plugs: dict[str, Any]) -> None:
        """plugs: once the function has named one, its items go nowhere."""
        self._guest, self._token, self._plugs = guest, token, plugs
        self._seq, self._left = 0, guest.limit_bytes - 2

    def take(self, item: Any) -> None:
        """Send the next one."""
        self._seq += 1
        self._left -= 1 + self._guest.item(self._token, self._seq, item, not self._plugs, max(0, self._left))

    async def take_all(self, items: Any) -> None:
        """Exhaust an asynchronous generator."""
        async for item in items:
            self.take(item)


def _moved_high(fd: int) -> int:
    """A duplicate that exec closes and that is not among the first numbers, which programs like to close."""
    most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1024)
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(most - 32, 3))
    os.close(fd)
    return high


def main(fd: int, mark_fd: int) -> int:
    """Serve the host at the other end of `fd`."""
    wire = Wire(socket.socket(fileno=_moved_high(fd)))
    mark = mmap.mmap(mark_fd, 16)
    os.close(mark_fd)
    log = guest_log.CallLog(wire.log)
    guest_log.install(log)
    faulthandler.enable(file=2)
    os.register_at_fork(after_in_child=wire.close)
    os.register_at_fork(after_in_child=log.forked)
    sys.argv[:] = ["guest"]
    return Guest(wire, log, mark).serve()


if __name__ == "__main__":
    # Threads of the user's that are no daemons must not keep an orphan alive.
    os._exit(main(int(sys.argv[1]), int(sys.argv[2])))
