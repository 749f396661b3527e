"""The host of a real guest: what it hears when it ends one."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyfi.clock import wait_until
from pyfi.errors import PyfiError
from pyfi.runner.frames import Done
from pyfi.worker.guesthost import MOST_LOAD_DEATHS, GuestHost, GuestNotStartedError, ModuleNotLoadedError
from pyfi.worker.held import Held
from pyfi.worker.watch import Watcher
from tests.unit.worker.fakes import config_in

SOURCE = """
import os, time
if os.path.exists("dies"):
    open("deaths", "a").write("x")
    os._exit(9)
def quick():
    return 1
def slow():
    open("started", "w").close()
    time.sleep(600)
"""
IDENTITY = "01a1f7d8-470c-7506-aa2f-19b4b3015e4c"


class Place:
    """A host, its folder, and what it told."""

    def __init__(self, folder: Path, **environment: Any) -> None:
        self.folder = folder
        (folder / "m.py").write_text(SOURCE)
        told = {"python": sys.executable, "checkout": str(folder)} | environment
        config = replace(config_in(folder), environment=told)
        self.watcher = Watcher(lambda: pytest.fail("gave up"))
        self.done: list[Done] = []
        self.died: list[tuple[int, str, bool]] = []
        self.failed: list[PyfiError] = []
        self.ready = 0
        self.host = GuestHost(
            config,
            {0: "quick", 1: "slow"},
            self.watcher,
            on_done=self.done.append,
            on_log=lambda _: None,
            on_ready=self._on_ready,
            on_died=lambda started, cause, is_crash: self.died.append((started, cause, is_crash)),
            on_failed=self.failed.append,
        )

    def _on_ready(self) -> None:
        self.ready += 1

    def until(self, over: Callable[[], bool]) -> None:
        """Turn the loop until something is so."""

        def turned() -> bool:
            self.watcher.turn(0.01)
            return over()

        assert wait_until(turned, timeout_seconds=20, step_seconds=0)

    def start(self) -> None:
        """Until its module is loaded."""
        self.host.start()
        self.until(lambda: self.host.is_ready or bool(self.failed))

    def send(self, token: int, function: int = 0) -> None:
        """A call."""
        self.host.send(Held(IDENTITY, token, 1, "s", '{"args":[],"kwargs":{}}', IDENTITY, None), function, 0.0)
        self.host.flush()

    def has_spoken(self) -> bool:
        """Whether something waits to be heard."""
        assert self.host._link is not None
        poll = select.poll()
        poll.register(self.host._link.fileno(), select.POLLIN)
        return bool(poll.poll(0))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Not started."""
    made = Place(tmp_path)
    yield made
    made.host.close()


def test_an_outcome_that_was_said_before_the_end_is_heard(place: Place) -> None:
    place.start()
    place.send(7)
    assert wait_until(place.has_spoken, timeout_seconds=10)
    place.host.close()
    assert [(frame.token, frame.first) for frame in place.done] == [(7, b"1")]
    assert (place.host.is_ready, place.died, place.watcher._readers) == (False, [], {})
    assert place.host.started_token() == 7


def test_a_replaced_guest_is_followed_by_another(place: Place) -> None:
    place.start()
    place.send(7, 1)
    place.until(lambda: (place.folder / "started").exists())
    place.host.replace("enough")
    assert (place.died, place.host.is_ready) == ([(7, "enough", False)], False)
    place.until(lambda: place.host.is_ready)
    place.send(8)
    place.until(lambda: len(place.done) == 1)
    assert place.ready == 2


def test_a_module_that_ends_the_interpreter_again_and_again_is_given_up(place: Place) -> None:
    (place.folder / "dies").touch()
    place.start()
    assert [type(error) for error in place.failed] == [ModuleNotLoadedError]
    assert "exit 9" in place.failed[0].message
    assert (place.folder / "deaths").read_text() == "x" * MOST_LOAD_DEATHS
    assert len(place.died) == MOST_LOAD_DEATHS and all(is_crash for _, _, is_crash in place.died)


def test_a_module_that_cannot_be_imported_is_not_tried_again(place: Place) -> None:
    (place.folder / "m.py").write_text("import nothing_of_this_name")
    place.start()
    place.until(lambda: place.host._link is None)
    assert [type(error) for error in place.failed] == [ModuleNotLoadedError]
    assert "nothing_of_this_name" in place.failed[0].message


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    place = Place(tmp_path, python=str(tmp_path / "python"))
    with pytest.raises(GuestNotStartedError, match="cannot be started"):
        place.host.start()
    assert (place.watcher._readers, place.host.started_token()) == ({}, 0)


def test_a_guest_that_cannot_be_replaced_is_told_after_its_death(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full, for example: a worker without a guest must not hold calls for ever."""
    place.start()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyfi.worker.guesthost.write_private", full)
    place.host.replace("enough")
    assert (place.died, [type(error) for error in place.failed]) == ([(0, "enough", False)], [GuestNotStartedError])
    assert (place.host._link, place.watcher._readers) == (None, {})
