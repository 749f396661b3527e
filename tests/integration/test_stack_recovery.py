"""However the last stack ended, the next `up` has its data and its passwords."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import redis

from pyfi.clock import wait_until
from pyfi.errors import InUseError, InvalidError, NotConfiguredError, UnavailableError
from pyfi.stack.postgres import PROGRAMS
from pyfi.stack.running import Running
from pyfi.stack.stack import down, status, up
from pyfi.system.locks import FileLock
from pyfi.system.processes import ProcessIdentity, find_processes, is_alive, signal_process
from tests.integration.python_child import python_child, says


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    down(tmp_path)


def write_down(running: Running) -> None:
    """Leave a row in Postgres and a key in Valkey."""
    connection = psycopg2.connect(running.db)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 'row' AS what")
    connection.close()
    with redis.Redis.from_url(running.broker) as client:
        client.set("kept", "key")


def read_back(running: Running) -> tuple[object, object]:
    connection = psycopg2.connect(running.db)
    with connection.cursor() as cursor:
        cursor.execute("SELECT what FROM kept")
        row = cursor.fetchone()
    connection.close()
    with redis.Redis.from_url(running.broker) as client:
        return row, client.get("kept")


KEPT = (("row",), b"key")


def gone(*identities: ProcessIdentity) -> bool:
    return not any(is_alive(identity) for identity in identities)


def record(home: Path) -> dict[str, object]:
    return json.loads((home / "stack" / "stack.json").read_text())


def test_data_passwords_and_ports_survive_down_and_up(home: Path) -> None:
    first = up(home)
    write_down(first)
    assert down(home)
    assert gone(first.postgres, first.valkey)
    assert not (home / "stack" / "stack.json").exists()
    assert not status(home).running
    assert not down(home)
    second = up(home)
    assert second.started
    assert (second.db, second.broker, second.backend) == (first.db, first.broker, first.backend)
    assert second.postgres != first.postgres
    assert read_back(second) == KEPT


def test_stop_may_be_called_twice_and_never_stops_a_later_stack(home: Path) -> None:
    first = up(home)
    first.stop()
    second = up(home)
    first.stop()
    assert second.is_alive()
    assert record(home)["db"] == second.db


@pytest.mark.parametrize("killed", ["postgres", "valkey", "both"])
def test_after_kill_9_of_a_server_the_next_up_recovers(home: Path, killed: str) -> None:
    first = up(home)
    write_down(first)
    with redis.Redis.from_url(first.broker) as client:
        # What valkey has acknowledged is on disk a second later; this waits for it.
        assert client.execute_command("WAITAOF", 1, 0, 5000) == [1, 0]
    victims = [first.postgres, first.valkey] if killed == "both" else [getattr(first, killed)]
    for victim in victims:
        assert signal_process(victim, signal.SIGKILL)
    assert wait_until(lambda: gone(*victims), timeout_seconds=10)
    assert (home / "stack" / "postgres" / "postmaster.pid").exists()
    assert not status(home).running
    second = up(home)
    assert second.started
    assert gone(first.postgres, first.valkey)
    assert read_back(second) == KEPT
    was_hurt = "was not properly shut down" in (home / "stack" / "postgres.log").read_text()
    assert was_hurt == (first.postgres in victims)


FOREGROUND = """
import sys
from pathlib import Path
from pyfi.stack.stack import up
running = up(Path(sys.argv[1]), foreground=True)
print(running.postgres.to_json(), flush=True)
print(running.valkey.to_json(), flush=True)
sys.stdin.read()
"""


def test_servers_of_a_foreground_parent_die_when_it_is_killed_and_the_next_up_recovers(home: Path) -> None:
    with python_child(FOREGROUND, str(home)) as parent:
        servers = [ProcessIdentity.from_json(says(parent)) for _ in range(2)]
        assert not gone(servers[0])
        assert not gone(servers[1])
        assert status(home).foreground
        parent.kill()
        parent.wait(10)
    assert wait_until(lambda: gone(*servers), timeout_seconds=20)
    assert record(home)["foreground"] is True  # stale
    assert not status(home).running
    assert up(home).started


def test_servers_of_a_detached_stack_outlive_who_started_them(home: Path) -> None:
    code = FOREGROUND.replace("foreground=True", "foreground=False").replace("sys.stdin.read()", "")
    with python_child(code, str(home)) as starter:
        servers = [ProcessIdentity.from_json(says(starter)) for _ in range(2)]
        assert starter.wait(30) == 0
    assert all(is_alive(server) for server in servers)
    found = up(home)
    assert not found.started
    assert [found.postgres, found.valkey] == servers
    assert down(home)
    assert gone(*servers)


def test_servers_whose_record_was_lost_are_ended_first(home: Path) -> None:
    first = up(home)
    write_down(first)
    (home / "stack" / "stack.json").unlink()
    second = up(home)
    assert second.started
    assert gone(first.postgres, first.valkey)
    assert read_back(second) == KEPT


def test_a_record_that_cannot_be_read_or_names_strangers_is_stale(home: Path) -> None:
    stack_json = home / "stack" / "stack.json"
    first = up(home)
    first.stop()
    stack_json.write_text("{half")
    up(home).stop()
    mine = json.loads(json.dumps({"boot_id": "another boot", "pid_namespace": "", "pid": os.getpid(), "started": 1}))
    stack_json.write_text(
        json.dumps({"db": "", "broker": "", "backend": "", "foreground": False, "postgres": mine, "valkey": mine})
    )
    assert not status(home).running
    assert up(home).started


def test_a_stale_pid_file_that_names_a_living_stranger_does_not_matter(home: Path) -> None:
    up(home).stop()
    # As it would be in a container, where numbers come round soon.
    (home / "stack" / "postgres" / "postmaster.pid").write_text(f"{os.getppid()}\n{home}\n1\n1\n\n\n\nready   \n")
    assert up(home).is_alive()


def test_ports_that_were_taken_meanwhile_are_left_to_their_new_owners(home: Path) -> None:
    first = up(home)
    write_down(first)
    first.stop()
    takers = []
    for url in (first.db, first.broker):
        taker = socket.socket()
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", urlsplit(url).port))
        taker.listen()
        takers.append(taker)
    second = up(home)
    assert urlsplit(second.db).port != urlsplit(first.db).port
    assert urlsplit(second.broker).port != urlsplit(first.broker).port
    assert urlsplit(second.db).password == urlsplit(first.db).password
    assert read_back(second) == KEPT
    for taker in takers:
        taker.setblocking(False)
        with pytest.raises(BlockingIOError):
            taker.accept()  # nobody showed a password to a stranger
        taker.close()


def test_a_port_taken_between_choice_and_start_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        from pyfi.stack import server

        real, given = server.free_port, []

        def first_the_taken_ones() -> int:
            given.append(1)
            # Valkey's first choice, and (after its second) Postgres' first.
            return int(taken.getsockname()[1]) if len(given) in {1, 3} else real()

        monkeypatch.setattr(server, "free_port", first_the_taken_ones)
        assert up(home).is_alive()
        assert len(given) == 4
        taken.setblocking(False)
        with pytest.raises(BlockingIOError):
            taken.accept()  # its owner never saw a password


def test_an_interrupted_first_start_is_begun_anew(home: Path) -> None:
    half = home / "stack" / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (half / "base").mkdir()
    assert up(home).is_alive()
    assert not half.exists()
    assert (home / "stack").stat().st_mode & 0o777 == 0o700  # whoever made it


def test_a_server_that_does_not_start_is_reported_and_the_other_does_not_stay(home: Path) -> None:
    first = up(home)
    first.stop()
    control = home / "stack" / "postgres" / "global" / "pg_control"
    control.rename(control.with_name("moved"))
    with pytest.raises(UnavailableError, match=r"embedded Postgres did not start: .*pg_control") as caught:
        up(home)
    assert str(home / "stack" / "postgres.log") in caught.value.hint
    assert find_processes(programs=PROGRAMS, folder=home / "stack" / "postgres") == ()
    assert find_processes(programs=["valkey-server"], folder=home / "stack" / "valkey") == ()
    assert not (home / "stack" / "stack.json").exists()
    control.with_name("moved").rename(control)
    assert up(home).is_alive()


def test_data_whose_passwords_are_lost_are_kept_and_it_says_so(home: Path) -> None:
    up(home).stop()
    kept = home / "stack" / "kept.json"
    content = kept.read_text()
    kept.unlink()
    with pytest.raises(InvalidError, match=r"kept.json with the passwords of the embedded stack is gone"):
        up(home)
    kept.write_text("{}")
    with pytest.raises(InvalidError, match="cannot be read"):
        up(home)
    kept.write_text(json.dumps(json.loads(content) | {"postgres_password": "another"}))
    with pytest.raises(UnavailableError, match="does not take the password"):
        up(home)
    kept.write_text(content)
    assert up(home).is_alive()


def test_a_stack_that_cannot_be_seen_is_not_joined_on_its_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    up(home).stop()
    monkeypatch.setattr("pyfi.stack.stack._LEFTOVER_SECONDS", 0.1)
    with FileLock(home / "stack" / "in_use"), pytest.raises(InUseError, match="cannot see"):
        up(home)
    assert up(home).is_alive()


@pytest.mark.parametrize("killed", ["postgres", "valkey"])
def test_each_server_holds_the_folder_while_it_lives(home: Path, killed: str) -> None:
    running = up(home)
    lock = FileLock(home / "stack" / "in_use")
    assert not lock.acquire()
    assert signal_process(getattr(running, killed), signal.SIGKILL)
    folder = home / "stack" / killed
    programs = [*PROGRAMS, "valkey-server"]
    assert wait_until(lambda: not find_processes(programs=programs, folder=folder), timeout_seconds=20)
    assert not lock.acquire()  # the other has it still
    down(home)
    assert wait_until(
        lock.acquire, timeout_seconds=20
    )  # the kernel frees the memory (and the name) of a process before its files
    lock.release()


def test_without_programs_nothing_is_started_or_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pyfi.stack.binaries._wheel", lambda _package: None)
    monkeypatch.setattr("pyfi.stack.binaries._DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotConfiguredError):
        up(home)
    assert not (home / "stack" / "kept.json").exists()


def test_the_machines_own_postgres_and_redis_do_as_well(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyfi.stack.binaries._wheel", lambda _package: None)
    try:
        running = up(home)
    except NotConfiguredError as error:
        pytest.skip(error.message)
    write_down(running)
    assert read_back(running) == KEPT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_root_without_user_namespaces_runs_it_as_nobody_in_a_private_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = home / "private"
    private.mkdir(mode=0o700)
    first = up(private)
    write_down(first)
    first.stop()
    with monkeypatch.context() as patch:
        for place in ("pyfi.system.spawn", "pyfi.stack.folder"):
            patch.setattr(f"{place}.user_namespaces_work", lambda: False)
        second = up(private)
        assert Path(f"/proc/{second.postgres.pid}").stat().st_uid == 65534
        assert Path(f"/proc/{second.valkey.pid}").stat().st_uid == 65534
        assert read_back(second) == KEPT
        second.stop()
        assert up(home / "anew").is_alive()  # the data are made in this way, too
        assert down(home / "anew")
    third = up(private)
    assert read_back(third) == KEPT
    third.stop()
    assert {path.stat().st_uid for path in private.rglob("*")} == {0}
    assert private.stat().st_mode & 0o777 == 0o700
