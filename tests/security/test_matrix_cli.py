"""The matrix through the command line: the same yes, and every no is a line that says which right is missing."""

from __future__ import annotations

import io
import secrets

import pytest

from tests.cli.conftest import Flow, flow, online, repository, shared_network
from tests.network import Network
from tests.security.matrix import reviewed

__all__ = ["flow", "online", "repository", "shared_network"]

PASSWORD = "canary of the matrix"
CHANGES = {
    "queue": ("-t", "fanout"),
    "processor": ("--description", "x"),
    "socket": ("--description", "x"),
    "plug": ("--description", "x"),
    "network": ("--description", "x"),
}
GRANTS = {"reader": ("READ", "all"), "member": ("ALL", "network"), "holder": ("ALL", "all"), "stranger": ()}


@pytest.fixture
def people(online: Network, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Who -> URL of his login."""
    found, mark = {}, secrets.token_hex(3)
    for who in ("owner", *GRANTS):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
        more = ("--role", "member") if who == "owner" else ()
        flow("add", "user", "-n", f"{who}{mark}", "-e", "x", *more)
        if granted := GRANTS.get(who):
            flow("add", "privilege", "-u", f"{who}{mark}", "-n", granted[0], "-s", granted[1])
        found[who] = online.database.login(f"{online.prefix}.{who}{mark}", PASSWORD).libpq()
    found["mark"] = mark
    return found


@pytest.fixture
def rows(people: dict[str, str], flow: Flow, repository: object) -> dict[str, str]:
    """Kind -> id of the owner's row, in a network that the member shares."""
    mark, lab = people["mark"], f"lab{people['mark']}"

    def add(*words: str) -> str:
        return flow("-d", people["owner"], "add", *words).id

    found = {"network": add("network", "-n", lab)}
    flow("-d", people["owner"], "add", "member", "-u", f"member{mark}", "--network", lab)
    where = ("--network", lab)
    found["queue"] = add("queue", "-n", f"q{mark}", *where)
    found["processor"] = add("processor", "-n", f"p{mark}", "-g", str(repository), "-m", "functions", *where)
    found["socket"] = add("socket", "-n", "s", "-pn", f"p{mark}", "-t", "echo", "-q", f"q{mark}", *where)
    found["plug"] = add("plug", "-n", "g", "-s", "s", "-t", "s", "-q", f"q{mark}", *where)
    return found


def test_changing_and_deleting(people: dict[str, str], rows: dict[str, str], flow: Flow) -> None:
    """By id, so that a no is a matter of rights and not of names. What is allowed to be deleted goes at the end."""
    lines = reviewed()
    for kind, change in CHANGES.items():
        for who in ("stranger", "reader", "member", "holder", "owner"):
            for verb, words in (("update", ("update", kind, "--id", rows[kind], *change)), ("delete", None)):
                allowed = lines["table", f"pyfi.{kind}", verb][who] == "yes"
                if words is None:
                    if allowed:
                        continue
                    words = ("delete", kind, "--id", rows[kind], "--cascade")
                done = flow("-d", people[who], *words, code=0 if allowed else 1)
                if not allowed:
                    hidden = lines["table", f"pyfi.{kind}", "select"][who] != "yes"
                    said = "there is no" if hidden else "lacks the right"
                    assert said in done.err, (who, words, done.err)
    for kind in ("plug", "socket", "processor", "queue", "network"):
        flow("-d", people["owner"], "delete", kind, "--id", rows[kind], "--cascade")
