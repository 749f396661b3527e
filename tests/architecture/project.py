"""What the tests of this folder read: the checkout, its files and its packages."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pyfi"
DOCS = ROOT / "docs"


def modules() -> list[Path]:
    """Every Python file of the package."""
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def packages() -> list[Path]:
    """Every folder of the package that holds Python files, the package itself left out."""
    return sorted({path.parent for path in modules()} - {PACKAGE})


def relative(path: Path) -> str:
    """A file as the checkout names it."""
    return path.relative_to(ROOT).as_posix()


@cache
def pyproject() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def text(name: str) -> str:
    """A file of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def table(page: str) -> list[list[str]]:
    """The cells of each Markdown table row of `page`, code marks removed."""
    rows = [line for line in text(page).splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in rows]
