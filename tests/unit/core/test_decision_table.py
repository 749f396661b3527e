"""The table in the docs is what the code decides."""

from __future__ import annotations

from tests.unit.core import decision_table


def test_page_is_what_the_plan_decides() -> None:
    written = decision_table.PAGE.read_text(encoding="utf-8")
    assert written == decision_table.page(), "python -m tests.unit.core.decision_table --write"
