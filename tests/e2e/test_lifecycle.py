"""Desired state is rows: the agent makes it so, also when it changes under way."""

from __future__ import annotations

import pytest

from tests.network import FUNCTIONS, Network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def workers(net: Network) -> list[str]:
    """Status of each worker row."""
    return [row[0] for row in net.rows("select status from pyfi.worker")]


def test_stop_start_pause_restart_remove(net: Network) -> None:
    """Calls wait while it is stopped or paused, and run afterwards; nothing is lost."""
    net.processor("echo", concurrency=2)
    net.start_agent()
    net.flow("proc", "start", "-n", "proc", "--wait")
    net.until(lambda: workers(net) == ["running", "running"], "one worker per CPU asked for")
    before = {row[0] for row in net.rows("select id from pyfi.worker")}

    net.flow("proc", "stop", "-n", "proc", "--wait")
    assert workers(net) in ([], ["exited", "exited"])
    waiting = net.flow("task", "run", "-s", "proc.echo", "-d", "1", "--no-wait").stdout.decode().strip()
    net.flow("task", "run", "-s", "proc.echo", "-d", "1", "--timeout", "0.5", code=75)
    net.flow("proc", "start", "-n", "proc", "--wait")
    net.until(lambda: state(net, waiting) == "done", "the call that waited")

    net.flow("proc", "pause", "-n", "proc", "--wait")
    paused = net.flow("task", "run", "-s", "proc.echo", "-d", "2", "--no-wait").stdout.decode().strip()
    net.flow("task", "run", "-s", "proc.echo", "-d", "2", "--timeout", "1", code=75)
    assert state(net, paused) == "queued"
    net.flow("proc", "resume", "-n", "proc", "--wait")
    net.until(lambda: state(net, paused) == "done", "the call that waited for resume")

    net.flow("proc", "restart", "-n", "proc")
    net.until(lambda: workers(net) == ["running", "running"] and not before & current(net), "new workers")
    net.flow("proc", "remove", "-n", "proc", "--wait")
    net.until(lambda: net.rows("select count(*) from pyfi.deployment") == [(0,)], "no deployment is left")
    net.flow("task", "run", "-s", "proc.echo", "-d", "3", code=1)


def current(net: Network) -> set[str]:
    """Ids of the workers' incarnations."""
    return {row[0] for row in net.rows("select id from pyfi.worker")}


def state(net: Network, call_id: str) -> str:
    """The ledger's word."""
    return str(net.rows("select state from pyfi.call where id = %s", (call_id,))[0][0])


def test_a_new_socket_and_a_new_commit_reach_the_workers(net: Network) -> None:
    """A socket added later is served; `update processor` runs the new commit, not before."""
    repository = net.repository()
    net.processor("echo", repository=repository)
    net.start_agent()
    assert net.flow("task", "run", "-s", "proc.echo", "-d", "'x'").stdout == b"x\n"
    net.flow("add", "socket", "-n", "proc.fail", "-q", "proc.queue", "-pn", "proc", "-t", "fail")
    net.flow("task", "run", "-s", "proc.fail", "-d", "'x'", code=1)
    old, new = "return message\n\ndef mark", "return 'new ' + message\n\ndef mark"
    net.repository({"functions.py": FUNCTIONS.replace(old, new)})
    assert net.flow("task", "run", "-s", "proc.echo", "-d", "'x'").stdout == b"x\n"
    net.flow("update", "processor", "-n", "proc", "-br", "main")
    net.until(
        lambda: net.flow("task", "run", "-s", "proc.echo", "-d", "'x'").stdout == b"new x\n", "the new commit runs"
    )


def test_the_agent_is_killed_and_the_next_one_adopts(net: Network) -> None:
    """Workers outlive a crash of the agent: same process, no call interrupted, none beside."""
    net.processor("echo")
    agent = net.start_agent()
    net.flow("task", "run", "-s", "proc.echo", "-d", "1")
    before = net.rows("select id, pid from pyfi.worker")
    import signal

    from pyfi.system.processes import signal_process

    assert signal_process(agent.identity, signal.SIGKILL)
    agent.wait(5)
    net.flow("task", "run", "-s", "proc.echo", "-d", "2")
    net.start_agent()
    net.until(lambda: net.rows("select epoch from pyfi.agent") == [(2,)], "the next agent")
    net.flow("task", "run", "-s", "proc.echo", "-d", "3")
    assert net.rows("select id, pid from pyfi.worker") == before


def test_code_that_does_not_import_is_told_on_the_row(net: Network) -> None:
    """The processor's status and reason say it; other processors go on."""
    net.processor("echo", name="good")
    bad = net.repository({"functions.py": "import nothing_of_that_name\n"}, name="bad")
    net.processor("echo", name="bad", repository=bad)
    net.start_agent()
    net.flow("task", "run", "-s", "good.echo", "-d", "1")
    net.until(lambda: "nothing_of_that_name" in reason(net), "the reason on the row")
    late = net.flow("task", "run", "-s", "bad.echo", "-d", "1", "--timeout", "1", code=75)
    assert "nothing_of_that_name" in late.stderr.decode()


def reason(net: Network) -> str:
    """Why the bad processor does not run."""
    return str(net.rows("select reason from pyfi.processor where name = 'bad'")[0][0])
