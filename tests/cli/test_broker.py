"""`flow broker init`: a vhost and a user who may use that one only."""

from __future__ import annotations

import base64
import configparser
import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from kombu import Connection

from pyfi.core.urls import broker_kind
from pyfi.system.processes import run
from tests.cli.conftest import Flow
from tests.network import Network


class Management(ThreadingHTTPServer):
    """What RabbitMQ's management pages answer, and what they were asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, object]] = []
        self.users: set[str] = set()
        management = self

        class Answer(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def do_GET(self) -> None:
                self._answer(None)

            def _answer(self, document: object) -> None:
                management.asked.append((self.command, self.path, document))
                right = "Basic " + base64.b64encode(b"boss:k4nary").decode()
                status = 401 if self.headers["Authorization"] != right else 201
                if status == 201 and self.command == "GET":
                    status = 200 if self.path.rpartition("/")[2] in management.users else 404
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's name
                return

        super().__init__(("127.0.0.1", 0), Answer)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ini that is written is no other test's."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def management() -> Iterator[Management]:
    """Answers for the length of a test."""
    server = Management()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_by_the_management_api(
    management: Management, flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password goes there and into the ini, which only its user reads; nowhere else."""
    monkeypatch.setenv("FLOW_BROKER", "amqp://h.example:5672//")
    monkeypatch.setenv("FLOW_BROKER_PASSWORD", "k4nary")
    words = ("-a", f"http://127.0.0.1:{management.server_address[1]}", "-u", "boss", "broker", "init", "-n", "mine")
    done = flow(*words)
    path = Path(done.out.strip().removeprefix("the URL is in "))
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(path)
    url = ini["broker"]["uri"]
    assert url.startswith("amqp://mine:") and url.endswith("@h.example:5672/mine")
    password = url.partition("mine:")[2].partition("@")[0]
    assert management.asked == [
        ("GET", "/api/users/mine", None),
        ("PUT", "/api/vhosts/mine", {}),
        ("PUT", "/api/users/mine", {"password": password, "tags": ""}),
        ("PUT", "/api/permissions/mine/mine", {"configure": ".*", "write": ".*", "read": ".*"}),
    ]
    assert path.stat().st_mode & 0o777 == 0o600 and "k4nary" not in path.read_text()
    assert password not in done.out + done.err
    management.users.add("mine")
    assert "has a user mine already" in flow(*words, code=1).err
    monkeypatch.setenv("FLOW_BROKER_PASSWORD", "wrong")
    assert "refuses the login" in flow(*words, code=1).err


def test_what_cannot_be(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in one line."""
    assert "no message broker" in flow("broker", "init", code=69).err
    monkeypatch.setenv("FLOW_BROKER", "redis://h/0")
    assert "vhosts are RabbitMQ's" in flow("broker", "init", code=1).err
    monkeypatch.setenv("FLOW_BROKER", "amqp://h//")
    assert "vhost name '; rm' is not allowed" in flow("broker", "init", "-n", "; rm", code=1).err
    assert "does not answer" in flow("-a", "http://127.0.0.1:1", "broker", "init", code=69).err
    assert "none of http or https" in flow("-a", "ftp://h", "broker", "init", code=1).err


def test_a_script_holds_no_password(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for another machine; rabbitmqctl asks there."""
    monkeypatch.setenv("FLOW_BROKER", "amqp://h//")
    assert flow("broker", "init", "-n", "mine", "--script").out.splitlines() == [
        "rabbitmqctl add_vhost mine",
        "rabbitmqctl add_user mine",
        "rabbitmqctl set_permissions -p mine mine '.*' '.*' '.*'",
    ]


def test_by_rabbitmqctl(online: Network, flow: Flow) -> None:
    """A real user, who opens his own vhost and no other."""
    if broker_kind(online.broker) == "redis" or os.geteuid() != 0 or shutil.which("rabbitmqctl") is None:
        pytest.skip("no RabbitMQ that this user may change")
    name = f"pyfi_{secrets.token_hex(4)}"
    env = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8"}
    try:
        done = flow("broker", "init", "-n", name)
        ini = configparser.ConfigParser(interpolation=None)
        ini.read(done.out.strip().removeprefix("the URL is in "))
        url = ini["broker"]["uri"]
        with Connection(url) as connection:
            connection.ensure_connection(max_retries=1)
        with (
            Connection(url.rpartition("/")[0] + "//") as connection,
            pytest.raises(Exception, match=r"access|NOT_ALLOWED"),
        ):
            connection.connect()
        assert "has a user" in flow("broker", "init", "-n", name, code=1).err
    finally:
        for words in (("delete_user", name), ("delete_vhost", name)):
            run(["rabbitmqctl", "-q", *words], env=env, timeout_seconds=60)
