"""Which rows the broker has confirmed, whatever order and form it answers in."""

from __future__ import annotations

from pyfi.broker.confirms import Confirms


def sent(*rows: int | None) -> Confirms:
    """A message of each of these rows, tags from 1."""
    made = Confirms()
    for row in rows:
        made.sent(f"q{row}", row)
    return made


def test_a_row_is_confirmed_with_its_last_message() -> None:
    confirms = sent(7, 7, 8)
    confirms.acknowledged(2, False)
    assert (confirms.done(), confirms.are_open) == ([], True)
    confirms.acknowledged(1, False)
    assert (confirms.done(), confirms.done()) == ([7], [])
    confirms.acknowledged(3, False)
    assert (confirms.done(), confirms.are_open) == ([8], False)


def test_all_up_to_a_tag() -> None:
    confirms = sent(7, 7, 8, 9)
    confirms.acknowledged(3, True)
    assert confirms.done() == [7, 8]
    confirms.acknowledged(4, True)
    assert confirms.done() == [9]


def test_a_row_that_lost_a_message_is_never_confirmed() -> None:
    """The relay brings it, all of it."""
    confirms = sent(7, 7, 8)
    confirms.lost(7, "no queue")
    confirms.acknowledged(3, True)
    assert (confirms.done(), confirms.refused, confirms.are_open) == ([8], [], False)


def test_a_rejected_message_is_its_rows_end() -> None:
    confirms = sent(7, None, 8)
    confirms.rejected(2, True)
    confirms.acknowledged(3, False)
    assert (confirms.done(), len(confirms.refused)) == ([8], 1)


def test_what_is_waited_for_is_told_as_refused() -> None:
    confirms = sent(None, None)
    confirms.lost(None, "no queue q")
    confirms.acknowledged(2, True)
    assert (confirms.refused, confirms.are_open, confirms.done()) == (["no queue q"], False, [])


def test_of_a_channel_before_what_was_confirmed_is_still_told() -> None:
    first = sent(7, 8)
    first.acknowledged(1, False)
    second = Confirms(first.done())
    second.acknowledged(1, True)  # a tag of nobody
    assert second.done() == [7]
