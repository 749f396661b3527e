"""What the database's server writes at its most talkative while logins are made, changed and refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from pyfi.clock import wait_until
from pyfi.stack.stack import Running
from tests.e2e.test_secrets import CODE, Onlooker, dumped
from tests.network import Network, network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TALKATIVE = {
    "log_statement": "all",
    "log_min_error_statement": "debug5",
    "log_min_duration_statement": "0",
    "log_error_verbosity": "verbose",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
}
PRIVATE = {"credentials.json", "node.json", "keyring.json", "config.json", "stack.json", "kept.json"}


def tell(net: Network, statements: list[str]) -> None:
    """To the server, as its superuser, outside of a transaction."""
    connection = psycopg2.connect(net.database.libpq())
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in [*statements, "select pg_reload_conf()"]:
            cursor.execute(statement)
    connection.close()


@pytest.fixture
def log(embedded_stack: Running) -> Path:
    """The server's own; of the embedded stack, since another's cannot be read."""
    return embedded_stack.home / "stack" / "postgres.log"


@pytest.fixture
def net(embedded_stack: Running, log: Path, tmp_path: Path) -> Iterator[Network]:
    """A network whose server says all that it can."""
    with network(embedded_stack.db, embedded_stack.broker, embedded_stack.backend, tmp_path / "net") as made:
        tell(made, [f"alter system set {name} = '{value}'" for name, value in TALKATIVE.items()])
        heard = wait_until(
            lambda: made.rows("select 'heard'") == [("heard",)] and "select 'heard'" in log.read_text(),
            timeout_seconds=20,
        )
        try:
            assert heard, "the server does not log statements"
            yield made
        finally:
            tell(made, [f"alter system reset {name}" for name in TALKATIVE])


def test_no_password_is_in_it(net: Network, log: Path, embedded_stack: Running) -> None:
    """Nor in a statement as others see it, in a row, in the write-ahead log, nor in a file of the servers."""
    onlooker = Onlooker(net.database.libpq(), net.prefix)
    onlooker.start()
    said = []

    def flow(*words: str, typed: str, joe: str = "", code: int | None = None) -> None:
        env = {"FLOW_DB": net.database.login(f"{net.prefix}.joe", joe).libpq()} if joe else {}
        done = net.flow(*words, stdin=f"{typed}\n".encode(), env=env, code=code)
        said.append((done.stdout + done.stderr).decode())

    flow("add", "user", "-n", "joe", "-e", "x", "--role", "member", typed="k4nary-first", code=0)
    flow("add", "user", "-n", "joe", "-e", "x", typed="k4nary-twice", code=1)
    flow("add", "user", "-n", "x" * 64, "-e", "x", typed="k4nary-long")
    flow("add", "user", "-n", "eve", "-e", "x", "--role", "nothing", typed="k4nary-norole", code=1)
    flow("user", "password", "-n", "joe", typed="k4nary-second", code=0)
    flow("user", "password", "-n", "nobody", typed="k4nary-nobody", code=1)
    flow("--debug", "whoami", typed="", joe="k4nary-wrong", code=1)
    flow("user", "password", typed="k4nary-third", joe="k4nary-second", code=0)
    flow("user", "password", "-n", "admin", typed="k4nary-notmine", joe="k4nary-third", code=1)
    flow("secret", "set", "-n", "tok", typed="k4nary-secret", joe="k4nary-third", code=0)
    flow("secret", "rotate", typed="", code=0)
    flow("node", "enroll", "-n", "other", typed="", code=0)
    repository = net.repository({"functions.py": CODE})
    code = ("-g", str(repository), "-m", "functions", "--env", "TOKEN=secret:tok", "--env", "PLAIN=x")
    flow("add", "processor", "-n", "p", *code, "-t", "tell", typed="", joe="k4nary-third", code=0)
    net.start_agent()
    flow("task", "run", "-n", "tell", "-d", "1", typed="", joe="k4nary-third", code=0)
    node = json.loads(next(net.home.rglob("node.json")).read_text())
    made = [part.split("@")[0] for text in node.values() if isinstance(text, str) for part in text.split(":")[2:3]]
    places = {
        "the server's log": log.read_text(errors="replace"),
        "processes and statements": onlooker.finish(),
        "the database": dumped(net),
        "what commands said": "\n".join(said),
    }
    net.close()
    net.agents.clear()
    net.rows("checkpoint")
    for home in (net.home, embedded_stack.home):
        for path in home.rglob("*"):
            if path.is_file() and path.name not in PRIVATE and ".git" not in path.parts:
                places[str(path)] = path.read_bytes().decode("latin-1")
    assert "access.create_user" in places["the server's log"] and "SCRAM-SHA-256$" in places["the server's log"]
    assert len([text for text in made if len(text) > 16]) >= 2, "the passwords of the node's logins"
    found = {(where, word) for where, text in places.items() for word in ("k4nary", *made) if word and word in text}
    assert found == set()
