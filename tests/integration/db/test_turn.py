"""S3 and S5: claiming, and finishing fenced by the claim's token."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from pyfi.clock import wait_until
from pyfi.errors import ForbiddenError
from tests.integration.db.scene import Part, Scene, add_part, add_plug, arguments
from tests.integration.db.workers import FAILED, Claimed, Told, Worker, deploy, start_worker, submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor of ann's with two sockets and a plug from the first to the second."""
    made = add_part(scene.ann, "p", "one", "two")
    add_plug(scene.ann, "edge", made.sockets["one"], made.sockets["two"], made.queue)
    return made


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """A worker of it."""
    return start_worker(scene, part.processor)


def enter(scene: Scene, part: Part, count: int = 1, socket: str = "one") -> list[UUID]:
    """Queued calls."""
    return submit(scene.ann, part.sockets[socket], *[arguments(n) for n in range(count)])


def states(scene: Scene, ids: list[UUID]) -> list[str]:
    """In the order of `ids`."""
    return [scene.call(id_)["state"] for id_ in ids]


def test_a_worker_learns_its_sockets(scene: Scene, part: Part) -> None:
    """And how long its leases are."""
    deploy(scene, part.processor)
    scene.setting("lease", "7 seconds")
    told = Worker(login=scene.worker(), processor=part.processor).enlist()
    assert told["lease_seconds"] == 7
    assert told["sockets"] == [
        {"id": str(part.sockets[name]), "name": name, "task": name, "address": f"ann:p.p.{name}"}
        for name in ("one", "two")
    ]


def test_a_claim_reserves_and_does_not_count(scene: Scene, part: Part, worker: Worker) -> None:
    """A token, a lease in the database's time, the number that a start would have."""
    (id_,) = enter(scene, part)
    call = worker.claim_one(id_)
    row = scene.call(id_)
    assert (call.attempt, call.socket, call.arguments, call.root, call.parent) == (
        1,
        part.sockets["one"],
        arguments(0),
        id_,
        None,
    )
    assert (row["state"], row["attempt"], row["claim"], row["worker_id"]) == ("claimed", 0, call.token, str(worker.id))
    assert scene.superuser.one(
        "select lease_until between now() + interval '25 s' and now() + interval '30 s' from pyfi.call"
    )


def test_a_claim_keeps_the_commit_of_the_code(scene: Scene, part: Part, worker: Worker) -> None:
    """That of the last attempt, as its worker said when it enlisted."""
    (id_,) = enter(scene, part)
    assert scene.call(id_)["commit"] is None
    call = worker.claim_one(id_)
    assert scene.call(id_)["commit"] == "0" * 40
    worker.turn(back=[call])
    newer = Worker(login=scene.worker(), processor=part.processor, commit="1" * 40)
    newer.enlist()
    newer.finish(newer.claim_one(id_))
    assert scene.call(id_)["commit"] == "1" * 40


def test_only_queued_calls_are_claimed(scene: Scene, part: Part, worker: Worker) -> None:
    """Claimed, running, done, failed, parked and unknown ones are duplicates."""
    held, running, done, failed, parked = enter(scene, part, 5)
    calls = {call.id: call for call in worker.claim(held, running, done, failed)}
    worker.renew(calls[running], running=calls[running])
    worker.turn(finish=[Told(call=calls[done]), Told(call=calls[failed], outcome="failed", value=FAILED)])
    scene.superuser.ask("update pyfi.call set state = 'parked' where id = %s", parked)
    assert states(scene, [held, running, done, failed, parked]) == ["claimed", "running", "done", "failed", "parked"]
    assert worker.claim(held, running, done, failed, parked, uuid4()) == []


def test_a_call_named_twice_in_one_claim_is_claimed_once(scene: Scene, part: Part, worker: Worker) -> None:
    """Duplicate wake-ups may come in one batch."""
    (id_,) = enter(scene, part)
    (call,) = worker.claim(id_, id_, id_)
    assert scene.call(id_)["claim"] == call.token


def test_a_retry_is_not_claimed_before_it_is_due(scene: Scene, part: Part, worker: Worker) -> None:
    """Whatever wake-up comes early."""
    (id_,) = enter(scene, part)
    scene.superuser.ask("update pyfi.call set not_before = now() + interval '1 minute'")
    assert worker.claim(id_) == []
    scene.superuser.ask("update pyfi.call set not_before = now() - interval '1 second'")
    assert len(worker.claim(id_)) == 1


def test_only_ones_own_sockets_are_claimed(scene: Scene, part: Part, worker: Worker) -> None:
    """A forged wake-up names another processor's call."""
    other = add_part(scene.bob, "other", "one")
    (theirs,) = submit(scene.bob, other.sockets["one"], arguments(1))
    (mine,) = enter(scene, part)
    assert [call.id for call in worker.claim(theirs, mine)] == [mine]
    assert scene.call(theirs)["state"] == "queued"


@pytest.mark.parametrize("status", ["paused", "stopped", "removed"])
def test_a_processor_that_is_not_running_claims_nothing(scene: Scene, part: Part, worker: Worker, status: str) -> None:
    """What runs may finish; the worker is told so by a row 'p'."""
    first, second = enter(scene, part, 2)
    call = worker.claim_one(first)
    scene.ann.ask("update pyfi.processor set requested_status = %s", status)
    turn = worker.turn(claim=[second], finish=[Told(call=call)])
    assert (turn.finished, turn.claimed, turn.accepting) == ([first], [], False)
    assert states(scene, [first, second]) == ["done", "queued"]
    scene.ann.ask("update pyfi.processor set requested_status = 'running'")
    assert worker.turn(claim=[second]).accepting


def test_tokens_rise_and_are_never_used_again(scene: Scene, part: Part, worker: Worker) -> None:
    """In the order of the wake-ups, whatever the ids are: the guest's mark counts on it."""
    ids = sorted(enter(scene, part, 20), key=str, reverse=True)
    first = worker.claim(*ids)
    assert [call.id for call in first] == ids
    worker.turn(back=first)
    second = worker.claim(*ids)
    tokens = [call.token for call in first + second]
    assert tokens == sorted(set(tokens))


def test_a_finish_is_recorded(scene: Scene, part: Part, worker: Worker) -> None:
    """Result, output, attempt, times."""
    (id_,) = enter(scene, part)
    call = worker.claim_one(id_)
    turn = worker.turn(finish=[Told(call=call, value='{"a":  1}', output='{"o": 2}', seconds=0.5)])
    row = scene.call(id_)
    assert turn.finished == [id_]
    assert (row["state"], row["result"], row["error"], row["output"]) == ("done", '{"a":  1}', None, '{"o": 2}')
    assert (row["attempt"], row["failures"], row["losses"], row["seconds"]) == (1, 0, 0, 0.5)
    assert row["created"] <= row["finished"] and row["started"] < row["finished"]
    assert (row["lease_until"], row["not_before"]) == (None, None)


def test_none_is_a_result(scene: Scene, part: Part, worker: Worker) -> None:
    """JSON's null, which is not SQL's; and it goes through plugs."""
    first, second = worker.claim(*enter(scene, part, 2))
    worker.turn(finish=[Told(call=first, value="null"), Told(call=second, value=None)])
    for call in (first, second):
        assert scene.call(call.id)["result"] == "null"
        (child,) = scene.children(call.id)
        assert child["args"] == '{"args":[null],"kwargs":{}}'


@pytest.mark.parametrize("stale", ["token", "worker", "given back", "claimed again", "released"])
def test_a_stale_finish_changes_nothing(scene: Scene, part: Part, worker: Worker, stale: str) -> None:
    """No state, no child, no answer."""
    (id_,) = enter(scene, part)
    call = worker.claim_one(id_)
    speaker = worker
    if stale == "token":
        call = replace(call, token=call.token + 1)
    elif stale == "worker":
        speaker = start_worker(scene, part.processor, key="w2")
    elif stale == "released":
        scene.agent().ask("select agent.worker_exited(%s, %s, 'gone')", worker.id, call.token)
    else:
        worker.turn(back=[call])
        if stale == "claimed again":
            start_worker(scene, part.processor, key="w2").claim_one(id_)
    before = scene.call(id_)
    turn = speaker.turn(finish=[Told(call=call, value='"late"')])
    assert (turn.finished, turn.outbox) == ([], [])
    assert scene.call(id_) == before
    assert scene.children(id_) == []


def test_a_worker_of_another_node_cannot_finish_renew_or_give_back(scene: Scene, part: Part, worker: Worker) -> None:
    """Not by guessing the token, nor by naming the other worker."""
    theirs = start_worker(scene, part.processor, "n2")
    (id_,) = enter(scene, part)
    call = worker.claim_one(id_)
    before = scene.call(id_)
    assert theirs.turn(finish=[Told(call=call)], back=[call]).finished == []
    assert theirs.renew(call) == [id_]
    assert scene.call(id_) == before
    posing = Worker(login=theirs.login, processor=part.processor, id=worker.id)
    for attempt in (posing.turn, posing.resync):
        with pytest.raises(ForbiddenError, match="not enlisted"):
            attempt()
    assert posing.renew(call) == [id_]


def test_a_worker_that_did_not_enlist_is_refused(scene: Scene, part: Part) -> None:
    """Also one whose row the agent has deleted."""
    with pytest.raises(ForbiddenError, match="not enlisted"):
        Worker(login=scene.worker(), processor=part.processor).turn()


def test_only_the_nodes_own_deployments_are_enlisted_for(scene: Scene, part: Part) -> None:
    """And nobody takes the id of another node's worker."""
    with pytest.raises(ForbiddenError, match="no deployment"):
        Worker(login=scene.worker(), processor=part.processor).enlist()
    mine = start_worker(scene, part.processor, "n1")
    deploy(scene, part.processor, "n2")
    posing = Worker(login=scene.worker("n2"), processor=part.processor, id=mine.id, key="other")
    with pytest.raises(Exception, match="worker_pk"):
        posing.enlist()
    mine.turn()


def test_a_new_incarnation_fences_the_old_one(scene: Scene, part: Part, worker: Worker) -> None:
    """The same key, another id: the old process may say nothing any more."""
    call = worker.claim_one(enter(scene, part)[0])
    new = start_worker(scene, part.processor)
    with pytest.raises(ForbiddenError, match="not enlisted"):
        worker.finish(call)
    assert new.turn(finish=[Told(call=call)]).finished == []
    assert scene.call(call.id)["state"] == "claimed"


def test_a_turn_sent_again_after_a_lost_reply_is_answered_as_finished(scene: Scene, part: Part) -> None:
    """Done, failed, retried and lost alike; nothing happens a second time."""
    scene.ann.ask("update pyfi.processor set retries = 1 where id = %s", part.processor)
    worker = start_worker(scene, part.processor)
    done, retried, lost = worker.claim(*enter(scene, part, 3))
    told = [
        Told(call=done, value='"x"'),
        Told(call=retried, outcome="failed", value=FAILED),
        Told(call=lost, outcome="lost", value=FAILED),
    ]
    first = worker.turn(finish=told)
    before = snapshot(scene)
    again = worker.turn(finish=told)
    assert sorted(first.finished) == sorted(again.finished) == sorted([done.id, retried.id, lost.id])
    assert again.outbox == []
    assert snapshot(scene) == before
    scene.superuser.ask("update pyfi.call set not_before = null where id = %s", retried.id)
    worker.claim_one(retried.id)
    assert retried.id not in worker.turn(finish=told).finished


def snapshot(scene: Scene) -> list[tuple[object, ...]]:
    """Calls, wake-ups and events."""
    return [
        *scene.superuser.ask("select c::text from pyfi.call c order by id"),
        *scene.superuser.ask("select o::text from pyfi.outbox o order by id"),
        *scene.superuser.ask("select e::text from pyfi.event e order by id"),
    ]


def test_what_is_given_back_is_untouched(scene: Scene, part: Part, worker: Worker) -> None:
    """Attempt and losses stay; it gets a new wake-up, which the worker may publish itself."""
    (id_,) = enter(scene, part)
    scene.superuser.ask("delete from pyfi.outbox")
    turn = worker.turn(back=[worker.claim_one(id_)])
    row = scene.call(id_)
    assert (row["state"], row["attempt"], row["losses"], row["worker_id"]) == ("queued", 0, 0, None)
    ((number, address, ids),) = turn.outbox
    assert (address, ids) == ("ann:p.p.one", [id_])
    assert scene.superuser.ask("select id, due > now() + interval '1 s' from pyfi.outbox") == [(number, True)]


def test_a_batch_is_finished_claimed_and_forgotten_in_one_turn(scene: Scene, part: Part, worker: Worker) -> None:
    """Sixty-four of each."""
    ids = enter(scene, part, 128)
    rows = [row for (row,) in scene.superuser.ask("select id from pyfi.outbox")]
    first = worker.turn(claim=ids[:64], forget=rows).claimed
    turn = worker.turn(claim=ids[64:], finish=[Told(call=call) for call in first])
    assert (len(turn.finished), len(turn.claimed)) == (64, 64)
    assert [len(children) for _, _, children in turn.outbox] == [64]
    assert scene.superuser.one("select count(*) from pyfi.outbox") == 1


def test_forgetting_does_not_wait_for_a_relay(scene: Scene, part: Part, worker: Worker) -> None:
    """A relay that holds the row while the broker hangs must not hold up the worker's leases."""
    enter(scene, part)
    relay = scene.agent().another()
    relay.connection.autocommit = False
    ((row, _, _),) = relay.ask("select * from ledger.take_outbox(10)")
    worker.login.ask("set lock_timeout = '2s'")
    worker.turn(forget=[row])
    relay.connection.rollback()
    relay.close()
    worker.turn(forget=[row])
    assert scene.superuser.ask("select 1 from pyfi.outbox") == []


def test_two_workers_with_the_same_wakeups_never_deadlock(scene: Scene, part: Part) -> None:
    """Each call is claimed by exactly one of them, whatever the order of their batches."""
    workers = [start_worker(scene, part.processor, key=f"w{n}") for n in range(2)]
    for each in workers:
        each.login = scene.worker().another()
    claimed: list[list[Claimed]] = [[], []]
    errors: list[Exception] = []
    ids = enter(scene, part, 2000)

    def drain(n: int) -> None:
        try:
            mine = ids if n else ids[::-1]
            for start in range(0, len(mine), 200):
                # Both walk to the same middle, with batches that overlap in the opposite order.
                claimed[n] += workers[n].claim(*mine[start : start + 200], *mine[::-1][start : start + 200])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=drain, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in workers:
        each.login.close()
    assert errors == []
    assert sorted(call.id for both in claimed for call in both) == sorted(ids)


def test_log_lines_are_kept_in_order(scene: Scene, part: Part, worker: Worker) -> None:
    """Of own calls only; an impossible time is now."""
    other = add_part(scene.bob, "other", "one")
    (theirs,) = submit(scene.bob, other.sockets["one"], arguments(1))
    (id_,) = enter(scene, part)
    worker.claim_one(id_)
    worker.turn(
        logs=[
            (id_, 1, 1e9, 1, "b"),
            (theirs, 1, 1e9, 1, "forged"),
            (id_, 1, float("nan"), 2, "a"),
            (id_, 1, 1e300, 3, ""),
        ]
    )
    rows = scene.ann.ask("select text, stream, attempt, at > now() - interval '1 hour' from pyfi.log order by id")
    assert rows == [("b", 1, 1, False), ("a", 2, 1, True), ("", 3, 1, True)]
    assert scene.bob.ask("select 1 from pyfi.log") == []


def test_a_guests_impossible_seconds_do_no_harm(scene: Scene, part: Part, worker: Worker) -> None:
    """The guest is not trusted with numbers either."""
    calls = worker.claim(*enter(scene, part, 3))
    seconds = (float("nan"), float("inf"), -5.0)
    turn = worker.turn(finish=[Told(call=call, seconds=each) for call, each in zip(calls, seconds, strict=True)])
    assert len(turn.finished) == 3
    assert scene.superuser.one("select bool_and(started <= finished) from pyfi.call where state = 'done'")


def test_what_the_ledger_refused_is_counted(scene: Scene, part: Part, worker: Worker) -> None:
    """By the workers that saw it."""
    worker.turn(duplicates=2, fenced=1)
    worker.turn(duplicates=3)
    assert scene.admin.ask("select name, value from pyfi.counter order by name") == [
        ("duplicate deliveries", 5),
        ("fenced finishes", 1),
    ]


@pytest.mark.parametrize("value", ['"\\u0000"', '["\\ud800"]', '{"a\\u0000": 1}', "1e400", '{"a": 1, "a": 2}'])
def test_json_that_only_jsonb_refuses_is_a_result(scene: Scene, part: Part, worker: Worker, value: str) -> None:
    """It is kept as it was written, and passed on."""
    call = worker.claim_one(enter(scene, part)[0])
    worker.finish(call, value)
    assert scene.superuser.one("select result::text from pyfi.call where id = %s", call.id) == value
    child = scene.superuser.one("select args::text from pyfi.call where parent_id = %s", call.id)
    assert child == f'{{"args":[{value}],"kwargs":{{}}}}'


def test_a_huge_result_is_kept_and_passed_on(scene: Scene, part: Part, worker: Worker) -> None:
    """Ten megabytes beside a small one."""
    big, small = worker.claim(*enter(scene, part, 2))
    value = json.dumps("x" * 10_000_000)
    assert len(worker.turn(finish=[Told(call=big, value=value), Told(call=small)]).finished) == 2
    size = scene.superuser.one("select octet_length(args::text) from pyfi.call where parent_id = %s", big.id)
    assert size == len(value) + len('{"args":[],"kwargs":{}}')


@pytest.mark.parametrize("value", ["{", "", "NaN", "[" * 100_000])
def test_a_value_that_is_no_json_is_an_error_of_data(scene: Scene, part: Part, worker: Worker, value: str) -> None:
    """Class 22 or 54: from that a worker knows that it is the value's fault, and finds whose by halving the batch."""
    call = worker.claim_one(enter(scene, part)[0])
    with pytest.raises(Exception) as caught:
        worker.finish(call, value)
    assert str(getattr(caught.value.__cause__, "pgcode", ""))[:2] in {"22", "54"}
    assert scene.call(call.id)["state"] == "claimed"


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_a_final_state_is_final(scene: Scene, part: Part, state: str) -> None:
    """Even for a superuser's UPDATE."""
    (id_,) = enter(scene, part)
    scene.superuser.ask("update pyfi.call set state = %s", state)
    for change in ("state = 'queued'", "result = '1'", "attempt = 7"):
        with pytest.raises(Exception, match=f"call {id_} is {state}: that is final"):
            scene.superuser.ask(f"update pyfi.call set {change}")


def test_announcements_name_finishes_logs_and_what_runs_for_long(scene: Scene, part: Part, worker: Worker) -> None:
    """In payloads that Postgres takes, however large the batch is. That a call was claimed is not worth a word."""
    listener = scene.ann.another()
    listener.ask("listen pyfi_call")
    ids = enter(scene, part, 450)
    calls = worker.claim(*ids)
    worker.renew(*calls, running=calls[7])
    worker.turn(finish=[Told(call=call) for call in calls], logs=[(ids[0], 1, 0.0, 1, "x")])
    heard: dict[str, set[str]] = {"c": set(), "d": set(), "l": set()}

    def complete() -> bool:
        listener.connection.poll()
        for notify in listener.connection.notifies:
            kind, _, named = notify.payload.partition(":")
            heard[kind] |= set(named.split(","))
        listener.connection.notifies.clear()
        return bool(heard["l"]) and heard["d"] == {str(id_) for id_ in ids}

    assert wait_until(complete, timeout_seconds=5)
    assert heard["c"] == {str(calls[7].id)} and heard["l"] == {str(ids[0])}
    listener.close()


def test_only_a_turn_that_claims_alone_commits_asynchronously(scene: Scene, part: Part, worker: Worker) -> None:
    """What a client was promised is on the disk before the answer."""
    first, second = enter(scene, part, 2)
    connection = worker.login.connection
    show = "show synchronous_commit"
    worker.login.ask("set synchronous_commit = on")
    connection.autocommit = False
    try:
        (call,) = worker.claim(first)
        assert worker.login.one(show) == "off"
        connection.commit()
        assert worker.login.one(show) == "on"
        worker.turn(claim=[second], finish=[Told(call=call)])
        assert worker.login.one(show) == "on"
        connection.commit()
    finally:
        connection.rollback()
        connection.autocommit = True
