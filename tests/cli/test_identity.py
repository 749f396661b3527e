"""login, logout, context, passwords, deactivation, and the history of logins."""

from __future__ import annotations

import io
import json
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyfi import settings
from tests.cli.conftest import Flow
from tests.network import Network

PASSWORD = "a CANARY of tests"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is answered to questions, line by line."""
    answers = io.StringIO()
    monkeypatch.setattr("sys.stdin", answers)
    return answers


def answer(typed: io.StringIO, *lines: str) -> None:
    """The next answers."""
    typed.seek(0)
    typed.truncate()
    typed.write("".join(f"{line}\n" for line in lines))
    typed.seek(0)


@pytest.fixture
def joe(online: Network, flow: Flow, typed: io.StringIO) -> str:
    """A member's name."""
    name = f"joe{secrets.token_hex(3)}"
    answer(typed, PASSWORD)
    flow("add", "user", "-n", name, "-e", "x", "--role", "member")
    return name


@pytest.fixture
def kept(online: Network) -> Iterator[Path]:
    """The file of logins; as it was, afterwards."""
    path = settings.load().credentials_file
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def test_login_and_logout(joe: str, online: Network, flow: Flow, typed: io.StringIO, kept: Path) -> None:
    """Joe is joe until he logs out; the administrator's login was put aside and needs no password to come back."""
    answer(typed, PASSWORD)
    done = flow("login", "-u", joe)
    assert f"Logged into flow as {joe}" in done.out
    assert PASSWORD not in done.out + done.err
    assert f"Logged into flow as {joe}\n" in flow("whoami").out
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    flow("add", "queue", "-n", f"q{joe}")
    assert json.loads(flow("-o", "json", "ls", "queues").out)[0]["owner"] == joe
    (login,) = json.loads(flow("-o", "json", "ls", "logins").out)
    assert (login["name"], login["program"]) == (joe, "flow login")
    answer(typed)
    assert "Logged into flow as admin" in flow("login", "-u", "admin").out
    assert joe in flow("ls", "logins").out
    assert flow("logout").out == "admin is logged out\n"
    assert flow("logout").out == "Not logged in\n"


def test_a_wrong_password_keeps_nothing(
    joe: str, checks_passwords: None, flow: Flow, typed: io.StringIO, kept: Path
) -> None:
    """The login in use stays; one line, without what was typed."""
    before = kept.read_bytes()
    answer(typed, "WRONG of tests")
    done = flow("login", "-u", joe, code=1)
    assert "the database refuses the login" in done.err
    assert "WRONG" not in done.err
    assert kept.read_bytes() == before
    answer(typed, "x")
    assert "refuses the login" in flow("login", "-u", "nobody.there", code=1).err
    assert "is not allowed" in flow("login", "-u", "a;b", code=1).err


def test_a_url_that_names_a_login_goes_before(joe: str, online: Network, flow: Flow) -> None:
    """So logging in would change nothing: it says so."""
    url = online.database.login(f"{online.prefix}.{joe}", PASSWORD).libpq()
    done = flow("-d", url, "login", "-u", joe, code=1)
    assert "names the login" in done.err
    assert PASSWORD not in done.err


def test_changing_ones_password(
    joe: str, checks_passwords: None, online: Network, flow: Flow, typed: io.StringIO, kept: Path
) -> None:
    """The kept login goes on working; the old password does not. Others' are for administrators."""
    answer(typed, PASSWORD)
    flow("login", "-u", joe)
    answer(typed, "another one")
    assert flow("user", "password").out == f'Password of "{joe}" changed\n'
    assert joe in flow("whoami").out
    answer(typed, "mine now")
    assert "needs an administrator" in flow("user", "password", "-n", "admin", code=1).err
    old = online.database.login(f"{online.prefix}.{joe}", PASSWORD).libpq()
    assert "refuses the login" in flow("-d", old, "whoami", code=1).err


def test_deactivation_keeps_the_history(joe: str, online: Network, flow: Flow, typed: io.StringIO, kept: Path) -> None:
    """The login is refused, rows and logins are still there."""
    url = online.database.login(f"{online.prefix}.{joe}", PASSWORD).libpq()
    flow("-d", url, "add", "queue", "-n", f"q{joe}")
    flow("user", "deactivate", "-n", joe)
    done = flow("-d", url, "whoami", code=1)
    assert "refuses the login" in done.err
    assert f"q{joe}" in flow("ls", "queues").out
    assert json.loads(flow("-o", "json", "ls", "user", "-n", joe).out)["active"] is False
    assert flow("ls", "user", "-n", joe, "--effective", "-o", "ids").out == ""
    flow("user", "activate", "-n", joe)
    answer(typed, PASSWORD)
    flow("user", "password", "-n", joe)
    assert joe in flow("-d", url, "whoami").out


def test_contexts(online: Network, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Used where neither a flag nor the environment says otherwise; they hold no password."""
    home = str(settings.load().home)
    plain = online.database.login("postgres", "").libpq().replace(":@", "@")
    assert "holds a password" in flow("context", "add", "-n", "x", "-d", "postgresql://a:b@h/d", code=1).err
    flow("context", "add", "-n", "lab", "-d", plain, "--broker", "redis://localhost")
    try:
        (row,) = json.loads(flow("-o", "json", "context", "ls").out)
        assert (row["current"], row["id"]) == ("*", "lab")
        loaded = settings.load(env={"FLOW_HOME": home})
        assert (loaded.db, loaded.origins["db"]) == (plain, "context lab")
        assert settings.load({"db": "x"}, env={"FLOW_HOME": home}).db == "x"
        monkeypatch.delenv("FLOW_DB")
        assert "Logged into flow as admin" in flow("whoami").out
        assert "there is no context y: there is lab" in flow("context", "use", "-n", "y", code=1).err
        flow("context", "use")
        assert "context" not in settings.load(env={"FLOW_HOME": home}).origins.get("db", "")
    finally:
        flow("context", "delete", "-n", "lab")
    assert json.loads(flow("-o", "json", "context", "ls").out) == []


RING = """
import json, pathlib
FILE = pathlib.Path({path!r})
class Backend:
    priority = 5
def get_keyring():
    return Backend()
def _all():
    return json.loads(FILE.read_text()) if FILE.exists() else {{}}
def set_password(service, name, word):
    FILE.write_text(json.dumps(_all() | {{service + name: word}}))
def get_password(service, name):
    return _all().get(service + name)
def delete_password(service, name):
    FILE.write_text(json.dumps({{k: v for k, v in _all().items() if k != service + name}}))
"""


def test_a_usable_keyring_holds_the_password(
    joe: str, flow: Flow, typed: io.StringIO, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the file does not."""
    ring = tmp_path / "ring.json"
    (tmp_path / "keyring.py").write_text(RING.format(path=str(ring)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "keyring", raising=False)
    answer(typed, PASSWORD)
    assert "the system's keyring" in flow("login", "-u", joe).err
    assert PASSWORD not in kept.read_text()
    assert PASSWORD in ring.read_text()
    assert joe in flow("whoami").out
    ring.write_text("{}")
    assert "the keyring has no password" in flow("whoami", code=1).err
    flow("logout")
    monkeypatch.delitem(__import__("sys").modules, "keyring", raising=False)


def test_dropping_the_database_takes_db_drop(
    joe: str, online: Network, flow: Flow, typed: io.StringIO, kept: Path
) -> None:
    """Although the URL is a superuser's: who is logged in here may not."""
    answer(typed, PASSWORD)
    flow("login", "-u", joe)
    for words, right in (
        (("db", "drop", "-y"), "DB_DROP"),
        (("db", "rebuild", "-y"), "DB_DROP"),
        (("db", "migrate"), "DB_INIT"),
    ):
        assert f"{joe} lacks the right {right} with scope all" in flow(*words, code=1).err
    answer(typed)
    flow("login", "-u", "admin")
    flow("add", "privilege", "-u", joe, "-n", "DB_INIT", "-s", "all")
    answer(typed, PASSWORD)
    flow("login", "-u", joe)
    assert "revision" in flow("db", "migrate").out
