"""Logs: masked, printable, structured."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from pyfi import logs


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger("pyfi")
    before = (root.handlers[:], root.level, root.propagate)
    yield
    root.handlers[:], root.propagate = before[0], before[2]
    root.setLevel(before[1])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://joe:secret@host/vhost", "amqp://joe:***@host/vhost"),
        ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
        ("postgresql+psycopg2://joe:secret@[::1]:5432/x", "postgresql+psycopg2://joe:***@[::1]:5432/x"),
        ("AMQP://joe:secret@host", "AMQP://joe:***@host"),
        ("amqp://joe:sec/ret@host", "amqp://joe:***@host"),
        ("amqp://joe:sec@ret@host", "amqp://joe:***@host"),
        ("amqp://joe:s:e?c#ret@host", "amqp://joe:***@host"),
        ("amqp://j%40e:s%40cret@host", "amqp://j%40e:***@host"),
        (
            "postgresql://h/x?user=joe&password=secret&sslmode=require",
            "postgresql://h/x?user=joe&password=***&sslmode=require",
        ),
        ("two amqp://a:secret@h and redis://:secret@h/0.", "two amqp://a:***@h and redis://:***@h/0."),
        ("amqp://a:secret@h,redis://h", "amqp://a:***@h,redis://h"),
    ],
)
def test_masked(text: str, shown: str) -> None:
    assert logs.masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "redis://[::1]:6379/0",
        "http://host:15672/api",
        "joe@host",
        "ssh://git@host:22/x",
        "16:20:01 node@host: x",
        "a: b@c",
    ],
)
def test_what_holds_no_password_stays(text: str) -> None:
    assert logs.masked(text) == text


def test_json_line_has_fields_and_no_secret() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    logs.get("pyfi.agent").info(
        "worker started", extra={"url": "amqp://a:secret@h", "argv": ["x", 'amqp://a:s"ecret@h']}
    )
    line = json.loads(stream.getvalue())
    assert (line["level"], line["logger"], line["message"]) == ("info", "pyfi.agent", "worker started")
    assert line["url"] == "amqp://a:***@h"
    assert "ecret" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


def test_json_line_stays_one_line_with_a_traceback() -> None:
    stream = io.StringIO()
    logs.setup(stream=stream)
    try:
        int("redis://:secret@h\nsecond line")
    except ValueError:
        logs.get("pyfi.x").exception("it failed")
    line = json.loads(stream.getvalue())
    assert "'redis://:***@h\\nsecond line'" in line["exception"]
    assert stream.getvalue().count("\n") == 1


def test_terminal_line_cannot_draw() -> None:
    stream = Terminal()
    logs.setup(stream=stream)
    name = "a\x1b[2J\x9bb\bc\n12:00:00 error   forged"
    logs.get("pyfi.x").warning("added", extra={"socket_name": name, "url": "amqp://a:secret@h"})
    line = stream.getvalue()
    assert "socket_name=a\ufffd[2J\ufffdb\ufffdc 12:00:00 error forged url=amqp://a:***@h\n" in line
    assert line.count("\n") == 1


def test_printable_keeps_lines_and_tabs() -> None:
    assert logs.printable("a\tb\nc") == "a\tb\nc"
    assert logs.printable("a\x00b\x7fc\x08") == "a\ufffdb\ufffdc\ufffd"
    assert logs.printable("a\x85\x90\u202ecba\u2066\u200f\xe9") == "a\ufffd\ufffd\ufffdcba\ufffd\ufffd\xe9"


def test_setup_again_replaces_and_level_counts() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.setup(stream=first)
    logs.setup(stream=second, level=logging.WARNING)
    logs.get("pyfi.x").info("quiet")
    logs.get("pyfi.x").warning("loud")
    assert first.getvalue() == ""
    assert [json.loads(line)["message"] for line in second.getvalue().splitlines()] == ["loud"]


def test_warnings_of_libraries_go_where_ours_go() -> None:
    """Their own handlers swallow even the reason of an end."""
    stream = io.StringIO()
    library = logging.getLogger("a_library_of_the_tests")
    logs.setup(stream=stream, libraries=[library.name])
    logging.getLogger(f"{library.name}.part").warning("lost amqp://joe:secret@host")
    library.info("not this")
    library.handlers.clear()
    told = json.loads(stream.getvalue())
    assert (told["message"], told["level"]) == ("lost amqp://joe:***@host", "warning")
