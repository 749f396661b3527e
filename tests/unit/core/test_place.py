"""Bids: fair, and never more than there is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyfi.core.place import Bid, Offer, bids

OFFERS = st.lists(
    st.builds(
        Offer,
        processor_id=st.text("abcdef", min_size=1, max_size=2),
        processor=st.just("p"),
        missing=st.integers(-2, 9),
    ),
    unique_by=lambda offer: offer.processor_id,
    max_size=6,
)


def offer(name: str, missing: int) -> Offer:
    return Offer(processor_id=name, processor=name, missing=missing)


def test_a_large_processor_starves_no_small_one() -> None:
    assert bids([offer("big", 100), offer("small", 1)], 4) == (
        Bid(processor_id="big", cpus=3),
        Bid(processor_id="small", cpus=1),
    )


def test_who_was_offered_first_is_served_first() -> None:
    assert bids([offer("b", 2), offer("a", 2)], 3) == (Bid(processor_id="b", cpus=2), Bid(processor_id="a", cpus=1))


def test_nothing_free_or_nothing_missing_bids_nothing() -> None:
    assert bids([offer("a", 3)], 0) == ()
    assert bids([offer("a", 3)], -1) == ()
    assert bids([offer("a", 0)], 3) == ()


@given(OFFERS, st.integers(-1, 20))
def test_takes_all_it_can_and_no_more(offers: list[Offer], free: int) -> None:
    taken = bids(offers, free)
    missing = {each.processor_id: max(0, each.missing) for each in offers}
    assert sum(bid.cpus for bid in taken) == min(max(0, free), sum(missing.values()))
    assert all(0 < bid.cpus <= missing[bid.processor_id] for bid in taken)


@given(OFFERS, st.integers(0, 20))
def test_shares_are_even(offers: list[Offer], free: int) -> None:
    shares = {bid.processor_id: bid.cpus for bid in bids(offers, free)}
    for one in offers:
        for other in offers:
            mine, theirs = shares.get(one.processor_id, 0), shares.get(other.processor_id, 0)
            assert theirs <= mine + 1 or mine == max(0, one.missing)
