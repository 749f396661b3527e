"""Users, roles and privileges as the founding documents type them, and what a user with two rights can do."""

from __future__ import annotations

import io
import json
import secrets
from pathlib import Path

import pytest

from tests.cli.conftest import Flow
from tests.network import Network

PASSWORD = "12345 and more"


@pytest.fixture
def name() -> str:
    """Of a user that no other test has."""
    return f"joe{secrets.token_hex(3)}"


@pytest.fixture
def joe(name: str, online: Network, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a user who was just added, and has no right."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert f'User "{name}" added' in flow("add", "user", "-n", name, "-e", "joe@xyz").out
    return online.database.login(f"{online.prefix}.{name}", PASSWORD).libpq()


def test_the_founding_screens(name: str, joe: str, flow: Flow) -> None:
    """Word for word, ids, times and who did it aside."""
    role = f"developer{name}"
    assert f":{role}:" in flow("add", "role", "-n", role).out
    assert flow("add", "privilege", "-u", name, "-n", "ADD_PROCESSOR").out == "Privilege added\n"
    lines = flow("ls", "user", "-n", name).out.splitlines()
    assert [cell.strip() for cell in lines[1].strip("|").split("|")] == ["Name", "ID", "Owner", "Email"]
    assert "joe@xyz" in lines[3]
    assert lines[5] == "Privileges"
    assert [cell.strip() for cell in lines[7].strip("|").split("|")] == ["Name", "Right", "Last Updated", "By"]
    cells = [cell.strip() for cell in lines[9].strip("|").split("|")]
    assert (cells[0], cells[1], cells[3]) == (name, "ADD_PROCESSOR", "admin")
    assert len(lines) == 11
    assert flow("add", "privilege", "-r", role, "-n", "ADD_PROCESSOR").out == "Privilege added\n"
    assert "ADD_PROCESSOR" in flow("ls", "role", "-n", role).out
    assert flow("add", "privilege", "--user", name, "--name", "DELETE").out == "Privilege added\n"
    shown = json.loads(flow("ls", "user", "--name", name, "-o", "json").out)
    assert [each["right"] for each in shown["privileges"]] == ["ADD_PROCESSOR", "DELETE"]


def test_prompts_as_printed_and_the_password_nowhere(
    name: str, online: Network, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flow add user` alone asks for the three; what is typed for the password is not shown."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{name}\njoe@xyz\n{PASSWORD}\n"))
    done = flow("add", "user")
    assert f'User "{name}" added' in done.out
    assert PASSWORD not in done.out + done.err
    assert "CREATE USER" not in done.out
    refused = flow("add", "user", "-n", "x", "-e", "x", "-p", "12345", code=2)
    assert "everybody on the machine could read it" in refused.err


@pytest.mark.parametrize(
    ("user", "password", "says"),
    [
        ("joe;drop", "x", "user name 'joe;drop' is not allowed"),
        ("../x", "x", "is not allowed"),
        ("joe\u202e", "x", "is not allowed"),
        ('joe"', "x", "is not allowed"),
        ("j" * 63, "x", "longer than 63 bytes"),
        ("fine", "", "the password cannot be used"),
        ("fine", "tab\there", "the password cannot be used"),
        ("fine", "p\u00e4ss", "the password cannot be used"),
        ("fine", "x" * 10_000, "the password has 10000 characters"),
    ],
)
def test_hostile_names_and_passwords(
    user: str, password: str, says: str, online: Network, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each; nothing is made."""
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    done = flow("add", "user", f"--name={user}", "-e", "x", code=1)
    assert says in done.err
    assert len(done.err.splitlines()) <= 2
    assert not password or len(password) < 5 or password not in done.err
    assert "there is no user" in flow("ls", "user", "-n", "fine", code=1).err


def test_a_password_of_two_lines_is_not_cut_in_silence(online: Network, flow: Flow) -> None:
    """The client's verb takes text as it is."""
    from pyfi.control.people import verifier_of
    from pyfi.errors import InvalidError

    with pytest.raises(InvalidError, match="the password cannot be used"):
        verifier_of("one\ntwo")


def test_unknown_rights_users_and_roles(name: str, joe: str, flow: Flow) -> None:
    """With the nearest name, or the list."""
    assert "did you mean ADD_PROCESSOR?" in flow("add", "privilege", "-u", name, "-n", "ADD_PROCESOR", code=1).err
    assert "rights are ALL, CREATE" in flow("add", "privilege", "-u", name, "-n", "FLY", code=1).err
    assert "there is no user nobody" in flow("add", "privilege", "-u", "nobody", "-n", "ALL", code=1).err
    assert "there is no role nothing" in flow("add", "privilege", "-r", "nothing", "-n", "ALL", code=1).err
    assert "whose privilege?" in flow("add", "privilege", "-n", "ALL", code=1).err
    assert "ADD_PROCESSOR\n" in flow("ls", "rights").out
    flow("add", "privilege", "-u", name, "-n", "add_processor")


def test_effective_rights_say_where_from(name: str, joe: str, flow: Flow) -> None:
    """From a role, from himself, from everybody; revoked is gone, and deleting what he has elsewhere says so."""
    flow("update", "user", "-n", name, "--role", "member")
    flow("add", "privilege", "-u", name, "-n", "ADD_QUEUE", "-s", "all")
    flow("add", "privilege", "-u", name, "-n", "RUN_TASK", "--revoke")
    rows = {each["right"]: each for each in json.loads(flow("-o", "json", "ls", "user", "-n", name, "--effective").out)}
    assert rows["ADD_SOCKET"]["source"] == "role member"
    assert rows["ADD_SOCKET"]["by"] == "ALL"
    assert (rows["ADD_QUEUE"]["source"], rows["ADD_QUEUE"]["scope"]) == ("user", "all")
    assert "RUN_TASK" not in rows
    done = flow("delete", "privilege", "-u", name, "-n", "ADD_SOCKET", code=1)
    assert "he has it from role member by ALL" in done.err
    flow("delete", "privilege", "-u", name, "-n", "RUN_TASK")
    rows = {each["right"] for each in json.loads(flow("-o", "json", "ls", "user", "-n", name, "--effective").out)}
    assert "RUN_TASK" in rows
    shown = flow("-d", joe, "ls", "user", "--effective")
    assert "role member" in shown.out


def test_a_role_in_use_stays(name: str, joe: str, flow: Flow) -> None:
    """Unless with --cascade."""
    role = f"r{name}"
    flow("add", "role", "-n", role)
    flow("update", "user", "-n", name, "--role", role)
    assert f"in use by user {name}" in flow("delete", "role", "-n", role, code=1).err
    flow("delete", "role", "-n", role, "--cascade")
    assert role not in flow("ls", "user", "-n", name).out


def test_joe_with_two_rights(name: str, joe: str, online: Network, flow: Flow, repository: Path) -> None:
    """Adds a processor and a socket with its queue; each verb that is refused is one line with the right he lacks."""
    for right in ("ADD_PROCESSOR", "ADD_SOCKET"):
        flow("add", "privilege", "-u", name, "-n", right)
    flow("add", "queue", "-n", f"q.{name}")

    def as_joe(*words: str, code: int = 0) -> str:
        done = flow("-d", joe, *words, code=code)
        return done.err if code else done.out

    as_joe("add", "processor", "-n", "p", "-g", str(repository), "-m", "functions")
    as_joe("add", "socket", "-n", "p.echo", "-pn", "p", "-t", "echo")
    (socket,) = json.loads(as_joe("-o", "json", "ls", "sockets"))
    assert (socket["queue"], socket["owner"], socket["task"]) == ("p", name, "echo")
    assert [row["name"] for row in json.loads(as_joe("-o", "json", "ls", "queues"))] == ["p"]
    refused = {
        ("add", "queue", "-n", "x"): "ADD_QUEUE",
        ("add", "network", "-n", "x"): "CREATE",
        ("add", "role", "-n", "x"): "ADD_ROLE",
        ("add", "node", "-n", "x"): "ADD_NODE",
        ("add", "plug", "-n", "x", "-s", "p.echo", "-t", "p.echo", "-q", "p"): "ADD_PLUG",
        ("add", "privilege", "-u", name, "-n", "ALL"): "ADD_PRIVILEGE",
        ("update", "queue", "-n", "p", "-t", "fanout"): "UPDATE_QUEUE",
        ("update", "socket", "-n", "p.echo", "--rename", "x"): "UPDATE_SOCKET",
        ("update", "processor", "-n", "p", "-m", "other"): "UPDATE_PROCESSOR",
        ("update", "processor", "-n", "p", "-r", "3"): "EDIT_PROCESSOR_CONFIG",
        ("update", "user", "-n", "admin", "--role", "member"): "needs an administrator",
        ("delete", "socket", "-n", "p.echo"): "DELETE_SOCKET",
        ("delete", "queue", "-n", "p", "--cascade"): "DELETE_QUEUE",
        ("proc", "stop", "-n", "p"): "STOP_PROCESSOR",
        ("proc", "pause", "-n", "p"): "PAUSE_PROCESSOR",
        ("proc", "restart", "-n", "p"): "START_PROCESSOR",
        ("proc", "lock", "-n", "p"): "LOCK_PROCESSOR",
        ("task", "run", "-s", "p.echo", "-d", "1"): "RUN_TASK",
        ("agent", "start", "-n", "x"): "START_AGENT",
    }
    for words, right in refused.items():
        said = as_joe(*words, code=1)
        assert right in said, words
        assert len(said.strip().splitlines()) <= 2, said
    assert "there is no queue" in as_joe("describe", "queue", f"q.{name}", code=1)


def test_sharing_a_network(name: str, joe: str, flow: Flow, repository: Path) -> None:
    """A member sees it and adds to it; his rights of scope network reach what is in it, not what is elsewhere."""
    net = f"net{name}"
    flow("add", "network", "-n", net)
    flow("add", "queue", "-n", "shared", "--network", net)
    assert "is now a member" in flow("add", "member", "-u", name, "--network", net).err
    assert "is already a member" in flow("add", "member", "-u", name, "--network", net).err
    assert json.loads(flow("-o", "json", "ls", "members", "--network", net).out)[0]["name"] == name
    assert json.loads(flow("-d", joe, "-o", "json", "ls", "queues").out) == []
    flow("add", "privilege", "-u", name, "-n", "READ_QUEUE", "-s", "network")
    assert [row["name"] for row in json.loads(flow("-d", joe, "-o", "json", "ls", "queues").out)] == ["shared"]
    said = flow("-d", joe, "update", "queue", "-n", "shared", "-t", "fanout", code=1).err
    assert "lacks the right UPDATE_QUEUE" in said
    flow("add", "privilege", "-u", name, "-n", "UPDATE_QUEUE")
    said = flow("-d", joe, "update", "queue", "-n", "shared", "-t", "fanout", code=1).err
    assert "your right UPDATE_QUEUE does not reach it" in said
    flow("add", "privilege", "-u", name, "-n", "UPDATE_QUEUE", "-s", "network")
    flow("-d", joe, "update", "queue", "-n", "shared", "-t", "fanout")
    flow("delete", "member", "-u", name, "--network", net)
    assert json.loads(flow("-d", joe, "-o", "json", "ls", "queues").out) == []


def test_lock_and_unlock(flow: Flow, online: Network, repository: Path) -> None:
    """A locked processor takes neither calls nor changes."""
    name = f"locked{secrets.token_hex(3)}"
    flow("add", "processor", "-n", name, "-g", str(repository), "-m", "functions", "-t", "echo")
    assert "is locked" in flow("proc", "lock", "-n", name).out
    for words in (("update", "processor", "-n", name, "-r", "2"), ("task", "run", "-s", f"{name}.echo", "-d", "1")):
        said = flow(*words, code=1).err
        assert f"processor {name} is locked" in said
        assert f"flow proc unlock -n {name}" in said
    assert "is unlocked" in flow("proc", "unlock", "-n", name).out
    flow("update", "processor", "-n", name, "-r", "2")
