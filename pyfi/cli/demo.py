"""`flow demo`: the whole path on this machine: embedded servers, an agent, chained calls, a kill -9, and the proof."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pyfi import settings as settings_room
from pyfi.cli.invocation import Invocation, pass_invocation
from pyfi.cli.render import Row
from pyfi.clock import SYSTEM, wait_until
from pyfi.errors import InvariantError, NotConfiguredError, TryAgainError
from pyfi.settings import Settings
from pyfi.stack import stack
from pyfi.system.processes import Child, ProcessIdentity, run, signal_process, spawn

NODE = "demo"
CALL_SECONDS = 1.0
PATIENCE_SECONDS = 120.0
WHO = ("-c", "user.name=PyFI demo", "-c", "user.email=demo@example.invalid", "-c", "commit.gpgsign=false")
# The same files give the same commit, so a second run finds the environment of the first.
WHEN = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
CLIENT = """\
from pyfi.client.api import Socket
do_this = Socket(name="demo.do_this")
print(do_this("Hello from Python"))
"""


@click.command()
@click.option("--home", metavar="FOLDER", help="Where the demo keeps its data; below the data folder if none is named.")
@pass_invocation
def demo(invocation: Invocation, home: str | None) -> None:
    """Show the whole path: servers, agent, chained calls, a kill -9 in the middle.

    Example: flow demo
    """
    folder = Path(home).expanduser().resolve() if home else invocation.settings().home / "demo"
    Demo(folder).play()


@dataclass
class Demo:
    """One run of the demo in its own folder."""

    home: Path

    def play(self) -> None:
        """All steps.

        Raises: InvariantError: the killed call did not run a second time, or anything else is not as promised.
        """
        began = SYSTEM.monotonic()
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ExitStack() as cleanup:
            self._say("Starting an embedded PostgreSQL and Valkey (loopback only, passwords of their own)")
            running = stack.up(self.home, foreground=True)
            cleanup.callback(running.stop)
            self._prepare()
            self._say("Serving the example functions from a local git repository")
            repository = self._repository()
            self._say("Starting an agent: it will build the environment and start one worker per CPU asked for")
            cleanup.callback(self._stop, self._agent())
            self._say("Adding a processor, three sockets and two plugs: append_and_sleep -> do_something -> do_this")
            self._network(repository)
            self._say("Calling from the command line (the first call waits for the environment)")
            self._flow("task", "run", "--socket", "demo.do_this", "--data", "['some data']")
            self._say("Calling from Python")
            click.secho(CLIENT.rstrip(), dim=True)
            self._python(CLIENT)
            call_id = self._killed_call()
            self._say("The call and what it led to")
            self._flow("call", "tree", call_id)
            attempts = self._attempts(call_id)
            if attempts[0] != 2 or len(attempts) != 3:
                raise InvariantError(f"the killed call shows attempts {attempts}, not 2 followed by its two children")
            self._say("Stopping everything; the data stay")
        took = SYSTEM.monotonic() - began
        click.secho(f"\nDone in {took:.0f} s: the killed call ran a second time, and committed once.", bold=True)
        click.echo(f"Everything is in {self.home}. Look around:\n")
        click.echo(f"  {self._command()}")

    # The parts

    def _prepare(self) -> None:
        from pyfi.node.embedded import initialise

        initialise(self._settings())

    def _repository(self) -> Path:
        """A copy of the example package, as a repository with one commit."""
        repository = self.home / "processors_example"
        if not (repository / ".git").is_dir():
            shutil.rmtree(repository, ignore_errors=True)
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".venv", "build", "dist")
            shutil.copytree(example_folder(), repository, ignore=ignored)
            for words in (
                ["init", "-q", "-b", "main"],
                ["add", "-A"],
                [*WHO, "commit", "-q", "-m", "example functions"],
            ):
                done = run(["git", *words], env=self._environment() | WHEN, cwd=repository, timeout_seconds=30)
                if done.returncode:
                    raise NotConfiguredError(f"git {words[0]} failed: {done.stderr.decode(errors='replace').strip()}")
        return repository

    def _network(self, repository: Path) -> None:
        known = {row["name"] for row in self._json("ls", "processors")}
        if "demo" in known:
            click.echo("(they are there from a run before)")
            self._flow("update", "processor", "-n", "demo", "-g", str(repository))
            return
        module = "pyfi.processors.sample"
        self._flow("add", "queue", "-n", "demo.queue", "-t", "direct")
        self._flow("add", "processor", "-n", "demo", "-g", str(repository), "-m", module, "-c", "1")
        for task in ("append_and_sleep", "do_something", "do_this"):
            self._flow("add", "socket", "-n", f"demo.{task}", "-q", "demo.queue", "-pn", "demo", "-t", task)
        for name, source, target in (
            ("demo.plug1", "demo.append_and_sleep", "demo.do_something"),
            ("demo.plug2", "demo.do_something", "demo.do_this"),
        ):
            self._flow("add", "plug", "-n", name, "-q", "demo.queue", "-s", source, "-t", target)

    def _killed_call(self) -> str:
        self._say("Killing the worker with kill -9 in the middle of a call")
        trace = self.home / "trace.txt"
        trace.unlink(missing_ok=True)
        data = json.dumps([str(trace), "demo", CALL_SECONDS])
        words = ["task", "run", "--socket", "demo.append_and_sleep", "--data", data, "--no-wait"]
        self._show(words)
        call_id = self._captured(*words).strip()
        click.echo(call_id)
        self._until(lambda: trace.is_file() and "started" in trace.read_text(), "the function to start")
        worker = self._worker()
        click.secho(f"$ kill -9 {worker.pid}   # the worker", fg="red")
        if not signal_process(worker, signal.SIGKILL):
            raise InvariantError("the worker was gone before it could be killed")
        self._until(lambda: self._is_settled(call_id), "the call to run again")
        starts = trace.read_text().count("started")
        click.echo(f"The function was started {starts} times, as its trace file says.")
        return call_id

    def _worker(self) -> ProcessIdentity:
        for path in (self.home / f"node-{NODE}" / "workers").glob("*/state.json"):
            return ProcessIdentity.from_json(json.dumps(json.loads(path.read_text(encoding="utf-8"))["identity"]))
        raise InvariantError("no worker runs")

    def _family(self, call_id: str) -> Sequence[Row]:
        """The call and its descendants, root first."""
        from pyfi.control import calls
        from pyfi.control.login import open_database

        database = open_database(self._settings())
        try:
            return calls.family(database, call_id)
        finally:
            database.close()

    def _attempts(self, call_id: str) -> list[int]:
        return [int(call["attempt"]) for call in self._family(call_id)]

    def _is_settled(self, call_id: str) -> bool:
        family = self._family(call_id)
        return len(family) == 3 and all(call["state"] == "done" for call in family)

    def _agent(self) -> Child:
        log = self.home / "agent.log"
        words = [sys.executable, "-m", "pyfi", "agent", "start", "-n", NODE, "-cp", "2"]
        return spawn(words, env=self._environment(), stdout=log, stderr=log, die_with_parent=signal.SIGTERM)

    @staticmethod
    def _stop(agent: Child) -> None:
        signal_process(agent.identity, signal.SIGTERM)
        if agent.wait(30) is None:
            signal_process(agent.identity, signal.SIGKILL)

    # Words and commands

    @staticmethod
    def _say(text: str) -> None:
        click.secho(f"\n== {text}", bold=True)

    def _settings(self) -> Settings:
        return settings_room.load(env={"FLOW_HOME": str(self.home)})

    def _environment(self) -> dict[str, str]:
        own = {key: value for key, value in settings_room.environment().items() if not key.startswith("FLOW_")}
        return own | {"FLOW_HOME": str(self.home)}

    def _command(self) -> str:
        program = Path(sys.argv[0]).absolute()
        flow = (
            shlex.quote(str(program)) if program.name in {"flow", "pyfi"} else f"{shlex.quote(sys.executable)} -m pyfi"
        )
        return f"export FLOW_HOME={shlex.quote(str(self.home))}; {flow} up -d && {flow} ls calls; {flow} down"

    @staticmethod
    def _show(words: Sequence[str]) -> None:
        click.secho("$ flow " + shlex.join(words), fg="cyan")

    def _flow(self, *words: str) -> None:
        self._show(words)
        self._started([sys.executable, "-m", "pyfi", *words])

    def _python(self, source: str) -> None:
        self._started([sys.executable, "-c", source])

    def _started(self, argv: Sequence[str]) -> None:
        sys.stdout.flush()
        child = spawn(
            argv, env=self._environment(), stdout=sys.stdout.fileno(), stderr=sys.stderr.fileno(), new_session=False
        )
        code = child.wait(PATIENCE_SECONDS)
        if code is None:
            signal_process(child.identity, signal.SIGKILL)
            raise TryAgainError(f"{shlex.join(argv)} did not end in {PATIENCE_SECONDS:g} s")
        if code:
            raise InvariantError(
                f"{shlex.join(argv)} ended with exit code {code}", hint=f"see {self.home / 'agent.log'}"
            )

    def _captured(self, *words: str) -> str:
        argv = [sys.executable, "-m", "pyfi", *words]
        done = run(argv, env=self._environment(), timeout_seconds=PATIENCE_SECONDS)
        if done.returncode:
            raise InvariantError(f"flow {shlex.join(words)} failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    def _json(self, *words: str) -> Any:
        return json.loads(self._captured("-o", "json", *words))

    @staticmethod
    def _until(done: Any, what: str) -> None:
        if not wait_until(done, timeout_seconds=PATIENCE_SECONDS, step_seconds=0.1):
            raise TryAgainError(f"waited {PATIENCE_SECONDS:g} s for {what}")


def example_folder() -> Path:
    """The example package: beside pyfi in a checkout, inside it in a wheel.

    Raises: NotConfiguredError: neither is there.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "_processors_example", package.parent / "processors_example"):
        if (folder / "pyproject.toml").is_file() and os.access(folder, os.R_OK):
            return folder
    raise NotConfiguredError("this installation has no example functions", hint="pip install pyfi, or use a checkout")
