"""The asynchronous connection: when it tries again, what it takes for a loss and what for an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
import psycopg2.extensions as px
import pytest

from pyfi.worker import database
from pyfi.worker.database import LONGEST_BACKOFF_SECONDS, STATEMENT_SECONDS, AsyncDatabase
from tests.unit.worker.fakes import Clock


class Broken(psycopg2.Error):
    """An error with a code."""

    def __init__(self, code: str | None) -> None:
        super().__init__("first line\nsecond")
        self._code = code

    @property
    def pgcode(self) -> str | None:  # type: ignore[override]
        return self._code


class Connection:
    """What psycopg2 gives: every poll takes the next of `states`."""

    def __init__(self, fd: int = 50) -> None:
        self.states: list[int | Exception] = []
        self.fd, self.closed = fd, 0
        self.executed: list[str] = []
        self.refusal: Exception | None = None
        self.description: tuple[str, ...] | None = ("x",)
        self.notifies: list[object] = []

    def poll(self) -> int:
        state = self.states.pop(0)
        if isinstance(state, Exception):
            raise state
        return state

    def fileno(self) -> int:
        return self.fd

    def cursor(self) -> Connection:
        return self

    def execute(self, sql: str, _parameters: Any) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.executed.append(sql)

    def fetchall(self) -> list[tuple[int]]:
        return [(1,)]

    def close(self) -> None:
        self.closed = 1


class Scene:
    """A database with a fake driver; `offer` says what the next connection attempt gives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.offers: list[Connection | Exception] = []
        self.watched: list[tuple[int, bool]] = []
        self.events: list[str] = []
        monkeypatch.setattr(database.psycopg2, "connect", self._connect)
        monkeypatch.setattr(database, "ids_as_text", lambda _: None)
        self.database = AsyncDatabase(
            "url",
            watch=lambda fd, write: self.watched.append((fd, write)),
            on_connected=lambda: self.events.append("connected"),
            on_lost=lambda: self.events.append("lost"),
            clock=self.clock,  # type: ignore[arg-type]
        )

    def _connect(self, *_: Any, **__: Any) -> Connection:
        offer = self.offers.pop(0)
        if isinstance(offer, Exception):
            raise offer
        return offer

    def connected(self) -> Connection:
        """A connection that is ready."""
        made = Connection()
        made.states = [px.POLL_OK]
        self.offers.append(made)
        self.database.connect()
        return made

    def send(self, connection: Connection) -> tuple[list[Any], list[psycopg2.Error]]:
        """A statement in flight, and where its end is told."""
        rows: list[Any] = []
        errors: list[psycopg2.Error] = []
        connection.states.append(px.POLL_READ)
        self.database.send("select", (), rows.append, errors.append)
        return rows, errors


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Nothing offered yet."""
    return Scene(monkeypatch)


def test_it_tries_again_later_and_later(scene: Scene) -> None:
    waits: list[float] = []
    for _ in range(14):
        scene.offers.append(psycopg2.OperationalError("refused"))
        if not waits:
            scene.database.connect()
        seconds = 0.0
        while scene.offers:
            scene.clock.seconds += 0.05
            seconds += 0.05
            scene.database.tick()
        waits.append(seconds)
        assert not scene.database.is_free
    assert waits[1] <= 0.5 and LONGEST_BACKOFF_SECONDS / 2 <= waits[-1] <= LONGEST_BACKOFF_SECONDS + 0.1
    assert scene.events == []
    connection = Connection()
    connection.states = [px.POLL_OK]
    scene.offers.append(connection)
    scene.clock.seconds += LONGEST_BACKOFF_SECONDS + 1
    scene.database.tick()
    assert scene.events == ["connected"] and scene.database.is_free


def test_each_state_of_connecting_is_watched_anew(scene: Scene) -> None:
    """libpq goes on to the next address with a new socket, which often has the same number."""
    connection = Connection()
    connection.states = [px.POLL_WRITE, px.POLL_WRITE, px.POLL_READ, px.POLL_OK]
    scene.offers.append(connection)
    scene.database.connect()
    for _ in range(3):
        scene.database.on_ready()
    forgotten = (-1, False)
    assert scene.watched == [
        forgotten,
        (50, True),
        forgotten,
        (50, True),
        forgotten,
        (50, False),
        forgotten,
        (50, False),
    ]
    scene.watched.clear()
    scene.send(connection)
    assert forgotten not in scene.watched


def test_a_statement_and_its_rows(scene: Scene) -> None:
    connection = scene.connected()
    rows, errors = scene.send(connection)
    assert not scene.database.is_free
    connection.states.append(px.POLL_OK)
    scene.database.on_ready()
    assert (rows, errors, scene.database.is_free) == ([[(1,)]], [], True)


@pytest.mark.parametrize("code", ["22P02", "23505", "42883", "54001", "PF403", "XX000"])
def test_an_error_of_the_statement_is_told(scene: Scene, code: str) -> None:
    connection = scene.connected()
    rows, errors = scene.send(connection)
    connection.states.append(Broken(code))
    scene.database.on_ready()
    assert (rows, [error.pgcode for error in errors], scene.events) == ([], [code], ["connected"])
    assert scene.database.is_free


@pytest.mark.parametrize("code", [None, "08006", "25006", "40001", "40P01", "53300", "55P03", "57P01", "58030"])
def test_an_error_of_the_moment_is_a_loss(scene: Scene, code: str | None) -> None:
    """What is lost is said again by its owner; a deadlock is no reason to end a worker."""
    connection = scene.connected()
    rows, errors = scene.send(connection)
    connection.states.append(Broken(code))
    scene.database.on_ready()
    assert (rows, errors, scene.events) == ([], [], ["connected", "lost"])
    assert (connection.closed, scene.watched[-1], scene.database.is_free) == (1, (-1, False), False)


def test_a_text_that_the_driver_refuses_is_an_error_of_the_statement(scene: Scene) -> None:
    connection = scene.connected()
    connection.refusal = ValueError("A string literal cannot contain NUL (0x00) characters.")
    errors: list[psycopg2.Error] = []
    scene.database.send("select", (), lambda _: None, errors.append)
    assert isinstance(errors[0], psycopg2.DataError)
    assert scene.database.is_free


def test_an_idle_connection_that_ends_is_a_loss(scene: Scene) -> None:
    connection = scene.connected()
    connection.states.append(Broken("57P01"))
    scene.database.on_ready()
    assert scene.events == ["connected", "lost"]


@pytest.mark.parametrize("in_flight", [True, False], ids=["statement", "connecting"])
def test_silence_is_a_loss(scene: Scene, in_flight: bool) -> None:
    if in_flight:
        scene.send(scene.connected())
    else:
        connection = Connection()
        connection.states = [px.POLL_WRITE]
        scene.offers.append(connection)
        scene.database.connect()
    scene.clock.seconds += STATEMENT_SECONDS - 1
    scene.database.tick()
    assert scene.database.fileno() == 50
    scene.clock.seconds += 2
    scene.database.tick()
    assert scene.database.fileno() == -1
    assert scene.events == (["connected", "lost"] if in_flight else [])


def test_an_idle_connection_is_left_alone(scene: Scene) -> None:
    scene.connected()
    scene.clock.seconds += 10 * STATEMENT_SECONDS
    scene.database.tick()
    assert scene.database.is_free


def test_an_answer_may_send_the_next_statement(scene: Scene) -> None:
    connection = scene.connected()
    told: list[str] = []

    def again(_rows: Any) -> None:
        told.append("rows")
        connection.states.append(px.POLL_READ)
        scene.database.send("second", (), lambda _: None, lambda _: None)

    connection.states.append(px.POLL_READ)
    scene.database.send("first", (), again, lambda _: None)
    connection.states.append(px.POLL_OK)
    scene.database.on_ready()
    assert (told, connection.executed, scene.database.is_free) == (["rows"], ["first", "second"], False)


def test_closing_twice_is_closing(scene: Scene) -> None:
    connection = scene.connected()
    close: Callable[[], None] = scene.database.close
    close()
    close()
    assert (connection.closed, scene.events) == (1, ["connected"])
    scene.database.on_ready()
