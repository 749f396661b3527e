"""Which addresses a repository's host has, and whether they may be fetched from.

The address that was checked is the one that git is given: a name that has another one a moment later gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.request import getproxies_environment, proxy_bypass

from pyfi.errors import RepositoryError
from pyfi.runner.guard import CanonicalUrl
from pyfi.runner.policy import Policy

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether that address is one of the whole internet's; what is wrapped in IPv6 is looked at as well."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def goes_through_proxy(source: CanonicalUrl) -> bool:
    """Whether a proxy of this node's environment looks the name up, not we."""
    proxies = getproxies_environment()
    return source.scheme == "https" and bool(proxies.get("https") or proxies.get("all")) and not bypassed(source.host)


def bypassed(host: str) -> bool:
    """Whether the environment (`no_proxy`) exempts the host."""
    return bool(proxy_bypass(host))


def checked_address(source: CanonicalUrl, policy: Policy) -> str:
    """One address of the repository's host; '' for a path, and where a proxy connects.

    Raises: RepositoryError: there is none, or one of them is not public and not allowed by the policy.
    """
    if source.scheme == "file":
        return ""
    if goes_through_proxy(source):
        _refuse_literal(source, policy)
        return ""
    try:
        found = socket.getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RepositoryError(
            f"{source.canonical}: Could not resolve host: {source.host}",
            hint="is the host's name right, and is this node online?",
        ) from error
    addresses = [str(each[4][0]) for each in found]
    for address in addresses:
        _refuse_private(source, address, policy)
    return addresses[0]


def _refuse_literal(source: CanonicalUrl, policy: Policy) -> None:
    """A proxy inside the network reaches what the network keeps: names and numbers that say so are refused here."""
    name = source.host
    if name == "localhost" or name.endswith((".localhost", ".internal", ".local")):
        _refuse_private(source, "127.0.0.1", policy)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return
    _refuse_private(source, name, policy)


def _refuse_private(source: CanonicalUrl, address: str, policy: Policy) -> None:
    if not is_public(address) and not policy.lets_private(source.host, address.partition("%")[0]):
        raise RepositoryError(
            f"{source.canonical}: the host has the address {address}, which is not a public one",
            hint=f"the administrator allows it: flow setting set repositories_private_hosts {source.host}",
        )
