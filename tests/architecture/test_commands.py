"""The commands that pages print exist, with the options that they print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from pyfi.cli import main
from tests.architecture import project

PAGES = [project.ROOT / "README.md", project.ROOT / "CHANGELOG.md", *sorted(project.DOCS.rglob("*.md"))]


def told(page: str) -> set[str]:
    """Every `flow ...` of a console block or between code marks, what a pipe feeds it left out."""
    consoles = re.findall(r"^\$ (.*)$", page, re.M)
    inline = [line for line in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.S)) if " " in line]
    parts = [part.strip() for line in consoles + inline for part in re.split(r"\s\\?\|\s|&&", line)]
    return {spelled for part in parts if part.startswith("flow ") for spelled in alternatives(part)}


def alternatives(line: str) -> list[str]:
    """`flow add|ls x` is `flow add x` and `flow ls x`."""
    found = re.search(r"\S+\|\S+", line)
    if not found:
        return [line]
    return [spelled for word in found[0].split("|") for spelled in alternatives(line.replace(found[0], word, 1))]


def root() -> click.Group:
    """The `flow` command."""
    return next(value for value in vars(main).values() if isinstance(value, click.Group))


def check(line: str) -> None:
    """Walk down the tree of commands; each level parses its options and knows the next word.

    Raises: click.UsageError: it does not.
    """
    command: click.Command = root()
    context = click.Context(command, info_name="flow")
    words = shlex.split(line)[1:]
    while True:
        _, words, _ = command.make_parser(context).parse_args(words)
        if not isinstance(command, click.Group) or not words:
            return
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        context = click.Context(found, info_name=found.name, parent=context)
        command = found


@pytest.mark.parametrize("page", PAGES, ids=project.relative)
def test_commands_of_a_page_exist(page: Path) -> None:
    """Word by word and option by option."""
    for line in sorted(told(page.read_text(encoding="utf-8"))):
        try:
            check(line)
        except click.UsageError as error:
            pytest.fail(f"{line}: {error.message}")


def test_wrong_commands_would_be_found() -> None:
    """The check itself can fail: an unknown word, an unknown option."""
    assert told("$ echo 1 | flow a b\n`flow c|d e` and `flow`") == {"flow a b", "flow c e", "flow d e"}
    for line in ("flow nothing", "flow add nothing", "flow add queue --nothing"):
        with pytest.raises(click.UsageError):
            check(line)


def test_readme_tells_how_to_begin() -> None:
    """The commands of the first five minutes are among those that are checked."""
    lines = told(project.text("README.md"))
    for needed in ("flow up", "flow add processor", "flow task run"):
        assert any(line.startswith(needed) for line in lines), needed
