"""The matrix through the command line, each noun that it has: the same yes, and every no is a line that says why."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable

import pytest

from pyfi.cli.add import COMMANDS as ADDED
from pyfi.cli.delete import COMMANDS as DELETED
from pyfi.cli.update import COMMANDS as UPDATED
from tests.cli.conftest import Flow, flow, online, repository, shared_network
from tests.network import Network
from tests.security.matrix import Line, reviewed

__all__ = ["flow", "online", "repository", "shared_network"]

PASSWORD = "canary of the matrix"
CHANGES = {
    "queue": ("-t", "fanout"),
    "processor": ("--description", "x"),
    "socket": ("--description", "x"),
    "plug": ("--description", "x"),
    "network": ("--description", "x"),
    "node": ("-h", "elsewhere"),
    "agent": ("--rename", "renamed"),
    "deployment": ("-c", "2"),
}
# Written by functions, for which the matrix only says who may call them: tests/cli/test_people.py has their rules.
BY_FUNCTION = {"member", "privilege", "user"}
# From what refers to others to what is referred to.
ORDER = ("deployment", "agent", "node", "plug", "socket", "processor", "queue", "role", "network")
GRANTS = {"reader": ("READ", "all"), "stranger": (), "member": ("ALL", "network"), "holder": ("ALL", "all")}
# Who may change comes after who may not: what is as it is asked to be is nobody's change.
WHO = (*GRANTS, "owner")


@pytest.fixture
def people(online: Network, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Who -> URL of his login."""
    found, mark = {}, secrets.token_hex(3)
    for who in WHO:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
        more = ("--role", "member") if who == "owner" else ()
        flow("add", "user", "-n", f"{who}{mark}", "-e", "x", *more)
        if granted := GRANTS.get(who):
            flow("add", "privilege", "-u", f"{who}{mark}", "-n", granted[0], "-s", granted[1])
        found[who] = online.database.login(f"{online.prefix}.{who}{mark}", PASSWORD).libpq()
    found["mark"] = mark
    return found


def additions(mark: str, lab: str, repository: object) -> dict[str, tuple[str, ...]]:
    """Kind -> what adds one, in the network that the member shares; from what is referred to to what refers."""
    where = ("--network", lab)
    return {
        "network": ("-n", lab),
        "role": ("-n", f"r{mark}"),
        "queue": ("-n", f"q{mark}", *where),
        "processor": ("-n", f"p{mark}", "-g", str(repository), "-m", "functions", *where),
        "socket": ("-n", "s", "-pn", f"p{mark}", "-t", "echo", "-q", f"q{mark}", *where),
        "plug": ("-n", "g", "-s", "s", "-t", "s", "-q", f"q{mark}", *where),
        "node": ("-n", f"n{mark}", *where),
        "agent": ("-n", f"a{mark}", "-nd", f"n{mark}", *where),
        "deployment": ("-n", f"p{mark}", "-h", f"n{mark}", *where),
    }


@pytest.fixture
def rows(people: dict[str, str], flow: Flow, repository: object) -> dict[str, str]:
    """Kind -> id of the owner's row."""
    mark, lab, found = people["mark"], f"lab{people['mark']}", {}
    for kind, words in additions(mark, lab, repository).items():
        found[kind] = flow("-d", people["owner"], "add", kind, *words).id
        if kind == "network":
            flow("-d", people["owner"], "add", "member", "-u", f"member{mark}", "--network", lab)
    return found


def allowed(lines: dict[Line, dict[str, str]], kind: str, verb: str, who: str) -> bool:
    """What the matrix says."""
    return lines["table", f"pyfi.{kind}", verb][who] == "yes"


def test_every_noun_is_here() -> None:
    """A new one needs a line in the lists above."""
    assert set(additions("", "", "")) | BY_FUNCTION == set(ADDED)
    assert set(CHANGES) | {"user"} == set(UPDATED)
    assert set(ORDER) | BY_FUNCTION - {"user"} == set(DELETED)


def test_reading(people: dict[str, str], rows: dict[str, str], flow: Flow) -> None:
    """A listing has the row for whom the matrix lets select it; another's secret's name is hers, too."""
    lines = reviewed()
    for kind, id_ in rows.items():
        for who in WHO:
            listed = json.loads(flow("-d", people[who], "-o", "json", "ls", f"{kind}s").out)
            seen = any(row["id"] == id_ for row in listed)
            assert seen == allowed(lines, kind, "select", who), (kind, who)


def test_adding(people: dict[str, str], rows: dict[str, str], flow: Flow, repository: object) -> None:
    """Beside the owner's row, in his network: who may insert there adds one, of his own."""
    lines, mark, lab = reviewed(), f"z{people['mark']}", f"lab{people['mark']}"
    for kind, words in additions(mark, lab, repository).items():
        if kind in {"socket", "plug", "agent", "deployment"}:
            continue
        for who in GRANTS:
            typed = tuple(word.replace(lab, f"lab{who}{mark}") for word in words) if kind == "network" else words
            yes = allowed(lines, kind, "insert", who)
            done = flow("-d", people[who], "add", kind, *typed, code=0 if yes else 1)
            if yes:
                named = ("-n", f"r{mark}") if kind == "role" else ("--id", done.id)
                flow("-d", people[who], "delete", kind, *named, "--cascade")
            else:
                assert "lacks the right" in done.err or "does not reach it" in done.err, (who, kind, done.err)


def refused(flow: Flow, url: str, words: tuple[str, ...], hidden: Callable[[], bool]) -> None:
    """By one line that names the right, or says that there is nothing."""
    done = flow("-d", url, *words, code=1)
    assert len(done.err.strip().splitlines()) <= 2
    told = "lacks the right" in done.err or "does not reach it" in done.err
    assert told or (hidden() and "there is no" in done.err), (words, done.err)


def test_changing_and_deleting(people: dict[str, str], rows: dict[str, str], flow: Flow) -> None:
    """By id, so that a no is a matter of rights and not of names. Who may delete does so at the end, in turn."""
    lines = reviewed()
    for kind in ORDER:
        for who in WHO:
            if kind in CHANGES:
                words = ("update", kind, "--id", rows[kind], *CHANGES[kind])
                if allowed(lines, kind, "update", who):
                    flow("-d", people[who], *words)
                else:
                    refused(flow, people[who], words, lambda k=kind, w=who: not allowed(lines, k, "select", w))
            if not allowed(lines, kind, "delete", who):
                named = ("-n", f"r{people['mark']}") if kind == "role" else ("--id", rows[kind])
                words = ("delete", kind, *named, "--cascade")
                refused(flow, people[who], words, lambda k=kind, w=who: not allowed(lines, k, "select", w))
    for number, kind in enumerate(ORDER):
        may = [who for who in WHO if allowed(lines, kind, "delete", who)]
        named = ("-n", f"r{people['mark']}") if kind == "role" else ("--id", rows[kind])
        flow("-d", people[may[number % len(may)]], "delete", kind, *named, "--cascade")
