"""Socket.map: many calls entered as they come, and their results."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyfi.client import api
from pyfi.client.api import Results, Socket
from pyfi.errors import CallFailedError, InvalidError, TryAgainError
from pyfi.ledger.calls import BATCH
from tests.integration.db.scene import Part
from tests.integration.worker.stage import PATIENCE_SECONDS, Stage

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def part(stage: Stage) -> Iterator[Part]:
    """A processor; this process's client is connected."""
    api.connect(db=stage.scene.login(".admin").url.libpq(), broker=stage.broker)
    yield stage.processor("echo", "fail_until")
    api.disconnect()


def socket(stage: Stage, part: Part, task: str) -> Socket:
    """The client's object."""
    name = stage.scene.superuser.one("select name from pyfi.processor where id = %s", part.processor)
    return Socket(name=task, processor=name)


def entered(stage: Stage, part: Part) -> int:
    """How many calls there are of the processor."""
    return int(
        stage.scene.superuser.one("select count(*) from pyfi.call where socket_id = any (%s)", [*part.sockets.values()])
    )


def test_results_come_in_order(stage: Stage, part: Part) -> None:
    """Twice, and as a list; in parts; the calls may end in any order."""
    stage.worker(part)
    stage.worker(part)
    results = socket(stage, part, "echo").map(range(2500))
    assert list(results) == list(range(2500))
    assert list(results) == results.get(PATIENCE_SECONDS) == list(range(2500))
    assert results.ready() and len(results) == 2500
    assert Results(results.ids[10:12]).get(PATIENCE_SECONDS) == [10, 11]
    assert results.handles()[7].get() == 7


def test_items_are_taken_as_they_are_entered(stage: Stage, part: Part) -> None:
    """An iterable that never fits into memory is no harm."""
    seen: list[int] = []

    def items() -> Iterator[int]:
        for number in range(2 * BATCH + 1):
            if number % BATCH == 0:
                seen.append(entered(stage, part))
            yield number

    results = socket(stage, part, "echo").map(items())
    assert seen == [0, BATCH, 2 * BATCH]
    assert entered(stage, part) == len(results) == 2 * BATCH + 1


def test_failures_stand_in_their_places(stage: Stage, part: Part) -> None:
    stage.worker(part)
    echo, fail = (socket(stage, part, task) for task in ("echo", "fail_until"))
    mixed = Results([*echo.map("ab").ids, *fail.map("x").ids, *echo.map("c").ids])
    found = mixed.get(PATIENCE_SECONDS, return_errors=True)
    assert (found[:2], found[3]) == (["a", "b"], "c")
    assert isinstance(found[2], CallFailedError)
    with pytest.raises(CallFailedError):
        mixed.get(PATIENCE_SECONDS)
    iterated = iter(mixed)
    assert [next(iterated), next(iterated)] == ["a", "b"]
    with pytest.raises(CallFailedError):
        next(iterated)
    completed = dict(mixed.as_completed(PATIENCE_SECONDS))
    assert sorted(completed) == [0, 1, 2, 3]
    assert (completed[3], type(completed[2])) == ("c", CallFailedError)


def test_each_comes_as_it_ends(stage: Stage, part: Part) -> None:
    """The first is held; the others do not wait for it."""
    slow = stage.processor("hold")
    message = {"file": stage.path("starts"), "name": "long", "until": stage.path("go")}
    held = socket(stage, slow, "hold").map([message])
    stage.worker(slow)
    stage.worker(part)
    quick = socket(stage, part, "echo").map(range(20))
    completed = Results([*held.ids, *quick.ids]).as_completed(PATIENCE_SECONDS)
    first = [next(completed) for _ in range(20)]
    assert sorted(first) == [(place + 1, place) for place in range(20)]
    stage.touch("go")
    assert list(completed) == [(0, "long")]


def test_time_that_is_up_is_said(stage: Stage, part: Part) -> None:
    """Nobody serves it. The calls go on."""
    results = socket(stage, part, "echo").map(range(3))
    with pytest.raises(TryAgainError, match="not done after"):
        results.get(0.01)
    with pytest.raises(TryAgainError, match="3 of 3 calls"):
        list(results.as_completed(0.01))
    assert not results.ready()
    stage.worker(part)
    assert results.get(PATIENCE_SECONDS) == [0, 1, 2]


def test_what_is_no_json_is_said_and_what_came_before_runs(stage: Stage, part: Part) -> None:
    def items() -> Iterator[object]:
        yield from range(BATCH)
        yield object()

    with pytest.raises(InvalidError, match="not JSON"):
        socket(stage, part, "echo").map(items())
    assert entered(stage, part) == BATCH


def test_nothing_is_nothing(stage: Stage, part: Part) -> None:
    results = socket(stage, part, "echo").map([])
    assert (results.get(), list(results), list(results.as_completed()), results.ready()) == ([], [], [], True)


def test_several_iterables_are_several_arguments(stage: Stage, part: Part) -> None:
    results = socket(stage, part, "echo").map("ab", [1, 2, 3])
    calls = [stage.scene.call(id_)["args"] for id_ in results.ids]
    assert calls == ['{"args": ["a", 1], "kwargs": {}}', '{"args": ["b", 2], "kwargs": {}}']


def test_a_name_of_several_processors_is_shared(stage: Stage, part: Part) -> None:
    other = stage.processor("echo")
    name = f"{stage.tag}shared"
    for each in (part, other):
        stage.scene.admin.ask("update pyfi.socket set name = %s where id = %s", name, each.sockets["echo"])
    Socket(name=name).map(range(100))
    counts = (entered(stage, part), entered(stage, other))
    assert sum(counts) == 100 and min(counts) > 0
