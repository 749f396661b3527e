"""Which of our own environment variables the programs that fetch and build may see."""

from __future__ import annotations

from pyfi import settings

_NAMES = frozenset(
    {
        *("PATH", "LANG", "LC_ALL", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "SSH_AUTH_SOCK"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    }
)
_BUILD_PREFIXES = ("PIP_", "UV_", "SSL_")


def for_git() -> dict[str, str]:
    """Path, language, certificates and proxies. Nothing of FLOW_*, no configuration of the user's git."""
    return {name: value for name, value in settings.environment().items() if name in _NAMES or name.startswith("SSL_")}


def for_build() -> dict[str, str]:
    """The same without the ssh agent, and how pip and uv reach their indexes."""
    return {
        name: value
        for name, value in settings.environment().items()
        if (name in _NAMES and name != "SSH_AUTH_SOCK") or name.startswith(_BUILD_PREFIXES)
    }
