"""What a function does is what the caller sees: results, failures, prints, chains."""

from __future__ import annotations

import pytest

from tests.network import FUNCTIONS, Network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

OURS = {
    "guest.py": "def who(message):\n    return 'the guest module of the user'\n",
    "link.py": "def who(message):\n    return 'the link module of the user'\n",
    "frames.py": "def who(message):\n    return 'the frames module of the user'\n",
}


def test_each_socket_runs_its_own_function_and_failures_are_told(net: Network) -> None:
    """Two sockets of one processor; a traceback; a result that is no JSON; a chain with an ERROR plug."""
    net.processor("echo", "fail", "unjson", "mark")
    net.flow("add", "queue", "-n", "edge", "-t", "direct")
    net.start_agent()
    assert net.flow("task", "run", "-s", "proc.echo", "-d", "'one'").stdout == b"one\n"
    assert net.flow("task", "run", "-s", "proc.echo", "-d", '[{"a": 1}]').stdout.strip() == b'{"a": 1}'

    failed = net.flow("task", "run", "-s", "proc.fail", "-d", "'luck'", code=1)
    assert failed.stdout == b""
    text = failed.stderr.decode()
    assert "ValueError" in text
    assert "no luck" in text
    assert "functions.py" in text
    assert "pyfi/cli" not in text
    (row,) = [row for row in net.json("ls", "calls") if row["name"] == "proc.fail"]
    assert row["state"] == "failed"

    unjson = net.flow("task", "run", "-s", "proc.unjson", "-d", "'x'", code=1).stderr.decode()
    assert "set" in unjson

    net.flow("add", "plug", "-n", "sorry", "-q", "edge", "-s", "proc.fail", "-t", "proc.echo", "--type", "ERROR")
    net.flow("task", "run", "-s", "proc.fail", "-d", "'again'", code=1)
    net.until(
        lambda: (
            net.rows(
                "select result->>'message', result->'arguments'->'args'->>0 from pyfi.call"
                " where parent_id is not null and state = 'done'"
            )
            == [("no again", "again")]
        ),
        "the ERROR plug's call",
    )


@pytest.mark.parametrize("module", sorted(name.removesuffix(".py") for name in OURS))
def test_a_module_named_like_one_of_ours_is_the_users(net: Network, module: str) -> None:
    """Nothing of pyfi is on the path of a guest."""
    repository = net.repository(OURS)
    net.flow("add", "queue", "-n", "q", "-t", "direct")
    net.flow("add", "processor", "-n", "named", "-g", str(repository), "-m", module, "-c", "1")
    net.flow("add", "socket", "-n", "named.who", "-q", "q", "-pn", "named", "-t", "who")
    net.start_agent(cpus=1)
    answer = net.flow("task", "run", "-s", "named.who", "-d", "1").stdout.decode()
    assert answer == f"the {module} module of the user\n"


def test_prints_are_shown_live_and_kept(net: Network) -> None:
    """On stderr while it runs, and by `call logs` afterwards."""
    talking = FUNCTIONS + "\ndef talk(message):\n    print('I say', message)\n    return len(message)\n"
    net.processor("talk", repository=net.repository({"functions.py": talking}))
    net.start_agent()
    done = net.flow("task", "run", "-s", "proc.talk", "-d", "'loud'")
    assert done.stdout == b"4\n"
    assert "I say loud" in done.stderr.decode()
    (call,) = net.json("ls", "calls")
    assert "I say loud" in net.flow("call", "logs", call["id"]).stdout.decode()
    quiet = net.flow("task", "run", "-s", "proc.talk", "-d", "'low'", "-q")
    assert quiet.stderr == b""


JOINING = (
    FUNCTIONS
    + """
def double(message):
    return 2 * message

def add(one, two):
    return [one, two]
"""
)


def test_plugs_to_arguments_meet(net: Network) -> None:
    """Two ways from one call lead to the two arguments of another, which runs once for each first call."""
    net.processor("echo", "double", "add", repository=net.repository({"functions.py": JOINING}))
    net.flow("add", "queue", "-n", "edge", "-t", "direct")
    net.flow("add", "plug", "-n", "on", "-q", "edge", "-s", "proc.echo", "-t", "proc.double")
    net.flow("add", "plug", "-n", "first", "-q", "edge", "-s", "proc.echo", "-t", "proc.add", "-a", "one")
    net.flow("add", "plug", "-n", "second", "-q", "edge", "-s", "proc.double", "-t", "proc.add", "-a", "two")
    net.start_agent()
    for number in (1, 2, 3):
        net.flow("task", "run", "-s", "proc.echo", "-d", str(number))
    done = "select result from pyfi.call where name = 'proc.add' and state = 'done' order by created"
    net.until(
        lambda: net.rows(done) == [([1, 2],), ([2, 4],), ([3, 6],)],
        "one call of add for each first call",
    )
    bad = net.flow("add", "plug", "-n", "x", "-q", "edge", "-s", "proc.echo", "-t", "proc.add", "-a", "a b", code=None)
    assert bad.returncode == 1


def test_a_composition_runs_without_its_client(net: Network) -> None:
    """Pipelines of parallels on real workers; the whole has one id, one tree and one result."""
    net.processor("echo", "double", "add", "fail", repository=net.repository({"functions.py": JOINING}))
    net.start_agent()
    sockets = dict(net.rows("select name, id::text from pyfi.socket"))

    def step(task: str, *args: object) -> dict[str, object]:
        return {"call": sockets[f"proc.{task}"], "args": args}

    calls = net.calls()
    both = {"parallel": [step("double"), {"pipeline": [step("echo"), step("add", "b")]}]}
    id_ = calls.compose({"pipeline": [step("double", 5), both, step("echo")]})
    outcome = calls.wait([id_], 60)[id_]
    assert outcome.state == "done"
    assert outcome.result == [20, [10, "b"]]
    tree = net.flow("call", "tree", str(id_)).stdout.decode()
    assert "pipeline" in tree and "parallel" in tree and "proc.double" in tree

    bad = calls.compose({"parallel": [step("echo", 1), step("fail", "x")]})
    assert calls.wait([bad], 60)[bad].state == "failed"
    assert "ValueError" in net.flow("call", "show", str(bad), code=None).stdout.decode()
