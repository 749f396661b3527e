"""add processor, update processor."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from pyfi.cli.ending import say
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.nouns import written
from pyfi.cli.nouns.node import this_machine
from pyfi.cli.options import id_option, name_option, network_option, refused
from pyfi.core.variables import read_variables

STATUSES = ("ready", "start", "running", "stopped", "paused")


class Cpus(click.ParamType[int]):
    """A count of CPUs. A commit id typed here by the founding help's `-c` is pointed at --commit."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """A number of at least 1."""
        text = str(value)
        if text.isascii() and text.isdigit() and 1 <= int(text) <= 4096:
            return int(text)
        if re.fullmatch(r"[0-9a-fA-F]{7,64}", text):
            problem = f"-c is the count of CPUs; for the commit write --commit {text}"
        else:
            problem = f"{text!r} is not a count of CPUs between 1 and 4096"
        raise click.BadParameter(problem, ctx=ctx, param=param)


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `add` and `update` have in common."""
    for option in (
        refused("-a", "--api", reason="endpoints of processors come with the web API", metavar="BOOLEAN"),
        refused("-e", "--endpoint", reason="endpoints of processors come with the web API", metavar="TEXT"),
        refused("-p", "--password", reason="who may use a processor is a matter of rights", metavar="TEXT"),
        refused("-b", "--beat", reason="schedules are not there yet", is_flag=True),
        network_option,
        click.option(
            "--public-logs/--no-public-logs",
            default=None,
            help="Let its calls' logs be read by those who have READ_LOG.",
        ),
        click.option("--description", help="What it does."),
        click.option(
            "--drain", "drain_seconds", type=click.FloatRange(min=0), help="Seconds running calls get to end."
        ),
        click.option(
            "--time-limit", "time_limit_seconds", type=click.FloatRange(min=0.001), help="Seconds a call may run."
        ),
        click.option(
            "--soft-time-limit",
            "soft_time_limit_seconds",
            type=click.FloatRange(min=0.001),
            help="Seconds until the function is told, by a TimeoutError.",
        ),
        click.option(
            "--max-losses",
            type=click.IntRange(1, 10_000),
            help="Losses of a call until it is parked; the setting's if none is given.",
        ),
        click.option(
            "--no-retry-on", multiple=True, metavar="TYPE", help="Exceptions not to retry; repeatable, '' for none."
        ),
        click.option(
            "--retry-on",
            multiple=True,
            metavar="TYPE",
            help="Retry these exceptions only: class or base class; repeatable, '' for all.",
        ),
        click.option(
            "--backoff-max",
            "backoff_max_seconds",
            type=click.FloatRange(0, 31_536_000),
            help="Longest wait before a retry; default 300.",
        ),
        click.option(
            "--backoff-factor", type=click.FloatRange(1, 100), help="Each next wait is so many times longer; default 2."
        ),
        click.option(
            "--backoff",
            "backoff_seconds",
            type=click.FloatRange(0, 31_536_000),
            help="Seconds before the first retry; default 1.",
        ),
        click.option("-mp", "--modulepath", help="Path of the module's file in the repository."),
        click.option("-rq", "--requirements", type=click.File("r"), help="A requirements.txt to install besides."),
        click.option("-rs", "--requested_status", type=click.Choice(STATUSES), help="The requested status."),
        click.option("-r", "--retries", type=click.IntRange(0, 100), help="Runs of a call after it raised; default 0."),
        click.option(
            "-br", "--branch", help="Git branch or tag to follow; the repository's default one if none is given."
        ),
        click.option("--commit", help="Git commit to stay at."),
        click.option(
            "-c",
            "-w",
            "-cs",
            "--concurrency",
            "--workers",
            "--cpus",
            "concurrency",
            type=Cpus(),
            help="CPUs to occupy, each with a worker; the sum of the sockets' if none is given.",
        ),
        click.option("-h", "--hostname", help="Run it on this node or machine only."),
        click.option(
            "--env",
            "environment",
            multiple=True,
            metavar="NAME=VALUE",
            help="Variable of its functions' process; secret:NAME as value stands for a secret. May be repeated.",
        ),
        click.option("--index-url", metavar="URL", help="Package index instead of the node's."),
        click.option(
            "--index-secret", metavar="NAME", help="Secret (user:password or a token) that the index asks for."
        ),
        click.option(
            "--git-secret",
            metavar="NAME",
            help="Secret (a token, user:password or an ssh key) the repository asks for.",
        ),
        click.option(
            "--strict/--no-strict", "hashes_only", default=None, help="Install only what is named with its hash."
        ),
        click.option("--sandbox", type=click.IntRange(0, 2), help="The least sandbox level that it may run in."),
        click.option("--online/--offline", default=None, help="Let it use the network where a sandbox takes it away."),
    ):
        function = option(function)
    return function


def _given(given: dict[str, Any]) -> dict[str, Any]:
    given["hostname"] = this_machine(given["hostname"])
    for name in ("retry_on", "no_retry_on"):
        # Named empty, the list is emptied; not named, it stays.
        given[name] = [each for each in given[name] if each] if given[name] else None
    given["requirements"] = given["requirements"].read() if given["requirements"] else None
    given["environment"] = read_variables(given["environment"]) or None
    return given


@click.command("processor")
@name_option("Name of this processor.")
@click.option("-m", "--module", required=True, help="Python module (e.g. some.module.path).")
@click.option("-g", "--gitrepo", required=True, metavar="URL", help="Git repository: https, ssh, or a path if allowed.")
@shared
@click.option("-t", "--task", help="Also make a socket for this function.")
@click.option("-q", "--queue", help="The queue of that socket; one of the processor's name if none is given.")
@click.option("-d", "--deploy", is_flag=True, help="Deploy it to the node named by -h at once.")
@pass_invocation
def add(invocation: Invocation, /, deploy: bool, **given: Any) -> None:
    """Add processor to the database.

    The branch is resolved to a commit now; workers run that commit. A processor is placed on any node with free CPUs
    unless -h names one.

    Example: flow add processor -n proc1 -g https://github.com/radiantone/pyfi-processors -m pyfi.processors.sample -c 5
    """
    from pyfi.control import processors, verbs

    if given["queue"] and not given["task"]:
        raise click.UsageError("-q names the queue of the socket that -t makes: give -t too")
    if deploy and not given["hostname"]:
        raise click.UsageError("-d deploys to the node that -h names: give -h too")
    given = _given(given)
    with invocation.database() as database:
        row = processors.add(database, given | {"id": invocation.new_id})
        if deploy:
            place = {"processor": row["name"], "node": given["hostname"], "cpus": given["concurrency"] or 1}
            verbs.add(database, "deployment", place | {"network": row["network"]})
    written.announce(row)
    say(f"commit {row['commit']}")


@click.command("processor")
@name_option("Name of the processor.", required=False)
@id_option("processor")
@click.option("--rename", metavar="NAME", help="New name.")
@click.option("-m", "--module", help="Python module (e.g. some.module.path).")
@click.option("-g", "--gitrepo", metavar="URL", help="Git repository.")
@shared
@click.option("--unset-env", multiple=True, metavar="NAME", help="Remove a variable. May be repeated.")
@pass_invocation
def update(invocation: Invocation, /, name: str | None, id_: str | None, network: str | None, **given: Any) -> None:
    """Update a processor; its branch is resolved to a commit anew, so new code is taken up.

    Example: flow update processor -n proc1
    """
    from pyfi.control import processors

    with invocation.database() as database:
        row = processors.update(database, _given(given), name=name, id_=id_, network=network)
    written.announce(row)
    say(f"commit {row['commit']}")
