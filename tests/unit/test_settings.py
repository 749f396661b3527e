"""Settings: where each value comes from, and what is written."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from pyfi import settings
from pyfi.errors import InvalidError

DB = {name: f"postgresql://h/{name}" for name in ("flag", "env", "ini", "stack")}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and an empty current folder beside it."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for option in settings.OPTIONS.values():
        monkeypatch.delenv(option[0], raising=False)
    monkeypatch.delenv("FLOW_HOME", raising=False)
    monkeypatch.chdir(here)
    return home


def write(path: Path, text: str) -> Path:
    """`text` in `path`, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_without_any_source_there_is_nothing(home: Path) -> None:
    loaded = settings.load()
    assert (loaded.db, loaded.broker, loaded.backend, loaded.ini) == (None, None, None, None)
    assert loaded.origins == {}
    assert home in loaded.home.parents


@pytest.mark.parametrize(
    "sources", [["flag", "env", "ini", "stack"], ["env", "ini", "stack"], ["ini", "stack"], ["stack"]]
)
def test_precedence_and_origin(home: Path, sources: list[str]) -> None:
    """flag > environment > ini > embedded stack, whatever else says so too."""
    data = home / "data"
    write(data / "stack" / "stack.json", json.dumps({"db": DB["stack"], "pid": 1}))
    if "ini" in sources:
        write(Path("pyfi.ini"), f"[database]\nuri = {DB['ini']}\n")
    env = {"FLOW_HOME": str(data)} | ({"FLOW_DB": DB["env"]} if "env" in sources else {})
    loaded = settings.load({"db": DB["flag"] if "flag" in sources else None}, env=env)
    assert loaded.db == DB[sources[0]]
    names = {"flag": "flag", "env": "FLOW_DB", "ini": "pyfi.ini", "stack": "the embedded stack"}
    assert loaded.origins == {"db": names[sources[0]]}


def test_each_option_is_looked_up_for_itself(home: Path) -> None:
    """A flag for one, the environment for another, the ini for the third; an empty value is none."""
    write(home / "pyfi.ini", "[broker]\nuri = amqp://ini\n[backend]\nuri =\n")
    loaded = settings.load({"db": DB["flag"]}, env={"FLOW_BACKEND": "redis://env", "FLOW_BROKER": ""})
    assert (loaded.db, loaded.backend, loaded.broker) == (DB["flag"], "redis://env", "amqp://ini")
    assert loaded.origins == {"db": "flag", "backend": "FLOW_BACKEND", "broker": str(home / "pyfi.ini")}


def test_first_ini_found_wins_and_a_named_one_before_all(home: Path) -> None:
    named = write(home / "other.ini", "[database]\nuri = postgresql://h/named\n")
    user = write(home / ".config" / "pyfi" / "pyfi.ini", "[database]\nuri = postgresql://h/user\n")
    assert settings.load(env={}).ini == user
    write(home / "pyfi.ini", "[database]\nuri = postgresql://h/home\n")
    assert settings.load(env={}).db == "postgresql://h/home"
    write(Path("pyfi.ini"), "[database]\nuri = postgresql://h/here\n")
    assert settings.load(env={}).db == "postgresql://h/here"
    assert settings.load(ini="~/other.ini", env={}).ini == named


def test_a_missing_named_ini_says_how_to_write_it(home: Path) -> None:
    with pytest.raises(InvalidError, match=r"no configuration file nowhere\.ini") as caught:
        settings.load(ini="nowhere.ini", env={})
    assert caught.value.hint == "flow -i nowhere.ini --config writes it"
    with pytest.raises(InvalidError):
        settings.load(ini=str(home), env={})


@pytest.mark.parametrize(
    "content",
    [
        b"uri = x\n",
        b"[database\nuri = x",
        b"[database]\nuri\n",
        b"[a]\n[a]\n",
        b"[a]\nx=1\nx=2\n",
        b"\xff\xfe\x00",
        b"\x00",
    ],
)
def test_a_broken_ini_is_refused_in_one_line_that_names_it(home: Path, content: bytes) -> None:
    Path("pyfi.ini").write_bytes(content)
    with pytest.raises(InvalidError) as caught:
        settings.load(env={})
    assert "pyfi.ini" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '"x"', '{"db": 5, "broker": null}'])
def test_a_broken_stack_file_is_no_stack(home: Path, content: str) -> None:
    write(home / "stack" / "stack.json", content)
    assert settings.load(env={"FLOW_HOME": str(home)}).origins == {}


def test_a_home_of_somebody_else_is_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`su` and containers leave HOME as it was; then to ask for a file there is refused."""
    is_file = Path.is_file

    def refused(path: Path) -> bool:
        if home in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refused)
    assert settings.load(env={"FLOW_HOME": "/nowhere"}).ini is None
    with pytest.raises(InvalidError, match="no configuration file"):
        settings.load(ini=str(home / "pyfi.ini"), env={"FLOW_HOME": "/nowhere"})


def test_home_is_made_absolute(home: Path) -> None:
    assert settings.default_home({"FLOW_HOME": "~/x"}) == home / "x"
    assert settings.default_home({"FLOW_HOME": "data"}) == Path.cwd() / "data"


def test_ini_comes_back_as_written_and_only_for_this_user(home: Path) -> None:
    values = {
        "db": "postgresql://joe:p%40%25%23@h:5432/my%20flow?sslmode=require",
        "broker": "amqp://joe:a#b;c@h:5672//",
        "backend": "redis://:x=y:z@[::1]:6379/0",
    }
    path = home / "new" / "folder" / "pyfi.ini"
    settings.write_ini(path, values)
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    loaded = settings.load(ini=str(path), env={})
    assert {"db": loaded.db, "broker": loaded.broker, "backend": loaded.backend} == values


def test_private_file_replaces_an_open_one(home: Path) -> None:
    path = write(home / "pyfi.ini", "old")
    path.chmod(0o644)
    settings.write_private(path, "new")
    assert (path.read_text(encoding="utf-8"), mode(path)) == ("new", 0o600)
    assert list(home.iterdir()) == [path]


def test_private_file_does_not_follow_a_link(home: Path) -> None:
    target, link = write(home / "target", "kept"), home / "link"
    link.symlink_to(target)
    settings.write_private(link, "new")
    assert target.read_text(encoding="utf-8") == "kept"
    assert not link.is_symlink()


def test_credentials_by_place(home: Path) -> None:
    loaded = settings.Settings(home=home / "data")
    assert settings.read_credentials(loaded) == {}
    settings.forget_credentials(loaded, "h:1/a")
    assert not loaded.credentials_file.exists()
    settings.keep_credentials(loaded, "h:1/a", "joe", "one")
    settings.keep_credentials(loaded, "h:1/b", "ann", "twö")
    settings.keep_credentials(loaded, "h:1/a", "joe", "three")
    assert settings.read_credentials(loaded) == {"h:1/a": ("joe", "three"), "h:1/b": ("ann", "twö")}
    settings.forget_credentials(loaded, "h:1/a")
    assert settings.read_credentials(loaded) == {"h:1/b": ("ann", "twö")}
    assert mode(loaded.credentials_file) == 0o600
    assert mode(loaded.home) == 0o700


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', '{"a": {"password": "x"}}'])
def test_broken_credentials_are_none(home: Path, content: str) -> None:
    loaded = settings.Settings(home=home)
    write(loaded.credentials_file, content)
    assert settings.read_credentials(loaded) == {}


def test_environment_is_a_copy(home: Path) -> None:
    copied = settings.environment()
    copied["HOME"] = "elsewhere"
    assert settings.environment()["HOME"] == str(home)
