"""add, ls, update, delete: what is written is what is read, in the founding documents' words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pyfi import settings
from pyfi.system.processes import run
from tests.cli.conftest import Flow
from tests.network import Network


def read(flow: Flow, *words: str) -> Any:
    """What `ls ... -o json` gives."""
    return json.loads(flow("-o", "json", "ls", *words).out)


def make(flow: Flow, repository: Path, name: str, *words: str) -> None:
    """A processor."""
    flow("add", "processor", "-n", name, "-g", str(repository), "-m", "functions", *words)


def test_add_announces_and_ls_shows(online: Network, flow: Flow) -> None:
    """`id:name:time`, as the founding screens print it."""
    done = flow("add", "queue", "-n", "model.queue", "-t", "fanout")
    assert re.fullmatch(r"[0-9a-f-]{36}:model\.queue:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\n", done.out)
    (row,) = read(flow, "queue", "-n", "model.queue")
    assert (row["id"], row["type"], row["owner"], row["network"]) == (done.id, "fanout", "admin", "default")
    assert flow("ls", "queues", "-n", "model.*", "-o", "ids").out == f"{done.id}\n"
    assert "| model.queue |" in flow("ls", "queues").out
    assert "name: model.queue" in flow("ls", "queues", "-o", "yaml").out
    assert "type:" in flow("describe", "queue", "model.queue").out


def test_id_of_an_added_object(online: Network, flow: Flow) -> None:
    """`flow add --id`; the same id again is refused."""
    chosen = "11111111-1111-4111-8111-111111111111"
    assert flow("add", "--id", chosen, "queue", "-n", "chosen").id == chosen
    assert "with id" in flow("add", "--id", chosen, "queue", "-n", "chosen2", code=1).err


def test_processor_is_pinned(online: Network, flow: Flow, repository: Path) -> None:
    """The canonical URL and the commit; `#egg=` is tolerated, `localhost` is this machine, -c, -w and -cs are one."""
    make(flow, Path(f"{repository}#egg=functions"), "pinned", "-h", "localhost", "-w", "5", "-rs", "stopped")
    (row,) = read(flow, "processors", "-n", "pinned")
    head = run(["git", "rev-parse", "HEAD"], env={}, cwd=repository, timeout_seconds=10).stdout.decode().strip()
    assert (row["commit"], row["gitrepo"]) == (head, f"file://{repository}")
    assert (row["hostname"], row["concurrency"]) == (settings.hostname(), 5)
    assert (row["requested_status"], row["status"]) == ("stopped", "ready")


def test_requested_status_has_more_words_than_states(online: Network, flow: Flow, repository: Path) -> None:
    """`ready` and `start`, as the founding documents write them, are `running`."""
    words = {"ready": "running", "start": "running", "running": "running", "paused": "paused", "stopped": "stopped"}
    make(flow, repository, "worded", "-rs", "stopped")
    for word, state in words.items():
        flow("update", "processor", "-n", "worded", "-rs", word)
        assert read(flow, "processors", "-n", "worded")[0]["requested_status"] == state


def test_update_takes_up_new_code(online: Network, flow: Flow) -> None:
    """The branch is resolved anew; with --commit it stays where it is."""
    repo = online.repository({"functions.py": "def echo(x): return x\n"}, name="moving")
    make(flow, repo, "moving")
    (before,) = read(flow, "processors", "-n", "moving")
    make(flow, repo, "staying", "--commit", before["commit"])
    (repo / "functions.py").write_text("def echo(x): return [x]\n")
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    done = run(["git", *who, "commit", "-qam", "more"], env={"PATH": "/usr/bin:/bin"}, cwd=repo, timeout_seconds=10)
    assert done.returncode == 0
    flow("update", "processor", "-n", "moving")
    flow("update", "processor", "-n", "staying", "-c", "2")
    moved, stayed = read(flow, "processors", "-n", "moving")[0], read(flow, "processors", "-n", "staying")[0]
    assert moved["commit"] != before["commit"]
    assert moved["generation"] > before["generation"]
    assert (stayed["commit"], stayed["concurrency"]) == (before["commit"], 2)


def test_commit_typed_as_count(online: Network, flow: Flow, repository: Path) -> None:
    """The older help's `-c COMMIT` gets a hint instead of a wrong meaning."""
    words = ("add", "processor", "-n", "hex", "-g", str(repository), "-m", "functions", "-c")
    assert "write --commit abcdef1" in flow(*words, "abcdef1", code=2).err
    assert "is not a count of CPUs" in flow(*words, "0", code=2).err


def test_sockets_outlets_and_plugs(online: Network, flow: Flow, repository: Path) -> None:
    """-t makes a default socket; an outlet takes the processor's task; a bare name of two processors means both."""
    flow("add", "queue", "-n", "flow.queue")
    make(flow, repository, "first", "-t", "echo")
    make(flow, repository, "second")
    assert [row["name"] for row in read(flow, "sockets", "-n", "first.*")] == ["first.echo"]
    flow("add", "outlet", "-n", "both", "-q", "flow.queue", "-pn", "first")
    assert "which function" in flow("add", "outlet", "-n", "both", "-q", "flow.queue", "-pn", "second", code=1).err
    flow("add", "socket", "-n", "both", "-q", "flow.queue", "-pn", "second", "-t", "echo")
    rows = read(flow, "outlets", "-n", "both")
    assert {row["address"] for row in rows} == {"flow.queue.first.echo", "flow.queue.second.echo"}
    ambiguous = flow("add", "plug", "-n", "plug1", "-q", "flow.queue", "-s", "first.echo", "-t", "both", code=1)
    assert "first/both, second/both" in ambiguous.err
    flow("add", "plug", "-n", "plug1", "-q", "flow.queue", "-s", "first.echo", "-t", "second/both", "-y", "error")
    (plug,) = read(flow, "plugs", "-n", "plug1")
    assert (plug["type"], plug["source"], plug["target_processor"]) == ("ERROR", "first.echo", "second")
    flow("update", "plug", "-n", "plug1", "-t", "first/both", "-y", "RESULT")
    (plug,) = read(flow, "plugs", "-n", "plug1")
    assert (plug["type"], plug["target_processor"]) == ("RESULT", "first")
    assert '-->|"plug1"|' in flow("graph").out
    assert "    RESULT plug1 -> first/both" in flow("graph", "--text").out


def test_older_form_of_a_plug(online: Network, flow: Flow, repository: Path) -> None:
    """A processor with one socket and a queue with one socket name both ends."""
    for name in ("old.in", "old.out"):
        flow("add", "queue", "-n", name)
    make(flow, repository, "old1", "-t", "echo", "-q", "old.in")
    make(flow, repository, "old2", "-t", "echo", "-q", "old.out")
    flow("add", "plug", "-n", "old", "-q", "old.out", "-pn", "old1")
    (plug,) = read(flow, "plugs", "-n", "old")
    assert (plug["source"], plug["target"]) == ("old1.echo", "old2.echo")


def test_delete_is_refused_while_in_use(online: Network, flow: Flow, repository: Path) -> None:
    """With the list of users; --cascade takes them along, users first."""
    flow("add", "queue", "-n", "used")
    make(flow, repository, "user", "-t", "echo", "-q", "used")
    assert "queue used is in use by socket user.echo" in flow("delete", "queue", "-n", "used", code=1).err
    assert "--cascade" in flow("delete", "processor", "-n", "user", code=1).err
    done = flow("delete", "queue", "-n", "used", "--cascade")
    assert done.err == "socket user.echo deleted\nqueue used deleted\n"
    flow("delete", "processor", "-n", "user")
    assert not [row for row in read(flow, "processors") if row["name"] == "user"]


def test_open_calls_keep_their_socket(online: Network, flow: Flow, repository: Path) -> None:
    """A call that waits is a user too; given up, it is cancelled and does not wait for ever."""
    make(flow, repository, "busy", "-t", "echo")
    call = flow("task", "run", "-s", "busy.echo", "-nd", "--no-wait").out.strip()
    assert "1 calls that are not finished" in flow("delete", "socket", "-n", "busy.echo", code=1).err
    flow("delete", "socket", "-n", "busy.echo", "--cascade")
    assert json.loads(flow("-o", "json", "call", "show", call).out)["state"] == "cancelled"


def test_nodes_agents_deployments(online: Network, flow: Flow, repository: Path) -> None:
    """Rows that `agent start` makes too."""
    flow("add", "node", "-n", "phoenix1", "-h", "phoenix")
    flow("add", "agent", "-n", "agent1", "-nd", "phoenix1")
    assert "already" in flow("add", "agent", "-n", "agent2", "-nd", "phoenix1", code=1).err
    make(flow, repository, "placed", "-h", "phoenix", "-c", "2", "-d")
    flow("update", "deployment", "-n", "placed@phoenix1", "-c", "3")
    (row,) = read(flow, "deployments", "-n", "placed@*")
    assert (row["node"], row["cpus"], row["origin"]) == ("phoenix1", 3, "user")
    assert read(flow, "agents", "-n", "agent1")[0]["hostname"] == "phoenix"
    flow("update", "node", "-n", "phoenix1", "--rename", "phoenix2")
    assert "in use by" in flow("delete", "node", "-n", "phoenix2", code=1).err
    flow("delete", "node", "-n", "phoenix2", "--cascade")
    assert read(flow, "agents") == []


def test_networks_keep_names_apart(online: Network, flow: Flow, repository: Path) -> None:
    """The same name in two networks; the default one is meant when none is named."""
    flow("add", "network", "-n", "lab")
    flow("add", "queue", "-n", "twin")
    flow("add", "queue", "-n", "twin", "-t", "fanout", "--network", "lab")
    flow("update", "queue", "-n", "twin", "-t", "topic")
    assert {row["network"]: row["type"] for row in read(flow, "queues", "-n", "twin")} == {
        "default": "topic",
        "lab": "fanout",
    }
    assert [row["type"] for row in read(flow, "queues", "-n", "twin", "--network", "lab")] == ["fanout"]
    flow("add", "processor", "-n", "there", "-g", str(repository), "-m", "functions", "--network", "lab")
    flow("add", "socket", "-n", "there", "-q", "twin", "-pn", "there", "-t", "echo")
    assert read(flow, "sockets", "-n", "there")[0]["address"] == "lab:twin.there.echo"
    assert "in use by" in flow("delete", "network", "-n", "lab", code=1).err


def test_requests_to_processors(online: Network, flow: Flow, repository: Path) -> None:
    """Each word of `proc` is what is desired; nobody is there to do it, and --wait says so."""
    make(flow, repository, "asked")
    asked = {}
    for word in ("stop", "start", "pause", "resume", "remove", "restart"):
        flow("proc", word, "-n", "asked")
        asked[word] = read(flow, "processors", "-n", "asked")[0]["requested_status"]
    assert asked == {
        "stop": "stopped",
        "start": "running",
        "pause": "paused",
        "resume": "running",
        "remove": "removed",
        "restart": "running",
    }
    (row,) = read(flow, "processors", "-n", "asked")
    assert row["restart_token"] == 1
    waited = flow("proc", "--id", row["id"], "start", "--wait", "--timeout", "0", code=75)
    assert "is ready, not running yet: no agent has taken it yet" in waited.err
    assert flow("proc", "stop", "-n", "asked", "--wait", "--timeout", "0").code == 0


def test_a_call_that_waits_says_for_what(online: Network, flow: Flow, repository: Path) -> None:
    """And --timeout ends with 75, -q says nothing of it, --no-wait gives the id."""
    make(flow, repository, "waits", "-t", "echo")
    words = ("task", "run", "-s", "waits.echo", "-d", "1", "--timeout", "1.2")
    done = flow(*words, code=75)
    assert done.err.startswith("no agent is running: flow agent start\nerror: call ")
    assert " is queued, not done after 1.2 s\n" in done.err
    assert flow(*words, "-q", code=75).err.startswith("error: call ")
    flow("proc", "pause", "-n", "waits")
    assert flow(*words, code=75).err.startswith("waits is paused: flow proc resume -n waits\n")
    call = flow("task", "run", "-s", "waits.echo", "-nd", "--no-wait").out.strip()
    shown = json.loads(flow("-o", "json", "call", "show", call).out)
    assert (shown["state"], shown["args"]) == ("queued", {"args": [], "kwargs": {}})
    assert call in flow("ls", "calls", "-u", "-r", "100", "-i").out
    assert flow("call", "tree", call).out == f"waits.echo  queued  attempt 0  {call}\n"
    assert flow("call", "logs", call).out == ""


def test_whoami_and_the_whole_database(online: Network, flow: Flow) -> None:
    """The dump holds what the login may read, and no password or verifier."""
    assert flow("whoami").out == f"Database user {online.prefix}.admin\nLogged into flow as admin, administrator\n"
    dump = flow("db", "json").out
    assert json.loads(dump)["user"][0]["name"] == "admin"
    assert "SCRAM" not in dump
    assert online.admin.password not in dump
    assert flow("db", "migrate").out.startswith("Database is at revision ")
    assert "fail" not in flow("doctor").out.lower().replace("failure", "")


def test_doctor_tries_the_laws_of_the_ledger(online: Network, flow: Flow) -> None:
    """One line each; a broken one names rows and ends with 1."""
    sound = flow("doctor", "--ledger").out.splitlines()
    assert len(sound) > 10
    assert all(line.startswith("ok    ") for line in sound)
    online.rows("insert into pyfi.event (call_id, name) values (gen_random_uuid(), 'crime')")
    lines = flow("doctor", "--ledger", code=1).out.splitlines()
    (wrong,) = [line for line in lines if not line.startswith("ok    ")]
    assert wrong.startswith("FAIL  an event tells of a call that is there: not so for 1 (")
    laws = json.loads(flow("-o", "json", "doctor", "--ledger", code=1).out)
    assert sum(law["violations"] for law in laws) == 1
    online.rows("delete from pyfi.event where name = 'crime'")


def test_migrate_and_admin_keep_the_login_working(online: Network, flow: Flow) -> None:
    """A renewed administrator's login is kept at once."""
    before = online.admin.password
    assert flow("db", "admin").out == f"{online.prefix}.admin has a new login.\n"
    assert online.admin.password != before
    assert flow("whoami").code == 0
