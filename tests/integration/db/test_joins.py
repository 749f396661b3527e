"""Plugs to arguments: parts of one first call meet in slots, and the last one makes the call."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.db.scene import Part, Scene, add_part, add_plug, arguments
from tests.integration.db.workers import Claimed, Told, Turn, Worker, start_worker, submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """start leads to left and right, these to the arguments a and b of add."""
    made = add_part(scene.ann, "p", "start", "left", "right", "add", "after")
    sockets = made.sockets
    add_plug(scene.ann, "l", sockets["start"], sockets["left"], made.queue)
    add_plug(scene.ann, "r", sockets["start"], sockets["right"], made.queue)
    add_plug(scene.ann, "la", sockets["left"], sockets["add"], made.queue, argument="a")
    add_plug(scene.ann, "rb", sockets["right"], sockets["add"], made.queue, argument="b")
    add_plug(scene.ann, "on", sockets["add"], sockets["after"], made.queue)
    return made


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """A worker of it."""
    return start_worker(scene, part.processor)


def begun(scene: Scene, part: Part, worker: Worker, value: object = 1) -> dict[str, Claimed]:
    """A first call that is done, and the two that it led to, held."""
    (root,) = submit(scene.ann, part.sockets["start"], arguments())
    worker.finish(worker.claim_one(root), json.dumps(value))
    return {str(child["name"]): worker.claim_one(child["id"]) for child in scene.children(root)}


def made(scene: Scene) -> list[dict[str, Any]]:
    """The calls of add, oldest first."""
    found = scene.superuser.ask("select id from pyfi.call where name = 'add' order by created, id")
    return [scene.call(id_) for (id_,) in found]


def keywords(call: dict[str, Any]) -> Any:
    """Its arguments; a join gives keywords only."""
    given = json.loads(call["args"])
    assert given["args"] == []
    return given["kwargs"]


@pytest.mark.parametrize("order", [("left", "right"), ("right", "left")])
def test_the_last_part_makes_the_call(scene: Scene, part: Part, worker: Worker, order: tuple[str, str]) -> None:
    """In any order; it belongs to the same first call, and what follows goes on."""
    held = begun(scene, part, worker)
    values = {"left": '{"x":1}', "right": '"\\u00e4"'}
    assert worker.finish(held[order[0]], values[order[0]]).outbox == []
    assert made(scene) == []
    turn: Turn = worker.finish(held[order[1]], values[order[1]])
    (call,) = made(scene)
    assert [(address, list(map(str, ids))) for _, address, ids in turn.outbox] == [("ann:p.p.add", [call["id"]])]
    assert keywords(call) == {"a": {"x": 1}, "b": "ä"}
    last = held[order[1]]
    assert (call["root_id"], call["parent_id"], call["hops"]) == (str(last.root), str(last.id), 2)
    worker.finish(worker.claim_one(call["id"]), "5")
    assert [child["name"] for child in scene.children(call["id"])] == ["after"]
    assert scene.superuser.ask("select value from pyfi.slot where value is not null") == []


def test_both_parts_in_one_turn(scene: Scene, part: Part, worker: Worker) -> None:
    """Of several first calls at once: they never mix."""
    pairs = [begun(scene, part, worker, number) for number in range(3)]
    told = [Told(call=pair[name], value=str(n)) for n, pair in enumerate(pairs) for name in ("right", "left")]
    worker.turn(finish=told)
    assert sorted(keywords(call)["a"] for call in made(scene)) == [0, 1, 2]
    assert all(keywords(call)["a"] == keywords(call)["b"] for call in made(scene))


def test_a_part_that_fails_makes_no_call(scene: Scene, part: Part, worker: Worker) -> None:
    """Nothing is routed from an incomplete join."""
    held = begun(scene, part, worker)
    worker.finish(held["left"], "1")
    worker.fail(held["right"])
    assert made(scene) == []


def test_items_meet_in_their_order(scene: Scene, part: Part, worker: Worker) -> None:
    """The n-th part of one argument with the n-th of the other; what has no partner waits."""
    held = begun(scene, part, worker)
    left, right = held["left"], held["right"]
    worker.turn(items=[(left, n, str(n)) for n in (1, 2, 3)], finish=[Told(call=left, outcome="each", value="[1,2,3]")])
    worker.turn(items=[(right, 1, '"x"')])
    worker.turn(items=[(right, 2, '"y"')], finish=[Told(call=right, outcome="each", value='["x","y"]')])
    assert sorted((keywords(call) for call in made(scene)), key=str) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert scene.superuser.ask("select argument, round, value::text from pyfi.slot where value is not null") == [
        ("a", 3, "3")
    ]


def test_the_same_part_again_fills_nothing(scene: Scene, part: Part, worker: Worker) -> None:
    """A turn that is sent again."""
    held = begun(scene, part, worker)
    for _ in range(2):
        worker.finish(held["left"], "1")
    assert scene.superuser.one("select count(*) from pyfi.slot") == 1


def test_a_function_that_names_a_plug_fills_its_argument(scene: Scene, part: Part, worker: Worker) -> None:
    """With what it put there."""
    held = begun(scene, part, worker)
    worker.turn(finish=[Told(call=held["left"], value="0", plugs={"la": '"named"'}), Told(call=held["right"])])
    assert [keywords(call) for call in made(scene)] == [{"a": "named", "b": None}]


def test_an_error_may_be_an_argument(scene: Scene, part: Part, worker: Worker) -> None:
    """Plugs of type ERROR have arguments too."""
    sockets = part.sockets
    add_plug(scene.ann, "bad", sockets["right"], sockets["add"], part.queue, "ERROR", "b")
    held = begun(scene, part, worker)
    worker.finish(held["left"], "1")
    worker.fail(held["right"])
    ((given),) = [keywords(call) for call in made(scene)]
    assert given["a"] == 1 and given["b"]["type"] == "ValueError"


def test_the_hop_limit_counts_joins(scene: Scene, part: Part, worker: Worker) -> None:
    """A cycle through a join ends as well."""
    scene.setting("max_hops", "1")
    held = begun(scene, part, worker)
    worker.turn(finish=[Told(call=each) for each in held.values()])
    (call,) = made(scene)
    assert call["state"] == "parked"
    assert json.loads(call["error"])["error"] == "hop_limit"
    assert (
        scene.superuser.one("select count(*) from pyfi.event where call_id = %s and name = 'parked'", call["id"]) == 1
    )


def test_two_workers_that_bring_the_last_parts_fire_once(scene: Scene, part: Part, worker: Worker) -> None:
    """The second waits for the first one's commit, and sees its part."""
    other = start_worker(scene, part.processor, "n2", key="b")
    held = begun(scene, part, worker)
    right = held["right"]
    scene.agent().ask("select agent.worker_exited(%s, 0, 'gone')", worker.id)
    left_again, right_again = worker.claim_one(held["left"].id), other.claim_one(right.id)
    with _transaction(worker):
        worker.finish(left_again, "1")
        other.login.ask("set lock_timeout = '200ms'")
        with pytest.raises(Exception, match="lock"):
            other.finish(right_again, "2")
    other.finish(right_again, "2")
    assert [keywords(call) for call in made(scene)] == [{"a": 1, "b": 2}]


def test_a_rolled_back_turn_leaves_no_part(scene: Scene, part: Part, worker: Worker) -> None:
    """Filling the last slot and making the call are one: neither without the other."""
    held = begun(scene, part, worker)
    worker.finish(held["left"], "1")
    for _ in range(20):
        with _transaction(worker, commit=False):
            worker.finish(held["right"], "2")
        assert made(scene) == []
    worker.finish(held["right"], "2")
    assert len(made(scene)) == 1


class _transaction:  # noqa: N801 # reads like a statement
    """A transaction of the worker's own connection, which is autocommit else."""

    def __init__(self, worker: Worker, *, commit: bool = True) -> None:
        self._ask: Callable[..., object] = worker.login.ask
        self._end = "commit" if commit else "rollback"

    def __enter__(self) -> None:
        self._ask("begin")

    def __exit__(self, *_: object) -> None:
        self._ask(self._end)
