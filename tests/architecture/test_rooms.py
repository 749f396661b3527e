"""Rooms: who may import whom, and what each says of itself."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from importlinter import cli as importlinter

from tests.architecture import project


def test_import_contracts_hold(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything under [tool.importlinter]; a new package that no layer names fails too."""
    monkeypatch.chdir(project.ROOT)
    # It configures logging for a program of its own, and so disables every logger that there is.
    monkeypatch.setattr(importlinter.logging_config, "dictConfig", lambda _config: None)
    status = importlinter.lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("folder", project.packages(), ids=project.relative)
def test_package_says_what_it_takes_gives_and_never_does(folder: Path) -> None:
    """One line, then `Takes:`, `Gives:`, `Never:` in this order."""
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    first, _, rest = docstring.partition("\n")
    assert first.endswith("."), f"{project.relative(folder)}: the first line is no sentence"
    assert re.findall(r"^(Takes|Gives|Never): \S", rest, re.M) == ["Takes", "Gives", "Never"], project.relative(folder)


class RunTimeImports(ast.NodeVisitor):
    """The first parts of what a file imports when it runs; `if TYPE_CHECKING:` does not run."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_If(self, node: ast.If) -> None:  # ast's name
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for statement in node.orelse:
                self.visit(statement)
        else:
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:  # ast's name
        self.names |= {alias.name.partition(".")[0] for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:  # ast's name
        self.names.add("." if node.level else (node.module or "").partition(".")[0])


@pytest.mark.parametrize("path", sorted(project.PACKAGE.glob("runner/guest*.py")), ids=project.relative)
def test_guest_imports_only_the_standard_library(path: Path) -> None:
    """It runs with the Python of a stranger's virtualenv."""
    imports = RunTimeImports()
    imports.visit(ast.parse(path.read_text(encoding="utf-8")))
    assert imports.names
    assert imports.names <= sys.stdlib_module_names


def effects(tree: ast.AST) -> set[str]:
    """Names of modules imported anywhere in `tree`, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


HOMES = {
    "subprocess": {"pyfi/system"},
    "multiprocessing": {"pyfi/system"},
    "sqlalchemy": {"pyfi/db"},
    "alembic": {"pyfi/db"},
    "celery": {"pyfi/broker", "pyfi/worker"},
    "kombu": {"pyfi/broker", "pyfi/worker"},
    "click": {"pyfi/cli"},
    "rich": {"pyfi/cli"},
    "platformdirs": {"pyfi/settings.py"},
    "configparser": {"pyfi/settings.py"},
}


@pytest.mark.parametrize("library", sorted(HOMES))
def test_effect_has_one_home(library: str) -> None:
    """A second lock beside import-linter, which does not see files outside the layers' packages."""
    users = {
        project.relative(path)
        for path in project.modules()
        if library in effects(ast.parse(path.read_text(encoding="utf-8")))
    }
    strangers = {name for name in users if not any(name.startswith(home) for home in HOMES[library])}
    assert not strangers


def test_picture_has_every_room_and_the_layers_of_pyproject() -> None:
    """docs/explanation/architecture.md is the project's copy: it changes with the code."""
    page = project.text("docs/explanation/architecture.md")
    rooms = {f"`{project.relative(path)}/`" for path in project.packages() if path.parent == project.PACKAGE}
    files = {f"`{project.relative(path)}`" for path in project.PACKAGE.glob("[!_]*.py")}
    assert {name for name in rooms | files if name not in page} == set()
    layers = next(c for c in project.pyproject()["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    assert "```text\n" + "\n".join(layers["layers"]) + "\n```" in page


def test_readme_and_architecture_show_the_same_picture() -> None:
    """One picture, drawn twice."""
    page = project.text("docs/explanation/architecture.md")
    picture = page.partition("## The data's way\n\n```text\n")[2].partition("```")[0]
    assert "[core]" in picture or "core.plan" in picture
    assert picture in project.text("README.md")
