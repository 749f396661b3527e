"""A user who is no administrator: his own rows, and words instead of silence for the others'."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from pyfi.client import api
from pyfi.client.api import Queue
from pyfi.control.login import open_database
from pyfi.core.scram import verifier
from pyfi.settings import load
from tests.cli.conftest import Flow
from tests.network import Network


@pytest.fixture
def joe(online: Network) -> str:
    """The URL of a user's own login."""
    from sqlalchemy import text

    name, password = f"joe{secrets.token_hex(3)}", secrets.token_urlsafe(12)
    database = open_database(load())
    with database.session() as session:
        session.execute(
            text("select access.create_user(:name, null, :verifier, false, '{member}')"),
            {"name": name, "verifier": verifier(password, secrets.token_bytes(16))},
        )
    database.close()
    return online.database.login(f"{online.prefix}.{name}", password).libpq()


def test_a_url_with_a_users_login_is_that_user(joe: str, online: Network, flow: Flow) -> None:
    """Although the administrator's login is kept on this machine; he sees none of the administrator's rows."""
    flow("add", "queue", "-n", "secret.queue")
    assert "Logged into flow as joe" in flow("-d", joe, "whoami").out
    assert json.loads(flow("-d", joe, "-o", "json", "ls", "queues").out) == []
    assert "only an administrator sees all calls" in flow("-d", joe, "doctor", "--ledger", code=1).err
    assert "there is no queue secret.queue" in flow("-d", joe, "describe", "queue", "secret.queue", code=1).err
    assert [row["name"] for row in json.loads(flow("-d", joe, "db", "json").out)["queue"]] == []


def test_names_are_each_ones_own(joe: str, online: Network, flow: Flow, repository: Path) -> None:
    """Both may have a queue of the same name; an administrator, who sees both, means his own."""
    flow("add", "queue", "-n", "twin", "-t", "topic")
    theirs = flow("-d", joe, "add", "queue", "-n", "twin", "-t", "fanout").id
    flow("update", "queue", "-n", "twin", "-t", "direct")
    assert json.loads(flow("-d", joe, "-o", "json", "ls", "queues").out)[0]["type"] == "fanout"
    flow("update", "queue", "--id", theirs, "-t", "topic")
    flow("delete", "queue", "-n", "twin")
    assert "means" not in flow("delete", "queue", "-n", "twin").err
    words = ("add", "processor", "-n", "p", "-g", str(repository), "-m", "functions", "-t", "echo")
    flow("-d", joe, *words)
    waits = flow("-d", joe, "task", "run", "-s", "p.echo", "-nd", "--timeout", "1.2", code=75)
    assert waits.err.startswith("p: no agent has taken it yet, "), "he cannot know whether an agent runs"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add", "node", "-n", "x"), "you may not add this node: your right ADD_NODE does not reach it"),
        (
            ("update", "network", "-n", "default", "--description", "mine"),
            "you may not change this network: your right UPDATE does not reach it",
        ),
        (("agent", "start", "-n", "x"), "lacks the right START_AGENT on network default"),
        (("db", "init"), "no superuser"),
        (("db", "drop", "-y"), "lacks the right DB_DROP with scope all"),
        (("db", "migrate"), "lacks the right DB_INIT with scope all"),
    ],
)
def test_what_he_may_not_is_said(words: tuple[str, ...], says: str, joe: str, flow: Flow) -> None:
    """A policy that hides a row must not look like success."""
    done = flow("-d", joe, *words, code=1)
    assert says in done.err
    assert done.out == ""


def test_client_as_a_user(joe: str, online: Network) -> None:
    """The same objects, as him."""
    try:
        api.connect(db=joe)
        assert Queue("client.queue").owner.startswith("joe")
    finally:
        api.disconnect()


def test_audit_tells_who_changed_what(joe: str, online: Network, flow: Flow) -> None:
    """Each sees his own, administrators all; passwords in URLs are masked."""
    flow("-d", joe, "add", "queue", "-n", "seen")
    flow("-d", joe, "update", "queue", "-n", "seen", "-t", "topic")
    flow("add", "queue", "-n", "unseen")
    (added, changed) = flow("-d", joe, "audit", "--for", "seen").out.splitlines()
    assert " insert queue seen " in added and added.endswith("(pyfi)")
    assert ' update queue seen: type "direct" -> "topic"' in changed
    assert "unseen" not in flow("-d", joe, "audit", "--since", "1h").out
    assert {row["verb"] for row in json.loads(flow("-o", "json", "audit", "--for", "queue unseen").out)} == {"insert"}
    assert flow("audit", "--since", "2030-01-01").out == ""
    assert "is whole" in flow("audit", "verify").out
    assert "needs an administrator" in flow("-d", joe, "audit", "verify", code=1).err
