"""Lists of repositories, and what may be written about a processor's process."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Flow
from tests.cli.test_rights import joe  # noqa: F401 # a fixture
from tests.network import Network


def processor(repository: Path, name: str, *words: str) -> tuple[str, ...]:
    return ("add", "processor", "-n", name, "-g", str(repository), "-m", "functions", *words)


def test_variables_index_and_secrets_are_names_and_values(
    online: Network, flow: Flow, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept as they were written; an update sets some, unsets others and leaves the rest."""
    monkeypatch.setattr("sys.stdin", io.StringIO("k4nary"))
    flow("secret", "set", "-n", "git")
    more = (
        "--index-url",
        "https://pypi.example.org/simple",
        "--index-secret",
        "pypi",
        "--git-secret",
        "git",
        "--strict",
    )
    flow(*processor(repository, "vars", "--env", "A=1", "--env", "T=secret:tok", "--sandbox", "0", "--online", *more))
    (row,) = online.json("ls", "processors", "-n", "vars")
    assert row["environment"] == {"A": "1", "T": "secret:tok"}
    assert (row["index_url"], row["index_secret"], row["git_secret"]) == (
        "https://pypi.example.org/simple",
        "pypi",
        "git",
    )
    assert (row["hashes_only"], row["sandbox"], row["online"]) == (True, 0, True)
    before = row["generation"]
    flow("update", "processor", "-n", "vars", "--env", "B=2", "--env", "A=3", "--unset-env", "T", "--no-strict")
    (row,) = online.json("ls", "processors", "-n", "vars")
    assert row["environment"] == {"A": "3", "B": "2"} and row["generation"] > before and row["hashes_only"] is False


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--env", "DSN=amqp://joe:k4nary@h/x"), "--env VARIABLE=secret:NAME"),
        (("--env", "LD_PRELOAD=/x.so"), "cannot be set"),
        (("--env", "NOVALUE"), "no variable with a value"),
        (("--index-url", "https://joe:k4nary@h.org/simple"), "--index-secret NAME"),
        (("-mp", "../outside.py"), "not one within the repository"),
        (("--git-secret", "a/b"), "secret name 'a/b' is not allowed"),
        (("--sandbox", "3"), "is not in the range"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], says: str, online: Network, flow: Flow, repository: Path) -> None:
    """In one line with a way out, and without the password; nothing is made."""
    done = flow(*processor(repository, "refused", *words), code=None)
    assert done.code in {1, 2} and says in done.err and "k4nary" not in done.err + done.out
    assert "there is no processor" in flow("describe", "processor", "refused", code=1).err


@pytest.mark.parametrize("url", ["https://joe:k4nary@h.org/a", "https://github.com@evil.org/a", "https://2130706433/a"])
def test_urls_that_lie(url: str, online: Network, flow: Flow) -> None:
    """Before git starts."""
    done = flow("add", "processor", "-n", "lies", "-g", url, "-m", "a", code=1)
    assert done.err.startswith("error: ") and "k4nary" not in done.err


def test_module_names_are_names(online: Network, flow: Flow, repository: Path) -> None:
    for module in ("os:system", "..x", "a/b"):
        words = ("add", "processor", "-n", "m", "-g", str(repository), "-m", module)
        assert "not the name of a Python module" in flow(*words, code=1).err


def test_rows_hold_no_password_whoever_writes_them(online: Network, flow: Flow, repository: Path) -> None:
    """The database itself refuses it, for those who come with psql."""
    flow(*processor(repository, "rows"))
    for column, value in (
        ("gitrepo", "https://joe:k4nary@h.org/a"),
        ("gitrepo", "ssh://joe:k4nary@h.org/a"),
        ("index_url", "https://joe@h.org/simple"),
        ("environment", "[]"),
    ):
        with pytest.raises(Exception, match=r"processor_.*_check"):
            online.rows(f"update pyfi.processor set {column} = %s where name = 'rows'", (value,))


def test_lists_of_repositories(online: Network, flow: Flow, repository: Path) -> None:
    """Set, shown, unset; a refused repository is refused when it is added."""
    assert "repositories_deny = file:///" in flow("setting", "set", "repositories_deny", f"file://{repository}").out
    listed = json.loads(flow("setting", "ls", "-o", "json").out)
    assert {"key": "repositories_deny", "value": f"file://{repository}", "id": "repositories_deny"} in listed
    assert "is on the list of refused" in flow(*processor(repository, "denied"), code=1).err
    flow("setting", "unset", "repositories_deny")
    flow("setting", "set", "repositories_allow", "github.com/radiantone")
    assert "not on the list of allowed" in flow(*processor(repository, "denied"), code=1).err
    flow("setting", "unset", "repositories_allow")
    assert json.loads(flow("setting", "ls", "repositories_allow", "-o", "json").out)[0]["value"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set", "repositories_alow", "x"), "did you mean repositories_allow?"),
        (("set", "role_prefix", "x"), "there is no setting"),
        (("set", "strict_installs", "maybe"), "true or false"),
        (("set", "max_hops", "0"), "no count"),
        (("set", "largest_bytes", "1000"), "no number of bytes from 1048576"),
        (("set", "lease", "soon"), "no span of time"),
        (("set", "repositories_deny", "*"), "no pattern"),
        (("ls", "x"), "there is no setting"),
    ],
)
def test_settings_are_checked(words: tuple[str, ...], says: str, online: Network, flow: Flow) -> None:
    done = flow("setting", *words, code=1)
    assert says in done.err


def test_settings_are_the_administrators(joe: str, online: Network, flow: Flow) -> None:  # noqa: F811 # the fixture
    """Everybody reads them: they say why a repository is refused."""
    assert "may not set strict_installs" in flow("-d", joe, "setting", "set", "strict_installs", "true", code=1).err
    assert flow("-d", joe, "setting", "ls").code == 0
