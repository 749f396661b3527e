"""A machine that knows nothing but a token becomes a node, and stays one after a restart."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from pyfi.system.processes import Child, signal_process, spawn
from tests.network import Network

pytestmark = pytest.mark.e2e


def start(net: Network, home: Path, *words: str) -> Child:
    """An agent with a data folder of its own and no settings."""
    env = {key: value for key, value in net.environment.items() if not key.startswith("FLOW_")}
    log = net.home / f"agent-{len(net.agents)}.log"
    argv = [sys.executable, "-m", "pyfi", "agent", "start", "-cp", "1", *words]
    child = spawn(argv, env=env | {"FLOW_HOME": str(home)}, cwd=net.home, stdout=log, stderr=log)
    net.agents.append(child)
    return child


def test_a_token_is_all_that_a_machine_needs(net: Network) -> None:
    """It serves calls; the token is used up; a restart needs nothing more."""
    net.processor("echo")
    token = net.home / "token"
    token.write_bytes(net.flow("node", "enroll", "-n", "node2").stdout)
    home = net.home / "machine2"
    agent = start(net, home, "--token", str(token))
    assert net.flow("-o", "json", "task", "run", "-s", "proc.echo", "-d", "[1]").stdout.strip() == b"1"
    assert (home / "node-node2" / "node.json").stat().st_mode & 0o777 == 0o600
    assert not (home / "credentials.json").exists() and not (home / "keyring.json").exists()
    again = net.flow("agent", "start", "--token", str(token), code=None, env={"FLOW_HOME": str(net.home / "machine3")})
    assert again.returncode == 1 and b"this token was used, revoked or is over" in again.stderr
    assert token.read_text().strip() not in again.stderr.decode()
    signal_process(agent.identity, signal.SIGTERM)
    assert agent.wait(30) is not None
    start(net, home, "-n", "node2")
    net.until(
        lambda: any(row["status"] == "running" for row in json.loads(net.flow("-o", "json", "ls", "nodes").stdout)),
        "the node is back",
    )
    assert net.flow("-o", "json", "task", "run", "-s", "proc.echo", "-d", "[2]").stdout.strip() == b"2"
    net.flow("node", "revoke", "-n", "node2")
    assert "has no login" in net.flow("node", "revoke", "-n", "node2").stdout.decode()
