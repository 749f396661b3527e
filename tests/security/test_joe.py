"""Joe may add processors and sockets, no more: every command there is, on what is ann's."""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pyfi.cli import main
from tests.cli.conftest import Flow, flow, online, repository, shared_network
from tests.network import Network
from tests.security.commands import LACKS, LOCAL, NOT_THERE, RESERVED, SHOWN

__all__ = ["flow", "online", "repository", "shared_network"]

PASSWORD = "canary of joe"
HERS = "k4nary-hers"


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that does something: its words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, (*path, name))
        if not command.invoke_without_command:
            return
    if path:
        yield path


def test_every_command_is_tried() -> None:
    """A new one has to be put into one of the lists."""
    root = next(value for value in vars(main).values() if isinstance(value, click.Group))
    tried = [*LACKS, *RESERVED, *NOT_THERE, *SHOWN]
    known = {words[:length] for words in tried for length in (1, 2, 3)} | LOCAL
    groups = {path[:length] for path in leaves(root) for length in (1, 2) if length < len(path)}
    missing = [path for path in leaves(root) if path not in known]
    assert missing == []
    gone = {path for path in LOCAL if path not in set(leaves(root)) | groups}
    assert gone == set()


@pytest.fixture(scope="module")
def names(shared_network: Network) -> dict[str, str]:
    """What is in braces; made once, by the fixture below."""
    return {"mark": secrets.token_hex(3)}


@pytest.fixture
def joe(online: Network, flow: Flow, names: dict[str, str], repository: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of his login, when ann has one of everything."""
    mark = names["mark"]
    names |= {"joe": f"joe{mark}", "repository": str(repository), "file": str(repository / "functions.py")}
    hers = online.database.login(f"{online.prefix}.ann{mark}", PASSWORD).libpq()
    his = online.database.login(f"{online.prefix}.joe{mark}", PASSWORD).libpq()
    if "call" in names:
        return his
    for who, more in (("joe", ()), ("ann", ("--role", "member"))):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
        flow("add", "user", "-n", f"{who}{mark}", "-e", "x", *more)
    for right in ("ADD_PROCESSOR", "ADD_SOCKET"):
        flow("add", "privilege", "-u", f"joe{mark}", "-n", right)

    def ann(*words: str) -> str:
        return flow("-d", hers, *words).out

    ann("add", "network", "-n", f"lab{mark}", "--description", HERS)
    ann("add", "role", "-n", f"role{mark}")
    ann("add", "queue", "-n", f"q{mark}")
    code = ("-g", str(repository), "-m", "functions", "--description", HERS, "--env", f"A={HERS}")
    ann("add", "processor", "-n", f"proc{mark}", *code)
    where = ("-pn", f"proc{mark}", "-q", f"q{mark}", "--description", HERS)
    ann("add", "socket", "-n", f"sock{mark}", "-t", f"echo{mark}", *where)
    ann("add", "plug", "-n", f"plug{mark}", "-s", f"sock{mark}", "-t", f"sock{mark}", "-q", f"q{mark}")
    ann("add", "node", "-n", f"node{mark}", "-h", HERS, "--network", f"lab{mark}")
    ann("add", "agent", "-n", f"agent{mark}", "-nd", f"node{mark}", "--network", f"lab{mark}")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{HERS}\n"))
    ann("secret", "set", "-n", f"sec{mark}")
    names["call"] = ann("-o", "ids", "queue", "send", "-n", f"q{mark}", "-d", f"{HERS!r}").split()[-1]
    return his


def test_he_adds_a_processor_and_a_socket_with_its_queue(joe: str, flow: Flow, names: dict[str, str]) -> None:
    """What he may."""
    flow("-d", joe, "add", "processor", "-n", "his", "-g", names["repository"], "-m", "functions")
    flow("-d", joe, "add", "socket", "-n", "his.echo", "-pn", "his", "-t", "echo")
    assert flow("-d", joe, "-o", "ids", "ls", "queues").out.count("\n") == 1


def said(flow: Flow, joe: str, names: dict[str, str], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> str:
    """The error, which is one line and a hint."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    typed = [word.format(**names) for word in words]
    done = flow("-d", joe, *typed, code=1)
    lines = done.err.strip().splitlines()
    assert lines[0].startswith("error: ") and len(lines) <= 2, done.err
    assert HERS not in done.out + done.err
    return lines[0]


@pytest.mark.parametrize("words", LACKS, ids=" ".join)
def test_the_right_that_he_lacks_is_named(
    joe: str, flow: Flow, names: dict[str, str], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one line, whether or not there is such an object of somebody else's."""
    wanted = rf" lacks the right {LACKS[words]}\b"
    assert re.search(wanted, said(flow, joe, names, words, monkeypatch))
    ghost = names | {"mark": "00ff00", "call": "01999999-9999-7999-8999-999999999999"}
    if "user" not in words and "-u" not in words and "-r" not in words:
        assert re.search(wanted, said(flow, joe, ghost, words, monkeypatch))


@pytest.mark.parametrize("words", [*RESERVED, *NOT_THERE], ids=" ".join)
def test_what_is_reserved_or_not_there(
    joe: str, flow: Flow, names: dict[str, str], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so on one line."""
    assert (RESERVED | NOT_THERE)[words] in said(flow, joe, names, words, monkeypatch)


@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_nothing_of_hers_is_shown(joe: str, flow: Flow, names: dict[str, str], words: tuple[str, ...]) -> None:
    """Neither names nor values, in JSON where a command has it."""
    done = flow("-d", joe, *words)
    shown = done.out + done.err + flow("-d", joe, "-o", "json", *words, code=None).out
    own = shown.replace(f"joe{names['mark']}", "")
    assert HERS not in own and names["mark"] not in own and names["call"] not in own
