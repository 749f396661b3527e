"""What the calls of these tests run. Each start of a call appends the call's id to the file that its message names."""

import os
import signal
import time


def _note(message, call):
    descriptor = os.open(message["file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, (call.id + "\n").encode())
    os.close(descriptor)


def _misbehave(message, call):
    time.sleep(message.get("seconds", 0))
    if call.attempt == 1 and message.get("once"):
        if message["once"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


def first(message, call):
    """Its result goes to `second`, its error to `rescue`."""
    _note(message, call)
    _misbehave(message, call)
    if message.get("fail"):
        raise ValueError("it always raises")
    return message


def second(message, call):
    """The end of the good way."""
    _note(message, call)
    return "second"


def rescue(error, call):
    """The end of the other."""
    _note(error["arguments"]["args"][0], call)
    return "rescued"
