"""The calls that a worker holds."""

from __future__ import annotations

import pytest

from pyfi.worker.held import LONGEST_WINDOW, Calls, Held


def held(*tokens: int) -> list[Held]:
    """Calls with these tokens, named after them."""
    return [Held(f"call{token}", token, 1, "s", "{}", f"call{token}", None) for token in tokens]


def send_all(calls: Calls) -> list[int]:
    """Fill the guest's window; the tokens sent."""
    sent = []
    while (call := calls.next_to_send()) is not None:
        sent.append(call.token)
    return sent


def test_calls_are_sent_in_the_order_of_their_tokens_as_far_as_the_window_goes() -> None:
    calls = Calls()
    calls.claimed(held(5, 3, 4))
    assert send_all(calls) == [3]
    running = calls.running()
    assert running is not None and running.token == 3
    assert calls.done(3, 0.01) is running
    assert calls.window == 2
    assert send_all(calls) == [4, 5]


@pytest.mark.parametrize(
    ("seconds", "window", "room"),
    [(0.0, 64, 64), (0.0001, 64, 64), (0.01, 2, 64), (0.1, 1, 10), (0.6, 1, 1), (9, 1, 1)],
)
def test_window_and_room_follow_the_duration(seconds: float, window: int, room: int) -> None:
    calls = Calls()
    assert (calls.window, calls.room()) == (1, LONGEST_WINDOW)
    calls.done(0, seconds)
    assert (calls.window, calls.room()) == (window, room)
    calls.claimed(held(1, 2))
    send_all(calls)
    assert calls.room() == max(0, room - 2)
    assert calls.takes_long(2) == (2 * seconds > 1.0)


def test_of_a_dead_guest_the_started_are_lost_and_the_others_wait_first() -> None:
    calls = Calls()
    calls.window = 3
    calls.claimed(held(1, 2, 3, 4, 5))
    send_all(calls)
    assert [call.token for call in calls.guest_died(2)] == [1, 2]
    assert [call.token for call in calls.waiting] == [3, 4, 5]
    assert (calls.window, calls.running()) == (1, None)


def test_nothing_started_nothing_lost() -> None:
    calls = Calls()
    calls.claimed(held(7, 8))
    send_all(calls)
    assert calls.guest_died(6) == []
    assert [call.token for call in calls.all()] == [7, 8]


def test_giving_back_takes_back_from_the_guest_what_it_has_not_started() -> None:
    calls = Calls()
    calls.window = 3
    calls.claimed(held(1, 2, 3, 4))
    send_all(calls)
    asked: list[int] = []

    def withdraw(token: int) -> int:
        asked.append(token)
        return 2

    assert [call.token for call in calls.give_back(withdraw)] == [3, 4]
    assert asked == [3]
    assert [call.token for call in calls.all()] == [1, 2]
    assert calls.withdrawn(2) is not None and calls.withdrawn(2) is None and calls.withdrawn(3) is None


def test_a_call_that_runs_alone_is_not_withdrawn() -> None:
    calls = Calls()
    calls.claimed(held(1, 2))
    send_all(calls)
    given = calls.give_back(lambda _: pytest.fail("nothing is to be withdrawn"))
    assert [call.token for call in given] == [2]


def test_what_is_dropped_while_it_waits_is_forgotten() -> None:
    calls = Calls()
    calls.claimed(held(1, 2, 3))
    send_all(calls)
    calls.drop(frozenset(["call1", "call3"]))
    assert [call.token for call in calls.all()] == [1, 2]


def test_an_outcome_of_nobody_is_nobody() -> None:
    assert Calls().done(1, 0.1) is None
