"""`flow secret`: values go in and never come out."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pyfi.runner.keyring import Keyring
from pyfi.settings import load
from tests.cli.conftest import Flow
from tests.cli.test_rights import joe  # noqa: F401 # a fixture
from tests.network import Network

CANARY = "k4nary-\u00e9"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> object:
    """What stdin gives to the next command."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def sealed(online: Network, name: str) -> tuple[str, bytes]:
    ((key, value),) = online.rows("select key_id, ciphertext from pyfi.secret where name = %s", (name,))
    return key, bytes(value)


def test_a_secret_is_set_listed_changed_and_deleted(online: Network, flow: Flow, typed: object) -> None:
    """The row holds it sealed; neither a list nor the dump shows even that."""
    typed(CANARY + "\n")  # type: ignore[operator]
    out = flow("secret", "set", "-n", "one").out
    assert ":one:" in out
    first = sealed(online, "one")
    assert CANARY.encode() not in first[1]
    typed("another")  # type: ignore[operator]
    flow("secret", "set", "-n", "one")
    assert sealed(online, "one") != first
    (row,) = [row for row in json.loads(flow("secret", "ls", "-o", "json").out) if row["name"] == "one"]
    assert row["id"] == out.partition(":")[0] and "ciphertext" not in row
    dumped = flow("db", "json").out
    assert first[1].hex() not in dumped and sealed(online, "one")[1].hex() not in dumped
    flow("secret", "delete", "-n", "one")
    assert "there is no secret one" in flow("secret", "delete", "-n", "one", code=1).err


@pytest.mark.parametrize("value", ["", "\n", "a\0b", "x" * 70_000])
def test_what_is_no_secret(value: str, online: Network, flow: Flow, typed: object) -> None:
    typed(value)  # type: ignore[operator]
    assert "1 to 65536 bytes" in flow("secret", "set", "-n", "none", code=1).err


def test_everybody_has_his_own(joe: str, online: Network, flow: Flow, typed: object) -> None:  # noqa: F811 # the fixture
    """He seals for the nodes' key, which he does not have; nobody rotates but the administrator."""
    typed(CANARY)  # type: ignore[operator]
    flow("-d", joe, "secret", "set", "-n", "twin")
    assert online.rows("select count(*) from pyfi.secret where name = 'twin'") == [(1,)]
    assert not [row for row in json.loads(flow("-d", joe, "secret", "ls", "-o", "json").out) if row["name"] != "twin"]
    assert "may not rotate" in flow("-d", joe, "secret", "rotate", code=1).err


def test_rotation_seals_all_anew(online: Network, flow: Flow, typed: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was made before is taken; a machine without the old one refuses and changes nothing."""
    typed(CANARY)  # type: ignore[operator]
    row = flow("secret", "set", "-n", "turned").out.partition(":")[0]
    before = sealed(online, "turned")
    changed = online.rows("select changed from pyfi.secret where name = 'turned'")
    ready = flow("secret", "key", "new").out.strip()
    assert f"sealed with key {ready}" in flow("secret", "rotate").out
    after = sealed(online, "turned")
    assert after != before and after[0] == ready
    assert Keyring(load().home).open(after[1], ready, row, "turned") == CANARY
    assert online.rows("select changed from pyfi.secret where name = 'turned'") == changed, "no worker is replaced"
    keys = flow("secret", "key", "export").out
    place = online.database.place
    login = json.loads(load().credentials_file.read_text())[place]
    elsewhere = Path(load().home).parent / "elsewhere"
    monkeypatch.setenv("FLOW_HOME", str(elsewhere))
    monkeypatch.setenv("FLOW_DB", online.database.login(login["user"], login["password"]).libpq())
    assert "has no key" in flow("secret", "rotate", code=1).err
    assert sealed(online, "turned") == after
    typed(keys)  # type: ignore[operator]
    assert ready in flow("secret", "key", "import").out
    assert "sealed with key" in flow("secret", "rotate").out
    assert sealed(online, "turned")[0] != ready
    assert ready in flow("secret", "key", "ls").out
    typed("nothing")  # type: ignore[operator]
    assert "no key ring" in flow("secret", "key", "import", code=1).err


def test_a_processor_with_a_git_secret_that_is_not_there(online: Network, flow: Flow, repository: Path) -> None:
    words = ("add", "processor", "-n", "p", "-g", str(repository), "-m", "functions", "--git-secret", "absent")
    assert "you have no secret absent" in flow(*words, code=1).err
