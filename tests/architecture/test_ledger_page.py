"""docs/reference/ledger.md against the migration's grants, its states, its errors."""

from __future__ import annotations

import re

from pyfi.core.faults import BY_CODE
from pyfi.db.tables.work import OPEN_STATES, TERMINAL_STATES
from tests.architecture import project

PAGE = "docs/reference/ledger.md"
RIGHTS = "migrations/sql/0001/6_rights.sql"
EVERYBODY = {"user", "node", "worker"}


def granted() -> set[tuple[str, str]]:
    """(function, group) of every grant; what all groups have is everybody's."""
    found: dict[str, set[str]] = {}
    for functions, groups in re.findall(
        r"^grant execute on function (.*?) to ((?:\{\{\w+\}\}(?:, )?)+);", project.text(RIGHTS), re.M | re.S
    ):
        for function in re.findall(r"(\w+\.\w+)\(", functions):
            found.setdefault(function, set()).update(re.findall(r"flow_(\w+)", groups))
    return {(name, "everybody") for name, groups in found.items() if groups == EVERYBODY} | {
        (name, group) for name, groups in found.items() if groups != EVERYBODY for group in groups
    }


def rows(first: str) -> list[list[str]]:
    """The rows of the table whose first heading is `first`."""
    table = project.table(PAGE)
    begin = next(number for number, row in enumerate(table) if row[0] == first) + 2
    ends = (n for n in range(begin, len(table)) if n + 1 < len(table) and set(table[n + 1][0]) == {"-"})
    return table[begin : next(ends, len(table))]


def test_page_has_every_function_that_a_login_may_execute() -> None:
    """With its group, and no other."""
    assert {(row[0], row[1]) for row in rows("function")} == granted()


def test_page_has_every_state() -> None:
    """And says which are final."""
    told = {row[0]: row[2] for row in rows("state")}
    assert told.keys() == {*OPEN_STATES, *TERMINAL_STATES}
    assert {state for state, after in told.items() if after == "final"} == set(TERMINAL_STATES)
    assert {word for after in told.values() for word in after.split(", ")} <= told.keys() | {"final", "nothing yet"}


def test_page_has_every_error_of_ours() -> None:
    """By its SQLSTATE."""
    ours = {code: error.code for code, error in BY_CODE.items() if code.startswith("PF")}
    assert dict(map(tuple, rows("SQLSTATE"))) == ours
