"""The installation's policy: asked before verbs and calls, set by administrators alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Flow
from tests.cli.test_rights import joe  # noqa: F401 # a fixture
from tests.network import Network

pytest.importorskip("oso")

RULES = """
allow(user: User, _, _) if user.admin;
allow(_, "add", object: Object) if object.kind = "queue" and object.fields.type = "direct";
allow(_, "update", object: Object) if object.kind = "queue" and object.hour < 24;
"""


@pytest.fixture
def rules(tmp_path: Path, online: Network, flow: Flow) -> Path:
    """Rules in force while the test runs; the file."""
    path = tmp_path / "rules.polar"
    path.write_text(RULES)
    flow("policy", "set", str(path))
    return path


def test_what_no_rule_allows_is_refused(joe: str, rules: Path, flow: Flow) -> None:  # noqa: F811
    """By verb, kind and field; an administrator of these rules may all."""
    try:
        assert flow("policy", "show").out == RULES
        flow("-d", joe, "add", "queue", "-n", "d", "-t", "direct")
        said = flow("-d", joe, "add", "queue", "-n", "f", "-t", "fanout", code=1).err
        assert "does not let" in said and "add the queue f" in said
        flow("-d", joe, "update", "queue", "-n", "d", "-t", "topic")
        assert "delete the queue d" in flow("-d", joe, "delete", "queue", "-n", "d", code=1).err
        flow("add", "queue", "-n", "adm", "-t", "fanout")
    finally:
        flow("policy", "clear")
    flow("-d", joe, "delete", "queue", "-n", "d")
    assert flow("policy", "show").out == ""


def test_only_an_administrator_sets_it(joe: str, online: Network, tmp_path: Path, flow: Flow) -> None:  # noqa: F811
    """And only what loads."""
    good, bad = tmp_path / "good.polar", tmp_path / "bad.polar"
    good.write_text(RULES)
    bad.write_text("allow(")
    assert "only an administrator" in flow("-d", joe, "policy", "set", str(good), code=1).err
    assert "does not load" in flow("policy", "set", str(bad), code=1).err
    assert flow("policy", "show").out == ""


def test_a_rule_that_fails_allows_nothing(joe: str, online: Network, tmp_path: Path, flow: Flow) -> None:  # noqa: F811
    """No traceback, no way through."""
    path = tmp_path / "rules.polar"
    path.write_text("allow(user: User, _, _) if user.admin;\nallow(_, _, object: Object) if object.nothing = 1;\n")
    flow("policy", "set", str(path))
    try:
        assert "does not let" in flow("-d", joe, "add", "queue", "-n", "x", code=1).err
    finally:
        flow("policy", "clear")
