"""What a finish makes of a result or an error: the calls that plugs make, in the finish's own transaction."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from tests.integration.db.scene import Part, Scene, add_part, add_plug, add_queue, add_socket, arguments
from tests.integration.db.workers import FAILED, Claimed, Told, Turn, Worker, start_worker, submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor with three sockets, no plugs yet."""
    return add_part(scene.ann, "p", "one", "two", "three")


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """A worker of it."""
    return start_worker(scene, part.processor)


def claimed(scene: Scene, part: Part, worker: Worker, *data: object) -> Claimed:
    """A call of the first socket, held by the worker."""
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(*data))
    scene.superuser.ask("delete from pyfi.outbox")
    return worker.claim_one(id_)


def given(child: dict[str, Any]) -> tuple[str, Any]:
    """The socket's name and the one argument."""
    (value,) = json.loads(child["args"])["args"]
    return child["name"], value


def test_each_result_plug_gets_the_result(scene: Scene, part: Part, worker: Worker) -> None:
    """Several plugs, also two to one socket; the children know where they come from."""
    sockets = part.sockets
    plugs = [
        add_plug(scene.ann, f"e{n}", sockets["one"], sockets[name], part.queue)
        for n, name in enumerate(("two", "two", "three"))
    ]
    call = claimed(scene, part, worker)
    turn = worker.finish(call, '{"a":1}')
    children = scene.children(call.id)
    assert sorted(map(given, children), key=str) == [("three", {"a": 1}), ("two", {"a": 1}), ("two", {"a": 1})]
    assert {child["plug_id"] for child in children} == {str(plug) for plug in plugs}
    for child in children:
        assert (child["root_id"], child["parent_id"], child["hops"], child["state"]) == (
            str(call.id),
            str(call.id),
            1,
            "queued",
        )
        assert child["owner_id"] == scene.call(call.id)["owner_id"]
    assert woken(turn) == {"ann:p.p.two": 2, "ann:p.p.three": 1}


def woken(turn: Turn) -> dict[str, int]:
    """Wake-ups by address."""
    return {address: len(ids) for _, address, ids in turn.outbox}


def test_an_error_plug_gets_no_result_and_a_result_plug_no_error(scene: Scene, part: Part, worker: Worker) -> None:
    """Each has its kind."""
    sockets = part.sockets
    add_plug(scene.ann, "good", sockets["one"], sockets["two"], part.queue)
    add_plug(scene.ann, "bad", sockets["one"], sockets["three"], part.queue, "ERROR")
    done, failed = claimed(scene, part, worker, 1), claimed(scene, part, worker, {"deep": [2]})
    worker.turn(finish=[Told(call=done, value="5"), Told(call=failed, outcome="failed", value=FAILED)])
    assert [given(child) for child in scene.children(done.id)] == [("two", 5)]
    ((name, document),) = [given(child) for child in scene.children(failed.id)]
    assert name == "three"
    assert document == json.loads(FAILED) | {
        "arguments": {"args": [{"deep": [2]}], "kwargs": {}},
        "call": str(failed.id),
    }


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ('{"error": "x", "message": "\\u0000"}', {"error": "x", "message": "\0"}),
        ('{"error": "\\ud800"}', {"error": "\ud800"}),
        ("{ }", {}),
        (' {"arguments": 1, "call": 2} ', {}),
        ('"only text"', {"error": "failed", "type": "", "message": "only text", "traceback": ""}),
        ("[1]", {"error": "failed", "type": "", "message": [1], "traceback": ""}),
    ],
)
def test_any_error_document_reaches_its_plug(
    scene: Scene, part: Part, worker: Worker, error: str, expected: dict[str, Any]
) -> None:
    """Also one that jsonb would refuse: it must not fail the whole turn. Arguments and call are ours."""
    add_plug(scene.ann, "bad", part.sockets["one"], part.sockets["three"], part.queue, "ERROR")
    call = claimed(scene, part, worker, "\0")
    assert worker.fail(call, value=error).finished == [call.id]
    ((_, document),) = [given(child) for child in scene.children(call.id)]
    assert document == expected | {"arguments": {"args": ["\0"], "kwargs": {}}, "call": str(call.id)}


@pytest.mark.parametrize("error", ['{"message": "\\u0000"}', '{"message": {"a": 1}}', "3", '{"message": null}'])
def test_any_error_can_be_retried_and_lost(scene: Scene, part: Part, worker: Worker, error: str) -> None:
    """The event's note is for people; an odd message must not fail the turn."""
    scene.ann.ask("update pyfi.processor set retries = 5")
    retried, lost = claimed(scene, part, worker), claimed(scene, part, worker)
    turn = worker.turn(
        finish=[Told(call=retried, outcome="failed", value=error), Told(call=lost, outcome="lost", value=error)]
    )
    assert len(turn.finished) == 2
    assert {name for (name,) in scene.ann.ask("select name from pyfi.event")} == {"retry", "lost"}


def test_named_plugs_fire_alone(scene: Scene, part: Part, worker: Worker) -> None:
    """Only those, with the data named for each; another call's names change nothing; an ERROR plug can be named too."""
    sockets = part.sockets
    for name, kind in (("a", "RESULT"), ("b", "RESULT"), ("c", "RESULT"), ("d", "ERROR")):
        add_plug(scene.ann, name, sockets["one"], sockets["two"], part.queue, kind)
    naming, plain = claimed(scene, part, worker), claimed(scene, part, worker)
    told = [Told(call=naming, value="0", plugs={"a": "1", "d": "[4]", "unknown": "5"}), Told(call=plain, value="9")]
    worker.turn(finish=told)
    assert sorted(str(given(child)[1]) for child in scene.children(naming.id)) == ["1", "[4]"]
    assert [given(child)[1] for child in scene.children(plain.id)] == [9, 9, 9]


def test_naming_no_known_plug_fires_none(scene: Scene, part: Part, worker: Worker) -> None:
    """It was named, so the result goes nowhere."""
    add_plug(scene.ann, "a", part.sockets["one"], part.sockets["two"], part.queue)
    call = claimed(scene, part, worker)
    worker.finish(call, "1", unknown="2")
    assert scene.children(call.id) == []


def test_each_item_of_a_generator_is_a_call(scene: Scene, part: Part, worker: Worker) -> None:
    """Equal items too, in their order; the list is the result."""
    add_plug(scene.ann, "a", part.sockets["one"], part.sockets["two"], part.queue)
    call = claimed(scene, part, worker)
    turn = worker.turn(items=[(call, 1, "1"), (call, 2, "1"), (call, 3, '{"x": "\\u0000"}')])
    done = worker.turn(finish=[Told(call=call, outcome="each", value='[1, 1, {"x": "\\u0000"}]')])
    assert (done.finished, done.outbox) == ([call.id], [])
    assert sorted(str(given(child)[1]) for child in scene.children(call.id)) == ["1", "1", "{'x': '\\x00'}"]
    assert (scene.call(call.id)["state"], scene.call(call.id)["result"]) == ("done", '[1, 1, {"x": "\\u0000"}]')
    assert woken(turn) == {"ann:p.p.two": 3}


def test_a_generator_without_items_makes_no_call(scene: Scene, part: Part, worker: Worker) -> None:
    """Nothing was yielded, so nothing goes on."""
    add_plug(scene.ann, "a", part.sockets["one"], part.sockets["two"], part.queue)
    call = claimed(scene, part, worker)
    assert worker.turn(finish=[Told(call=call, outcome="each", value="[]")]).finished == [call.id]
    assert scene.children(call.id) == []


def test_a_generator_may_name_plugs(scene: Scene, part: Part, worker: Worker) -> None:
    """Then the named data go, not the items."""
    add_plug(scene.ann, "a", part.sockets["one"], part.sockets["two"], part.queue)
    call = claimed(scene, part, worker)
    worker.turn(finish=[Told(call=call, outcome="each", value="[1,2]", plugs={"a": "7"})])
    assert [given(child) for child in scene.children(call.id)] == [("two", 7)]


def test_a_fanout_queue_reaches_every_socket_on_it(scene: Scene, part: Part, worker: Worker) -> None:
    """Each once, the plug's target too, wherever that is; a direct queue reaches the target alone."""
    other = add_part(scene.ann, "other", "away")
    fan = add_queue(scene.ann, "fan", "fanout")
    for task in ("x", "y"):
        add_socket(scene.ann, other.processor, fan, task)
    add_plug(scene.ann, "all", part.sockets["one"], part.sockets["two"], fan)
    add_plug(scene.ann, "some", part.sockets["two"], part.sockets["three"], part.queue)
    call = claimed(scene, part, worker)
    turn = worker.finish(call, "1")
    assert [child["name"] for child in scene.children(call.id)] == ["two", "x", "y"]
    assert woken(turn) == {"ann:p.p.two": 1, "ann:fan.other.x": 1, "ann:fan.other.y": 1}
    inside = add_plug(scene.ann, "inside", part.sockets["three"], on_queue(scene, fan), fan)
    (id_,) = submit(scene.ann, part.sockets["three"], arguments(1))
    worker.finish(worker.claim_one(id_))
    children = scene.children(id_)
    assert [child["name"] for child in children] == ["x", "y"]
    assert {child["plug_id"] for child in children} == {str(inside)}


def test_a_topic_queue_reaches_its_sub_queues(scene: Scene, part: Part, worker: Worker) -> None:
    """By name, after a dot, of one owner: neither a longer word nor another tenant's queue of that name."""
    other = add_part(scene.ann, "other", "away")
    topic = add_queue(scene.ann, "orders", "topic")
    for name, task in (("orders.eu", "x"), ("orders.eu.paid", "y"), ("ordersome", "z")):
        add_socket(scene.ann, other.processor, add_queue(scene.ann, name), task)
    theirs = add_part(scene.bob, "theirs", "away")
    add_socket(scene.bob, theirs.processor, add_queue(scene.bob, "orders.us"), "b")
    add_plug(scene.ann, "all", part.sockets["one"], part.sockets["two"], topic)
    call = claimed(scene, part, worker)
    worker.finish(call, "1")
    assert sorted(child["name"] for child in scene.children(call.id)) == ["two", "x", "y"]


def on_queue(scene: Scene, queue: UUID) -> UUID:
    """One of a queue's sockets."""
    return UUID(str(scene.ann.one("select id from pyfi.socket where queue_id = %s order by name limit 1", queue)))


def test_the_hop_limit_parks(scene: Scene, part: Part, worker: Worker) -> None:
    """A cycle stops there: the last child waits for a human, has an event, and no wake-up."""
    scene.setting("max_hops", "2")
    add_plug(scene.ann, "round", part.sockets["one"], part.sockets["one"], part.queue)
    call = claimed(scene, part, worker)
    for _ in range(2):
        turn = worker.finish(call)
        (child,) = scene.children(call.id)
        assert len(turn.outbox) == 1
        call = worker.claim_one(UUID(child["id"]))
    turn = worker.finish(call)
    (child,) = scene.children(call.id)
    assert (child["state"], child["hops"], json.loads(child["error"])["error"]) == ("parked", 3, "hop_limit")
    assert turn.outbox == []
    assert worker.claim(UUID(child["id"])) == []
    assert scene.ann.ask("select call_id, name from pyfi.event") == [(UUID(child["id"]), "parked")]


def test_ids_of_children_are_determined(scene: Scene, part: Part, worker: Worker) -> None:
    """By parent, plug, target and number: whoever finishes, a child cannot come twice."""
    plug = add_plug(scene.ann, "a", part.sockets["one"], part.sockets["two"], part.queue)
    call = claimed(scene, part, worker)
    expected = scene.superuser.one("select ledger.child_id(%s, %s, %s, 0)", call.id, plug, part.sockets["two"])
    worker.finish(call)
    assert [child["id"] for child in scene.children(call.id)] == [str(expected)]
    other = scene.superuser.one("select ledger.child_id(%s, %s, %s, 1)", call.id, plug, part.sockets["two"])
    assert (expected.version, expected.variant, other != expected) == (8, "specified in RFC 4122", True)


def test_a_plug_takes_part_from_the_next_finish_on(scene: Scene, part: Part, worker: Worker) -> None:
    """Routing is read in the finishing transaction: no worker needs to be told."""
    plug = add_plug(scene.ann, "a", part.sockets["one"], part.sockets["two"], part.queue)
    first, second = claimed(scene, part, worker), claimed(scene, part, worker)
    worker.finish(first)
    scene.ann.ask("delete from pyfi.plug where id = %s", plug)
    worker.finish(second)
    assert len(scene.children(first.id)) == 1
    assert scene.children(second.id) == []


def test_children_belong_to_the_owner_of_the_root(scene: Scene, part: Part, worker: Worker) -> None:
    """An administrator's call through ann's plugs is his all the way; she sees what ran on her sockets."""
    add_plug(scene.ann, "a", part.sockets["one"], part.sockets["two"], part.queue)
    (id_,) = submit(scene.admin, part.sockets["one"], arguments(1))
    worker.finish(worker.claim_one(id_))
    (child,) = scene.children(id_)
    assert child["owner_id"] == str(scene.admin.one("select access.me()"))
    assert scene.ann.one("select count(*) from pyfi.call") == 2


def test_calls_of_a_deleted_socket_end(scene: Scene, part: Part, worker: Worker) -> None:
    """Nobody waits for them for ever: they are cancelled with the reason; what is final stays as it was."""
    queued, held, done = submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(3)])
    worker.finish(worker.claim_one(done))
    call = worker.claim_one(held)
    (other,) = submit(scene.ann, part.sockets["two"], arguments(1))
    scene.ann.ask("delete from pyfi.socket where id = %s", part.sockets["one"])
    assert [scene.call(id_)["state"] for id_ in (queued, held, done, other)] == [
        "cancelled",
        "cancelled",
        "done",
        "queued",
    ]
    assert json.loads(scene.call(queued)["error"])["error"] == "socket_deleted"
    assert worker.renew(call) == [held]
    assert worker.finish(call).finished == []


def test_a_processor_can_be_deleted_with_all_it_has(scene: Scene, part: Part, worker: Worker) -> None:
    """Sockets, tasks, plugs, deployments and workers go; the history of calls stays."""
    add_plug(scene.ann, "a", part.sockets["one"], part.sockets["one"], part.queue)
    call = claimed(scene, part, worker)
    scene.ann.ask("delete from pyfi.processor where id = %s", part.processor)
    for table in ("socket", "task", "plug", "deployment", "worker"):
        assert scene.superuser.one(f"select count(*) from pyfi.{table}") == 0
    assert scene.ann.one("select state from pyfi.call where id = %s", call.id) == "cancelled"
