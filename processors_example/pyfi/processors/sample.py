"""The sample functions: what a processor's module looks like.

It imports nothing of PyFI. `plugs`, `output` and `call` arrive because a function declares them by name; a function
that does not need them leaves them out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from random import randrange

log = logging.getLogger(__name__)


def _words(message, args):
    return " ".join(str(part) for part in (message, *args))


def do_something(message, *args, plugs={}, output={}, **kwargs):
    """`Message:` and the message, then further arguments. Its output keeps how long the message was."""
    print("do_something:", message)
    output["length"] = len(str(message))
    return "Message:" + _words(message, args)


def do_this(message, *args, plugs={}, output={}, **kwargs):
    """`Do this: [...]`: the list of everything it was given by position.

    So it shows in a flow what arrived: one message, or the result before it followed by its own arguments.
    """
    print("do_this:", message)
    return f"Do this: {[message, *args]}"


def do_that(message, *args, plugs={}, output={}, **kwargs):
    """`Do THAT: ` and the message, then further arguments."""
    print("do_that:", message)
    return "Do THAT: " + _words(message, args)


def measure(message, *args, plugs={}, output={}, **kwargs):
    """A record: the message and a random temperature to draw."""
    graph = {"tag": {"name": "tagname", "value": "tagvalue"}, "name": "temperature", "value": randrange(10)}
    return {"message": "TEXT:" + _words(message, args), "graph": graph}


def route(message, *args, plugs={}, output={}, **kwargs):
    """Sends the message to the plug `long` or `short`; no other plug fires."""
    plugs["long" if len(str(message)) > 10 else "short"] = message
    return message


def emit_one(one=None, *args, plugs={}, output={}, **kwargs):
    """What it is given, else 1."""
    return one or 1


def emit_two(two=None, *args, plugs={}, output={}, **kwargs):
    """What it is given, else 5."""
    return two or 5


def add_two(one, two, *args, plugs={}, output={}, **kwargs):
    """The sum. With a plug to each argument it waits until both have arrived."""
    return int(one) + int(two)


def emit_add(one, five, *args, plugs={}, output={}, **kwargs):
    """The sum, printed."""
    print("emit_add:", int(one) + int(five))
    return int(one) + int(five)


def append_and_sleep(path, line="", seconds=0.0, *, call=None):
    """Appends a line to the file and says so, then sleeps, then appends another: each start leaves its trace outside.

    path: where; relative to the environment's SAMPLE_FOLDER, if it is set. line: in front of the call's id.
    """
    path = os.path.join(os.environ.get("SAMPLE_FOLDER", ""), path)
    who = f"{line} {call.id} {call.attempt}" if call else str(line)
    _append(path, f"{who} started")
    print("appended to", path)
    time.sleep(seconds)
    _append(path, f"{who} finished")
    return who


def _append(path, text):
    # One write of a whole line: several workers may append at once.
    with open(path, "ab", buffering=0) as file:
        file.write(f"{text}\n".encode())


def fail(message="it was asked to"):
    """Raises ValueError."""
    raise ValueError(message)


def fail_first(message, attempts=1, *, call):
    """Raises until it was tried more than `attempts` times."""
    if call.attempt <= attempts:
        raise RuntimeError(f"attempt {call.attempt} of {message} fails")
    return f"{message} after {call.attempt} attempts"


def talk(message, count=3):
    """Prints and logs, and returns how many lines that were."""
    for number in range(count):
        print(f"print {number}: {message}")
        log.info("log %d: %s", number, message)
    return 2 * count


def count_to(number):
    """A generator: each item goes downstream by itself."""
    yield from range(1, int(number) + 1)


async def wait_and_say(message, seconds=0.0):
    """An `async def` function."""
    await asyncio.sleep(seconds)
    return f"after {seconds} s: {message}"


def some_set(*args):
    """Returns a set, which is not JSON: the call fails and says so."""
    return set(args) or {1, 2}
