"""`flow up`: the embedded servers and one agent, in one terminal or left running."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pyfi import settings as settings_room
from pyfi.clock import wait_until
from pyfi.control import installation
from pyfi.errors import AlreadyExistsError, PyfiError, UnavailableError
from pyfi.settings import Settings, write_private
from pyfi.stack import stack
from pyfi.stack.running import Running
from pyfi.system.processes import ProcessIdentity, is_alive, signal_process, spawn

DRAIN_SECONDS = 60.0
STARTED_SECONDS = 20.0


def initialise(settings: Settings) -> None:
    """Make the database of a fresh stack, upgrade an old one, and have its administrator's login at hand.

    `settings.db` is the superuser's URL that the stack gave.
    """
    try:
        installation.init(settings)
        return
    except AlreadyExistsError:
        installation.migrate(settings)
    try:
        installation.check_login(settings)
    except PyfiError:
        installation.renew_admin(settings)


def agent_file(home: Path) -> Path:
    """Who is the agent that `flow up -d` left running."""
    return home / "stack" / "agent.json"


def start(home: Path, *, foreground: bool) -> tuple[Running, Settings]:
    """Start (or find) the servers of the data folder, ready to be worked with.

    Call it from the main thread: in the foreground the servers end when that thread does.
    """
    running = stack.up(home, foreground=foreground)
    settings = settings_room.load(env={"FLOW_HOME": str(home)})
    initialise(settings)
    return running, settings


def leave_agent(home: Path, words: list[str]) -> ProcessIdentity:
    """Start an agent that outlives this process, unless one runs already. `words`: more of `flow agent start`.

    Raises: UnavailableError: it ended at once; the reason is in its log.
    """
    known = left_agent(home)
    if known is not None:
        return known
    log = home / "agent.log"
    env = {key: value for key, value in settings_room.environment().items() if not key.startswith("FLOW_")}
    child = spawn(
        [sys.executable, "-m", "pyfi", "agent", "start", *words],
        env=env | {"FLOW_HOME": str(home)},
        cwd=home,
        stdout=log,
        stderr=log,
    )
    write_private(agent_file(home), child.identity.to_json())
    if wait_until(lambda: child.poll() is not None, timeout_seconds=1.5):
        raise UnavailableError(f"the agent ended at once: {_last_line(log)}", hint=f"see {log}")
    return child.identity


def down(home: Path, told: Callable[[str], None] = lambda _: None) -> bool:
    """Stop the agent that `flow up -d` left (its workers drain), then the servers. False: nothing ran."""
    agent = left_agent(home)
    if agent is not None:
        told("the agent drains its workers")
        signal_process(agent, signal.SIGTERM)
        if not wait_until(lambda: not is_alive(agent), timeout_seconds=DRAIN_SECONDS):
            signal_process(agent, signal.SIGKILL)
    agent_file(home).unlink(missing_ok=True)
    return stack.down(home) or agent is not None


def left_agent(home: Path) -> ProcessIdentity | None:
    """The agent that `flow up -d` left, if it runs."""
    try:
        identity = ProcessIdentity.from_json(agent_file(home).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, json.JSONDecodeError):
        return None
    return identity if is_alive(identity) else None


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
