"""Descriptors on a real event loop, and without one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu.asynchronous import Hub

from pyfi.worker.watch import Watcher


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Celery's loop."""
    made = Hub()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def watcher() -> Watcher:
    """One that must not give up."""
    return Watcher(lambda: pytest.fail("gave up"))


def turn(hub: Hub, watched: Watcher, *, on_loop: bool) -> None:
    """One round."""
    if on_loop:
        hub.call_later(0.01, lambda: None)
        hub.run_once()
    else:
        watched.turn(0.01)


@pytest.mark.parametrize("on_loop", [True, False], ids=["loop", "poll"])
def test_reading_and_writing_one_descriptor(hub: Hub, pair: tuple[socket.socket, socket.socket], on_loop: bool) -> None:
    ours, theirs = pair
    watched, heard = watcher(), []
    if on_loop:
        watched.attach(hub)
    watched.read(ours.fileno(), lambda: heard.append(ours.recv(10)))
    watched.write(ours.fileno(), lambda: heard.append(b"can write"))
    watched.write(ours.fileno(), lambda: heard.append(b"never"))
    turn(hub, watched, on_loop=on_loop)
    assert heard == [b"can write"]
    watched.write(ours.fileno(), None)
    theirs.send(b"x")
    turn(hub, watched, on_loop=on_loop)
    turn(hub, watched, on_loop=on_loop)
    assert heard == [b"can write", b"x"]
    watched.forget(ours.fileno())
    watched.forget(ours.fileno())
    theirs.send(b"y")
    turn(hub, watched, on_loop=on_loop)
    assert heard == [b"can write", b"x"]


def test_a_new_loop_learns_of_everything(hub: Hub, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    watched, heard = watcher(), []
    watched.attach(hub)
    watched.read(ours.fileno(), lambda: heard.append(ours.recv(10)))
    hub.reset()
    theirs.send(b"x")
    turn(hub, watched, on_loop=True)
    assert heard == []
    watched.attach(hub)
    watched.attach(hub)
    turn(hub, watched, on_loop=True)
    assert heard == [b"x"]


def test_no_descriptor_is_left_open(hub: Hub, pair: tuple[socket.socket, socket.socket]) -> None:
    """Writers stand on duplicates."""
    watched = watcher()
    watched.attach(hub)
    before = _open_files()
    for _ in range(5):
        watched.write(pair[0].fileno(), lambda: None)
        watched.write(pair[0].fileno(), None)
        watched.write(pair[0].fileno(), lambda: None)
        watched.forget(pair[0].fileno())
    assert _open_files() == before


def _open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_a_descriptor_that_was_closed_behind_its_back_is_forgotten(pair: tuple[socket.socket, socket.socket]) -> None:
    watched = watcher()
    number = os.dup(pair[0].fileno())
    watched.read(number, lambda: pytest.fail("nothing is there"))
    os.close(number)
    watched.turn(0.0)
    assert watched._readers == {}


def test_descriptors_may_have_any_number(pair: tuple[socket.socket, socket.socket]) -> None:
    """select() would refuse them above 1023."""
    import fcntl
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1100:
        pytest.skip("this user may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
    number = fcntl.fcntl(pair[0].fileno(), fcntl.F_DUPFD_CLOEXEC, 1050)
    try:
        watched, heard = watcher(), []
        watched.read(number, lambda: heard.append(1))
        pair[1].send(b"x")
        watched.turn(1.0)
        assert heard == [1]
    finally:
        os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_callback_that_fails_is_caught_and_ends_the_worker_in_order(caplog: pytest.LogCaptureFixture) -> None:
    gave_up: list[int] = []
    watched = Watcher(lambda: gave_up.append(1))

    def fail() -> None:
        raise ValueError("no")

    guarded = watched.guarded(fail)
    assert gave_up == []
    guarded()
    guarded()
    assert gave_up == [1]
    with pytest.raises(SystemExit):
        watched.guarded(lambda: exec("raise SystemExit"))()
