"""Structured logging: a constant message, the variables as fields. To stderr, as JSON or for a terminal."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from typing import TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Up to the last @ of the word: a password that was not percent-encoded may hold any of / @ : ? #.
_PASSWORD_IN_URL = re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]*://[^\s:/@\"]*):(?:[^\s\"\\]|\\.)+@", re.IGNORECASE)
_PASSWORD_IN_QUERY = re.compile(r"(?P<head>[?&](?:ssl)?password=)[^\s&\"]+", re.IGNORECASE)
# C0 and C1 but for newline and tab, and what turns the direction of writing round.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def masked(text: str) -> str:
    """`text` with the password of every URL in it replaced by ***.

    >>> masked("amqp://joe:secret@host/vhost")
    'amqp://joe:***@host/vhost'
    """
    return _PASSWORD_IN_QUERY.sub(r"\g<head>***", _PASSWORD_IN_URL.sub(r"\g<head>:***@", text))


def printable(text: str) -> str:
    """`text` without terminal control characters (newlines and tabs stay), so that names cannot draw on a screen."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def escaped(text: str) -> str:
    r"""JSON text with those characters written as escapes: it says the same, and draws nothing.

    >>> escaped('["a\x9bb"]')
    '["a\\u009bb"]'
    """
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message and the fields."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return masked(json.dumps(line, default=str))


class TerminalFormatter(logging.Formatter):
    """Time, message, then `key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """A line for a person's eyes; control characters are replaced."""
        fields = " ".join(f"{key}={' '.join(str(value).split())}" for key, value in _fields(record).items())
        head = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():<7} {record.getMessage()}"
        text = f"{head}  {fields}".rstrip()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return printable(masked(text))


def setup(*, level: int = logging.INFO, stream: TextIO | None = None, libraries: Iterable[str] = ()) -> None:
    """Send the logs of pyfi to `stream` (stderr): as JSON when it is no terminal. Replaces what a former call did.

    `libraries`: loggers of others, of which warnings and worse go there too.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(TerminalFormatter() if target.isatty() else JsonFormatter())
    root = logging.getLogger("pyfi")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
    for name in libraries:
        other = logging.getLogger(name)
        other.handlers[:] = [handler]
        other.setLevel(logging.WARNING)
        other.propagate = False


def get(name: str) -> logging.Logger:
    """The logger of a module: `log = logs.get(__name__)`."""
    return logging.getLogger(name)
