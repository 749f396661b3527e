"""Fills one new folder with the files of a commit and another with its virtualenv."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pyfi.errors import EnvironmentBuildError
from pyfi.logs import masked, printable
from pyfi.runner import inherit
from pyfi.runner.install import Plan, find_uv, plan
from pyfi.runner.masks import Mask
from pyfi.runner.policy import Policy
from pyfi.runner.repository import checkout as check_out
from pyfi.runner.sandbox import OPEN, Sandbox, hand_over, interpreter_folders, take_back
from pyfi.system.processes import run

_LOG_TAIL_LINES = 50
_STEP_SECONDS = 1200.0
_LOG_LIMIT_BYTES = 4 << 20
_FRAME = " \N{MULTIPLICATION SIGN}\N{BOX DRAWINGS LIGHT ARC UP AND RIGHT}\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_FRAME += "\N{BLACK RIGHT-POINTING TRIANGLE}\N{BOX DRAWINGS LIGHT VERTICAL}\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What opens a private repository and a private index (`user:password`); never written down."""

    git: str = field(default="", repr=False)
    index: str = field(default="", repr=False)

    def masked(self, text: str) -> str:
        """`text` without them."""
        parts = (self.git, self.index, *self.git.split(":"), *self.index.split(":"))
        return Mask([*parts, *(quote(each, safe="") for each in parts)]).text(text)


NO_KEYS = Keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to construct (see environment.Spec), where downloads are kept, and where the words go."""

    repository: str
    commit: str
    python: str
    requirements: str
    policy: Policy
    index_url: str
    strict: bool
    sandbox: Sandbox
    keys: Keys
    caches: Path
    log: Path


def construct(order: Order, *, checkout: Path, venv: Path) -> bool:
    """Make both folders; they lie beside each other. Returns whether the checkout was installed as a package.

    Raises: RepositoryError, EnvironmentBuildError, OSError: see environment.build.
    """
    order.log.unlink(missing_ok=True)
    check_out(
        order.repository,
        order.commit,
        checkout,
        policy=order.policy,
        secret=order.keys.git,
        cache=order.caches / ".repositories",
    )
    beside = checkout.parent
    to_do, uv, python = plan(checkout, order.requirements, beside), find_uv(), venv / "bin" / "python"
    steps = _Steps(order, beside / "home")
    steps.run("make the virtualenv", _virtualenv(order, venv, with_pip=not to_do.is_empty and uv is None), beside)
    steps.confine(order.sandbox)
    for what, words in _installs(to_do, order.strict):
        # From the checkout: that is what paths in requirements start from.
        steps.run(what, [*_installer(uv, python, steps.cache), *words], checkout)
    steps.run("check the virtualenv", [str(python), "-I", "-c", "import json, mmap, socket"], beside)
    steps.release()
    shutil.rmtree(steps.home, ignore_errors=True)
    return to_do.project is not None


def _virtualenv(order: Order, venv: Path, *, with_pip: bool) -> list[str]:
    return [
        *(sys.executable, "-m", "virtualenv", "--quiet", "--no-download", "--no-periodic-update"),
        *("--app-data", str(order.caches / ".virtualenv"), "--python", order.python or sys.executable),
        *(() if with_pip else ("--no-seed",)),
        str(venv),
    ]


def _installs(to_do: Plan, strict: bool) -> list[tuple[str, list[str]]]:
    """What is said to the installer: one line, or, if every file that is fetched must be named with its hash, two."""
    if to_do.is_empty:
        return []
    if not strict:
        return [("install", to_do.arguments())]
    lines = []
    if to_do.requirements:
        named = Plan(project=None, requirements=to_do.requirements).arguments()
        lines.append(("install what is named with a hash", ["--require-hashes", "--only-binary", ":all:", *named]))
    if to_do.project is not None:
        alone = ["--no-deps", "--no-build-isolation", "--no-index"]
        lines.append(("install the repository alone", [*alone, str(to_do.project)]))
    return lines


def _installer(uv: str | None, python: Path, cache: Path) -> list[str]:
    if uv is None:
        return [str(python), "-m", "pip", "install", "--no-input", "--quiet"]
    return [uv, "pip", "install", "--no-progress", "--python", str(python), "--cache-dir", str(cache)]


def _index(order: Order) -> dict[str, str]:
    """The processor's own index in place of the node's, its login where no process list shows it."""
    if not order.index_url:
        return {}
    parts = urlsplit(order.index_url)
    user, colon, password = order.keys.index.strip().partition(":")
    login = (
        f"{quote(user, safe='')}:{quote(password, safe='')}@" if colon else f"{quote(user, safe='')}@" if user else ""
    )
    url = urlunsplit(parts._replace(netloc=login + parts.netloc))
    only = dict.fromkeys(
        ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX", "PIP_FIND_LINKS", "UV_FIND_LINKS"), ""
    )
    return {"PIP_INDEX_URL": url, "UV_DEFAULT_INDEX": url, **only}


class _Steps:
    """The programs of one construction: scrubbed, within time, and with a log."""

    def __init__(self, order: Order, home: Path) -> None:
        home.mkdir(mode=0o700)
        self.home = home
        self.cache = order.caches / ".uv"
        self._order = order
        self._sandbox = OPEN

    def confine(self, sandbox: Sandbox) -> None:
        """From here on what runs is the repository's and its packages' own code."""
        self._sandbox = sandbox
        if sandbox.level:
            # What one build writes there another one would install.
            self.cache = self.home / ".cache"
        if sandbox.user:
            hand_over(self.home.parent, sandbox.user)

    def release(self) -> None:
        """What was built is its user's to read, no more to write."""
        if self._sandbox.user:
            take_back(self.home.parent, self._sandbox.user)
        self._sandbox = OPEN

    def _inside(self, argv: list[str], env: Mapping[str, str]) -> list[str]:
        if not self._sandbox.level:
            return argv
        given = [Path(value) for value in env.values() if value.startswith("/") and ":" not in value]
        base = [*interpreter_folders(Path(sys.executable)), *interpreter_folders(self.home.parent / "venv/bin/python")]
        programs = [Path(argv[0]).resolve().parent] if Path(argv[0]).name == "uv" else []
        seen = [
            path for path in (*base, *programs, *given) if path.exists() and not path.is_relative_to(self.home.parent)
        ]
        return self._sandbox.argv(argv, home=self.home.parent, readable=seen)

    def run(self, what: str, argv: list[str], folder: Path) -> None:
        try:
            env = self._environment()
            done = run(
                self._inside(argv, env),
                env=env,
                cwd=folder,
                user=self._sandbox.user,
                limits=self._sandbox.limits,
                timeout_seconds=_STEP_SECONDS,
                output_limit_bytes=_LOG_LIMIT_BYTES,
            )
        except TimeoutError:
            raise self._failed(f"{what}: it took longer than {_STEP_SECONDS:g} s") from None
        said = printable(masked(self._order.keys.masked((done.stdout + done.stderr).decode(errors="replace"))))
        descriptor = os.open(self._order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(f"== {what}\n{said}")
        if done.returncode != 0:
            raise self._failed(f"{what}: {_telling(said)}")

    def _environment(self) -> Mapping[str, str]:
        return inherit.for_build() | {
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "PYTHONNOUSERSITE": "1",
            # There is no .git to ask which version this is.
            "SETUPTOOLS_SCM_PRETEND_VERSION": f"0+{self._order.commit[:12]}",
            **_index(self._order),
        }

    def _failed(self, why: str) -> EnvironmentBuildError:
        tail = ""
        with contextlib.suppress(OSError):
            tail = "\n".join(self._order.log.read_text(encoding="utf-8").splitlines()[-_LOG_TAIL_LINES:])
        return EnvironmentBuildError(
            f"the environment of {self._order.repository} at {self._order.commit[:12]} cannot be built: {why}",
            hint=f"the whole log is {self._order.log}",
            log_tail=tail,
        )


def _telling(said: str) -> str:
    """What says most, in one line: from where pip and uv write `error` or draw a cross, else the last line."""
    lines = [line for line in (line.strip(_FRAME) for line in said.splitlines()) if line]
    marks = ("error", "no solution", "failed")
    begins = next((number for number, line in enumerate(lines) if line.lower().startswith(marks)), len(lines) - 1)
    return " ".join(lines[max(begins, 0) :])[:300] or "it says nothing"
