"""`flow config` and `flow --config`."""

from __future__ import annotations

from pathlib import Path

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.options import output_option
from pyfi.cli.render import as_json, as_yaml, grid

ASKED = {
    "db": ("Database connection URI", "postgresql://postgres@localhost:5432/pyfi"),
    "backend": ("Result backend URI", "redis://localhost"),
    "broker": ("Message broker URI", "pyamqp://localhost"),
}
SECRET = {"password"}


def _shown(option: str, value: str | None) -> str | None:
    from pyfi.logs import masked

    return "***" if value and option in SECRET else masked(value) if value else None


@click.command("config")
@output_option
@pass_invocation
def config(invocation: Invocation, output: str | None) -> None:
    """Show every setting and where it comes from; passwords are masked.

    Example: flow config
    """
    from pyfi.settings import OPTIONS, read_credentials

    settings = invocation.settings()
    rows = [
        {"setting": option, "value": _shown(option, getattr(settings, option)), "origin": settings.origins.get(option)}
        for option in OPTIONS
    ]
    rows.append({"setting": "home", "value": str(settings.home), "origin": None})
    rows.append({"setting": "ini", "value": str(settings.ini) if settings.ini else None, "origin": None})
    rows += [
        {"setting": "login", "value": f"{user} at {place}", "origin": str(settings.credentials_file)}
        for place, (user, _password) in sorted(read_credentials(settings).items())
    ]
    match output or invocation.output:
        case "json":
            click.echo(as_json(rows))
        case "yaml":
            click.echo(as_yaml(rows))
        case "ids":
            click.echo("\n".join(str(row["setting"]) for row in rows))
        case _:
            click.echo(grid((("Setting", "setting"), ("Value", "value"), ("Origin", "origin")), rows))


def wizard(invocation: Invocation) -> None:
    """Ask for the three URLs, each with its present value as default, and write the configuration file."""
    from pyfi import settings as files
    from pyfi.core.urls import broker_kind, parse_database

    # The file that -i names may well be the one to be written first.
    named = Path(invocation.ini).expanduser() if invocation.ini else None
    present = files.load(invocation.flags, ini=invocation.ini if named and named.is_file() else None)
    checks = {"db": parse_database, "broker": broker_kind}
    values: dict[str, str] = {}
    for option, (question, default) in ASKED.items():
        current = getattr(present, option) or default
        typed = click.prompt(question, default=_shown(option, current), err=True)
        # Enter on a masked default means the value itself, not its mask.
        values[option] = current if typed == _shown(option, current) else typed
        if option in checks:
            checks[option](values[option])
    values |= {key: value for key in ("api", "user", "password") if (value := getattr(present, key))}
    path = named or Path.home() / "pyfi.ini"
    files.write_ini(path, values)
    click.echo(f"Configuration file created at {path}")
    if present.ini and present.ini.resolve() != path.resolve():
        say(f"note: {present.ini} is read before it in this folder")
