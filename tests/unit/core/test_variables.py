"""What an owner writes about his processor's process."""

from __future__ import annotations

import pytest

from pyfi.core.variables import checked_index, checked_module, checked_modulepath, read_variables, secret_of
from pyfi.errors import InvalidError


def test_words_become_variables() -> None:
    found = read_variables(["A=1", "B=", "C=x=y", "D=secret:name"])
    assert found == {"A": "1", "B": "", "C": "x=y", "D": "secret:name"}
    assert [secret_of(value) for value in found.values()] == [None, None, None, "name"]


@pytest.mark.parametrize(
    "word",
    [
        *("A", "=x", "1A=x", "A B=x", "A-B=x", "FLOW_DB=x", "LD_PRELOAD=/x", "DYLD_INSERT_LIBRARIES=x", "GCONV_PATH=x"),
        *("GLIBC_TUNABLES=x", "BASH_ENV=x", "A\n=x", "A=x\0y", "\u0410=x", f"A={'x' * 70_000}", f"{'A' * 129}=x"),
    ],
)
def test_refused_variables(word: str) -> None:
    with pytest.raises(InvalidError):
        read_variables([word])


def test_a_password_in_a_value_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidError) as caught:
        read_variables(["DSN=postgresql://joe:canary@db/x"])
    assert "canary" not in caught.value.message and "secret:NAME" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["https://pypi.example.org/simple", "https://h:8443/x?y=1", "http://127.0.0.1:9/simple"]
)
def test_an_index(url: str) -> None:
    assert checked_index(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("https://joe:canary@h.org/simple", "https://joe@h.org", "http://h.org/simple", "ftp://h.org", "file:///x"),
        *("--extra-index-url", "https://h.org/a b", "https://h.org/\n", "https:///x", "https://[::1/x", ""),
    ],
)
def test_no_index(url: str) -> None:
    with pytest.raises(InvalidError) as caught:
        checked_index(url)
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    "module", ["os:system", "..x", "", "a/b", "a-b", "a..b", "a.b.", "builtins:eval", "a b", "\u0430"]
)
def test_no_module(module: str) -> None:
    with pytest.raises(InvalidError):
        checked_module(module)


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../b", "a\\..\\b", "-x", "~/x", "a\nb"])
def test_module_paths_that_leave(path: str) -> None:
    with pytest.raises(InvalidError):
        checked_modulepath(path)


def test_modules_and_their_paths() -> None:
    assert checked_module("a.b_c.D1") == "a.b_c.D1"
    assert checked_modulepath("src/a/b.py") == "src/a/b.py"
