"""The only reader of the environment and of configuration files.

Precedence: flag > environment > the ini that `-i` names > the context in use > ini (./pyfi.ini, ~/pyfi.ini, the user's
configuration folder) > a running embedded stack.

Credentials of logins are kept apart, in a 0600 file of the data folder, by place (host:port/database).
"""

from __future__ import annotations

import configparser
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from pyfi.errors import InvalidError

OPTIONS: Mapping[str, tuple[str, str, str]] = {
    # option: (environment variable, ini section, ini key)
    "db": ("FLOW_DB", "database", "uri"),
    "backend": ("FLOW_BACKEND", "backend", "uri"),
    "broker": ("FLOW_BROKER", "broker", "uri"),
    "api": ("FLOW_BROKER_API", "broker", "api"),
    "user": ("FLOW_BROKER_USER", "broker", "user"),
    "password": ("FLOW_BROKER_PASSWORD", "broker", "password"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one process works with. Read once in a `main`, handed down.

    db, broker, backend: URLs or None. home: the data folder (embedded stack, agent's state, credentials).
    origins: for each option that has a value, where it came from. ini: the file that was read, if any.
    """

    home: Path
    db: str | None = None
    backend: str | None = None
    broker: str | None = None
    api: str | None = None
    user: str | None = None
    password: str | None = None
    ini: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def stack_file(self) -> Path:
        """Where a running embedded stack says what its URLs are."""
        return self.home / "stack" / "stack.json"

    @property
    def contexts_file(self) -> Path:
        """Named sets of URLs, without passwords; 0600."""
        return self.home / "contexts.json"

    @property
    def credentials_file(self) -> Path:
        """Logins by place; 0600."""
        return self.home / "credentials.json"


def default_home(env: Mapping[str, str] | None = None) -> Path:
    """FLOW_HOME, else the platform's folder for user data."""
    named = (os.environ if env is None else env).get("FLOW_HOME")
    return Path(named).expanduser().resolve() if named else Path(platformdirs.user_data_path("pyfi"))


def ini_candidates() -> tuple[Path, ...]:
    """The ini files that are looked for, first found wins."""
    return (Path("pyfi.ini"), Path.home() / "pyfi.ini", Path(platformdirs.user_config_path("pyfi")) / "pyfi.ini")


def _is_file(path: Path) -> bool:
    """False, too, for a file in somebody else's home (HOME is kept when a user becomes another)."""
    try:
        return path.is_file()
    except OSError:
        return False


def _read_ini(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        first = str(error).partition("\n")[0]
        raise InvalidError(
            f"the configuration file {path} cannot be read: {first}", hint="flow --config writes a new one"
        ) from error
    return parser


def _read_stack(path: Path) -> dict[str, str]:
    try:
        urls = json.loads(path.read_text(encoding="utf-8"))
        return {key: value for key, value in urls.items() if isinstance(value, str)}
    except (OSError, ValueError, AttributeError):
        return {}


def read_contexts(home: Path) -> tuple[str, dict[str, dict[str, str]]]:
    """The name of the context in use ('' for none), and all contexts: name -> option -> value."""
    try:
        kept = json.loads((home / "contexts.json").read_text(encoding="utf-8"))
        contexts = {str(name): {str(k): str(v) for k, v in values.items()} for name, values in kept["contexts"].items()}
        return str(kept["current"]), contexts
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "", {}


def write_contexts(home: Path, current: str, contexts: Mapping[str, Mapping[str, str]]) -> None:
    """Keep them."""
    write_private(home / "contexts.json", json.dumps({"current": current, "contexts": contexts}, indent=1))


def load(
    flags: Mapping[str, str | None] | None = None, *, ini: str | None = None, env: Mapping[str, str] | None = None
) -> Settings:
    """Read every source once.

    Args: flags: option name -> value of the command line. ini: the file named by `-i`. env: instead of os.environ.
    Raises: InvalidError: a file named by `-i` is missing, or an ini cannot be read.
    """
    environment = os.environ if env is None else env
    home = default_home(environment)
    chosen = Path(ini).expanduser() if ini else next(filter(_is_file, ini_candidates()), None)
    if ini and chosen is not None and not _is_file(chosen):
        raise InvalidError(f"there is no configuration file {ini}", hint=f"flow -i {ini} --config writes it")
    parser = _read_ini(chosen) if chosen else configparser.ConfigParser()
    stack = _read_stack(home / "stack" / "stack.json")
    current, contexts = read_contexts(home)
    context = contexts.get(current, {})
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    for option, (variable, section, key) in OPTIONS.items():
        for origin, value in (
            ("flag", (flags or {}).get(option)),
            (variable, environment.get(variable)),
            (str(chosen), parser.get(section, key, fallback=None) if ini else None),
            (f"context {current}", context.get(option)),
            (str(chosen), parser.get(section, key, fallback=None)),
            ("the embedded stack", stack.get(option)),
        ):
            if value:
                values[option], origins[option] = value, origin
                break
    return Settings(home=home, ini=chosen, origins=origins, **values)


def write_private(path: Path, text: str) -> None:
    """Write `text` so that only this user can read it, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def write_ini(path: Path, values: Mapping[str, str]) -> None:
    """Write the options (names of OPTIONS) to an ini of the seeds' shape; 0600 since a URL may hold a password."""
    sections: dict[str, dict[str, str]] = {}
    for option, value in values.items():
        _, section, key = OPTIONS[option]
        sections.setdefault(section, {})[key] = value
    lines = [
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
        for section, keys in sections.items()
    ]
    write_private(path, "\n".join(lines))


def read_credentials(settings: Settings) -> dict[str, tuple[str, str | None]]:
    """place -> (role, password) of the logins kept on this machine; None: the system's keyring has the password."""
    try:
        kept = json.loads(settings.credentials_file.read_text(encoding="utf-8"))
        return {place: (entry["user"], entry.get("password")) for place, entry in kept.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write_credentials(settings: Settings, kept: Mapping[str, tuple[str, str | None]]) -> None:
    entries = {
        place: {"user": name} | ({"password": word} if word is not None else {}) for place, (name, word) in kept.items()
    }
    write_private(settings.credentials_file, json.dumps(entries, indent=1))


def keep_credentials(settings: Settings, place: str, user: str, password: str | None) -> None:
    """Remember the login for `place`; without a password, whose."""
    _write_credentials(settings, read_credentials(settings) | {place: (user, password)})


def forget_credentials(settings: Settings, place: str) -> None:
    """Forget the login for `place`; nothing happens when there is none."""
    kept = read_credentials(settings)
    if kept.pop(place, None) is not None:
        _write_credentials(settings, kept)


def hostname() -> str:
    """This machine's name: the default name of its node."""
    return socket.gethostname()


def environment() -> dict[str, str]:
    """A copy of this process's environment, for what must be handed on to a child."""
    return dict(os.environ)
