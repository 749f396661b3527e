"""Pages that must agree with the code and with each other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pyfi import errors, settings
from pyfi.cli import ending
from pyfi.core import names
from tests.architecture import project

PAGES = [
    *(project.ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *project.DOCS.rglob("*.md"),
]
GROUPS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def navigation() -> list[str]:
    """The pages that mkdocs.yml names, in order."""

    def pages(entry: object) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        parts = entry.values() if isinstance(entry, dict) else entry
        return [page for part in parts for page in pages(part)]  # type: ignore[union-attr]

    return pages(YAML(typ="safe").load(project.ROOT / "mkdocs.yml")["nav"])


def test_navigation_has_each_page_once() -> None:
    """A page that no reader finds is none."""
    assert sorted(navigation()) == sorted(
        path.relative_to(project.DOCS).as_posix() for path in project.DOCS.rglob("*.md")
    )


@pytest.mark.parametrize("page", PAGES, ids=project.relative)
def test_relative_links_lead_somewhere(page: Path) -> None:
    """To a file of the checkout, and to a heading that is there."""
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}, target


def all_errors() -> list[type[errors.PyfiError]]:
    """Every class of the tree."""
    return [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.PyfiError)]


def told_in_tree(error: type[errors.PyfiError]) -> int:
    """The exit code that the tree in pyfi/errors.py gives the class or its nearest ancestor; 1 otherwise."""
    told = dict(re.findall(r"(\w+Error)\b.*\bexit +(\d+)", errors.__doc__ or ""))
    return int(next((told[parent.__name__] for parent in error.__mro__ if parent.__name__ in told), "1"))


def test_errors_page_has_every_code_and_its_exit_code() -> None:
    """And none that is gone; the page, the tree in the docstring and the command line agree."""
    rows = {(row[0], row[1], row[3]) for row in project.table("docs/reference/errors.md")[2:]}
    assert rows == {(error.code, error.__name__, str(ending.exit_code(error()))) for error in all_errors()}
    assert [e for e in all_errors() if told_in_tree(e) != ending.exit_code(e())] == []


def test_exit_codes_page_has_every_code() -> None:
    """Those of pyfi/cli/ending.py, and 0."""
    known = {value for name, value in vars(ending).items() if name.isupper() and isinstance(value, int)}
    assert {int(row[0]) for row in project.table("docs/reference/exit-codes.md")[2:]} == known | {0}


def test_error_codes_differ() -> None:
    """A code means one thing."""
    codes = [error.code for error in all_errors()]
    assert sorted(set(codes)) == sorted(codes)


def test_settings_page_has_every_option() -> None:
    """Name, environment variable, ini section and key."""
    rows = {row[0]: (row[2], row[3]) for row in project.table("docs/reference/settings.md")[2:]}
    assert rows == {
        option: (variable, f"[{section}] {key}") for option, (variable, section, key) in settings.OPTIONS.items()
    }


def test_names_page_states_the_rule_and_its_examples_are_true() -> None:
    """The rule in the words of the error, then examples that are tried."""
    assert names.RULE in project.text("docs/reference/names.md")
    tried = 0
    for cells in project.table("docs/reference/names.md")[2:]:
        if len(cells) != 3 or cells[1] not in {"yes", "no"} or cells[0].endswith("characters"):
            continue
        for name in cells[0].split(", "):
            tried += 1
            try:
                names.checked_name("queue", name)
            except errors.InvalidError:
                assert cells[1] == "no", name
            else:
                assert cells[1] == "yes", name
    assert tried > 10


def test_changelog_keeps_its_form() -> None:
    """Unreleased first, known groups, nothing empty, the version of pyproject.toml if it was released."""
    page = project.text("CHANGELOG.md")
    sections = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", page, re.M)
    assert page.startswith("# Changelog\n")
    assert sections[0] == ("Unreleased", "")
    assert all(date for _, date in sections[1:])
    assert set(re.findall(r"^### (.+)$", page, re.M)) <= set(GROUPS)
    for group in re.split(r"^### .+$", page, flags=re.M)[1:]:
        assert re.match(r"\s*- \S", group)


def test_pages_name_only_targets_that_make_has() -> None:
    """`make x` in a page is a target of the Makefile, and each public target is in CONTRIBUTING."""
    targets = set(re.findall(r"^([a-z]+):", project.text("Makefile"), re.M))
    for page in PAGES:
        named = set(re.findall(r"(?:^\$ |`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.M))
        assert named <= targets, project.relative(page)
    listed = set(re.findall(r"\| `make ([a-z]+)", project.text("CONTRIBUTING.md")))
    assert listed == targets - {"help", "environment"}


def test_versions_agree() -> None:
    """pyproject.toml and the package say the same."""
    assert f'__version__ = "{project.pyproject()["project"]["version"]}"' in project.text("pyfi/__init__.py")
