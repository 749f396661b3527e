"""Who may do what to which row, against one reviewed file; a new table, view, sequence or function without lines fails.

After a change that is meant: `python -m tests.security.matrix`, and read what changed in matrix.csv.
"""

from __future__ import annotations

import secrets

import pytest
from psycopg2 import sql

from pyfi.db.policies import TABLES
from tests.integration.db.scene import Scene
from tests.security.matrix import Line, found, objects, reviewed
from tests.security.people import furnished
from tests.security.tries import attempt, outcome, target

DECLARED = [(name, verb) for name in sorted(TABLES) for verb in ("select", "insert", "update", "delete")]
POLICIES = [(name, verb) for name, verb in DECLARED if getattr(TABLES[name], verb) not in {"", "false"}]
SLICES = 6
TRIED = ("anonymous", "stranger", "reader", "owner", "former", "admin")


def test_every_object_has_its_lines(scene: Scene) -> None:
    """And no line is of an object that is gone."""
    lines, there = set(reviewed()), objects(scene)
    assert sorted(there - lines) == [], "not in matrix.csv"
    assert sorted(lines - there) == [], "gone from the database"


def test_every_line_is_true(scene: Scene) -> None:
    """Tried as each of the ten, rolled back."""
    people = furnished(scene)
    wrong = {
        line: (wanted, now) for line, wanted in reviewed().items() if (now := found(scene, people, line)) != wanted
    }
    assert wrong == {}


def test_a_calls_lines_are_those_that_the_policy_shows(scene: Scene) -> None:
    """ledger.lines passes the policies and says what they say, for each of the ten."""
    people, lines = furnished(scene), reviewed()["table", "pyfi.log", "select"]
    call = scene.superuser.one("select call_id from pyfi.log")
    asked = sql.SQL("select text from ledger.lines({}, 0)").format(sql.Literal(str(call)))
    assert {who: outcome(login, asked) for who, login in people.items()} == lines
    assert scene.ann.ask("select id from ledger.lines(%s, %s)", call, 2**40) == []


def mutated(scene: Scene, policies: list[tuple[str, str]]) -> list[str]:
    """Policies whose removal, or opening to everybody, changes no line of the matrix."""
    people, lines, unseen = furnished(scene), reviewed(), []
    aims = {name: target(scene, name) for name, _ in policies}
    for name, verb in policies:
        line: Line = ("table", f'pyfi."{name}"' if name == "user" else f"pyfi.{name}", verb)
        group = scene.roles.group(TABLES[name].group if verb != "select" else "flow_user")
        quoted, policy = f'pyfi."{name}"', f"{name}_{verb}"
        clause = {"insert": "with check (true)", "update": "using (true) with check (true)"}.get(verb, "using (true)")
        kept = scene.superuser.ask(
            "select pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)"
            " from pg_policy where polname = %s",
            policy,
        )[0]
        back = "".join(f" {word} ({text})" for word, text in zip(("using", "with check"), kept, strict=True) if text)
        for mutation in ("", clause):
            scene.superuser.ask(f"drop policy {policy} on {quoted}")
            if mutation:
                scene.superuser.ask(f'create policy {policy} on {quoted} for {verb} to "{group}" {mutation}')
            now = {who: attempt(scene, people[who], aims[name], verb) for who in TRIED}
            if now == {who: lines[line][who] for who in now}:
                unseen.append(f"{policy} {'opened' if mutation else 'dropped'}")
            if mutation:
                scene.superuser.ask(f"drop policy {policy} on {quoted}")
            scene.superuser.ask(f'create policy {policy} on {quoted} for {verb} to "{group}"{back}')
    return unseen


def test_a_slice_of_the_policies_mutated(own_scene: Scene) -> None:
    """Each run another sixth: without its policy, or with an open one, some line is wrong."""
    chosen = POLICIES[secrets.randbelow(SLICES) :: SLICES]
    assert mutated(own_scene, chosen) == [], chosen


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_every_policy_mutated(own_scene: Scene) -> None:
    """All of them."""
    assert mutated(own_scene, POLICIES) == []
