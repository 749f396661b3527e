"""doctor: what PyFI needs here, looked at one by one. Nothing is changed."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from pyfi.control.login import login
from pyfi.core.urls import broker_kind
from pyfi.db import revision
from pyfi.db.rows import opened
from pyfi.db.session import Database
from pyfi.errors import PyfiError
from pyfi.runner.sandbox import HIGHEST, why_not
from pyfi.settings import Settings
from pyfi.system.processes import run

OK, WARNING, FAILURE = "ok", "warning", "failure"
ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. level: ok, warning (something will not work) or failure (nothing will)."""

    subject: str
    level: str
    text: str
    hint: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; what cannot be looked at is a finding too."""
    looks: tuple[Callable[[Settings], Finding], ...] = (
        _python,
        _git,
        _installer,
        _virtualenv,
        _embedded,
        _configuration,
        _database,
        _login,
        _broker,
        _agents,
        _sandbox,
    )
    findings = []
    for look in looks:
        try:
            findings.append(look(settings))
        except PyfiError as error:
            subject = look.__name__.strip("_")
            findings.append(Finding(subject=subject, level=FAILURE, text=error.message, hint=error.hint))
    return findings


def _python(_settings: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(subject="python", level=OK, text=f"{version} at {sys.executable}")


def _git(_settings: Settings) -> Finding:
    path = shutil.which("git")
    if path is None:
        return Finding(subject="git", level=FAILURE, text="not found", hint="install git: code comes from repositories")
    done = run([path, "--version"], env={}, timeout_seconds=ANSWER_SECONDS)
    return Finding(subject="git", level=OK, text=f"{done.stdout.decode(errors='replace').strip()} at {path}")


def _installer(_settings: Settings) -> Finding:
    if importlib.util.find_spec("uv") is not None or shutil.which("uv"):
        return Finding(subject="uv", level=OK, text="installs environments fast")
    return Finding(
        subject="uv",
        level=WARNING,
        text="not found: pip installs environments, slower",
        hint="pip install 'pyfi[fast]'",
    )


def _virtualenv(_settings: Settings) -> Finding:
    found = importlib.util.find_spec("virtualenv") is not None
    return Finding(
        subject="virtualenv",
        level=OK if found else FAILURE,
        text="makes environments" if found else "not found",
        hint="" if found else "pip install virtualenv",
    )


def _embedded(_settings: Settings) -> Finding:
    from pyfi.stack.binaries import find

    try:
        found = find()
    except PyfiError as error:
        return Finding(subject="embedded stack", level=WARNING, text=error.message, hint=error.hint)
    return Finding(subject="embedded stack", level=OK, text=f"{found.postgres}, {found.valkey}")


def _configuration(settings: Settings) -> Finding:
    missing = [option for option in ("db", "broker") if not getattr(settings, option)]
    if missing:
        hint = "flow up starts an embedded stack; flow --config names services of yours"
        return Finding(subject="configuration", level=FAILURE, text=f"no {' and no '.join(missing)}", hint=hint)
    origins = ", ".join(f"{option} from {settings.origins[option]}" for option in ("db", "broker"))
    return Finding(subject="configuration", level=OK, text=origins)


def _database(settings: Settings) -> Finding:
    url = login(settings)
    found, newest = revision.current(url), revision.newest()
    if found != newest:
        text = f"{url.place} is at revision {found}, this version wants {newest}"
        return Finding(subject="database", level=FAILURE, text=text, hint="flow db migrate")
    return Finding(subject="database", level=OK, text=f"{url.place} at revision {found}")


def _login(settings: Settings) -> Finding:
    database = Database(login(settings))
    try:
        with opened(database) as rows:
            me = rows.me()
    finally:
        database.close()
    if me["name"] is None:
        text = f"{me['login']} is no user of PyFI"
        return Finding(subject="login", level=FAILURE, text=text, hint="flow db admin renews the administrator's login")
    return Finding(subject="login", level=OK, text=f"{me['login']}, no superuser, as {me['name']}")


def _broker(settings: Settings) -> Finding:
    if not settings.broker:
        return Finding(subject="broker", level=FAILURE, text="none is configured", hint="flow --config")
    kind = broker_kind(settings.broker)
    parts = urlsplit(settings.broker)
    host, port = parts.hostname or "localhost", parts.port or (5672 if kind == "rabbitmq" else 6379)
    try:
        socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        text = f"{kind} at {host}:{port} does not answer: {error.strerror or error}"
        return Finding(subject="broker", level=FAILURE, text=text, hint="start it; flow config shows the URL in use")
    return Finding(subject="broker", level=OK, text=f"{kind} at {host}:{port} answers")


def _agents(settings: Settings) -> Finding:
    database = Database(login(settings))
    try:
        with opened(database) as rows:
            agents = rows.find("agent")
    finally:
        database.close()
    alive = [row["name"] for row in agents if row["status"] == "running"]
    if alive:
        return Finding(subject="agents", level=OK, text=f"running: {', '.join(alive)}")
    return Finding(subject="agents", level=WARNING, text="none is running that you may see", hint="flow agent start")


def _sandbox_levels(settings: Settings) -> dict[str, int]:
    """Of the running nodes that the login sees; none where the database cannot be asked: another finding tells."""
    try:
        with closing(Database(login(settings))) as database, opened(database) as rows:
            nodes = [row for row in rows.find("node") if row["status"] == "running"]
    except PyfiError:
        return {}
    return {row["name"]: int((row["facts"] or {}).get("sandbox", 0)) for row in nodes}


def _sandbox(settings: Settings) -> Finding:
    levels = _sandbox_levels(settings)
    reason = why_not(HIGHEST)
    here = f"this machine gives level {HIGHEST}" if not reason else f"this machine gives no level {HIGHEST}: {reason}"
    if levels:
        force = ", ".join(f"level {level} on {name}" for name, level in sorted(levels.items()))
        text = f"in force: {force}; {here}"
    else:
        text = f"level 0 is in force unless an agent or a processor asks for more; {here}"
    if levels and min(levels.values()) > 0:
        return Finding(subject="sandbox", level=OK, text=text)
    hint = "at level 0 functions read what the agent's user can: "
    hint += "flow agent start --sandbox 2" if not reason else "install bubblewrap, or flow agent start -u USER as root"
    return Finding(subject="sandbox", level=WARNING, text=text, hint=hint)
