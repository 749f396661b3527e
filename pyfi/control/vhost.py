"""A vhost of RabbitMQ for one installation, and a user who may do no more than PyFI does in it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from pyfi.core.names import checked_name
from pyfi.core.urls import broker_kind
from pyfi.errors import BrokerUnavailableError, ForbiddenError, InvalidError, NotConfiguredError
from pyfi.settings import Settings, environment, write_ini
from pyfi.system.processes import run

ANSWER_SECONDS = 60.0
PASSWORD_BYTES = 24
# Workers declare their queues, write wake-ups and read them; nobody sets policies or sees another vhost.
EVERYTHING = ".*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """url: the new login's. how: what made it (`rabbitmqctl` or `management`), or '' when script is to be run."""

    url: str = field(repr=False)
    how: str
    script: str = ""


def init(settings: Settings, name: str, *, printed: bool = False) -> Made:
    """Make vhost and user `name`, with a new password; by the management API if its URL is set, else by rabbitmqctl.

    Args: printed: make nothing, give the script. It holds no password: it reads it from standard input.

    Raises: InvalidError: the broker is no RabbitMQ. NotConfiguredError. BrokerUnavailableError, ForbiddenError.
    """
    checked_name("vhost", name)
    if not settings.broker:
        raise NotConfiguredError("no message broker is configured", hint="FLOW_BROKER=amqp://host:5672//")
    if broker_kind(settings.broker) != "rabbitmq":
        raise InvalidError("vhosts are RabbitMQ's; Redis is told apart by its database", hint="redis://host:6379/1")
    parts = urlsplit(settings.broker)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    host = f"{parts.hostname or 'localhost'}:{parts.port or 5672}"
    url = f"{parts.scheme}://{quote(name, safe='')}:{password}@{host}/{quote(name, safe='')}"
    if printed:
        how = ""
    elif settings.api:
        _by_management(settings, name, password)
        how = "management"
    elif os.geteuid() == 0 and shutil.which("rabbitmqctl"):
        _by_rabbitmqctl(name, password)
        how = "rabbitmqctl"
    else:
        how = ""
    return Made(url=url, how=how, script="" if how else script(name))


def keep(settings: Settings, made: Made) -> str:
    """Write the new URL into the ini, beside what is there; gives the file's name."""
    path = settings.ini or Path.home() / "pyfi.ini"
    values = {key: value for key in ("db", "backend", "api", "user") if (value := getattr(settings, key))}
    write_ini(path, values | {"broker": made.url})
    return str(path)


def script(name: str) -> str:
    """For who may run rabbitmqctl on the broker's machine. The password comes by standard input."""
    return "\n".join(f"rabbitmqctl {' '.join(words)}" for words in _commands(name)) + "\n"


def _commands(name: str) -> list[list[str]]:
    return [
        ["add_vhost", name],
        ["add_user", name],
        ["set_permissions", "-p", name, name, f"'{EVERYTHING}'", f"'{EVERYTHING}'", f"'{EVERYTHING}'"],
    ]


def _by_rabbitmqctl(name: str, password: str) -> None:
    env = {"PATH": environment().get("PATH", os.defpath), "HOME": "/root", "LANG": "C.UTF-8"}
    add_vhost, add_user, permit = _commands(name)
    permit = [word.strip("'") for word in permit]
    for words, given in ((add_vhost, None), (add_user, password), (permit, None)):
        stdin = None if given is None else given.encode() + b"\n"
        done = run(["rabbitmqctl", "-q", *words], env=env, timeout_seconds=ANSWER_SECONDS, stdin_bytes=stdin)
        said = (done.stderr + done.stdout).decode(errors="replace")
        if done.returncode == 0:
            continue
        if words is add_vhost and "already exists" in said:
            continue
        if words is add_user and "already exists" in said:
            raise InvalidError(
                f"the broker has a user {name} already", hint="name another one with -n, or delete that one"
            )
        raise BrokerUnavailableError(f"rabbitmqctl {words[0]} failed: {' '.join(said.split())[:200]}")


def _by_management(settings: Settings, name: str, password: str) -> None:
    vhost = quote(name, safe="")
    permissions = dict.fromkeys(("configure", "write", "read"), EVERYTHING)
    if _ask(settings, "GET", f"users/{vhost}", None) == http.client.OK:
        raise InvalidError(f"the broker has a user {name} already", hint="name another one with -n, or delete that one")
    for path, document in (
        (f"vhosts/{vhost}", {}),
        (f"users/{vhost}", {"password": password, "tags": ""}),
        (f"permissions/{vhost}/{vhost}", permissions),
    ):
        status = _ask(settings, "PUT", path, document)
        if status >= http.client.BAD_REQUEST:
            raise BrokerUnavailableError(f"the management API answered {status} to {path.partition('/')[0]}")


def _ask(settings: Settings, method: str, path: str, document: object) -> int:
    try:
        parts = urlsplit(settings.api or "")
        port = parts.port
    except ValueError:
        raise InvalidError("the management API's URL cannot be read", hint="-a http://host:15672") from None
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname:
        raise InvalidError("the management API's URL is none of http or https", hint="-a http://host:15672")
    login = base64.b64encode(f"{settings.user or 'guest'}:{settings.password or ''}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    connection = kinds[parts.scheme](parts.hostname, port, timeout=ANSWER_SECONDS)
    try:
        body = None if document is None else json.dumps(document)
        connection.request(method, f"{parts.path.rstrip('/').removesuffix('/api')}/api/{path}", body, headers)
        status = int(connection.getresponse().status)
    except OSError as error:
        raise BrokerUnavailableError(f"the management API at {parts.hostname} does not answer: {error}") from error
    finally:
        connection.close()
    if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
        raise ForbiddenError("the management API refuses the login", hint="-u USER and -p or FLOW_BROKER_PASSWORD")
    return status
