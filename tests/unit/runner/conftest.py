"""A guest driven as a worker drives it, but waiting."""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from pyfi.runner.frames import Done, Frame, Item, Load, Loaded, LoadFailed, Log, Part
from pyfi.runner.link import GuestLink, guest_environment

FUSE_SECONDS = 30


class Outcome:
    """A call's outcome, decoded, with what came before it."""

    def __init__(self, done: Done, logs: list[Log], parts: dict[int, bytes], items: list[Item]) -> None:
        self.done = done
        self.logs = logs
        self.items = items
        self.parts = parts
        self.second: Any = json.loads(done.second) if done.second else None
        told = self.second or {}
        number, large = told.pop("result", 0), told.pop("large", {})
        told.get("plugs", {}).update({name: json.loads(parts[each]) for name, each in large.items()})
        if told.get("each"):
            self.first: Any = [json.loads(parts[item.number] if item.number else item.value) for item in items]
        else:
            self.first = json.loads(parts[number] if number else done.first)

    @property
    def outcome(self) -> int:
        return self.done.outcome

    def lines(self, stream: int | None = None) -> list[str]:
        return [log.text for log in self.logs if stream in (None, log.stream)]


class Driver:
    """One guest on a folder of modules."""

    def __init__(self, folder: Path, python: Path = Path(sys.executable)) -> None:
        self.python = python
        self.checkout = folder / "checkout"
        self.checkout.mkdir()
        self.home = folder / "home"
        self.home.mkdir()
        self.mark = folder / "mark"
        self.functions: dict[str, int] = {}
        self.logs: list[Log] = []
        self.parts: dict[int, bytes] = {}
        self.items: list[Item] = []
        self.token = 0
        self.link = self.new_link()

    def new_link(self, **declared: str) -> GuestLink:
        return GuestLink(self.python, guest_environment(self.python, self.home, declared), self.mark)

    def write(self, sources: dict[str, str]) -> None:
        """`{"a.b": "..."}` writes a/b.py."""
        for name, source in sources.items():
            path = self.checkout / (name.replace(".", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")

    def start(
        self, source: str | None = None, *names: str, module: str = "user", **options: Any
    ) -> Loaded | LoadFailed:
        """Write `source` as the module, start and load. names: its functions, numbered in that order."""
        if source is not None:
            self.write({module: source})
        self.functions = {name: number for number, name in enumerate(names)}
        self.link.start()
        self.link.send_load(
            Load(checkout=str(self.checkout), module=module, functions=dict(enumerate(names)), **options)
        )
        return self.next(Loaded, LoadFailed)

    def frames(self) -> list[Frame]:
        """Wait for some frames; EOFError at the end."""
        self.link.flush()
        waiting = select.poll()
        filenos = (self.link.fileno(), self.link.stdout_fileno(), self.link.stderr_fileno(), self.link.exit_fileno())
        for fileno in filenos:
            if fileno >= 0:
                waiting.register(fileno, select.POLLIN)
        if self.link.wants_write:
            waiting.register(self.link.fileno(), select.POLLIN | select.POLLOUT)
        assert waiting.poll(FUSE_SECONDS * 1000), "the guest is silent"
        return self.link.receive()

    def next(self, *kinds: type) -> Any:
        """The next frame of one of these kinds; LOG frames before it are kept in `logs`."""
        while True:
            frames = self.frames()
            self.logs.extend(frame for frame in frames if isinstance(frame, Log))
            rest = [frame for frame in frames if not isinstance(frame, Log | Part | Item)]
            self.items.extend(frame for frame in frames if isinstance(frame, Item))
            for frame in frames:
                if isinstance(frame, Part):
                    self.parts[frame.number] = self.parts.get(frame.number, b"") + frame.data
            if rest:
                assert len(rest) == 1 and isinstance(rest[0], kinds), rest
                return rest[0]

    def send(self, name: str, *args: Any, **kwargs: Any) -> int:
        """Send a call and do not wait; returns its token."""
        return self.send_raw(self.functions[name], json.dumps({"args": args, "kwargs": kwargs}).encode())

    def send_raw(self, number: int, arguments: bytes, **header: Any) -> int:
        self.token += 1
        ids: dict[str, UUID] = {"call_id": uuid4(), "root_id": uuid4()}
        self.link.send_call(self.token, number, arguments, **ids | header)
        self.link.flush()
        return self.token

    def call(self, name: str, *args: Any, **kwargs: Any) -> Outcome:
        """Send a call and wait for its outcome."""
        return self.outcome(self.send(name, *args, **kwargs))

    def outcome(self, token: int) -> Outcome:
        """Wait for the outcome of that call."""
        done = self.next(Done)
        assert done.token == token
        items = [item for item in self.items if item.token == token]
        return Outcome(done, [log for log in self.logs if log.token == token], self.parts, items)

    def result(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """The result of a call that must succeed."""
        outcome = self.call(name, *args, **kwargs)
        assert outcome.outcome == 0, outcome.first
        return outcome.first

    def until_eof(self) -> str:
        """Read until the guest is gone; how it ended."""
        with pytest.raises(EOFError):
            while True:
                self.logs.extend(frame for frame in self.frames() if isinstance(frame, Log))
        self.link.kill()
        return self.link.exit_text()

    def close(self) -> None:
        self.link.kill()
        self.link.close()


@pytest.fixture
def new_driver(tmp_path: Path) -> Iterator[Callable[[], Driver]]:
    """Makes drivers with folders of their own; ends their guests."""
    made: list[Driver] = []

    def make() -> Driver:
        folder = tmp_path / f"guest{len(made)}"
        folder.mkdir()
        made.append(Driver(folder))
        return made[-1]

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def guest(new_driver: Callable[[], Driver]) -> Driver:
    """One driver."""
    return new_driver()
