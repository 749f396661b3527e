"""Input that nobody means well, where it reaches the database or a screen. README.md says which test has which case."""

from __future__ import annotations

import io
import secrets
from pathlib import Path

import pytest

from pyfi.errors import InvalidError, PyfiError
from tests.cli.conftest import Flow, flow, online, repository, shared_network
from tests.integration.db.scene import Scene, fresh_verifier
from tests.network import Network

__all__ = ["flow", "online", "repository", "shared_network"]

NAMES = [
    *("", " ", ".", "..", "../x", "a/b", "-x", "--help", "a b", "a\n", "\na", "a\tb", "a'; drop table pyfi.call; --"),
    *('a"b', "a;b", "a\\b", "a\x1b[2J", "größe", "\u202eb", "\u0430", "😀", "x" * 64, "a:b", "a#b", "a@b", "%s", "{}"),
]
NAMED = ("network", "queue", "processor", "scheduler", "role", "secret", "file", "flow")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_are_refused_by_the_database_too(scene: Scene, name: str) -> None:
    """With psql, in each table where a user names things; and functions, which take it as a value."""
    more = {
        "processor": ', gitrepo, "commit", module',
        "secret": ", key_id, ciphertext",
        "file": ", type",
    }
    values = {"processor": ", 'r', 'c', 'm'", "secret": ", 'k', '\\x00'", "file": ", 't'"}
    for table in NAMED:
        where = "" if table in {"network", "role"} else ", network_id"
        network = "" if not where else ", (select id from pyfi.network where name = 'default')"
        with pytest.raises(PyfiError) as caught:
            scene.ann.ask(
                f"insert into pyfi.{table} (name{where}{more.get(table, '')})"
                f" values (%s{network}{values.get(table, '')})",
                name,
            )
        assert isinstance(caught.value, InvalidError), (table, caught.value)
    with pytest.raises(PyfiError):
        scene.admin.ask("select access.create_user(%s, null, %s, false)", name, fresh_verifier())
    assert (
        scene.superuser.one("select count(*) from pg_roles where rolname::text = %s", f"{scene.roles.prefix}.{name}")
        == 0
    )


def test_nul_reaches_no_statement(scene: Scene) -> None:
    """The driver does not send it."""
    with pytest.raises(ValueError, match="NUL"):
        scene.ann.ask("insert into pyfi.network (name) values (%s)", "a\0b")


def test_long_names_do_not_meet_in_63_bytes(scene: Scene) -> None:
    """Postgres cuts a role's name without a word: two users would be one login."""
    room = 63 - len(scene.roles.prefix) - 1
    assert scene.admin.one("select access.create_user(%s, null, %s, false)", "x" * room, fresh_verifier())
    for more in ("y", "z"):
        with pytest.raises(InvalidError, match="longer than 63 bytes"):
            scene.admin.ask("select access.create_user(%s, null, %s, false)", "x" * room + more, fresh_verifier())


@pytest.mark.parametrize("name", ["postgres", "pg_monitor", "pg_read_server_files", "public", "none", "ann", "admin"])
def test_names_of_other_roles_are_only_names(scene: Scene, name: str) -> None:
    """A login has the installation's prefix: nobody becomes, or changes, what was there."""
    before = scene.superuser.ask("select rolname, rolpassword from pg_authid where rolname !~ '\\.(pg_|po|pu|no)'")
    try:
        scene.admin.ask("select access.create_user(%s, null, %s, false)", name, fresh_verifier())
    except PyfiError as error:
        assert name in {"ann", "admin"} and "already" in error.message
    after = scene.superuser.ask("select rolname, rolpassword from pg_authid where rolname !~ '\\.(pg_|po|pu|no)'")
    assert sorted(before) == sorted(after)


def test_who_has_no_right_fills_no_disk_by_logging_in(scene: Scene) -> None:
    """The one row that everybody writes is a short one."""
    scene.admin.ask("select access.create_user('joe', null, %s, false)", fresh_verifier())
    joe = scene.login(".joe")
    assert joe.count("insert into pyfi.login (program) values ('psql')") == 1
    with pytest.raises(InvalidError):
        joe.ask("insert into pyfi.login (program) values (repeat('x', 100000))")


def test_twins_by_case_are_two(scene: Scene) -> None:
    """Neither is the other's login."""
    for name in ("Joe", "joe"):
        scene.admin.ask("select access.create_user(%s, null, %s, false)", name, fresh_verifier())
        assert scene.login(f".{name}").one('select name from pyfi."user" where id = access.me()') == name


VERIFIERS = [
    *("", "clear", "md5" + "0" * 32, "SCRAM-SHA-256$4096:AA==$AA==:AA==\n"),
    "SCRAM-SHA-256$4096:AA==$AA==:AA==' superuser",
    *("SCRAM-SHA-256$:$:", "SCRAM-SHA-1$4096:AA==$AA==:AA==", "x" * 10_000),
]  # fmt: skip


@pytest.mark.parametrize("text", VERIFIERS, ids=lambda text: ascii(text)[:40])
def test_only_verifiers_are_stored(scene: Scene, text: str) -> None:
    """Whatever a client of somebody's own sends; and it is not repeated."""
    for statement in (
        "select access.create_user('x', null, %s, false)",
        "select access.renew_password('admin', %s)",
    ):
        with pytest.raises(InvalidError, match="from a SCRAM verifier only") as caught:
            scene.admin.ask(statement, text)
        assert not text or text not in caught.value.message


PASSWORDS = {
    "empty": "", "accent": "k4naryé", "nul": "k4nary\0x", "escape": "k4nary\x1b[2J", "tab": "k4nary\tx",
    "long": "k4nary" * 2000, "emoji": "k4nary😀", "return": "k4nary\rx",
}  # fmt: skip


@pytest.mark.parametrize("kind", PASSWORDS)
def test_passwords_that_clients_would_read_differently(
    online: Network, flow: Flow, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused without being repeated, and no user is left."""
    name = f"u{secrets.token_hex(3)}"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORDS[kind]}\n"))
    done = flow("add", "user", "-n", name, "-e", "x", code=None)
    assert done.code in {1, 2} and "k4nary" not in done.out + done.err
    assert name not in flow("ls", "users").out


def test_a_password_ends_with_its_line(online: Network, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows is no password, nor a second answer."""
    name = f"u{secrets.token_hex(3)}"
    monkeypatch.setattr("sys.stdin", io.StringIO("k4nary one\nk4nary two\n"))
    done = flow("add", "user", "-n", name, "-e", "x")
    assert "k4nary" not in done.out + done.err


DRAWN = "k4\x1b[2J\x1b]0;evil\x07\x9b31m\u202eevil\u2066\nforged: done"
HOSTILE = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066")
LOOKS = (
    ("ls", "processors"), ("describe", "processor", "draws"), ("ls", "networks"), ("describe", "network", "drawn"),
    ("graph",), ("audit",), ("ls", "calls"), ("call", "parked"), ("ls", "events"),
    ("queue", "ls"), ("queue", "peek", "-n", "draws"),
)  # fmt: skip


def test_nothing_draws_on_a_screen(online: Network, flow: Flow, repository: Path) -> None:
    """Descriptions, arguments, results, errors, reasons and log lines that hold what a terminal obeys."""
    flow("add", "processor", "-n", "draws", "-g", str(repository), "-m", "functions", "--description", DRAWN)
    flow("add", "network", "-n", "drawn", "--description", DRAWN)
    flow("add", "socket", "-n", "draws.echo", "-pn", "draws", "-t", "echo", "--description", DRAWN)
    call = flow("-o", "ids", "queue", "send", "-n", "draws", "-d", repr([DRAWN])).out.strip()
    online.rows("insert into pyfi.log (call_id, attempt, at, stream, text) values (%s, 1, now(), 1, %s)", (call, DRAWN))
    online.rows("insert into pyfi.event (call_id, name, note, attempt) values (%s, 'lost', %s, 1)", (call, DRAWN))
    online.rows(
        "update pyfi.call set state = 'failed', finished = now(), result = to_json(%s::text),"
        " error = json_build_object('error', 'raised', 'type', %s, 'message', %s, 'traceback', %s) where id = %s",
        (*([DRAWN] * 4), call),
    )
    online.rows("update pyfi.processor set reason = %s where name = 'draws'", (DRAWN,))
    for words in (
        *LOOKS,
        ("call", "show", call),
        ("call", "tree", call),
        ("call", "logs", call),
        ("ls", "call", "--id", call),
    ):
        done = flow(*words, code=None)
        for sign in HOSTILE:
            assert sign not in done.out + done.err, (words, ascii(sign))
        if words[:2] not in {("call", "logs"), ("call", "show")}:
            assert "\nforged" not in done.out, words


@pytest.mark.parametrize(
    "words",
    [
        ("ls", "calls", "-p", "0"), ("ls", "calls", "-p", "-1"), ("ls", "calls", "-r", "0"),
        ("ls", "calls", "-r", "1000000"),
        ("ls", "calls", "-p", "1000000000000000000000"), ("ls", "call", "--id", "x' or true --"),
        ("add", "queue", "-n", "q", "--max-length", "-1"), ("add", "queue", "-n", "q", "--max-length", "9" * 30),
        ("add", "processor", "-n", "p", "-m", "m", "-g", "https://h.org/a", "-c", "0"),
        ("add", "processor", "-n", "p", "-m", "m", "-g", "https://h.org/a", "-c", "1000000"),
        ("update", "user", "-n", "nobody' or true --", "-e", "x"), ("audit", "--since", "'; drop table"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_numbers_and_words_out_of_range(online: Network, flow: Flow, words: tuple[str, ...]) -> None:
    """One sentence, no traceback."""
    done = flow(*words, code=None)
    assert done.code in {1, 2}, done
    assert done.err.startswith("error: ") and "Traceback" not in done.err and len(done.err.splitlines()) <= 2
