"""What a figure works with, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.celery_side import CelerySide
from benchmarks.installation import Installation
from benchmarks.measure import Series

CELERY = "Celery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """folder: for logs and configurations. peers: the Python of the peers' environment, None: they are left out."""

    installation: Installation
    celery: CelerySide
    folder: Path
    quick: bool
    peers: Path | None

    @property
    def repeats(self) -> int:
        """How often each side is measured, in turn."""
        return 1 if self.quick else 3

    def size(self, full: int, quick: int) -> int:
        """How much work one repeat is."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. theirs None: there is no peer for it, or (`note`) it could not be measured."""

    figure: str
    unit: str
    ours: Series | None
    peer: str = CELERY
    theirs: Series | None = None
    goal: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours through theirs, by the medians."""
        if self.ours is None or self.theirs is None or not self.theirs.median:
            return None
        return self.ours.median / self.theirs.median
