"""What the workers of these tests run; a file named by the message tells how far a function is."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path


def echo(message):
    return message


def note(message):
    """Append one line per start."""
    fd = os.open(message["file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (str(message["name"]) + "\n").encode())
    os.close(fd)
    return message["name"]


def hold(message):
    """Say that it runs, then wait for the file `until`."""
    note(message)
    while not Path(message["until"]).exists():
        time.sleep(0.01)
    return message["name"]


def brood(message):
    """Start a child that stays, then hold."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return hold({**message, "name": f"{os.getpid()} {child.pid}"})


def segfault(message):
    os.kill(os.getpid(), 11)


def die(message):
    os._exit(7)


def die_as_told(message):
    """Note the start; end the interpreter if the name says so."""
    note(message)
    if message["name"] == "poison":
        os._exit(7)
    return message["name"]


def crash_once(message, call):
    note(message)
    if call.attempt == 1:
        ctypes.string_at(0)
    return call.attempt


def leave_quietly(message):
    """As if all were well."""
    note(message)
    os._exit(0)


def dawdle(message, call):
    """Hold; at the soft limit say so and end in order."""
    try:
        return hold(message)
    except call.SoftTimeLimit:
        return "in order"


def leave(message):
    sys.exit(3)


def interrupt(message):
    raise KeyboardInterrupt


def fail_until(message, call):
    if call.attempt < message["attempt"]:
        raise ValueError(f"attempt {call.attempt}")
    return call.attempt


def talk(message):
    """Lines without end."""
    note(message)
    while True:
        print("all work and no play")


def say(message):
    print(message)
    return "said"


def write(message):
    """To descriptor 1 itself."""
    os.write(1, b"raw \xff\n")


def large(message):
    return "x" * message


def strange(message):
    return {"nan": float("nan"), "set": {1}, "bytes": b"\0", "cycle": _cycle(), "function": echo}[message]


def _cycle():
    made = []
    made.append(made)
    return made


def forge(message):
    """Send an outcome of one's own making before the real one."""
    frame = sys._getframe()
    while frame.f_code.co_name != "call":
        frame = frame.f_back
    guest, token = frame.f_locals["self"], frame.f_locals["token"]
    guest._wire.done(token, 0, float(message["seconds"]), message["first"].encode(), message["second"].encode())


def odd_plug(message, plugs):
    plugs[message] = 1
    return "named"


def close_all(message):
    os.closerange(0, 4096)
    return "closed"


def grow(message):
    """A list of so many texts of 1000 characters."""
    return [f"{n:04}" + "x" * 996 for n in range(message)]


def measure(message):
    """What arrived, briefly."""
    return [len(message), message[-1][:5] if message else None]


def count(message, call):
    """Yield numbers; after so many, die in the first attempt."""
    for number in range(message["count"]):
        if number == message.get("die_at") and call.attempt == 1:
            hold({**message, "name": number})
        yield {"n": number, "text": "y" * message.get("size", 0)}


def moody(message, call):
    """A generator that yields something else each time."""
    yield 1
    yield call.attempt
    if call.attempt == 1:
        raise ValueError("again")


def fewer(message, call):
    """One that yields less the second time."""
    yield 1
    if call.attempt == 1:
        yield 2
        raise ValueError("again")


def endless(message):
    """Items without end."""
    while True:
        yield "x" * 1000


def shout(message):
    """So many lines, binary and coloured ones among them."""
    for number in range(message):
        print(f"line {number}")
    os.write(1, b"\x1b[31mred\x1b[0m \x00\xff\n")
    return "shouted"
