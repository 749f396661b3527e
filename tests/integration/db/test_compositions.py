"""Compositions: frames whose members return into them, in the transaction that finishes the last one."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from pyfi.errors import ConflictError, InvalidError, NotFoundError
from tests.integration.db.scene import Login, Part, Scene, add_part
from tests.integration.db.workers import FAILED, LOST, Claimed, Told, Worker, start_worker

Step = dict[str, Any]


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor with three sockets, no plugs."""
    return add_part(scene.ann, "p", "one", "two", "three")


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """A worker of it."""
    return start_worker(scene, part.processor)


def call(part: Part, task: str, *args: object, **kwargs: object) -> Step:
    """A step that is a call."""
    return {"call": str(part.sockets[task]), "args": args, "kwargs": kwargs}


def compose(login: Login, steps: object, id_: UUID | None = None, options: Step | None = None) -> UUID:
    """Enter a composition."""
    chosen = id_ or uuid4()
    told = json.dumps(options) if options is not None else None
    login.ask("select * from ledger.compose(%s, %s, false, %s)", chosen, json.dumps(steps), told)
    return chosen


def waiting(scene: Scene) -> list[UUID]:
    """What a worker could claim, oldest slot first."""
    return [id_ for (id_,) in scene.superuser.ask("select id from pyfi.call where state = 'queued' order by slot, id")]


def run(scene: Scene, worker: Worker) -> list[tuple[str, list[Any]]]:
    """Claim and finish whatever waits until nothing does; each call returns [its task, *its arguments]."""
    ran = []
    while ids := waiting(scene):
        held = worker.claim(*ids)
        assert held
        told = []
        for each in held:
            name, args = scene.call(each.id)["name"], json.loads(each.arguments)["args"]
            ran.append((name, args))
            told.append(Told(call=each, value=json.dumps([name, *args])))
        worker.turn(finish=told)
    return ran


def result(scene: Scene, id_: UUID) -> Any:
    """Of a call that is done."""
    found = scene.call(id_)
    assert found["state"] == "done", found
    assert found["finished"] and found["seconds"] is not None
    return json.loads(found["result"])


def test_a_pipeline_prepends_each_result_to_the_arguments_of_the_next(scene: Scene, part: Part, worker: Worker) -> None:
    """Keyword arguments stay the step's own."""
    id_ = compose(scene.ann, {"pipeline": [call(part, "one", 1), call(part, "two", 2, k=3), call(part, "three")]})
    assert len(waiting(scene)) == 1
    held = worker.claim_one(waiting(scene)[0])
    assert json.loads(held.arguments) == {"args": [1], "kwargs": {}}
    turn = worker.finish(held, '"x"')
    ((_, address, ids),) = turn.outbox
    assert address == "ann:p.p.two"
    held = worker.claim_one(ids[0])
    assert json.loads(held.arguments) == {"args": ["x", 2], "kwargs": {"k": 3}}
    worker.finish(held, '"y"')
    assert run(scene, worker) == [("three", ["y"])]
    assert result(scene, id_) == ["three", "y"]


def test_a_parallel_gives_the_results_in_the_declared_order(scene: Scene, part: Part, worker: Worker) -> None:
    """However they end: one after the other, in any order, or together."""
    id_ = compose(scene.ann, {"parallel": [call(part, "one", n) for n in range(5)]})
    held = worker.claim(*waiting(scene))
    by_argument = {json.loads(each.arguments)["args"][0]: each for each in held}
    worker.finish(by_argument[3], "3")
    worker.turn(finish=[Told(call=by_argument[n], value=str(n)) for n in (4, 0)])
    worker.finish(by_argument[1], "1")
    assert scene.call(id_)["state"] == "running"
    worker.finish(by_argument[2], "2")
    assert result(scene, id_) == [0, 1, 2, 3, 4]


def test_the_nesting_of_results_is_that_of_the_declaration(scene: Scene, part: Part, worker: Worker) -> None:
    """To any depth; a parallel in a pipeline hands what it is given to each member; an empty one gives []."""
    inner = {"parallel": [call(part, "one"), {"parallel": []}]}
    before = {"parallel": [call(part, "one", 1), {"pipeline": [call(part, "two", 2), inner]}]}
    both = {"parallel": [call(part, "two", "a"), call(part, "three", "b")]}
    steps = {"pipeline": [before, both, call(part, "three")]}
    id_ = compose(scene.ann, steps)
    run(scene, worker)
    first = [["one", 1], [["one", ["two", 2]], []]]
    assert result(scene, id_) == ["three", [["two", first, "a"], ["three", first, "b"]]]
    assert scene.superuser.ask("select 1 from pyfi.call where state not in ('done')") == []
    roots = scene.superuser.ask("select distinct root_id from pyfi.call")
    assert roots == [(id_,)]


def test_an_empty_parallel_is_over_at_once(scene: Scene, part: Part, worker: Worker) -> None:
    """Alone, and as each step of a pipeline."""
    assert result(scene, compose(scene.ann, {"parallel": []})) == []
    id_ = compose(scene.ann, {"pipeline": [{"parallel": []}]})
    assert result(scene, id_) == []
    id_ = compose(scene.ann, {"pipeline": [call(part, "one"), {"parallel": []}, {"parallel": []}, call(part, "two")]})
    run(scene, worker)
    assert result(scene, id_) == ["two", []]


def test_a_failure_ends_the_whole_and_what_still_waits(scene: Scene, part: Part, worker: Worker) -> None:
    """Siblings that run finish, and nobody hears them; those that wait are cancelled, in frames inside as well."""
    inner = {"pipeline": [call(part, "two", "inner"), call(part, "three")]}
    id_ = compose(
        scene.ann, {"pipeline": [{"parallel": [*(call(part, "one", n) for n in range(3)), inner]}, call(part, "three")]}
    )
    bad, good = worker.claim(*[each for each in waiting(scene) if scene.call(each)["name"] == "one"][:2])
    worker.fail(bad)
    found = scene.call(id_)
    assert found["state"] == "failed"
    assert json.loads(found["error"]) == json.loads(FAILED)
    worker.finish(good, "5")
    assert scene.call(good.id)["state"] == "done"
    states = scene.superuser.ask(
        "select name, state from pyfi.call where root_id = %s and id <> %s order by 1, 2", id_, id_
    )
    assert states == [
        ("one", "cancelled"), ("one", "done"), ("one", "failed"),
        ("parallel", "failed"), ("pipeline", "cancelled"), ("two", "cancelled"),
    ]  # fmt: skip
    assert waiting(scene) == []


def test_a_parallel_may_keep_errors(scene: Scene, part: Part, worker: Worker) -> None:
    """Then a failure is a result; a member that was parked and done later is counted once."""
    id_ = compose(scene.ann, {"parallel": [call(part, "one", n) for n in range(3)], "return_errors": True})
    scene.setting("max_losses", "1")
    first, second, third = worker.claim(*waiting(scene))
    worker.fail(first, "lost")
    assert scene.call(first.id)["state"] == "parked"
    worker.fail(second)
    scene.superuser.ask("update pyfi.call set state = 'queued', losses = 0 where id = %s", first.id)
    worker.finish(worker.claim_one(first.id), '"late"')
    assert scene.call(id_)["state"] == "running"
    worker.finish(third, "2")
    assert result(scene, id_) == ["late", json.loads(FAILED), 2]


def test_a_parked_member_fails_its_frame(scene: Scene, part: Part, worker: Worker) -> None:
    """By a worker that tells it, by its death, by the sweep: whoever parks it."""
    scene.setting("max_losses", "1")

    def one() -> tuple[UUID, Claimed]:
        id_ = compose(scene.ann, {"pipeline": [call(part, "one"), call(part, "two")]})
        return id_, worker.claim_one(waiting(scene)[0])

    id_, held = one()
    worker.fail(held, "lost")
    assert scene.call(id_)["state"] == "failed"
    assert json.loads(scene.call(id_)["error"]) == json.loads(LOST)

    id_, held = one()
    scene.agent().ask("select agent.worker_exited(%s, %s, 'signal 11')", worker.id, held.token)
    assert scene.call(held.id)["state"] == "parked"
    assert scene.call(id_)["state"] == "failed"


def test_retries_come_before_the_frame_hears(scene: Scene, worker: Worker) -> None:
    """Only the last failure is one."""
    part = add_part(scene.ann, "r", "task", retries=1)
    own = start_worker(scene, part.processor, key="r")
    id_ = compose(scene.ann, {"parallel": [call(part, "task")]})
    (member,) = waiting(scene)
    own.fail(own.claim_one(member))
    assert scene.call(id_)["state"] == "running"
    scene.superuser.ask("update pyfi.call set not_before = null where id = %s", member)
    own.fail(own.claim_one(member))
    assert scene.call(id_)["state"] == "failed"


def test_a_late_finish_is_refused_and_counts_nowhere(scene: Scene, part: Part, worker: Worker) -> None:
    """A fenced finish, and the same turn again, fill no slot twice."""
    id_ = compose(scene.ann, {"parallel": [call(part, "one", n) for n in range(2)]})
    first, second = waiting(scene)
    held = worker.claim_one(first)
    scene.agent().ask("select agent.worker_exited(%s, %s, 'gone')", worker.id, 0)
    again = worker.claim_one(first)
    assert worker.finish(held, '"late"').finished == []
    worker.finish(again, '"good"')
    assert worker.finish(again, '"good"').finished == [first]
    assert scene.superuser.one("select have from pyfi.frame where call_id = %s", id_) == 1
    worker.finish(worker.claim_one(second), "2")
    assert result(scene, id_) == ["good", 2]


def test_a_socket_that_was_deleted_fails_what_needs_it(scene: Scene, part: Part, worker: Worker) -> None:
    """Of a step that comes later, and of a member that waits."""
    later = compose(
        scene.ann, {"pipeline": [call(part, "one"), {"parallel": [call(part, "two"), call(part, "three")]}]}
    )
    held = worker.claim_one(waiting(scene)[0])
    now = compose(scene.ann, {"parallel": [call(part, "one"), call(part, "two")]})
    scene.ann.ask("delete from pyfi.socket where id = %s", part.sockets["two"])
    worker.finish(held)
    for id_ in (later, now):
        assert scene.call(id_)["state"] == "failed"
        assert json.loads(scene.call(id_)["error"])["error"] == "socket_deleted"
    assert waiting(scene) == []


def test_the_same_composition_again_is_the_same(scene: Scene, part: Part) -> None:
    """With other steps it is a conflict, as with another's id."""
    steps = {"parallel": [call(part, "one")]}
    id_ = compose(scene.ann, steps)
    assert compose(scene.ann, steps, id_) == id_
    assert scene.superuser.one("select count(*) from pyfi.call") == 2
    with pytest.raises(ConflictError):
        compose(scene.ann, {"parallel": [call(part, "two")]}, id_)
    with pytest.raises(InvalidError):
        compose(scene.ann, steps, UUID("00000000-0000-8000-8000-000000000000"))


@pytest.mark.parametrize(
    "steps",
    [
        [], 5, None, {}, {"call": "x"}, {"pipeline": []}, {"pipeline": {}}, {"parallel": 3}, {"parallel": [5]},
        {"parallel": [{}]}, {"parallel": [{"call": "no uuid"}]}, {"parallel": [], "pipeline": []},
        {"parallel": [{"pipeline": [{"call": None}]}]},
    ],
)  # fmt: skip
def test_what_is_no_composition_is_refused(scene: Scene, steps: object) -> None:
    """With a clear error, and nothing is entered."""
    with pytest.raises(InvalidError):
        compose(scene.ann, steps)
    assert scene.superuser.one("select count(*) from pyfi.call") == 0


def test_arguments_of_another_shape_are_refused(scene: Scene, part: Part) -> None:
    """And text that is no JSON; and a hundred levels."""
    for odd in ({"args": 5}, {"kwargs": []}, {"args": None}):
        with pytest.raises(InvalidError):
            compose(scene.ann, {"parallel": [call(part, "one") | odd]})
    with pytest.raises(InvalidError):
        scene.ann.ask("select * from ledger.compose(%s, '{', false)", uuid4())
    deep: Step = call(part, "one")
    for _ in range(101):
        deep = {"pipeline": [deep]}
    with pytest.raises(InvalidError):
        compose(scene.ann, deep)


def test_nobody_composes_with_anothers_sockets(scene: Scene, part: Part) -> None:
    """However deep they stand."""
    with pytest.raises(NotFoundError):
        compose(scene.bob, {"pipeline": [{"parallel": [call(part, "one")]}]})
    with pytest.raises(NotFoundError):
        compose(scene.ann, {"parallel": [{"call": str(uuid4())}]})
    assert scene.superuser.one("select count(*) from pyfi.call") == 0


def test_two_turns_that_fill_the_last_slots_fire_once(scene: Scene, part: Part) -> None:
    """One waits for the other's commit; the next step is entered once, whoever is last."""
    id_ = compose(scene.ann, {"pipeline": [{"parallel": [call(part, "one", n) for n in range(2)]}, call(part, "two")]})
    a, b = start_worker(scene, part.processor, key="a"), start_worker(scene, part.processor, "n2", key="b")
    first, second = waiting(scene)
    held_a, held_b = a.claim_one(first), b.claim_one(second)
    with a.login.connection, a.login.connection.cursor() as cursor:
        cursor.execute("begin")
        a.finish(held_a, "1")
        b.login.ask("set lock_timeout = '200ms'")
        with pytest.raises(Exception, match="lock"):
            b.finish(held_b, "2")
        cursor.execute("commit")
    b.finish(held_b, "2")
    ((next_,),) = scene.superuser.ask("select id from pyfi.call where name = 'two'")
    assert json.loads(scene.call(next_)["args"])["args"] == [[1, 2]]
    assert scene.call(id_)["state"] == "running"


@pytest.mark.parametrize(("room", "claimed"), [(0, 0), (2, 2), (9, 3)])
def test_what_a_turn_enters_is_claimed_at_once_where_there_is_room(
    scene: Scene, part: Part, worker: Worker, room: int, claimed: int
) -> None:
    """The rest gets wake-ups; no call is both."""
    steps = [call(part, "two", n) for n in range(3)]
    id_ = compose(scene.ann, {"pipeline": [call(part, "one"), {"parallel": steps}]})
    turn = worker.turn(finish=[Told(call=worker.claim_one(waiting(scene)[0]), value="1")], room=room)
    woken = [each for _, _, ids in turn.outbox for each in ids]
    assert (len(turn.claimed), len(woken)) == (claimed, 3 - claimed)
    assert not {each.id for each in turn.claimed} & set(woken)
    worker.turn(finish=[Told(call=each, value="0") for each in turn.claimed])
    run(scene, worker)
    assert scene.call(id_)["state"] == "done"


def test_a_thousand_members(scene: Scene, part: Part, worker: Worker) -> None:
    """In turns of 64, as a worker does."""
    id_ = compose(scene.ann, {"parallel": [call(part, "one", n) for n in range(1000)]})
    ids = waiting(scene)
    for start in range(0, 1000, 64):
        held = worker.claim(*ids[start : start + 64])
        worker.turn(finish=[Told(call=each, value=str(json.loads(each.arguments)["args"][0])) for each in held])
    assert result(scene, id_) == list(range(1000))


def test_a_deadline_ends_the_whole(scene: Scene, part: Part, worker: Worker) -> None:
    """Every call of it inherits the deadline and the priority; who is too late fails the frames around."""
    steps = {"pipeline": [call(part, "one"), {"parallel": [call(part, "two"), call(part, "three")]}]}
    id_ = compose(scene.ann, steps, options={"deadline": 3600, "priority": 3})
    worker.finish(worker.claim_one(waiting(scene)[0]))
    rows = scene.superuser.ask("select distinct deadline is not null, priority from pyfi.call")
    assert rows == [(True, 3)]
    scene.superuser.ask("update pyfi.call set expires = now() - interval '1 second' where name = 'two'")
    scene.agent().ask("select ledger.sweep()")
    assert scene.call(id_)["state"] == "failed"
    assert json.loads(scene.call(id_)["error"])["error"] in {"expired", "deadline"}
    assert waiting(scene) == []
    for odd in ({"key": "k"}, {"expires": 5}, {"nonsense": 1}):
        with pytest.raises(InvalidError):
            compose(scene.ann, steps, options=odd)
