"""Which repositories' URLs and refs may reach git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyfi.errors import RepositoryError
from pyfi.runner.guard import check_ref, check_url, is_commit


@pytest.mark.parametrize(
    ("url", "for_git", "canonical"),
    [
        ("https://GitHub.com/Owner/Name.git", "https://github.com/Owner/Name.git", "https://github.com/Owner/Name"),
        ("git+https://h.org/a/b#egg=b", "https://h.org/a/b", "https://h.org/a/b"),
        ("https://h.org:443/a//b/", "https://h.org/a/b", "https://h.org/a/b"),
        ("https://h.org/a/.git", "https://h.org/a/.git", "https://h.org/a"),
        ("https://h.org:8443/a", "https://h.org:8443/a", "https://h.org:8443/a"),
        ("HTTPS://h.org/a", "https://h.org/a", "https://h.org/a"),
        ("ssh://git@h.org:22/a/b.git", "ssh://git@h.org/a/b.git", "ssh://h.org/a/b"),
        ("git@h.org:a/b.git", "ssh://git@h.org/a/b.git", "ssh://h.org/a/b"),
        ("https://xn--bcher-kva.example/a", "https://xn--bcher-kva.example/a", "https://xn--bcher-kva.example/a"),
        ("https://h.org/%6fwner/a%20b", "https://h.org/owner/a%20b", "https://h.org/owner/a%20b"),
        ("https://h.org/%c3%a9", "https://h.org/%C3%A9", "https://h.org/%C3%A9"),
        ("https://127.0.0.1:9/a", "https://127.0.0.1:9/a", "https://127.0.0.1:9/a"),
    ],
)
def test_one_spelling_for_each_repository(url: str, for_git: str, canonical: str) -> None:
    checked = check_url(url, allow_file=False)
    assert (checked.url, checked.canonical) == (for_git, canonical)


REFUSED = [
    *("", " ", "-", "--upload-pack=touch x", "-oProxyCommand=x", "ext::sh -c touch% x", "ext::x", "fd::17"),
    *("http://h.org/a", "git://h.org/a", "ftp://h.org/a", "data:text/plain,x", "javascript:x", "https:h.org/a"),
    *("https://user@h.org/a", "https://user:canary@h.org/a", "https://@h.org/a", "https://:canary@h.org/a"),
    *("ssh://user:canary@h.org/a", "ssh://-oProxyCommand=x@h.org/a", "ssh://@h.org/a", "ssh://-oProxyCommand=x/a"),
    *("ssh://%2doProxyCommand=x/a", "-x@h.org:a", "git@-oProxyCommand=x:a", "git@h.org:-x", "git@h.org:../a"),
    *("https://h.org", "https://h.org/", "https:///a", "https://h.org/a?x=1", "https://h.org/a#branch"),
    *("https://h.org/a#subdirectory=x", "https://h.org/../a", "https://h.org/a/%2e%2e/b", "https://h.org/a%2f..%2fb"),
    *("https://h.org/-x", "https://h.org/a\nb", "https://h.org/a%0ab", "https://h.org/a b", "https://h.org\\@x.org/a"),
    *("https://h.org/a\0", "https://[::1]/a", "https://h.org:x/a", "https://h.org:99999/a", "https://h_.org/a"),
    *("https://.h.org/a", "https://h..org./a", "C:\\repo", "file://other.org/a", "file://localhost.evil/a"),
    *("https://h.org/a\u2028b", "https://h.org/\x9b31m"),
    # Look-alikes: other alphabets, full width, encoded twice, a host in the user's place, numbers that are addresses.
    *(
        "https://b\u00fccher.example/a",
        "https://g\u0456thub.com/a",
        "https://\uff47ithub.com/a",
        "https://h\u3002org/a",
    ),
    *("https://h.org/\u0430", "https://h.org/%252e%252e/a", "https://h.org/a%5cb", "https://h.org/%ff"),
    *("https://github.com@evil.org/a", "https://github.com%40evil.org/a", "https://evil.org\\@github.com/a"),
    *("https://2130706433/a", "https://0x7f.1/a", "https://0177.0.0.1/a", "https://127.1/a", "https://1.2.3.4.5/a"),
    *("https://256.1.1.1/a", "https://[::ffff:127.0.0.1]/a", "https://h.org.1/a", "https://h..org/a"),
]


@pytest.mark.parametrize("url", REFUSED)
@pytest.mark.parametrize("allow_file", [True, False])
def test_refused(url: str, allow_file: bool) -> None:
    with pytest.raises(RepositoryError) as caught:
        check_url(url, allow_file=allow_file)
    assert "canary" not in caught.value.message + caught.value.hint
    assert "\n" not in caught.value.message and "\x9b" not in caught.value.message


@pytest.mark.parametrize("url", ["/a/b", "./b", "../b", ".", "file:///a/b", "file://localhost/a/b", "file:/a/b"])
def test_paths_only_where_they_are_allowed(url: str) -> None:
    with pytest.raises(RepositoryError, match="is a path"):
        check_url(url, allow_file=False)
    assert check_url(url, allow_file=True).url.startswith("file:///")


def test_a_path_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "with space#and?mark"
    odd.mkdir()
    (tmp_path / "link").symlink_to("x.git")
    real = os.path.realpath(tmp_path)
    assert check_url("./x.git", allow_file=True).canonical == f"file://{real}/x"
    assert check_url("./link", allow_file=True).canonical == f"file://{real}/x"
    assert check_url(odd.as_uri(), allow_file=True).url == Path(os.path.realpath(odd)).as_uri()


@pytest.mark.parametrize("ref", ["main", "feature/x-1", "v1.0", "refs/heads/main", "a@b", "1234567"])
def test_refs(ref: str) -> None:
    assert check_ref(ref) == ref


@pytest.mark.parametrize(
    "ref",
    [
        *(
            "",
            "--upload-pack=touch x",
            "-x",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a*",
            "a?",
            "a[",
            "a b",
            "a\n",
            "a\\b",
            "@{1}",
        ),
        *("/a", "a/", "a.lock", "a.", "x" * 201),
    ],
)
def test_refused_refs(ref: str) -> None:
    with pytest.raises(RepositoryError):
        check_ref(ref)


def test_only_a_whole_commit_is_a_commit() -> None:
    assert is_commit("a" * 40) and is_commit("0" * 64)
    assert not is_commit("a" * 39) and not is_commit("A" * 40) and not is_commit("a" * 40 + "\n")


def test_a_host_of_another_alphabet_is_spelled_out() -> None:
    with pytest.raises(RepositoryError) as caught:
        check_url("https://b\u00fccher.example/a", allow_file=False)
    assert "xn--bcher-kva.example" in caught.value.hint
