"""An engine on a bench."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.worker.fakes import Bench


@pytest.fixture
def new_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes benches; ends their threads."""
    made: list[Bench] = []

    def make(**config: Any) -> Bench:
        made.append(Bench(tmp_path, **config))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(new_bench: Callable[..., Bench]) -> Bench:
    """One with the usual configuration."""
    return new_bench()
