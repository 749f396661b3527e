"""A commit's virtualenv: built once for each key, used only when it is complete.

    root/<key>/ready.json         says which try is complete; written last
    root/<key>/<try>/checkout     the files of the commit
    root/<key>/<try>/venv         the virtualenv, built where it stays: virtualenvs do not move
    root/<key>.lock, <key>.log    one builder at a time on a machine; what the build printed

Each try has a folder of its own: what a killed builder's children may still write there reaches no one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyfi.errors import EnvironmentBuildError, InvalidError, InvariantError, RepositoryError
from pyfi.runner import construction
from pyfi.runner.guard import is_commit
from pyfi.runner.policy import Policy, admitted
from pyfi.runner.sandbox import Sandbox
from pyfi.settings import write_private
from pyfi.system.locks import FileLock

_FORMAT = 1  # of what is built; another number is another key
_READY = "ready.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a virtualenv is made from.

    commit: full. python: what virtualenv's `--python` takes (`3.12`, a path); empty: ours. requirements: of the
    processor, beside the repository's own: a file's name in it, or lines. policy: the administrator's. index_url: the
    package index instead of the node's own. strict: install only what is named with its hash, whatever the policy asks.
    secrets_of: whose secrets it is fetched with, empty without any: another owner shares no environment with him.
    sandbox, uid: the level in which what is installed may run code, and who may read it at level 1.
    """

    repository: str
    commit: str
    python: str = ""
    requirements: str = ""
    index_url: str = ""
    strict: bool = False
    secrets_of: str = ""
    sandbox: int = 0
    uid: int | None = None
    policy: Policy = field(default_factory=Policy)

    @property
    def is_strict(self) -> bool:
        """Whether only what is named with its hash is installed."""
        return self.strict or self.policy.strict

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        """The inverse of `to_json`.

        Raises: InvalidError: `text` is something else.
        """
        try:
            read = json.loads(text)
            read["policy"] = Policy.from_document(read.get("policy", {}))
            return cls(**{name: read[name] for name in cls.__dataclass_fields__ if name in read})
        except (ValueError, TypeError, AttributeError) as error:
            raise InvalidError(f"that is no specification of an environment: {text[:80]!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A complete one. python: its interpreter. installed: the checkout is a package of the virtualenv too."""

    key: str
    python: Path
    checkout: Path
    installed: bool


def key(spec: Spec) -> str:
    """20 hex digits: the same for all that may share a virtualenv.

    Raises: RepositoryError: the repository's URL is refused.
    """
    interpreter = spec.python or f"{platform.python_implementation()} {platform.python_version()} {sys.executable}"
    parts = [
        _FORMAT,
        admitted(spec.repository, spec.policy).canonical,
        spec.commit,
        interpreter,
        spec.requirements.strip(),
        [spec.index_url, spec.is_strict, spec.policy.signers, spec.secrets_of],
        [spec.sandbox, spec.uid],
        [sys.platform, platform.machine(), *platform.libc_ver()],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def find(root: Path, key: str) -> Environment | None:
    """The complete environment of that key; None: there is none, or something of it was deleted."""
    try:
        ready = json.loads((root / key / _READY).read_text(encoding="utf-8"))
        attempt = root / key / ready["try"]
        found = Environment(
            key=key, python=attempt / "venv/bin/python", checkout=attempt / "checkout", installed=ready["installed"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if os.access(found.python, os.X_OK) and found.checkout.is_dir() else None


def build(spec: Spec, root: Path, keys: construction.Keys = construction.NO_KEYS) -> Environment:
    """Find it, or build it while nobody else builds the same; takes from milliseconds to minutes.

    Args: keys: what the repository and the index ask for.

    Raises:
        RepositoryError: the code cannot be fetched.
        EnvironmentBuildError: the virtualenv cannot be made or filled; `log_tail` has the last lines.
    """
    name = key(spec)
    found = find(root, name)
    if found is not None:
        return found
    if not is_commit(spec.commit):
        raise RepositoryError(f"{spec.commit[:60]!r} is not a full commit")
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(root / f"{name}.lock"):
        found = find(root, name)
        if found is not None:
            return found
        try:
            return _build(spec, root, name, keys)
        except OSError as error:
            raise EnvironmentBuildError(f"the environment of {spec.repository} cannot be written: {error}") from error


def _build(spec: Spec, root: Path, name: str, keys: construction.Keys) -> Environment:
    folder = root / name
    folder.mkdir(exist_ok=True, mode=0o700)
    for left in folder.iterdir():
        # Of a builder that was killed, or of an environment of which something was deleted.
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
    attempt = Path(tempfile.mkdtemp(prefix="", dir=folder))
    try:
        if spec.uid is not None:
            folder.chmod(0o711)
        installed = construction.construct(
            construction.Order(
                repository=spec.repository,
                commit=spec.commit,
                python=spec.python,
                requirements=spec.requirements,
                policy=spec.policy,
                index_url=spec.index_url,
                strict=spec.is_strict,
                sandbox=Sandbox(level=spec.sandbox, uid=spec.uid, online=True),
                keys=keys,
                caches=root,
                log=root / f"{name}.log",
            ),
            checkout=attempt / "checkout",
            venv=attempt / "venv",
        )
        write_private(folder / _READY, json.dumps({"try": attempt.name, "installed": installed}))
        _sync(folder)
        made = find(root, name)
    except BaseException:
        shutil.rmtree(attempt, ignore_errors=True)
        raise
    if made is None:
        raise InvariantError(f"the environment {name} was built and is not there")
    return made


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def collect(root: Path, keep: set[str]) -> set[str]:
    """Delete the environments whose key is not in `keep`, except those being built; returns the deleted keys."""
    folders = [each for each in root.iterdir() if each.is_dir()] if root.is_dir() else []
    doomed = {each.name for each in folders if not each.name.startswith(".")} - keep
    return {name for name in doomed if delete(root, name)}


def delete(root: Path, key: str) -> bool:
    """Delete one environment. False: it is being built."""
    lock = FileLock(root / f"{key}.lock")
    if not lock.acquire(blocking=False):
        return False
    try:
        (root / key / _READY).unlink(missing_ok=True)
        shutil.rmtree(root / key, ignore_errors=True)
        (root / f"{key}.log").unlink(missing_ok=True)
        lock.path.unlink(missing_ok=True)
    finally:
        lock.release()
    return True
