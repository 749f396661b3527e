"""A flow that branches, fails, streams and joins. Each start of a call appends the call's id to the file STARTS."""

import os
import time
from pathlib import Path

SECONDS = 0.004
STARTS = Path(__file__).with_name("STARTS").read_text()


def _begin(call):
    descriptor = os.open(STARTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, (call.id + "\n").encode())
    os.close(descriptor)
    time.sleep(SECONDS)


def enter(number, call):
    """Goes on to left, middle and right."""
    _begin(call)
    return number


def left(number, call):
    """Goes on to one argument of add; each fifth fails, and goes on to rescue."""
    _begin(call)
    if number % 5 == 0:
        raise ValueError(f"{number} is one of the fifths")
    return number


def middle(number, call):
    """Goes on to the other argument of add."""
    _begin(call)
    return number * 10


def right(number, call):
    """Its items go on to sink."""
    _begin(call)
    yield number
    yield number + 1


def sink(item, call):
    """The end of an item."""
    _begin(call)
    return item


def add(one, two, call):
    """Where the ways of left and middle meet."""
    _begin(call)
    return one + two


def rescue(error, call):
    """The end of what failed."""
    _begin(call)
    return "rescued"


def step(*numbers, call):
    """A step of a composition: the sum of its numbers, and of the numbers in its lists."""
    _begin(call)
    return sum(sum(each) if isinstance(each, list) else each for each in numbers)
