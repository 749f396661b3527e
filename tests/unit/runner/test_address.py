"""Which addresses are fetched from."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from pyfi.errors import RepositoryError
from pyfi.runner import address as room
from pyfi.runner.address import checked_address, is_public
from pyfi.runner.guard import check_url
from pyfi.runner.policy import Policy

PRIVATE = [
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"),
    *("255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["140.82.121.4", "2606:50c0:8000::153", "::ffff:140.82.121.4", "64:ff9b::8c52:7904"]
)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The name system says that `host` has these addresses; no proxy is configured."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def answer(*addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in addresses]
        monkeypatch.setattr(room.socket, "getaddrinfo", lambda *_, **__: found)

    return answer


def test_a_name_that_is_an_address_of_ours(named: Any) -> None:
    """One private address among public ones is enough: git could take any."""
    source = check_url("https://git.example.org/a", allow_file=False)
    named("140.82.121.4")
    assert checked_address(source, Policy()) == "140.82.121.4"
    for addresses in (("169.254.169.254",), ("140.82.121.4", "127.0.0.1"), ("::ffff:10.0.0.1",)):
        named(*addresses)
        with pytest.raises(RepositoryError, match="not a public one") as caught:
            checked_address(source, Policy())
        assert "repositories_private_hosts" in caught.value.hint
    assert checked_address(source, Policy(private_hosts=("git.example.org",))) == "::ffff:10.0.0.1"
    assert checked_address(check_url("/a", allow_file=True), Policy()) == ""


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "169.254.169.254", "metadata.google.internal", "printer.local"]
)
def test_a_proxy_is_not_asked_for_what_lies_inside(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks names up itself; names and numbers that say where they are do not get so far."""
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert checked_address(check_url("https://github.com/a", allow_file=False), Policy()) == ""
    with pytest.raises(RepositoryError, match="not a public one"):
        checked_address(check_url(f"https://{host}/a", allow_file=False), Policy())
