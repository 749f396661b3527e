"""The administrator's lists: what a pattern names, that look-alikes are not it, and that a refusal wins."""

from __future__ import annotations

import pytest

from pyfi.errors import InvalidError, RepositoryError
from pyfi.runner.policy import Policy, admitted, checked_setting

OWNER = "github.com/radiantone"


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("github.com", "https://github.com/a/b"),
        ("GitHub.com/a", "ssh://git@github.com/a/b"),
        ("https://github.com/a/b.git", "https://github.com/a/b"),
        ("github.com/a/", "https://GITHUB.com:443/a/%62.git"),
        ("*.example.org", "https://git.example.org/a"),
        ("h.org:8443/a", "https://h.org:8443/a/b"),
    ],
)
def test_it_names(pattern: str, url: str) -> None:
    assert admitted(url, Policy(allow=(pattern,)))
    with pytest.raises(RepositoryError, match="list of refused"):
        admitted(url, Policy(deny=(pattern,)))
    with pytest.raises(RepositoryError, match="list of refused"):
        admitted(url, Policy(allow=(pattern,), deny=("other.org", pattern)))


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/radiantone2/x",
        "https://github.com/radianton/x",
        "https://github.com/x/radiantone",
        "https://github.com.evil.org/radiantone/x",
        "https://evil-github.com/radiantone/x",
        "https://github.com:8443/radiantone/x",
        "https://github.co/radiantone/x",
        "https://github.com/Radiantone/x",
    ],
)
def test_a_look_alike_is_another(url: str) -> None:
    with pytest.raises(RepositoryError, match="not on the list of allowed"):
        admitted(url, Policy(allow=(OWNER,)))


def test_a_refusal_does_not_mind_the_case() -> None:
    """Most servers do not either: RADIANTONE is radiantone there."""
    with pytest.raises(RepositoryError):
        admitted("https://github.com/RADIANTONE/x", Policy(deny=(OWNER,)))


def test_paths_are_on_lists_too() -> None:
    policy = Policy(allow_file=True, allow=("file:///srv/git",))
    assert admitted("/srv/git/a", policy)
    for path in ("/srv/gitx", "/srv/git/../other", "/etc"):
        with pytest.raises(RepositoryError):
            admitted(path, policy)


def test_what_was_kept_is_read_back() -> None:
    policy = Policy.of({"repositories_allow": "a.org\n b.org", "strict_installs": "true", "commit_signers": " x "})
    assert (policy.allow, policy.strict, policy.signers, policy.allow_file) == (("a.org", "b.org"), True, "x", False)
    assert policy.lets_private("10.0.0.1", "10.0.0.1") is False
    inside = Policy(private_hosts=("git.internal", "10.1.0.0/16"))
    assert inside.lets_private("git.internal", "192.168.0.1") and inside.lets_private("x", "10.1.2.3")
    assert not inside.lets_private("x", "10.2.0.1") and not inside.lets_private("agit.internal", "127.0.0.1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("allow_file_repositories", "yes"),
        ("strict_installs", "1"),
        ("repositories_allow", "https://user:pw@h.org"),
        ("repositories_deny", "h*.org"),
        ("repositories_deny", "g\u0456thub.com"),
        ("ssh_known_hosts", "git.example.org"),
        ("ssh_known_hosts", "git.example.org AAAA ssh-ed25519"),
        ("commit_signers", "joe"),
        ("commit_signers", "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
    ],
)
def test_a_setting_that_would_mean_nothing_is_refused(key: str, value: str) -> None:
    with pytest.raises(InvalidError):
        checked_setting(key, value)
