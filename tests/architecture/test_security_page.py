"""What tests/security/README.md names is there."""

from __future__ import annotations

import re

from tests.architecture import project

PAGE = project.ROOT / "tests" / "security" / "README.md"


def test_the_tests_that_it_names_are_there() -> None:
    """Each file, and each function of it."""
    named = re.findall(r"`((?:tests/)?[\w/]+\.(?:py|csv))(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 30
    missing = []
    for path, function in named:
        file = project.ROOT / path if path.startswith("tests/") else PAGE.parent / path
        if not file.exists() or (function and f"def {function}(" not in file.read_text(encoding="utf-8")):
            missing.append(f"{path}::{function}")
    assert missing == []
