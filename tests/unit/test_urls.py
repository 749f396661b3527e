"""URLs of services."""

from __future__ import annotations

from urllib.parse import quote

import psycopg2.extensions
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from pyfi.core.urls import DatabaseUrl, broker_kind, parse_database
from pyfi.errors import InvalidError

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_parts(scheme: str) -> None:
    url = parse_database(f"{scheme}://joe:s%40x@db.example.org:6543/flow?sslmode=require")
    assert url == DatabaseUrl(
        host="db.example.org", port=6543, database="flow", user="joe", password="s@x", query="sslmode=require"
    )
    assert url.place == "db.example.org:6543/flow"


def test_what_is_left_out_has_a_default() -> None:
    assert parse_database("postgres:///flow") == DatabaseUrl(host="localhost", port=5432, database="flow")


def test_ipv6_host_keeps_its_brackets() -> None:
    url = parse_database("postgresql://joe:pw@[::1]:5433/flow")
    assert (url.host, url.port) == ("::1", 5433)
    assert url.libpq() == "postgresql://joe:pw@[::1]:5433/flow"
    assert psycopg2.extensions.parse_dsn(url.libpq())["host"] == "::1"


@given(user=TEXT, password=TEXT, database=TEXT)
def test_every_login_and_name_reaches_both_drivers_unchanged(user: str, password: str, database: str) -> None:
    """Spaces, slashes, @, %, quotes, emoji: libpq and SQLAlchemy read what was meant."""
    url = DatabaseUrl(host="h", port=1, database=database, user=user, password=password)
    assert parse_database(url.libpq()) == url
    told = psycopg2.extensions.parse_dsn(url.libpq())
    assert (told["user"], told["password"], told["dbname"]) == (user, password, database)
    alchemy = make_url(url.sqlalchemy())
    assert (alchemy.drivername, alchemy.username, alchemy.password) == ("postgresql+psycopg2", user, password)


def test_database_name_with_spaces() -> None:
    url = parse_database("postgresql://joe@h/my%20flow")
    assert url.database == "my flow"
    assert url.libpq() == "postgresql://joe@h:5432/my%20flow"


def test_password_without_user_is_no_login() -> None:
    assert "pw" not in parse_database("postgresql://:pw@h/flow").libpq()


@given(password=TEXT.filter(lambda text: "*" not in text and len(text) > 3))
def test_masked_never_shows_the_password(password: str) -> None:
    for url in (
        f"postgresql://joe:{quote(password, safe='')}@h/flow?sslmode=require",
        f"postgresql://h/flow?user=joe&password={quote(password, safe='')}&sslmode=require",
    ):
        assert parse_database(url).masked() == "postgresql://joe:***@h:5432/flow?sslmode=require"


def test_login_replaces_what_the_url_said_anywhere() -> None:
    """libpq would take the login after the question mark before the one in front of the host."""
    url = parse_database("postgresql://h/flow?user=boss&password=boss%20pw&application_name=x").login("joe", "new")
    told = psycopg2.extensions.parse_dsn(url.libpq())
    assert (told["user"], told["password"], told["application_name"]) == ("joe", "new", "x")


def test_another_database_of_the_same_server() -> None:
    url = parse_database("postgresql://joe:pw@h:1/flow?sslmode=require").at("other")
    assert url.libpq() == "postgresql://joe:pw@h:1/other?sslmode=require"


@pytest.mark.parametrize(
    "url",
    [
        *("", "flow", "mysql://h/flow", "sqlite:///flow", "postgresql+asyncpg://h/flow", "http://h/flow"),
        *("postgresql://h", "postgresql://h/", "postgresql://h:port/flow", "postgresql://h:99999/flow"),
        *("postgresql://[::1/flow", "postgresql://joe:pw@h1:1,h2:2/flow"),
    ],
)
def test_unreadable_urls_are_refused_with_an_example_and_without_the_password(url: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_database(url)
    assert caught.value.hint.startswith("postgresql://")
    assert "pw" not in caught.value.message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        *((f"{scheme}://h", "rabbitmq") for scheme in ("amqp", "amqps", "pyamqp")),
        *((f"{scheme}://:pw@h:6379/0", "redis") for scheme in ("redis", "rediss")),
    ],
)
def test_brokers(url: str, kind: str) -> None:
    assert broker_kind(url) == kind


@pytest.mark.parametrize("url", ["memory://", "sqla+postgresql://h/x", "filesystem://", "pgmq://h", "", "localhost"])
def test_brokers_that_lose_messages_are_refused(url: str) -> None:
    with pytest.raises(InvalidError, match="neither RabbitMQ's nor Redis's"):
        broker_kind(url)
