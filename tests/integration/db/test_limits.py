"""Rules of sockets: order, cap, rate. A wake-up is a token; what is claimed for it is what the rules say."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from pyfi.errors import InvalidError
from tests.integration.db.scene import Part, Scene, add_part, add_plug, add_queue, arguments
from tests.integration.db.workers import Claimed, Told, Worker, start_worker, submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """Two sockets."""
    return add_part(scene.ann, "p", "one", "two")


def limit(scene: Scene, socket: UUID, **values: object) -> None:
    """Write rules of a socket, as its owner."""
    for column, value in values.items():
        scene.ann.ask(f"update pyfi.socket set {column} = %s where id = %s", value, socket)


def enter(scene: Scene, socket: UUID, count: int) -> list[UUID]:
    """So many calls, in one submission; its wake-ups are taken away, the test brings them itself."""
    ids = submit(scene.ann, socket, *[arguments(n) for n in range(count)])
    scene.superuser.ask("delete from pyfi.outbox")
    return ids


def prioritise(scene: Scene, socket: UUID, ids: Sequence[UUID], priority: int) -> None:
    """What a submission with a priority does."""
    scene.superuser.ask("update pyfi.call set priority = %s where id = any (%s)", priority, list(ids))
    scene.superuser.ask("insert into pyfi.throttle (socket_id) values (%s) on conflict do nothing", socket)


def wakeups(scene: Scene) -> list[tuple[int, bool]]:
    """How many ids each wake-up in the outbox names, and whether it is due."""
    return scene.superuser.ask("select cardinality(ids), due <= clock_timestamp() from pyfi.outbox order by id")


def done(*calls: Claimed) -> list[Told]:
    """All ended well."""
    return [Told(call=call) for call in calls]


def owed(scene: Scene, socket: UUID) -> int:
    """Wake-ups that came in vain."""
    return int(scene.superuser.one("select owed from pyfi.throttle where socket_id = %s", socket))


# Order


def test_without_rules_a_wake_up_is_for_the_call_that_it_names(scene: Scene, part: Part) -> None:
    worker = start_worker(scene, part.processor)
    ids = enter(scene, part.sockets["one"], 5)
    assert [call.id for call in worker.claim(ids[3], ids[1])] == [ids[3], ids[1]]
    assert scene.superuser.one("select count(*) from pyfi.throttle") == 0


def test_higher_priorities_first_and_older_ones_among_equals(scene: Scene, part: Part) -> None:
    worker = start_worker(scene, part.processor)
    ids = enter(scene, part.sockets["one"], 9)
    prioritise(scene, part.sockets["one"], ids[3:6], 7)
    prioritise(scene, part.sockets["one"], ids[6:], -1)
    reply = worker.turn(claim=[ids[8], ids[7], ids[0], ids[1], ids[2], ids[6]])
    order = [call.id for call in reply.claimed]
    assert len(order) == 6 and set(reply.tokens) == {ids[8], ids[7], *ids[:3], ids[6]}
    # One of them may be the turn of the oldest, which then comes first.
    assert order in ([*ids[3:6], *ids[:3]], [ids[0], *ids[3:6], *ids[1:3]])


def test_an_old_call_of_low_priority_gets_its_turn(scene: Scene, part: Part) -> None:
    worker = start_worker(scene, part.processor)
    socket = part.sockets["one"]
    (old,) = enter(scene, socket, 1)
    prioritise(scene, socket, [old], -10)
    for _ in range(40):
        ids = enter(scene, socket, 5)
        prioritise(scene, socket, ids, 10)
        calls = worker.claim(*ids)
        assert len(calls) == 5
        worker.turn(finish=done(*calls))
        if old in {call.id for call in calls}:
            break
    else:
        pytest.fail("200 claims, and the oldest call was none of them")


def test_a_socket_with_rules_and_one_without_in_one_turn(scene: Scene, part: Part) -> None:
    worker = start_worker(scene, part.processor)
    ruled, free = enter(scene, part.sockets["one"], 2), enter(scene, part.sockets["two"], 2)
    prioritise(scene, part.sockets["one"], ruled[1:], 5)
    assert {call.id for call in worker.claim(free[0], ruled[0])} <= {free[0], *ruled}
    assert len(worker.claim(free[1], ruled[1])) == 2
    assert worker.claim(*free, *ruled) == []


# Cap


def test_never_more_than_the_cap(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, concurrency=3)
    worker = start_worker(scene, part.processor)
    ids = enter(scene, socket, 10)
    calls = worker.claim(*ids)
    assert len(calls) == 3 and owed(scene, socket) == 7
    assert wakeups(scene) == [], "who ends a call claims the next"
    reply = worker.turn(finish=done(calls[0]), more=1)
    assert len(reply.claimed) == 1 and owed(scene, socket) == 6
    reply = worker.turn(finish=done(calls[1], calls[2]), more=5)
    assert len(reply.claimed) == 2


def test_a_cap_that_is_reached_leaves_other_sockets_alone(scene: Scene, part: Part) -> None:
    limit(scene, part.sockets["one"], concurrency=1)
    worker = start_worker(scene, part.processor)
    ids = [*enter(scene, part.sockets["one"], 3), *enter(scene, part.sockets["two"], 3)]
    assert [call.socket for call in worker.claim(*ids)].count(part.sockets["two"]) == 3


def test_two_workers_share_a_cap(scene: Scene, part: Part) -> None:
    """One worker runs one call after the other: all slots in its hands would be one at a time."""
    socket = part.sockets["one"]
    limit(scene, socket, concurrency=4)
    first, second = start_worker(scene, part.processor, key="1"), start_worker(scene, part.processor, key="2")
    ids = enter(scene, socket, 10)
    assert len(first.claim(*ids[:5])) == 2
    assert len(wakeups(scene)) == 1, "slots are left, and the first worker has its share"
    assert len(second.claim(*ids[5:])) == 2
    assert first.claim(ids[0]) == second.claim(ids[1]) == []


def test_who_ends_a_call_and_takes_none_wakes_another(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, concurrency=1)
    worker = start_worker(scene, part.processor)
    ids = enter(scene, socket, 2)
    (call,) = worker.claim(*ids)
    assert worker.turn(finish=done(call), more=0).claimed == []
    assert len(wakeups(scene)) == 1


def test_a_killed_workers_slots_come_back(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, concurrency=2)
    worker = start_worker(scene, part.processor, key="1")
    ids = enter(scene, socket, 5)
    assert len(worker.claim(*ids)) == 2
    scene.agent().ask("select agent.worker_exited(%s, 0, 'kill')", worker.id)
    assert [count for count, _ in wakeups(scene)] == [2]
    other = start_worker(scene, part.processor, key="1")
    assert len(other.claim(*ids[:2])) == 2


def test_a_slot_that_no_worker_freed_is_found_by_the_sweep(scene: Scene, part: Part) -> None:
    """Parked: nothing goes back to the queue, and so nothing wakes anybody."""
    scene.setting("max_losses", "1")
    socket = part.sockets["one"]
    limit(scene, socket, concurrency=1)
    worker = start_worker(scene, part.processor)
    ids = enter(scene, socket, 2)
    (call,) = worker.claim(*ids)
    scene.agent().ask("select ledger.sweep()")
    assert wakeups(scene) == [], "the cap is reached"
    scene.agent().ask("select agent.worker_exited(%s, %s, 'kill')", worker.id, call.token)
    assert scene.call(call.id)["state"] == "parked" and wakeups(scene) == []
    scene.superuser.ask("update pyfi.throttle set woken = now() - interval '2 seconds'")
    scene.agent().ask("select ledger.sweep()")
    assert wakeups(scene) == [(1, True)]
    scene.agent().ask("select ledger.sweep()")
    assert len(wakeups(scene)) == 1, "one is on its way"


def test_what_runs_when_a_cap_is_set_counts(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    worker = start_worker(scene, part.processor)
    ids = enter(scene, socket, 6)
    assert len(worker.claim(*ids[:3])) == 3
    limit(scene, socket, concurrency=4)
    assert len(worker.claim(*ids[3:])) == 1


def test_a_lifted_cap_wakes_what_it_kept_back(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, concurrency=1)
    worker = start_worker(scene, part.processor)
    ids = enter(scene, socket, 5)
    assert len(worker.claim(*ids)) == 1
    limit(scene, socket, concurrency=None)
    assert wakeups(scene) == [(4, True)]
    assert len(worker.claim(*ids)) == 4


def test_workers_that_race_never_exceed_a_cap(scene: Scene, part: Part) -> None:
    """Each in a thread of its own, claiming and ending as fast as it can; and all calls come to an end."""
    socket, cap, count = part.sockets["one"], 3, 120
    limit(scene, socket, concurrency=cap)
    ids = enter(scene, socket, count)
    workers = [start_worker(scene, part.processor, key=str(n)) for n in range(4)]
    for worker in workers:
        worker.login = worker.login.another()
    tokens, most, lock = list(ids), [0], threading.Lock()

    def work(worker: Worker) -> None:
        eyes = scene.superuser.another()
        held: list[Claimed] = []
        for _ in range(count * 4):
            with lock:
                named = [tokens.pop() for _ in range(min(2, len(tokens)))]
            reply = worker.turn(finish=done(*held[:1]), claim=named, more=1)
            held = held[1:] + reply.claimed
            seen = eyes.one("select count(*) from pyfi.call where state in ('claimed', 'running')")
            most[0] = max(most[0], seen)
            if not held and not tokens:
                with lock:
                    rows = eyes.ask("delete from pyfi.outbox where due <= clock_timestamp() returning ids[1]")
                    tokens.extend(id_ for (id_,) in rows)
                if eyes.one("select count(*) from pyfi.call where state <> 'done'") == 0:
                    break
        eyes.close()
        worker.login.close()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scene.superuser.ask("select state, count(*) from pyfi.call group by 1") == [("done", count)]
    assert 1 <= most[0] <= cap


# Rate


def test_a_rate_lets_a_burst_through_and_then_as_many_as_time_brings(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, rate=0.5, burst=3)
    worker = start_worker(scene, part.processor)
    ids = enter(scene, socket, 10)
    assert len(worker.claim(*ids)) == 3 and owed(scene, socket) == 7
    assert wakeups(scene) == [(1, False)], "one wake-up, when there is a token"
    due = scene.superuser.one("select extract(epoch from due - now())::float from pyfi.outbox")
    assert 1.5 < due <= 2.0
    assert worker.claim(*ids) == [] and len(wakeups(scene)) == 1
    scene.superuser.ask("update pyfi.throttle set filled = filled - interval '2 seconds', woken = now()")
    scene.superuser.ask("delete from pyfi.outbox")
    assert len(worker.turn(claim=[ids[9]], more=5).claimed) == 1
    assert wakeups(scene) == [(1, False)]


def test_a_bucket_holds_no_more_than_a_burst(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, rate=10, burst=4)
    worker = start_worker(scene, part.processor)
    ids = enter(scene, socket, 30)
    assert len(worker.claim(*ids[:10])) == 4
    scene.superuser.ask("update pyfi.throttle set filled = filled - interval '1 day'")
    assert len(worker.claim(*ids[10:])) == 4


def test_without_a_burst_it_is_what_a_second_brings(scene: Scene, part: Part) -> None:
    limit(scene, part.sockets["one"], rate=0.001)
    limit(scene, part.sockets["two"], rate=2.5)
    worker = start_worker(scene, part.processor)
    ids = [*enter(scene, part.sockets["one"], 5), *enter(scene, part.sockets["two"], 5)]
    claimed = [call.socket for call in worker.claim(*ids)]
    assert (claimed.count(part.sockets["one"]), claimed.count(part.sockets["two"])) == (1, 3)


def test_two_workers_have_one_rate(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, rate=0.001, burst=5)
    first, second = start_worker(scene, part.processor, key="1"), start_worker(scene, part.processor, key="2")
    ids = enter(scene, socket, 8)
    assert len(first.claim(*ids[:3])) + len(second.claim(*ids[3:])) == 5


def test_an_empty_queue_is_owed_nothing(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, rate=0.001, burst=5)
    worker = start_worker(scene, part.processor)
    ids = enter(scene, socket, 2)
    assert len(worker.claim(*ids)) == 2
    assert worker.claim(*ids) == [] and owed(scene, socket) == 0 and wakeups(scene) == []


# Priorities of submissions


def with_priority(scene: Scene, socket: UUID, priority: object) -> UUID:
    """One call, submitted with that."""
    id_ = uuid4()
    text = json.dumps({"priority": priority})
    scene.ann.ask("select ledger.submit(array[%s], %s, array[%s], false, %s)", id_, socket, arguments(1), text)
    return id_


def test_a_submission_has_a_priority_and_its_children_inherit_it(scene: Scene, part: Part) -> None:
    add_plug(scene.ann, "edge", part.sockets["one"], part.sockets["two"], part.queue)
    worker = start_worker(scene, part.processor)
    id_ = with_priority(scene, part.sockets["one"], 4)
    worker.turn(finish=done(worker.claim_one(id_)))
    (child,) = scene.children(id_)
    assert (scene.call(id_)["priority"], child["priority"]) == (4, 4)
    assert scene.superuser.one("select count(*) from pyfi.throttle") == 2


@pytest.mark.parametrize("given", [11, -11, 1.5, "5", True, 1e300])
def test_what_is_no_priority(scene: Scene, part: Part, given: object) -> None:
    with pytest.raises(InvalidError, match="priority is no whole number from -10 to 10"):
        with_priority(scene, part.sockets["one"], given)
    assert scene.superuser.one("select count(*) from pyfi.call") == 0


def test_members_of_a_composition_inherit_it(scene: Scene, part: Part) -> None:
    """The frame has it, whoever gave it."""
    worker = start_worker(scene, part.processor)
    steps = json.dumps({"pipeline": [{"call": str(part.sockets[name])} for name in ("one", "two")]})
    top = uuid4()
    scene.ann.ask("select * from ledger.compose(%s, %s, false)", top, steps)
    scene.superuser.ask("update pyfi.call set priority = 3")
    (first,) = scene.children(top)
    worker.turn(finish=done(worker.claim_one(UUID(first["id"]))))
    assert [child["priority"] for child in scene.children(top)] == [3, 3]


def test_what_came_due_is_claimed_in_its_turn_and_what_is_not_due_is_not(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, concurrency=50)
    worker = start_worker(scene, part.processor)
    due, later, now = enter(scene, socket, 3)
    scene.superuser.ask("update pyfi.call set not_before = now() - interval '1 s' where id = %s", due)
    scene.superuser.ask("update pyfi.call set not_before = now() + interval '1 h' where id = %s", later)
    assert [call.id for call in worker.claim(now, due, later)] == [due, now]


def test_what_expired_is_not_claimed(scene: Scene, part: Part) -> None:
    socket = part.sockets["one"]
    limit(scene, socket, concurrency=50)
    worker = start_worker(scene, part.processor)
    old, new = enter(scene, socket, 2)
    scene.superuser.ask("update pyfi.call set expires = now() - interval '1 s' where id = %s", old)
    assert [call.id for call in worker.claim(old, new)] == [new]


def test_a_deadline_is_told_with_the_call(scene: Scene, part: Part) -> None:
    limit(scene, part.sockets["one"], concurrency=5)
    worker = start_worker(scene, part.processor)
    (id_,) = enter(scene, part.sockets["one"], 1)
    scene.superuser.ask("update pyfi.call set deadline = now() + interval '1 min'")
    rows = worker.login.ask(
        "select kind from ledger.turn(%s, array[%s], null, 0, 0, null, null, null, null, null, null, null, null, null,"
        " null, null, null, null, null, null, null, 0)",
        worker.id,
        id_,
    )
    assert [kind for (kind,) in rows] == ["r", "c", "t"] or [kind for (kind,) in rows] == ["r", "t", "c"]


def test_the_queues_ttl_ends_the_wait_of_submissions_and_of_children(scene: Scene, part: Part) -> None:
    other = add_queue(scene.ann, "own")
    add_plug(scene.ann, "edge", part.sockets["one"], part.sockets["two"], other)
    scene.ann.ask("update pyfi.queue set message_ttl = 60000 where id = %s", part.queue)
    scene.ann.ask("update pyfi.queue set message_ttl = 5000 where id = %s", other)
    worker = start_worker(scene, part.processor)
    (id_,) = enter(scene, part.sockets["one"], 1)
    left = "select extract(epoch from expires - created)::float from pyfi.call where state = 'queued'"
    assert 59 < scene.superuser.one(left) < 61
    worker.turn(finish=done(worker.claim_one(id_)))
    assert 4 < scene.superuser.one(left) < 6
