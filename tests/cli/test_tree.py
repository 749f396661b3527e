"""Every command of the tree: help, its line in the group above, an example that parses, an end without settings."""

from __future__ import annotations

import io
import re
import shlex

import click
import pytest

from pyfi.cli.lazy import LazyGroup
from pyfi.cli.reference import commands, page, root
from tests.architecture import project
from tests.cli.conftest import Flow

TREE = {context.command_path: command for command, context in commands(*root())}
LEAVES = {path: command for path, command in TREE.items() if not isinstance(command, click.Group)}
# They begin servers, wait for ever, or ask; tests/e2e, the demo and tests/cli/test_people.py run them.
NOT_RUN = {"flow up", "flow demo", "flow add user", "flow login", "flow user password"}


def test_tree_has_the_commands_of_the_founding_documents() -> None:
    """An empty walk would prove nothing."""
    for path in ("flow add processor", "flow ls calls", "flow task run", "flow proc stop", "flow db init"):
        assert path in LEAVES
    assert len(LEAVES) > 60


@pytest.mark.parametrize("path", sorted(TREE))
def test_help(path: str, flow: Flow) -> None:
    """On stdout, and nothing else happens."""
    done = flow(*path.split()[1:], "--help")
    assert done.out.startswith(f"Usage: {path}")
    assert done.err == ""
    assert TREE[path].help


@pytest.mark.parametrize("path", sorted(path for path, command in TREE.items() if isinstance(command, LazyGroup)))
def test_group_lists_what_its_commands_say_of_themselves(path: str) -> None:
    """The line that is shown without an import is the command's own."""
    group = TREE[path]
    assert isinstance(group, LazyGroup)
    for name, (_, line) in group.entries.items():
        own = (TREE[f"{path} {name}"].help or "").partition("\n\n")[0].replace("\n", " ")
        assert own.startswith(line.rstrip(".")), (path, name)


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_example_parses(path: str) -> None:
    """Each command has one, and it is of this command."""
    found = re.search(r"Example: (flow .*(?:\n.+)*)", LEAVES[path].help or "")
    assert found, path
    words = shlex.split(found[1].replace("\n", " "))
    depth = len(path.split())
    assert " ".join(words[:depth]) == path or path.split()[-1].rstrip("s") == words[depth - 1].rstrip("s")
    context = click.Context(LEAVES[path], info_name=path)
    LEAVES[path].make_parser(context).parse_args(words[depth:])


@pytest.mark.parametrize("path", sorted(set(LEAVES) - NOT_RUN))
def test_without_settings_nothing_breaks(path: str, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either it works, or one line and a hint say why it does not."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    done = flow(*path.split()[1:], code=None)
    assert done.code in {0, 1, 2, 69}, done
    if done.code in {2, 69}:
        assert re.match(r"error: .+\nhint: .+\n\Z", done.err), done.err


def test_refused_options_say_why(flow: Flow) -> None:
    """None of the founding documents' options is silently without effect."""
    for words in (("add", "processor", "-b"), ("add", "socket", "-i", "5"), ("agent", "start", "-q")):
        done = flow(*words, code=2)
        assert re.match(r"error: --\w+ is refused: .{10,}\nhint: ", done.err), done.err


def test_unknown_commands_and_options(flow: Flow) -> None:
    """Usage errors end with 2 and name what was perhaps meant."""
    assert flow("ad", code=2).err == "error: there is no command 'ad' (did you mean add?)\nhint: flow --help\n"
    assert "outlet" in flow("add", "outlett", code=2).err
    assert flow("ls", "queues", "--nothing", code=2).err.startswith("error: No such option")
    assert "Usage: flow db" in flow("db", code=2).err


def test_reference_page_is_fresh() -> None:
    """docs/reference/cli.md is what the tree says."""
    assert project.text("docs/reference/cli.md") == page(), "python -m pyfi.cli.reference > docs/reference/cli.md"
