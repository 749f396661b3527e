"""Delivered wake-ups, with a consumer that remembers what it is told."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from pyfi.broker.wakeup import MOST_IDS
from pyfi.worker.inbox import Inbox
from tests.unit.worker.fakes import Channel, Consumer, Message

GOOD = "01a1f7d8-470c-7506-aa2f-19b4b3015e4c"


@pytest.fixture
def channel() -> Channel:
    """Where everything is told."""
    return Channel()


def attached(channel: Channel, *, multiple: bool = True) -> tuple[Inbox, list[Exception]]:
    """An inbox on a connection, and what it found broken."""
    inbox, broken = Inbox(), []
    inbox.attach(Consumer(channel=channel), acknowledges_multiple=multiple, on_broken=broken.append)
    return inbox, broken


def deliver(inbox: Inbox, channel: Channel, count: int) -> list[str]:
    """New wake-ups, tags from 1."""
    ids = [str(uuid4()) for _ in range(count)]
    for tag, each in enumerate(ids, 1):
        assert inbox.deliver(Message(each, tag, channel))
    return ids


@pytest.mark.parametrize(
    ("multiple", "told"), [(True, [("ack up to", 2)]), (False, [("ack", 1), ("ack", 2)])], ids=["amqp", "virtual"]
)
def test_what_was_claimed_is_acknowledged_and_no_more(
    channel: Channel, multiple: bool, told: list[tuple[str, int]]
) -> None:
    inbox, _ = attached(channel, multiple=multiple)
    ids = deliver(inbox, channel, 3)
    assert inbox.take(2) == ids[:2]
    assert (inbox.waiting, channel.told) == (1, [])
    inbox.claimed()
    inbox.claimed()
    assert channel.told == told


def test_what_was_not_claimed_is_taken_again_first(channel: Channel) -> None:
    inbox, _ = attached(channel)
    ids = deliver(inbox, channel, 4)
    inbox.take(2)
    inbox.not_claimed()
    assert inbox.take(3) == ids[:3]
    assert channel.told == []


def test_a_new_connection_makes_old_messages_void(channel: Channel) -> None:
    inbox, _ = attached(channel)
    deliver(inbox, channel, 4)
    inbox.take(2)
    inbox.attach(Consumer(channel=Channel()), acknowledges_multiple=True, on_broken=lambda _: None)
    inbox.claimed()
    assert (inbox.waiting, inbox.take(5), channel.told) == (0, [], [])


def test_without_a_connection_nothing_is_told_and_nothing_fails(channel: Channel) -> None:
    inbox, broken = attached(channel)
    deliver(inbox, channel, 2)
    inbox.detach()
    inbox.pause()
    inbox.resume()
    inbox.claimed()
    assert (channel.told, broken) == ([], [])


def test_a_pause_returns_what_waits_and_keeps_what_is_being_claimed(channel: Channel) -> None:
    inbox, _ = attached(channel)
    deliver(inbox, channel, 4)
    inbox.take(1)
    inbox.pause()
    inbox.pause()
    assert channel.told == [("cancel", 0), ("requeue", 4), ("requeue", 3), ("requeue", 2)]
    inbox.claimed()
    inbox.resume()
    inbox.resume()
    assert channel.told[4:] == [("ack up to", 1), ("consume", 0)]


def test_it_is_idle_while_it_listens_and_has_nothing(channel: Channel) -> None:
    inbox, _ = attached(channel)
    assert inbox.is_idle
    deliver(inbox, channel, 1)
    assert not inbox.is_idle
    inbox.take(1)
    assert not inbox.is_idle
    inbox.claimed()
    assert inbox.is_idle
    inbox.pause()
    assert not inbox.is_idle
    inbox.resume()
    assert inbox.is_idle


def test_a_broken_connection_is_told_once(channel: Channel) -> None:
    """Swallowed, it would leave a worker that nothing is delivered to."""
    inbox, broken = attached(channel)
    deliver(inbox, channel, 3)
    channel.is_broken = True
    inbox.pause()
    inbox.resume()
    assert [type(error) for error in broken] == [ConnectionResetError]


@pytest.mark.parametrize("named", [None, 7, "", "x", ["a"], b"01a1f7d8-470c-7506-aa2f-19b4b3015e4c", {}])
def test_a_message_that_names_no_call_is_rejected(channel: Channel, named: Any) -> None:
    inbox, _ = attached(channel)
    assert not inbox.deliver(Message(named, 5, channel))
    assert (channel.told, inbox.waiting, inbox.ignored) == ([("reject", 5)], 0, 1)


@pytest.mark.parametrize("headers", [None, [], "id", 7])
def test_headers_that_are_none_are_rejected(channel: Channel, headers: Any) -> None:
    inbox, _ = attached(channel)
    message = Message("", 5, channel)
    message.headers = headers
    assert not inbox.deliver(message)
    assert channel.told == [("reject", 5)]


@pytest.mark.parametrize(
    "named",
    [
        "{01A1F7D8470C7506AA2F19B4B3015E4C}",
        f"{GOOD.upper()}",
        f"{GOOD},",
        f",{GOOD}",
        f"{GOOD},,{GOOD}",
        f"{GOOD}, {GOOD}",
        f"{GOOD}\n",
        f"{GOOD},x",
        ",".join([GOOD] * (MOST_IDS + 1)),
        ",".join([GOOD] * 100_000),
    ],
    ids=lambda named: named[:8],
)
def test_a_list_is_taken_whole_or_not_at_all(channel: Channel, named: str) -> None:
    """Written one way, and no longer than ours are."""
    inbox, _ = attached(channel)
    assert not inbox.deliver(Message(named, 5, channel))
    assert (channel.told, inbox.waiting) == ([("reject", 5)], 0)


def several(inbox: Inbox, channel: Channel, *counts: int) -> list[list[str]]:
    """Messages that name so many calls each, tags from 1."""
    made = [[str(uuid4()) for _ in range(count)] for count in counts]
    for tag, ids in enumerate(made, 1):
        assert inbox.deliver(Message(",".join(ids), tag, channel))
    return made


def test_a_message_is_acknowledged_when_all_its_calls_are_claimed(channel: Channel) -> None:
    inbox, _ = attached(channel)
    first, second = several(inbox, channel, 3, 2)
    assert inbox.waiting == 5
    assert inbox.take(2) == first[:2]
    inbox.claimed()
    assert (channel.told, inbox.waiting, inbox.is_idle) == ([], 3, False)
    assert inbox.take(2) == [first[2], second[0]]
    inbox.claimed()
    assert channel.told == [("ack up to", 1)]
    assert inbox.take(9) == second[1:]
    inbox.claimed()
    assert (channel.told[1:], inbox.waiting, inbox.is_idle) == ([("ack up to", 2)], 0, True)


def test_of_a_list_what_was_not_claimed_is_taken_again_first(channel: Channel) -> None:
    inbox, _ = attached(channel)
    first, second, third = several(inbox, channel, 3, 3, 3)
    inbox.take(1)
    inbox.claimed()
    inbox.take(6)
    inbox.not_claimed()
    assert inbox.waiting == 8
    assert inbox.take(9) == first[1:] + second + third
    inbox.claimed()
    assert channel.told == [("ack up to", 3)]


def test_a_pause_returns_a_list_that_was_used_in_part(channel: Channel) -> None:
    """Whole: the next one finds some of its calls taken. It is not acknowledged too, nor returned twice."""
    inbox, _ = attached(channel)
    several(inbox, channel, 2, 3, 2)
    inbox.take(3)
    inbox.pause()
    assert channel.told == [("cancel", 0), ("requeue", 3), ("requeue", 2)]
    assert inbox.waiting == 0
    inbox.claimed()
    assert channel.told[3:] == [("ack up to", 1)]


def test_a_list_that_was_returned_is_not_taken_again(channel: Channel) -> None:
    inbox, _ = attached(channel)
    (first, _second) = several(inbox, channel, 2, 3)
    inbox.take(3)
    inbox.pause()
    inbox.not_claimed()
    assert (inbox.waiting, inbox.take(9)) == (2, first)
