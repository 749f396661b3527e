"""The guest of a worker: started, loaded, fed, watched, and replaced when it dies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from pyfi import logs
from pyfi.errors import PyfiError
from pyfi.faultpoints import fault
from pyfi.runner.frames import Done, Frame, GuestProtocolError, Item, Load, Loaded, LoadFailed, Log, Part
from pyfi.runner.link import GuestLink, guest_environment
from pyfi.runner.masks import Mask
from pyfi.runner.sandbox import Sandbox
from pyfi.settings import write_private
from pyfi.system.processes import identify, out_of_memory_kills
from pyfi.worker.config import Limits, WorkerConfig
from pyfi.worker.held import Held
from pyfi.worker.watch import Watcher

log = logs.get(__name__)


# Somebody's kill is not the module's fault; an import that ends the interpreter again and again is.
MOST_LOAD_DEATHS = 3


class ModuleNotLoadedError(PyfiError):
    """The processor's module could not be imported."""

    code = "module_not_loaded"


class GuestNotStartedError(PyfiError):
    """The interpreter is gone, or the disk is full."""

    code = "guest_not_started"


class GuestHost:
    """Keeps one guest alive. `is_ready`: its module is loaded and it takes calls.

    `on_done`, `on_log` and `on_value` are given frames, in their order; a frame that `admits` refuses waits for
    `go_on`, and with it the guest. `on_died` is given the last started token, the cause and whether its own code was
    that, before a new one is started; `on_failed` a ModuleNotLoadedError or GuestNotStartedError: no other guest comes.
    """

    def __init__(
        self,
        config: WorkerConfig,
        tasks: dict[int, str],
        watcher: Watcher,
        *,
        on_done: Callable[[Done], None],
        on_log: Callable[[Log], None],
        on_ready: Callable[[], None],
        on_died: Callable[[int, str, bool], None],
        on_failed: Callable[[PyfiError], None],
        on_value: Callable[[Part | Item], None] = lambda _: None,
        admits: Callable[[Frame], bool] = lambda _: True,
        limits: Limits | None = None,
    ) -> None:
        """`tasks`: function number -> name. Nothing starts before `start`."""
        limits = limits or Limits()
        self._on_value, self._admits = on_value, admits
        self._frames: deque[Frame] = deque()
        self._listens = True
        self._when_sent: Callable[[], None] | None = None
        self._config, self._watcher = config, watcher
        self._on_done, self._on_log, self._on_ready = on_done, on_log, on_ready
        self._on_died, self._on_failed = on_died, on_failed
        environment = config.environment
        self._load = Load(
            checkout=str(environment["checkout"]),
            modulepath=config.modulepath,
            installed=bool(environment.get("installed")),
            module=config.module,
            functions=tasks,
            soft_time_limit_seconds=config.soft_time_limit_seconds or 0.0,
            result_limit_bytes=limits.largest_bytes,
            inline_bytes=limits.inline_bytes,
            log_limit_bytes=limits.log_bytes,
            log_limit_lines=limits.log_lines,
        )
        self._mask = Mask(config.guest_secrets.values())
        self._link: GuestLink | None = None
        self._load_deaths = self._memory_kills = 0
        self._has_failed = False
        self.is_ready = False

    def start(self) -> None:
        """Start a guest and have it load the module; `on_ready` follows, or `on_failed`.

        Raises: GuestNotStartedError.
        """
        try:
            self._start()
        except OSError as error:
            self.close()
            raise GuestNotStartedError(f"the guest cannot be started: {error}") from error

    def _start(self) -> None:
        home = Path(self._config.home)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        python = Path(str(self._config.environment["python"]))
        declared = {**self._config.guest_environment, **self._config.guest_secrets}
        env = guest_environment(python, home, declared)
        link = self._link = GuestLink(
            python,
            env,
            Path(self._config.mark),
            self._config.cpu,
            sandbox=Sandbox(**self._config.sandbox),
            checkout=Path(self._load.checkout),
        )
        self._memory_kills = out_of_memory_kills()
        link.start()
        identity = identify(link.pid)
        if identity is not None:
            # The agent ends this session too, should the worker be killed: what the function started must not go on.
            write_private(Path(self._config.mark).with_name("guest.json"), identity.to_json())
        for fd in (link.fileno(), link.stdout_fileno(), link.stderr_fileno(), link.exit_fileno()):
            if fd >= 0:
                self._watcher.read(fd, self.hear)
        self._listens = True
        fault("guest.started")
        link.send_load(self._load)
        self.flush()

    def send(self, call: Held, function: int, now: float) -> None:
        """Give it a call; `flush` after the last of several. now: monotonic seconds."""
        if self._link is None:
            return
        left = None if call.ends is None else call.ends - now
        limits = [each for each in (self._config.time_limit_seconds, left) if each is not None]
        self._link.send_call(
            call.token,
            function,
            (call.arguments or "").encode(),
            call_id=UUID(call.id),
            root_id=UUID(call.root),
            parent_id=UUID(call.parent) if call.parent else None,
            attempt=call.attempt,
            deadline_seconds=min(limits, default=0.0),
        )

    def send_arguments(self, token: int, data: bytes) -> None:
        """Give it a part of the arguments of a call that is sent without any afterwards."""
        if self._link is not None:
            self._link.send_arguments(token, data)

    def when_sent(self, action: Callable[[], None]) -> None:
        """Flush, and do that once when everything is sent."""
        self._when_sent = action
        self.flush()

    def flush(self) -> None:
        """Send what it takes now, the rest when it can."""
        if self._link is None:
            return
        self._link.flush()
        fd = self._link.fileno()
        if fd >= 0:
            self._watcher.write(fd, self.flush if self._link.wants_write else None)
        if not self._link.wants_write and self._when_sent is not None:
            action, self._when_sent = self._when_sent, None
            action()

    def withdraw(self, token: int) -> int:
        """Take back what was sent up to `token`; returns the last token that was started."""
        return self._link.withdraw(token) if self._link is not None else self.started_token()

    def started_token(self) -> int:
        """The last token that any guest of this worker started, also when that is gone; 0: none."""
        try:
            return int.from_bytes(Path(self._config.mark).read_bytes()[:8], "little")
        except OSError:
            return 0

    def hear(self) -> None:
        """Take what the guest has said."""
        link = self._link
        if link is None:
            return
        try:
            self._frames.extend(link.receive())
            self._work_off()
        except EOFError:
            self.replace("", is_crash=True)
        except GuestProtocolError as error:
            self.replace(error.message, is_crash=True)

    @property
    def is_heard_out(self) -> bool:
        """The call at its head has ended, and its outcome waits to be admitted."""
        return bool(self._frames) and isinstance(self._frames[0], Done)

    def go_on(self) -> None:
        """What waits may be admitted now."""
        if self._frames:
            self._work_off()

    def _work_off(self) -> None:
        while self._frames and self._admits(self._frames[0]):
            self._take(self._frames.popleft())
        link, listens = self._link, not self._frames
        if link is None or listens == self._listens:
            return
        # The end of the process is heard all the same.
        self._listens = listens
        for fd in (link.fileno(), link.stdout_fileno(), link.stderr_fileno()):
            if fd >= 0 and listens:
                self._watcher.read(fd, self.hear)
            elif fd >= 0:
                self._watcher.stop_reading(fd)

    def _take(self, frame: Frame) -> None:
        if self._mask:
            frame = self._mask.frame(frame)
        match frame:
            case Part() | Item():
                self._on_value(frame)
            case Done():
                self._on_done(frame)
            case Log():
                self._on_log(frame)
            case Loaded(functions=functions):
                for number, error in functions.items():
                    if error is not None:
                        log.warning(
                            "function missing", extra={"function": self._load.functions.get(number), **_text(error)}
                        )
                fault("guest.loaded")
                self.is_ready = True
                self._on_ready()
            case LoadFailed(type=kind, message=message, traceback=traceback):
                log.error("module not loaded", extra={"processor_module": self._load.module, "traceback": traceback})
                self._fail(ModuleNotLoadedError(f"{self._load.module}: {kind}: {message}"))

    def _fail(self, error: PyfiError) -> None:
        self._has_failed = True
        self._on_failed(error)

    def replace(self, cause: str, *, is_crash: bool = False) -> None:
        """End this guest, hear what it had already said, start a new one. `cause` '': it ended by itself."""
        if self._link is None:
            return
        try:
            self._replace(self._link, cause, is_crash)
        except GuestNotStartedError as error:
            self._fail(error)
        except Exception as error:
            # A worker that lives on without a guest would take calls from the others and run none.
            log.exception("guest not replaced")
            self._fail(GuestNotStartedError(f"the guest cannot be replaced: {error}"))

    def _replace(self, link: GuestLink, cause: str, is_crash: bool) -> None:
        was_ready = self.is_ready
        self.close()
        how = cause or f"the guest ended by itself: {link.exit_text()}"
        if not cause and out_of_memory_kills() > self._memory_kills:
            how += "; the machine was out of memory"
        self._load_deaths = 0 if was_ready else self._load_deaths + 1
        fault("guest.died")
        self._on_died(self.started_token(), how, is_crash)
        if self._has_failed:
            return
        if self._load_deaths == MOST_LOAD_DEATHS:
            self._fail(ModuleNotLoadedError(f"{self._load.module}: the interpreter ended while loading it: {how}"))
            return
        self.start()

    def _drain(self, link: GuestLink) -> None:
        """Outcomes that it sent before it died count."""
        try:
            while frames := link.receive():
                self._frames.extend(frames)
                while self._frames and self._admits(self._frames[0]):
                    self._take(self._frames.popleft())
        except (EOFError, GuestProtocolError):
            return

    def close(self) -> None:
        """End the guest for good and hear what it had already said; may be called twice."""
        link, self._link, self.is_ready = self._link, None, False
        if link is None:
            return
        for fd in (link.fileno(), link.stdout_fileno(), link.stderr_fileno(), link.exit_fileno()):
            if fd >= 0:
                self._watcher.forget(fd)
        link.kill()
        self._drain(link)
        self._frames.clear()
        self._when_sent = None
        self.is_ready = False
        link.close()


def _text(error: dict[str, str]) -> dict[str, str]:
    return {"type": error.get("type", ""), "reason": error.get("message", "")}
