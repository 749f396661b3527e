"""What became of it all: the rows against what must have come, and against what the functions wrote outside."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.faults.flow.graph import Entered

ROWS = """
select root_id, id, name, state, result::text, attempt, frame is null as is_call,
  exists (select from pyfi.event e where e.call_id = c.id and e.note = 'the lease ran out') as expired,
  (select count(*) from pyfi.event e where e.call_id = c.id and e.name = 'lost') as lost
from pyfi.call c
"""


# Of the kills, that may hit a guest after its start mark and before the function's first line. What counted calls that
# had not begun would do so far more often.
STRUCK_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """entered: by root. rows: of ROWS. starts: by call. broken: laws.

    forgiven: how often a call was open when Postgres crashed.
    """

    broker: str
    seed: int
    entered: dict[UUID, Entered]
    rows: list[tuple[Any, ...]]
    starts: Counter[str]
    refused: int
    harm: Counter[str]
    forgiven: Counter[str]
    broken: list[str]

    @property
    def wrong(self) -> dict[str, tuple[object, object]]:
        """Roots with calls too few, too many, or otherwise than they must be: what is missing, what is too much."""
        found: dict[str, Counter[tuple[str, str, str | None]]] = defaultdict(Counter)
        for root, _, name, state, result, *_ in self.rows:
            found[root][name, state, json.dumps(json.loads(result)) if result is not None else None] += 1
        expected = {str(root): each.expected for root, each in self.entered.items()}
        roots = found.keys() | expected.keys()
        return {
            root: (missing, extra)
            for root in roots
            if (missing := expected.get(root, Counter()) - found[root])
            | (extra := found[root] - expected.get(root, Counter()))
        }

    @property
    def lost(self) -> int:
        """Calls that should be there, and ended as they must, and are not."""
        return sum(missing.total() for missing, _ in self.wrong.values())  # type: ignore[attr-defined]

    @property
    def doubled(self) -> int:
        """Calls that no single commit made."""
        return sum(extra.total() for _, extra in self.wrong.values())  # type: ignore[attr-defined]

    @property
    def attempts(self) -> Counter[str]:
        """By call."""
        return Counter({row[1]: row[5] for row in self.rows if row[6]})

    @property
    def unseen(self) -> Counter[str]:
        """Starts that no attempt tells of. Only a crash of Postgres may leave some: claims are not flushed."""
        return self.starts - self.attempts

    @property
    def uncounted(self) -> Counter[str]:
        """Those of them that no crash explains."""
        return self.unseen - self.forgiven

    @property
    def _unstarted(self) -> Counter[str]:
        """Attempts that were no start, but for those of a lease that ran out: the first call held counts then."""
        expired = {row[1] for row in self.rows if row[7]}
        return Counter({key: more for key, more in (self.attempts - self.starts).items() if key not in expired})

    @property
    def struck(self) -> Counter[str]:
        """Those of them that a kill may explain: the mark said that the function begins, and it wrote no line."""
        struck = self._unstarted & Counter({row[1]: row[8] for row in self.rows})
        most = STRUCK_SHARE * (self.harm["guest"] + self.harm["worker"])
        return struck if struck.total() <= most else Counter()

    @property
    def invented(self) -> Counter[str]:
        """Those of them that nothing explains."""
        return self._unstarted - self.struck

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing twice, every start counted, every law kept."""
        return not (self.wrong or self.invented or self.uncounted or self.broken)

    def line(self) -> str:
        """For people."""
        calls = sum(each.calls for each in self.entered.values())
        harm = ", ".join(f"{count} {kind}" for kind, count in sorted(self.harm.items()))
        forgotten = f" ({self.unseen.total()} that Postgres forgot when it crashed)" if self.unseen else ""
        struck = f" ({self.struck.total()} more before the first line)" if self.struck else ""
        return (
            f"{self.broker}: {calls} in = {calls - self.lost} finished, {self.lost} lost, {self.doubled} twice,"
            f" {self.refused} duplicate deliveries and late finishes refused,"
            f" {self.starts.total() - calls} re-runs{forgotten}{struck}, killed: {harm}, seed {self.seed}"
        )

    def complaints(self) -> list[str]:
        """What is not as it must be, some of it."""
        found = [f"root {root}: missing {missing}, extra {extra}" for root, (missing, extra) in self.wrong.items()]
        found += [f"call {key}: {more} attempts without a start" for key, more in self.invented.items()]
        found += [f"call {key}: {more} starts without an attempt" for key, more in self.uncounted.items()]
        return found[:10] + self.broken
