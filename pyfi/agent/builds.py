"""Builds that run beside the pass, each a process of its own; it dies with the agent."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pyfi import logs
from pyfi.core.backoff import BUILDING, NEVER, Backoff, Crashes
from pyfi.core.model import EnvironmentKey
from pyfi.runner.construction import NO_KEYS, Keys
from pyfi.runner.environment import Spec
from pyfi.settings import write_private
from pyfi.system.processes import Child, kill_session, spawn

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedBuild:
    """The last build of a key failed. token: the restart token that it was asked with."""

    crashes: Crashes
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    child: Child
    token: int
    began: float


class Builds:
    """What is being built and what failed. An environment that stands is told by runner.environment, not here."""

    def __init__(
        self, folder: Path, root: Path, argv: Sequence[str], env: Mapping[str, str], *, backoff: Backoff = BUILDING
    ) -> None:
        """`folder`: for specifications and answers. `root`: where environments are. `argv`: the builder's."""
        self._folder, self._root, self._argv, self._env = folder, root, tuple(argv), env
        self._backoff = backoff
        self._running: dict[EnvironmentKey, _Running] = {}
        self._failed: dict[EnvironmentKey, FailedBuild] = {}

    @property
    def running(self) -> frozenset[EnvironmentKey]:
        """The keys that are being built."""
        return frozenset(self._running)

    @property
    def failed(self) -> Mapping[EnvironmentKey, FailedBuild]:
        """The keys whose last build failed."""
        return self._failed

    def _answer(self, key: EnvironmentKey) -> Path:
        return self._folder / f"{key}.out"

    def start(self, key: EnvironmentKey, spec: Spec, *, token: int, now: float, keys: Keys = NO_KEYS) -> None:
        """Begin; must be called from a thread that lives as long as the agent.

        Args: keys: what the repository and the index ask for; handed over in memory.

        Raises: OSError: the builder cannot be started.
        """
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        specification = self._folder / f"{key}.json"
        write_private(specification, spec.to_json())
        self._answer(key).unlink(missing_ok=True)
        child = spawn(
            [*self._argv, str(specification), str(self._root)],
            env=self._env,
            cwd=self._folder,
            stdin_bytes=None if keys == NO_KEYS else json.dumps(asdict(keys)).encode(),
            stdout=self._answer(key),
            stderr=self._answer(key),
            die_with_parent=signal.SIGKILL,
        )
        self._running[key] = _Running(child=child, token=token, began=now)
        log.info("build started", extra={"action": "build", "environment": key, "repository": spec.repository})

    def refuse(self, key: EnvironmentKey, why: str, *, token: int, now: float) -> None:
        """It cannot even begin; counts as failed."""
        self._fail(key, why, token=token, now=now)

    def _fail(self, key: EnvironmentKey, why: str, *, token: int, now: float) -> None:
        before = self._failed[key].crashes if key in self._failed else NEVER
        crashes = self._backoff.after(before, lived_seconds=0.0, now=now, cause=why)
        self._failed[key] = FailedBuild(crashes=crashes, token=token)
        log.warning("build failed", extra={"environment": key, "reason": crashes.last_exit})

    def look(self, now: float) -> None:
        """Take note of the builds that have ended."""
        for key, running in list(self._running.items()):
            code = running.child.poll()
            if code is None:
                continue
            del self._running[key]
            if code == 0:
                self.forget(key)
                log.info("environment built", extra={"environment": key, "seconds": round(now - running.began, 1)})
            else:
                self._fail(key, self._why(key, code), token=running.token, now=now)

    def _why(self, key: EnvironmentKey, code: int) -> str:
        with contextlib.suppress(OSError):
            lines = self._answer(key).read_text(encoding="utf-8", errors="replace").strip().splitlines()
            with contextlib.suppress(ValueError, KeyError, TypeError, IndexError):
                return logs.masked(str(json.loads(lines[-1])["message"]))
            if lines:
                return logs.printable(logs.masked(lines[-1]))[:300]
        return f"the builder ended with signal {-code}" if code < 0 else f"the builder ended with exit {code}"

    def stop(self, key: EnvironmentKey) -> None:
        """End a running build; it does not count as failed."""
        running = self._running.pop(key, None)
        if running:
            # Its own programs die with it: each has us, the builder, as the parent whose death ends it.
            kill_session(running.child.identity)
            running.child.wait(5.0)
            log.info("build stopped", extra={"action": "stop_build", "environment": key})

    def forget(self, key: EnvironmentKey) -> None:
        """Nothing is known of that key any more."""
        self._failed.pop(key, None)
        for path in (self._folder / f"{key}.json", self._answer(key)):
            path.unlink(missing_ok=True)

    def readers(self) -> Sequence[int]:
        """Readable when a build has ended."""
        return [each.child.fileno() for each in self._running.values() if each.child.fileno() >= 0]

    def close(self) -> None:
        """End all builds."""
        for key in list(self._running):
            self.stop(key)
