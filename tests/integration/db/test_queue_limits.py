"""Lengths of queues: who enters gets an error, what feeds a full queue pauses, and nothing is dropped."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest

from pyfi.errors import InvalidError, QueueFullError
from tests.integration.db.scene import Part, Scene, add_part, add_plug, add_queue, arguments
from tests.integration.db.workers import Claimed, Told, Worker, start_worker, submit


def end(*calls: Claimed) -> list[Told]:
    """All ended well."""
    return [Told(call=call) for call in calls]


def limit(scene: Scene, queue: UUID, column: str, value: object) -> None:
    """Write a limit of a queue, as its owner."""
    scene.ann.ask(f"update pyfi.queue set {column} = %s where id = %s", value, queue)


def enter(scene: Scene, socket: UUID, count: int, size: int = 1) -> list[UUID]:
    """So many calls in one submission."""
    return submit(scene.ann, socket, *[arguments("x" * size) for _ in range(count)])


@pytest.fixture
def part(scene: Scene) -> Part:
    """One socket."""
    return add_part(scene.ann, "p", "one")


@pytest.fixture
def line(scene: Scene) -> tuple[Part, Part]:
    """A plug from first to last."""
    first, last = add_part(scene.ann, "first", "one"), add_part(scene.ann, "last", "two")
    add_plug(scene.ann, "edge", first.sockets["one"], last.sockets["two"], last.queue)
    return first, last


# Submissions


def test_a_full_queue_takes_nothing_of_a_batch(scene: Scene, part: Part) -> None:
    limit(scene, part.queue, "max_length", 3)
    enter(scene, part.sockets["one"], 2)
    with pytest.raises(QueueFullError, match="queue p is full: it may hold 3 calls"):
        enter(scene, part.sockets["one"], 2)
    assert scene.superuser.one("select count(*) from pyfi.call") == 2
    assert scene.superuser.one("select sum(cardinality(ids)) from pyfi.outbox") == 2
    enter(scene, part.sockets["one"], 1)


def test_the_same_ids_again_are_no_new_calls(scene: Scene, part: Part) -> None:
    limit(scene, part.queue, "max_length", 2)
    ids = enter(scene, part.sockets["one"], 2)
    assert submit(scene.ann, part.sockets["one"], *[arguments("x")] * 2, ids=ids) == ids


def test_what_was_claimed_waits_no_more(scene: Scene, part: Part) -> None:
    limit(scene, part.queue, "max_length", 3)
    worker = start_worker(scene, part.processor)
    ids = enter(scene, part.sockets["one"], 3)
    assert len(worker.claim(*ids)) == 3
    enter(scene, part.sockets["one"], 3)
    with pytest.raises(QueueFullError):
        enter(scene, part.sockets["one"], 1)


def test_two_sockets_of_one_queue_share_its_room(scene: Scene, part: Part) -> None:
    other = add_part(scene.ann, "other", "two")
    scene.ann.ask("update pyfi.socket set queue_id = %s where id = %s", part.queue, other.sockets["two"])
    limit(scene, part.queue, "max_length", 3)
    enter(scene, part.sockets["one"], 2)
    enter(scene, other.sockets["two"], 1)
    with pytest.raises(QueueFullError):
        enter(scene, other.sockets["two"], 1)


def test_bytes(scene: Scene, part: Part) -> None:
    limit(scene, part.queue, "max_length_bytes", 1000)
    enter(scene, part.sockets["one"], 3, 200)
    with pytest.raises(QueueFullError, match="it may hold 1000 bytes"):
        enter(scene, part.sockets["one"], 3, 200)
    enter(scene, part.sockets["one"], 1, 200)
    noise = "".join(chr(0x4E00 + n) for n in range(2000))
    with pytest.raises(InvalidError, match="queue p may hold 1000"):
        submit(scene.ann, part.sockets["one"], arguments(noise))


def test_submitters_that_race_never_exceed_a_length(scene: Scene, part: Part) -> None:
    limit(scene, part.queue, "max_length", 20)
    refused: list[int] = []

    def press() -> None:
        login = scene.ann.another()
        for _ in range(20):
            try:
                submit(login, part.sockets["one"], arguments(1))
            except QueueFullError:
                refused.append(1)
        login.close()

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scene.superuser.one("select count(*) from pyfi.call") == 20
    assert len(refused) == 60


def test_a_long_queue_is_not_counted_each_time(scene: Scene, part: Part) -> None:
    limit(scene, part.queue, "max_length", 1_000_000)
    enter(scene, part.sockets["one"], 10)
    scene.superuser.ask("update pyfi.backlog set length = 100000, counted = clock_timestamp()")
    enter(scene, part.sockets["one"], 10)
    assert scene.superuser.one("select length from pyfi.backlog") == 100_010
    scene.superuser.ask("update pyfi.backlog set counted = now() - interval '1 minute'")
    enter(scene, part.sockets["one"], 10)
    assert scene.superuser.one("select length from pyfi.backlog") == 30


def test_a_limit_that_is_lifted_is_gone(scene: Scene, part: Part) -> None:
    limit(scene, part.queue, "max_length", 1)
    enter(scene, part.sockets["one"], 1)
    limit(scene, part.queue, "max_length", None)
    enter(scene, part.sockets["one"], 5)
    assert scene.superuser.one("select count(*) from pyfi.backlog") == 0
    assert scene.superuser.one("select count(*) from pyfi.throttle") == 0


# Plugs


def test_a_full_queue_pauses_what_feeds_it_until_there_is_room(scene: Scene, line: tuple[Part, Part]) -> None:
    first, last = line
    limit(scene, last.queue, "max_length", 4)
    source, target = start_worker(scene, first.processor), start_worker(scene, last.processor, key="t")
    ids = enter(scene, first.sockets["one"], 10)
    calls = source.claim(*ids)
    assert len(calls) == 4, "what is under way counts"
    assert source.claim(*ids[4:]) == []
    source.turn(finish=end(*calls))
    waiting = [id_ for (id_,) in scene.superuser.ask("select id from pyfi.call where state = 'queued' and hops = 1")]
    assert len(waiting) == 4
    assert source.turn(claim=ids[4:], more=10).claimed == [], "now they wait there"
    scene.superuser.ask("delete from pyfi.outbox")
    taken = target.claim(*waiting[:2])
    assert len(taken) == 2
    woken = scene.superuser.ask("select address, cardinality(ids) from pyfi.outbox where due <= clock_timestamp()")
    assert woken == [("ann:first.first.one", 1)]
    assert len(source.turn(claim=ids[4:5], more=10).claimed) == 2


def test_the_limit_of_the_plugs_own_queue_holds_too(scene: Scene) -> None:
    first, last = add_part(scene.ann, "first", "one"), add_part(scene.ann, "last", "two")
    own = add_queue(scene.ann, "between")
    add_plug(scene.ann, "edge", first.sockets["one"], last.sockets["two"], own)
    limit(scene, own, "max_length", 2)
    worker = start_worker(scene, first.processor)
    ids = enter(scene, first.sockets["one"], 5)
    assert len(worker.claim(*ids)) == 2


def test_other_sockets_of_the_processor_go_on(scene: Scene) -> None:
    first, last = add_part(scene.ann, "first", "one", "free"), add_part(scene.ann, "last", "two")
    add_plug(scene.ann, "edge", first.sockets["one"], last.sockets["two"], last.queue)
    limit(scene, last.queue, "max_length", 1)
    enter(scene, last.sockets["two"], 1)
    worker = start_worker(scene, first.processor)
    held, free = enter(scene, first.sockets["one"], 3), enter(scene, first.sockets["free"], 3)
    assert {call.id for call in worker.claim(*held, *free)} == set(free)


def test_a_circle_of_full_queues_does_not_stand_still(scene: Scene) -> None:
    first, last = add_part(scene.ann, "first", "one"), add_part(scene.ann, "last", "two")
    add_plug(scene.ann, "there", first.sockets["one"], last.sockets["two"], last.queue)
    add_plug(scene.ann, "back", last.sockets["two"], first.sockets["one"], first.queue)
    limit(scene, first.queue, "max_length", 2)
    limit(scene, last.queue, "max_length", 2)
    a, b = start_worker(scene, first.processor), start_worker(scene, last.processor, key="b")
    ids = [*enter(scene, first.sockets["one"], 2), *enter(scene, last.sockets["two"], 2)]
    assert len(a.claim(*ids)) == len(b.claim(*ids)) == 2
    assert scene.superuser.one("select count(*) from pyfi.throttle where feeds <> '{}'") == 0


def test_a_plug_to_itself_does_not_wait_for_itself(scene: Scene, part: Part) -> None:
    add_plug(scene.ann, "self", part.sockets["one"], part.sockets["one"], part.queue)
    limit(scene, part.queue, "max_length", 2)
    worker = start_worker(scene, part.processor)
    assert len(worker.claim(*enter(scene, part.sockets["one"], 2))) == 2


def test_a_plug_that_closes_a_circle_ends_the_waiting(scene: Scene, line: tuple[Part, Part]) -> None:
    first, last = line
    limit(scene, last.queue, "max_length", 1)
    assert scene.superuser.one("select count(*) from pyfi.throttle where feeds <> '{}'") == 1
    add_plug(scene.ann, "back", last.sockets["two"], first.sockets["one"], first.queue)
    assert scene.superuser.one("select count(*) from pyfi.throttle where feeds <> '{}'") == 0
    scene.ann.ask("delete from pyfi.plug where name = 'back'")
    assert scene.superuser.one("select count(*) from pyfi.throttle where feeds <> '{}'") == 1


def drained(scene: Scene, workers: list[Worker]) -> int:
    """Bring every wake-up that is due to every worker, one call at a time, until nothing is left; how often."""
    for step in range(2000):
        rows = scene.superuser.ask(
            "delete from pyfi.outbox where due <= clock_timestamp() + interval '3 s' returning ids"
        )
        named = [
            UUID(str(id_)) for (ids,) in rows for id_ in (ids if isinstance(ids, list) else ids.strip("{}").split(","))
        ]
        for worker in workers:
            for call in worker.turn(claim=named, more=2).claimed:
                worker.turn(finish=end(call))
        if scene.superuser.one("select count(*) from pyfi.call where state <> 'done'") == 0:
            return step
    raise AssertionError(scene.superuser.ask("select name, state, count(*) from pyfi.call group by 1, 2"))


def test_a_chain_of_short_queues_drains_without_overflow(scene: Scene) -> None:
    """Three in a row, all much shorter than what is to pass."""
    parts = [add_part(scene.ann, f"p{n}", f"s{n}") for n in range(3)]
    for n in (0, 1):
        add_plug(scene.ann, "on", parts[n].sockets[f"s{n}"], parts[n + 1].sockets[f"s{n + 1}"], parts[n + 1].queue)
        limit(scene, parts[n + 1].queue, "max_length", 2)
    workers = [start_worker(scene, part.processor, key=str(n)) for n, part in enumerate(parts)]
    enter(scene, parts[0].sockets["s0"], 25)
    drained(scene, workers)
    assert scene.superuser.ask("select count(*) from pyfi.call") == [(75,)]
