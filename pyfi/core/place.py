"""Placement: which missing CPUs a node offers to take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A processor that lacks CPUs and may run here."""

    processor_id: str
    processor: str
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """How many of them this node would take. The database decides under a lock whether they are still missing."""

    processor_id: str
    cpus: int


def bids(offers: Iterable[Offer], free_cpus: int) -> tuple[Bid, ...]:
    """One CPU for each processor in turn, first offered first, so that no large processor starves a small one.

    >>> a, b = (Offer(processor_id=i, processor=i, missing=m) for i, m in (("a", 3), ("b", 1)))
    >>> [(bid.processor_id, bid.cpus) for bid in bids([a, b], 3)]
    [('a', 2), ('b', 1)]
    """
    left = {offer.processor_id: offer.missing for offer in offers}
    left = {processor: missing for processor, missing in left.items() if missing > 0}
    taken = dict.fromkeys(left, 0)
    while free_cpus > 0 and left:
        for processor in list(left)[:free_cpus]:
            taken[processor] += 1
            left[processor] -= 1
            free_cpus -= 1
        left = {processor: missing for processor, missing in left.items() if missing}
    return tuple(Bid(processor_id=processor, cpus=cpus) for processor, cpus in taken.items() if cpus)
