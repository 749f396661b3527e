"""Secrets on their whole way: sealed on a person's machine, opened on the node, masked in what is shown."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from pyfi.core.scram import verifier
from pyfi.core.urls import broker_kind
from pyfi.system.processes import run
from tests.network import Network

pytestmark = pytest.mark.e2e

CODE = """
import hashlib, os, signal, sys

def tell(message):
    token = os.environ["TOKEN"]
    print("the token is", token)
    print(f"{token}!", file=sys.stderr)
    return [hashlib.sha256(token.encode()).hexdigest(), os.environ["PLAIN"], sorted(os.environ)]

def fail(message):
    raise ValueError("no such token: " + os.environ["TOKEN"])

def crash(message):
    token = os.environ["TOKEN"]
    os.kill(os.getpid(), signal.SIGSEGV)
"""


def told(net: Network, *words: str) -> str:
    """All that a command says."""
    done = net.flow(*words, code=None)
    return (done.stdout + done.stderr).decode(errors="replace")


def processor(net: Network, *words: str) -> None:
    repository = net.repository({"functions.py": CODE})
    net.flow("add", "processor", "-n", "p", "-g", str(repository), "-m", "functions", "-r", "0", "-c", "1", *words)
    net.flow("add", "queue", "-n", "q")
    for task in ("tell", "fail", "crash"):
        net.flow("add", "socket", "-n", f"p.{task}", "-q", "q", "-pn", "p", "-t", task)


def test_a_function_has_its_secret_and_nobody_sees_it(net: Network) -> None:
    """A new value replaces the worker; without the secret the processor says what it lacks."""
    import hashlib

    net.flow("secret", "set", "-n", "tok", stdin=b"k4nary-one")
    processor(net, "--env", "TOKEN=secret:tok", "--env", "PLAIN=x")
    net.start_agent()
    digest, plain, names = json.loads(net.flow("-o", "json", "task", "run", "-s", "p.tell", "-d", "1").stdout)
    assert (digest, plain) == (hashlib.sha256(b"k4nary-one").hexdigest(), "x")
    assert not [name for name in names if name.startswith(("FLOW", "PG"))]
    call = net.rows("select id from pyfi.call order by created desc limit 1")[0][0]
    logs = told(net, "call", "logs", call)
    assert "the token is ***" in logs and "***!" in logs
    assert "no such token: ***" in told(net, "task", "run", "-s", "p.fail", "-d", "1")
    assert not [path for path in (net.home / "flow").rglob("*") if path.is_file() and b"k4nary" in path.read_bytes()]
    net.flow("secret", "set", "-n", "tok", stdin=b"k4nary-two")
    wanted = hashlib.sha256(b"k4nary-two").hexdigest()

    def arrived() -> bool:
        return bool(json.loads(net.flow("-o", "json", "task", "run", "-s", "p.tell", "-d", "1").stdout)[0] == wanted)

    net.until(arrived, "the new value in the function")
    net.flow("secret", "delete", "-n", "tok")
    net.flow("proc", "restart", "-n", "p")
    net.until(
        lambda: "its owner has no secret tok" in told(net, "-o", "json", "ls", "processors"), "the processor says why"
    )


@contextmanager
def own_broker(net: Network) -> Iterator[str]:
    """The canary that is the broker's password: of a user of our own where we may make one, else the one there is."""
    parts = urlsplit(net.broker)
    if broker_kind(net.broker) == "redis" or os.geteuid() != 0 or shutil.which("rabbitmqctl") is None:
        yield parts.password if parts.password and len(parts.password) > 8 else ""
        return
    user, password = f"{net.prefix}_broker", "k4nary-broker"
    env = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8"}

    def ctl(*words: str, stdin: bytes | None = None) -> None:
        assert run(["rabbitmqctl", "-q", *words], env=env, timeout_seconds=60, stdin_bytes=stdin).returncode == 0

    ctl("add_user", user, stdin=password.encode() + b"\n")
    try:
        ctl("set_permissions", "-p", parts.path[1:] or "/", user, ".*", ".*", ".*")
        net.broker = urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}"))
        yield password
    finally:
        ctl("delete_user", user)


class Onlooker(threading.Thread):
    """Reads the command lines of all processes and the statements of all connections, again and again."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self._url, self._prefix, self._stop_now = url, prefix, threading.Event()

    def run(self) -> None:
        connection = psycopg2.connect(self._url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not self._stop_now.wait(0.02):
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    try:
                        self.seen.add(path.read_bytes().decode(errors="replace"))
                    except OSError:
                        continue
                cursor.execute("select query || coalesce(application_name, '') from pg_stat_activity")
                self.seen.update(text for (text,) in cursor.fetchall() if text)
        connection.close()

    def finish(self) -> str:
        self._stop_now.set()
        self.join()
        return "\n".join(self.seen)


def dumped(net: Network) -> str:
    """Every row of every table of ours, what roles have as passwords, and functions' sources."""
    tables = net.rows(
        "select schemaname || '.' || quote_ident(tablename) from pg_tables where schemaname !~ '^pg_|^info'"
    )
    texts = [text for (table,) in tables for (text,) in net.rows(f"select t::text from {table} t")]
    texts += [text or "" for (text,) in net.rows("select rolpassword from pg_authid")]
    return "\n".join(texts)


def in_broker(net: Network) -> str:
    """What waits there, as it is."""
    if broker_kind(net.broker) == "redis":
        import redis

        client = redis.Redis.from_url(net.broker)
        try:
            return "".join(repr(client.dump(key)) for key in client.scan_iter())
        finally:
            client.close()
    from kombu import Connection

    bodies = []
    with Connection(net.broker) as connection:
        for (address,) in net.rows("select address from pyfi.socket"):
            while message := connection.default_channel.basic_get(address, no_ack=True):
                bodies.append(repr((message.body, message.properties, message.headers)))
    return "\n".join(bodies)


@pytest.mark.timeout(300)
def test_the_canary_is_found_nowhere(net: Network) -> None:
    """Set as a user's, the broker's and git's password and as a secret, while everything is used and breaks."""
    onlooker = Onlooker(net.database.libpq(), net.prefix)
    onlooker.start()
    with own_broker(net) as broker_password:
        admin = net.admin
        user_password, secret, git = "k4nary-user", "k4nary-secret", "k4nary-git"
        net.rows(
            "select access.make_role(%s, %s, %s)",
            (f"{net.prefix}.joe", f"{net.prefix}_flow_user", verifier(user_password, b"0" * 16)),
        )
        net.rows('insert into pyfi."user" (name, login) values (%s, %s)', ("joe", f"{net.prefix}.joe"))
        said = []
        joe = {"FLOW_DB": net.database.login(f"{net.prefix}.joe", user_password).libpq()}
        for words in (
            ("whoami",),
            ("--debug", "ls", "processors"),
            ("config",),
            ("doctor",),
            ("add", "node", "-n", "x"),
        ):
            done = net.flow(*words, env=joe, code=None)
            said.append((done.stdout + done.stderr).decode())
        net.flow("secret", "set", "-n", "tok", stdin=secret.encode())
        net.flow("secret", "set", "-n", "git", stdin=f"joe:{git}".encode())
        processor(net, "--env", "TOKEN=secret:tok", "--env", "PLAIN=x", "--git-secret", "git")
        agent = net.start_agent()
        said.append(told(net, "task", "run", "-s", "p.tell", "-d", "1", "-l"))
        said.append(told(net, "--debug", "task", "run", "-s", "p.fail", "-d", "1"))
        said.append(told(net, "task", "run", "-s", "p.crash", "-d", "1", "--timeout", "3"))
        for words in (("secret", "ls"), ("describe", "processor", "p"), ("ls", "calls"), ("db", "json"), ("doctor",)):
            said.append(told(net, *words))
        # Everything breaks: a build that cannot fetch, a broker and a database that are not there.
        gone = ("add", "processor", "-n", "gone", "-g", "https://127.0.0.1:1/a", "-m", "a", "--git-secret", "git")
        said.append(told(net, "--debug", *gone))
        for env in (
            {"FLOW_DB": f"postgresql://joe:{user_password}@127.0.0.1:1/x"},
            {"FLOW_DB": net.database.login("joe", user_password).libpq()},
            {"FLOW_BROKER": f"amqp://joe:{user_password}@127.0.0.1:1//"},
            {"FLOW_BROKER": f"nonsense://joe:{user_password}@127.0.0.1:1//"},
        ):
            for words in (("--debug", "ls", "processors"), ("doctor",)):
                done = net.flow(*words, env=env, code=None)
                said.append((done.stdout + done.stderr).decode())
        net.close()
        net.agents.clear()
        assert agent.poll() is not None
        told(net, "task", "run", "-s", "p.tell", "-d", "2", "-nd", "--timeout", "0.5")
        places = {
            "what commands said": "\n".join(said),
            "processes and statements": onlooker.finish(),
            "the database": dumped(net),
            "the broker": in_broker(net),
            "the logs": net.logs(),
        }
    known = {admin.password, user_password, secret, git, broker_password} - {""}
    private = {"credentials.json", "node.json", "keyring.json", "config.json", "stack.json"}
    for path in net.home.rglob("*"):
        if path.is_file() and path.name not in private and ".git" not in path.parts:
            places[str(path)] = path.read_bytes().decode(errors="replace")
        elif path.is_file() and path.name in private:
            assert path.stat().st_mode & 0o077 == 0, path
    assert {(where, value[:8]) for where, text in places.items() for value in known if value in text} == set()
    assert places["the database"] and places["processes and statements"] and places["the logs"]
