"""Who may do what to which row, against one reviewed file; a new table, view, sequence or function without lines fails.

After a change that is meant: `python -m tests.security.matrix`, and read what changed in matrix.csv.
"""

from __future__ import annotations

import secrets

import pytest

from pyfi.db.policies import TABLES
from tests.integration.db.scene import Scene
from tests.security.matrix import Line, found, objects, reviewed
from tests.security.people import furnished
from tests.security.tries import attempt, target

DECLARED = [(name, verb) for name in sorted(TABLES) for verb in ("select", "insert", "update", "delete")]
POLICIES = [(name, verb) for name, verb in DECLARED if getattr(TABLES[name], verb) not in {"", "false"}]
SLICES = 6


def test_every_object_has_its_lines(scene: Scene) -> None:
    """And no line is of an object that is gone."""
    lines, there = set(reviewed()), objects(scene)
    assert sorted(there - lines) == [], "not in matrix.csv"
    assert sorted(lines - there) == [], "gone from the database"


def test_every_line_is_true(scene: Scene) -> None:
    """Tried as each of the nine, rolled back."""
    people = furnished(scene)
    wrong = {
        line: (wanted, now) for line, wanted in reviewed().items() if (now := found(scene, people, line)) != wanted
    }
    assert wrong == {}


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
            now = {
                who: attempt(scene, people[who], aims[name], verb) for who in ("stranger", "reader", "owner", "admin")
            }
            if now == {who: lines[line][who] for who in now} and (mutation or "true" not in TABLES[name].select):
                unseen.append(f"{policy} {'opened' if mutation else 'dropped'}")
            if mutation:
                scene.superuser.ask(f"drop policy {policy} on {quoted}")
            scene.superuser.ask(f'create policy {policy} on {quoted} for {verb} to "{group}"{back}')
    return unseen


# Open already; of a login nothing but the program can be written, so that everybody writes his own; and settings are
# granted to the administrators' group alone.
CANNOT_BE_OPENED = {
    "login_insert opened",
    *(f"setting_{verb} opened" for verb in ("select", "insert", "update", "delete")),
}


def test_a_slice_of_the_policies_mutated(own_scene: Scene) -> None:
    """Each run another sixth: without its policy, or with an open one, some line is wrong."""
    chosen = POLICIES[secrets.randbelow(SLICES) :: SLICES]
    assert set(mutated(own_scene, chosen)) <= CANNOT_BE_OPENED, chosen


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_every_policy_mutated(own_scene: Scene) -> None:
    """All of them."""
    assert set(mutated(own_scene, POLICIES)) == CANNOT_BE_OPENED
