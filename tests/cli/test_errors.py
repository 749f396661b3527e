"""What goes wrong is said in one line with a hint; the exit code tells scripts; no password is ever shown."""

from __future__ import annotations

import io
import logging
import re

import pytest

from pyfi.cli.main import run
from pyfi.errors import BrokerUnavailableError, InvariantError, TryAgainError
from tests.cli.conftest import Done, Flow
from tests.network import Network

CANARY = "s3cr3t-canary"


def told(done: Done) -> tuple[str, str]:
    """The error's line and the hint's; asserts that there is nothing more."""
    found = re.fullmatch(r"error: (.+)\n(?:hint: (.+)\n)?", done.err)
    assert found, done.err
    return found[1], found[2] or ""


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("mysql://root@localhost/x", 1, "scheme 'mysql'"),
        ("postgresql://localhost", 1, "names no database"),
        (f"postgresql://joe:{CANARY}@localhost:99999/x", 1, "cannot be read"),
        (f"postgresql://joe:{CANARY}@localhost:port/x", 1, "cannot be read"),
        (f"postgresql://joe:{CANARY}@127.0.0.1:1/x", 69, "the database does not answer"),
        (f"postgresql://joe:{CANARY}@no-such-host.invalid:1/x", 69, "the database does not answer"),
    ],
)
def test_wrong_database_url(url: str, code: int, says: str, flow: Flow) -> None:
    """Told apart: what cannot be read, and what does not answer."""
    message, hint = told(flow("-d", url, "ls", "queues", code=code))
    assert says in message
    assert hint
    assert CANARY not in message + hint


def test_no_configuration(flow: Flow) -> None:
    """It says how to get one."""
    message, hint = told(flow("ls", "queues", code=69))
    assert message == "no database is configured"
    assert "flow up" in hint


def test_missing_ini(flow: Flow) -> None:
    """A file that -i names must be there."""
    message, hint = told(flow("-i", "nowhere.ini", "ls", "queues", code=1))
    assert message == "there is no configuration file nowhere.ini"
    assert hint == "flow -i nowhere.ini --config writes it"


def test_config_masks_passwords(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """In URLs and as a setting of its own; the origin is told."""
    monkeypatch.setenv("FLOW_BROKER", f"amqp://guest:{CANARY}@localhost/")
    done = flow("-d", f"postgresql://joe:{CANARY}@db/x", "-p", CANARY, "config")
    assert CANARY not in done.out + done.err
    assert "postgresql://joe:***@db/x" in done.out
    assert "FLOW_BROKER" in done.out
    assert CANARY not in flow("-d", f"postgresql://joe:{CANARY}@db/x", "-p", CANARY, "config", "-o", "json").out


def test_doctor_fails_without_services(flow: Flow) -> None:
    """It lists what is wrong, and ends with 1."""
    done = flow("-d", f"postgresql://joe:{CANARY}@127.0.0.1:1/x", "--broker", "redis://127.0.0.1:1", "doctor", code=1)
    assert re.search(r"^FAIL  database: the database does not answer", done.out, re.M)
    assert re.search(r"^FAIL  broker: redis at 127.0.0.1:1 does not answer", done.out, re.M)
    assert re.search(r"^warn  sandbox: level 0 is in force", done.out, re.M)
    assert CANARY not in done.out + done.err


def test_superuser_is_refused(online: Network, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the login that `db init` kept, the superuser's URL is of no use: he would pass row-level security."""
    monkeypatch.setenv("FLOW_HOME", str(online.home / "nobody"))
    message, hint = told(flow("ls", "queues", code=1))
    assert "passes row-level security" in message
    assert "flow db init" in hint


@pytest.mark.usefixtures("checks_passwords")
def test_wrong_password(online: Network, flow: Flow) -> None:
    """Not a matter of availability."""
    message, _ = told(flow("-d", online.database.login(online.admin.user, CANARY).libpq(), "whoami", code=1))
    assert "refuses the login" in message
    assert CANARY not in message


def test_uninitialised_database(online: Network, flow: Flow) -> None:
    """The hint is the command that makes it."""
    url = online.database.at("no_such_database").libpq()
    message, hint = told(flow("-d", url, "ls", "queues", code=69))
    assert "not PyFI's yet" in message
    assert hint == "flow db init"


def test_db_init_again(online: Network, flow: Flow) -> None:
    """Refused; with -y it is fine."""
    assert "initialised already" in told(flow("db", "init", code=1))[0]
    assert flow("db", "init", "-y").code == 0


def test_db_init_needs_a_superuser(online: Network, flow: Flow) -> None:
    """An administrator of PyFI is none."""
    message, _ = told(flow("-d", online.admin.libpq(), "db", "migrate", code=1))
    assert "no superuser" in message


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (("ls", "queue", "-n", "erorrs.quue"), "there is no queue erorrs.quue", "did you mean errors.queue?"),
        (("update", "queue", "-n", "zzz", "-t", "topic"), "there is no queue zzz", "flow ls queues"),
        (("describe", "queue", "errors.queu"), "there is no queue errors.queu", "did you mean errors.queue?"),
        (("task", "run", "-s", "nowhere", "-d", "1"), "there is no socket nowhere", "flow ls sockets"),
        (("task", "run", "-n", "nothing", "-d", "1"), "there is no socket for task nothing", "flow ls tasks"),
        (("call", "show", "nonsense"), "'nonsense' is no id", "an id looks like"),
        (("call", "tree", "11111111-1111-4111-8111-111111111111"), "there is no call 11111111", "flow ls calls"),
        (("ls", "call", "-n", "nothing"), "there is no call of nothing", "flow ls calls"),
        (("proc", "stop"), "which processor?", "give -n NAME or --id ID"),
        (("proc", "stop", "-n", "nothing"), "there is no processor nothing", "flow ls processors"),
        (("add", "queue", "-n", "a/b"), "queue name 'a/b' is not allowed", ""),
        (("add", "plug", "-n", "p", "-q", "errors.queue"), "where does the plug come from?", "give -s SOCKET"),
        (("add", "socket", "-n", "s", "-q", "q", "-pn", "none"), "there is no processor none", "flow ls processors"),
        (("add", "queue", "-n", "errors.queue"), "there is a queue errors.queue already", "flow update queue"),
        (("delete", "network", "-n", "default"), "the default network", ""),
        (("listen", "-n", "nothing", "-c", "task"), "there is no socket, processor or queue.processor nothing", "flow"),
        (("listen", "-n", "nothing", "-c", "taks"), "there is no channel taks", "channels are task, log, event"),
        (("listen", "-c", "task"), "listen to what?", "give -n"),
    ],
)
def test_refusals(words: tuple[str, ...], says: str, hint: str, online: Network, flow: Flow) -> None:
    """The object is named, and the nearest name suggested."""
    flow("add", "queue", "-n", "errors.queue", code=None)
    message, hinted = told(flow(*words, code=1))
    assert message.startswith(says)
    assert hinted.startswith(hint)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"https://joe:{CANARY}@example.invalid/x", "a user or a password"),
        ("ext::sh -c id", "spaces or backslashes"),
        ("--upload-pack=id", "begins with '-'"),
        ("http://example.invalid/x", ""),
    ],
)
def test_repositories_are_guarded(url: str, says: str, online: Network, flow: Flow) -> None:
    """Before git sees them; and the password is not repeated."""
    message, _ = told(flow("add", "processor", "-n", "bad", "-m", "m", f"-g{url}", code=1))
    assert says in message
    assert CANARY not in message


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (
            RuntimeError(f"postgresql://joe:{CANARY}@db/x"),
            70,
            "error: PyFI failed: RuntimeError: postgresql://joe:***@db/x",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "/nowhere"), 1, "error: /nowhere: Permission denied"),
        (InvariantError(), 70, "error: PyFI contradicts itself"),
        (BrokerUnavailableError(hint="see"), 69, "error: The message broker does not answer."),
        (TryAgainError(), 75, "error: It is not done yet."),
    ],
)
def test_every_end_has_its_code(
    error: BaseException, code: int, says: str, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours, Ctrl-C, the machine's no, and each branch of the tree of errors; a traceback only with --debug."""

    def fail(_settings: object) -> None:
        raise error

    monkeypatch.setattr("pyfi.control.login.open_database", fail)
    done = flow("whoami", code=code)
    assert done.err.startswith(says)
    assert CANARY not in done.err
    shown = ended_with_debug(monkeypatch)
    assert "Traceback" in shown
    assert CANARY not in shown


def ended_with_debug(monkeypatch: pytest.MonkeyPatch) -> str:
    """What `--debug` prints to stderr."""
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    ours = logging.getLogger("pyfi")
    before = (ours.handlers[:], ours.level, ours.propagate)
    run(("--debug", "whoami"))
    ours.handlers[:], level, ours.propagate = before
    ours.setLevel(level)
    return shown.getvalue()
