"""What a message names, and how many calls one names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyfi.broker.wakeup import MOST_IDS, SHARES, headers, ids_of, packed, share

IDS = st.lists(st.uuids().map(str), min_size=1, max_size=MOST_IDS)


@given(IDS)
def test_what_was_written_is_read(ids: list[str]) -> None:
    assert ids_of(headers(ids)) == ids


@given(st.lists(st.uuids().map(str), max_size=3000), st.none() | st.integers(-1, 100))
def test_packing_keeps_every_call_and_its_order(ids: list[str], at_once: int | None) -> None:
    messages = packed("q", ids, at_once)
    assert [each for _, part in messages for each in part] == ids
    assert all(address == "q" and 1 <= len(part) <= MOST_IDS for address, part in messages)
    assert at_once is not None or len(messages) >= min(len(ids), SHARES)


@pytest.mark.parametrize(
    ("count", "each"), [(1, 1), (15, 1), (64, 1), (127, 1), (128, 2), (1000, 15), (1024, 16), (10_000, 16)]
)
def test_few_calls_are_spread_and_many_are_gathered(count: int, each: int) -> None:
    """Fifteen long calls are for fifteen workers."""
    assert share(count) == each
