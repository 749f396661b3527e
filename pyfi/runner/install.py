"""What is to be installed into a virtualenv, and with which program."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pyfi.errors import EnvironmentBuildError

_INCLUDES = ("-r", "--requirement", "-c", "--constraint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """project: the checkout, when it is a package. requirements: files of requirements. Both may be empty."""

    project: Path | None
    requirements: tuple[Path, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing to install: the modules are used as they are."""
        return self.project is None and not self.requirements

    def arguments(self) -> list[str]:
        """For `pip install` and `uv pip install`."""
        named = [part for path in self.requirements for part in ("-r", str(path))]
        return [*named, *([str(self.project)] if self.project else [])]


def plan(checkout: Path, requirements: str, beside: Path) -> Plan:
    """What the checkout asks for, and the processor's own requirements.

    Args: requirements: of the processor: the name of a file in the checkout, or lines as in such a file, or nothing.
    beside: a folder of ours where these lines are written.

    Raises: EnvironmentBuildError: a file of requirements includes one that is not in the checkout.
    """
    files = [checkout / "requirements.txt"] if (checkout / "requirements.txt").is_file() else []
    text = requirements.strip()
    if text:
        named = (checkout / text).resolve() if "\n" not in text and len(text) < 200 else checkout
        if named.is_file() and named.is_relative_to(checkout.resolve()):
            files = [named]
        else:
            own = beside / "requirements.txt"
            own.write_text(text + "\n", encoding="utf-8")
            _check_includes(own, beside.resolve(), set())
            files.append(own)
    for file in files:
        if file.is_relative_to(checkout):
            _check_includes(file, checkout.resolve(), set())
    return Plan(project=checkout if _is_package(checkout) else None, requirements=tuple(files))


def _is_package(checkout: Path) -> bool:
    if (checkout / "setup.py").is_file():
        return True
    try:
        declared = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EnvironmentBuildError(f"the repository's pyproject.toml cannot be read: {error}") from error
    # Many repositories only keep the settings of their tools there.
    return "project" in declared or "build-system" in declared


def _check_includes(file: Path, root: Path, seen: set[Path]) -> None:
    """A file outside would be read, and its lines shown in the error: `-r /etc/shadow`."""
    seen.add(file)
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        option, _, name = line.strip().replace("=", " ", 1).partition(" ")
        short = next((each for each in ("-r", "-c") if option.startswith(each) and not option.startswith("--")), None)
        if short:
            option, name = short, f"{option[2:]} {name}"
        name = name.partition(" #")[0].strip().strip("\"'")
        if option not in _INCLUDES or "://" in name:
            continue
        included = (file.parent / name).resolve()
        if not included.is_relative_to(root):
            raise EnvironmentBuildError(f"{file.name} includes {name!r}, which is not in the repository")
        if included.is_file() and included not in seen:
            _check_includes(included, root, seen)


def find_uv() -> str | None:
    """The uv program: of the Python package, else on the path; None: it is not installed."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")
