"""What `flow` costs before it does anything, and streams that are not what it expects."""

from __future__ import annotations

import os
import pty
import re
import sys
from pathlib import Path

import pytest

from pyfi.clock import wait_until
from pyfi.system.processes import Completed, run, spawn
from tests.network import Network

HEAVY = {"sqlalchemy", "alembic", "psycopg2", "celery", "kombu", "redis", "rich", "ruamel", "virtualenv", "psutil"}


def python(code: str, *words: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Completed:
    """Run a line of Python in a fresh process."""
    base = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "FLOW_HOME": os.environ["FLOW_HOME"]}
    base["PYTHONPATH"] = str(Path(__file__).parents[2])
    return run(
        [sys.executable, "-c", code, *words], env=base | (env or {}), cwd=cwd, timeout_seconds=30, stdin_bytes=b"\n" * 9
    )


MODULES = "import sys; from pyfi.cli.main import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"


@pytest.mark.parametrize(
    "words", [("--help",), ("add", "queue", "--help"), ("task", "run", "--help"), ("--version",), ("--config",)]
)
def test_light_commands_import_nothing_heavy(words: tuple[str, ...], tmp_path: Path) -> None:
    """The budget of 150 ms, as modules: neither the database nor the broker is spoken to."""
    done = python(MODULES, "-i", str(tmp_path / "pyfi.ini"), *words, cwd=tmp_path)
    loaded = set(done.stderr.decode().split())
    assert "click" in loaded
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    assert not {name for name in loaded if re.match(r"pyfi\.(db|control|ledger|broker|agent|stack)\b", name)}


def test_heavy_commands_are_seen_by_the_same_measure(tmp_path: Path) -> None:
    """The measure itself can fail."""
    done = python(MODULES, "whoami", env={"FLOW_DB": "postgresql://x@127.0.0.1:1/x"}, cwd=tmp_path)
    assert "sqlalchemy" in done.stderr.decode().split()


def test_wizard_writes_what_it_shows_and_hides_passwords(tmp_path: Path) -> None:
    """Enter takes each default; the file is private and holds the URLs; a password is not on the screen."""
    ini = tmp_path / "deep" / "pyfi.ini"
    env = {"FLOW_BROKER": "amqp://guest:canary@rabbit:5672/"}
    done = python(MODULES, "-i", str(ini), "--config", env=env, cwd=tmp_path)
    assert done.stdout.decode() == f"Configuration file created at {ini}\n"
    assert b"Database connection URI [postgresql://postgres@localhost:5432/pyfi]:" in done.stderr
    assert b"canary" not in done.stdout + done.stderr
    assert "canary" in ini.read_text()
    assert ini.stat().st_mode & 0o777 == 0o600


CLOSED = "import os, sys; os.close(1); sys.stdout = None; from pyfi.cli.main import main; main()"
GONE = "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); from pyfi.cli.main import main; main()"


def test_closed_stdout_is_no_accident(tmp_path: Path) -> None:
    """Nothing on stderr, whether it was closed before or its reader went away."""
    assert python(CLOSED, "--help", cwd=tmp_path).stderr == b""
    gone = python(GONE, "--help", cwd=tmp_path)
    assert (gone.returncode, gone.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_full_disk_is_said(tmp_path: Path) -> None:
    """One line."""
    full = GONE.replace("r, w = os.pipe(); os.close(r)", "w = os.open('/dev/full', os.O_WRONLY)")
    done = python(full, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"error: No space left on device\n")


def test_terminal_that_cannot_say_it(net: Network) -> None:
    """What its encoding cannot say is escaped, not fatal."""
    net.flow("add", "network", "-n", "lab", "--description", "\u65e5")
    env = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    assert b"\\u65e5" in net.flow("describe", "network", "lab", env=env).stdout


def test_narrow_terminal(net: Network) -> None:
    """A table wider than the terminal becomes one line a field."""
    shown = on_terminal(net, 40, "ls", "networks")
    assert "Name: default" in shown
    assert "+--" not in shown
    assert "| default |" in on_terminal(net, 200, "ls", "networks")


def on_terminal(net: Network, columns: int, *words: str) -> str:
    """What a command writes to a terminal of that width."""
    ours, theirs = pty.openpty()
    env = net.environment | {"COLUMNS": str(columns)}
    child = spawn([sys.executable, "-m", "pyfi", *words], env=env, cwd=net.home, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert wait_until(lambda: child.poll() is not None, timeout_seconds=30)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # Linux ends a terminal's stream so
        pass
    finally:
        os.close(ours)
    return shown.decode()
