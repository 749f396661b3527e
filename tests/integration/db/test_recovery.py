"""What happens to calls whose worker, guest, wake-up or connection is gone: counted when started, never lost."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from pyfi.clock import wait_until
from pyfi.errors import ForbiddenError
from tests.integration.db.scene import Part, Scene, add_part, add_plug, add_processor, arguments
from tests.integration.db.workers import LOST, Claimed, Told, Worker, deploy, start_worker, submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor with one socket that tries twice again."""
    return add_part(scene.ann, "p", "one", retries=2)


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """A worker of it."""
    return start_worker(scene, part.processor)


def enter(scene: Scene, part: Part, count: int) -> list[UUID]:
    """Queued calls whose wake-ups are gone to the broker."""
    ids = submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(count)])
    published(scene)
    return ids


def published(scene: Scene) -> None:
    """As if a relay had brought everything to the broker."""
    scene.superuser.ask("delete from pyfi.outbox")


def outbox(scene: Scene) -> list[UUID]:
    """Ids that have a wake-up under way."""
    rows = scene.superuser.ask("select ids from pyfi.outbox order by id")
    return [id_ for (ids,) in rows for id_ in ids]


def facts(scene: Scene, id_: UUID) -> tuple[str, int, int, int]:
    """State, attempt, failures, losses."""
    call = scene.call(id_)
    return call["state"], call["attempt"], call["failures"], call["losses"]


def test_a_failure_is_tried_again_when_due(scene: Scene, part: Part, worker: Worker) -> None:
    """As often as the processor says, each wait longer; the error of the last try stays with the call."""
    (id_,) = enter(scene, part, 1)
    waits = []
    for attempt in (1, 2):
        turn = worker.fail(worker.claim_one(id_))
        assert (turn.finished, turn.outbox) == ([id_], [])
        assert facts(scene, id_) == ("queued", attempt, attempt, 0)
        waits.append(scene.superuser.one("select extract(epoch from not_before - now())::float from pyfi.call"))
        assert worker.claim(id_) == []
        assert scene.superuser.one("select due = not_before from pyfi.outbox, pyfi.call")
        assert scene.agent().ask("select ids from ledger.take_outbox(9)") == []
        scene.superuser.ask("update pyfi.call set not_before = now() - interval '1 ms'")
        scene.superuser.ask("update pyfi.outbox set due = now() - interval '1 ms'")
        assert scene.agent().one("select ids from ledger.take_outbox(9)") == [id_]
        published(scene)
    assert 0 < waits[0] <= 1 < waits[1] <= 2
    worker.fail(worker.claim_one(id_))
    assert facts(scene, id_) == ("failed", 3, 3, 0)
    assert json.loads(scene.call(id_)["error"])["type"] == "ValueError"
    assert [row for (row,) in scene.ann.ask("select name from pyfi.event order by id")] == ["retry", "retry"]


def test_a_success_after_failures_has_no_error(scene: Scene, part: Part, worker: Worker) -> None:
    """The error of an earlier try is in the events."""
    (id_,) = enter(scene, part, 1)
    worker.fail(worker.claim_one(id_))
    scene.superuser.ask("update pyfi.call set not_before = null")
    worker.finish(worker.claim_one(id_), "1")
    assert facts(scene, id_) == ("done", 2, 1, 0)
    assert scene.call(id_)["error"] is None


def test_a_loss_counts_and_runs_again_at_once(scene: Scene, part: Part, worker: Worker) -> None:
    """Losses have their own cap; at it the call is parked with the cause."""
    scene.setting("max_losses", "3")
    (id_,) = enter(scene, part, 1)
    for losses in (1, 2):
        turn = worker.fail(worker.claim_one(id_), "lost")
        assert facts(scene, id_) == ("queued", losses, 0, losses)
        assert [ids for _, _, ids in turn.outbox] == [[id_]]
    turn = worker.fail(worker.claim_one(id_), "lost")
    assert facts(scene, id_) == ("parked", 3, 0, 3)
    assert turn.outbox == []
    assert worker.claim(id_) == []
    assert json.loads(scene.call(id_)["error"])["message"] == "signal 9"
    assert scene.ann.ask("select name, note from pyfi.event order by id") == [
        ("lost", "signal 9"),
        ("lost", "signal 9"),
        ("parked", "signal 9"),
    ]


def test_losses_and_failures_are_counted_apart(scene: Scene, part: Part, worker: Worker) -> None:
    """Two losses take nothing of the two retries."""
    (id_,) = enter(scene, part, 1)
    for outcome in ("lost", "failed", "lost", "failed"):
        worker.fail(worker.claim_one(id_), outcome)
        scene.superuser.ask("update pyfi.call set not_before = null")
    assert facts(scene, id_) == ("queued", 4, 2, 2)


def test_renew_keeps_the_leases_and_names_what_is_lost(scene: Scene, part: Part, worker: Worker) -> None:
    """Lost: finished, taken by another, cancelled, never existed."""
    kept, done, taken = worker.claim(*enter(scene, part, 3))
    scene.superuser.ask("update pyfi.call set lease_until = now() + interval '1 s'")
    worker.finish(done)
    scene.superuser.ask("update pyfi.call set claim = 999999 where id = %s", taken.id)
    assert sorted(worker.renew(kept, done, taken)) == sorted([done.id, taken.id])
    assert scene.superuser.one("select lease_until > now() + interval '20 s' from pyfi.call where id = %s", kept.id)
    assert scene.superuser.one("select lease_until < now() + interval '2 s' from pyfi.call where id = %s", taken.id)


def test_renew_shows_what_runs(scene: Scene, part: Part, worker: Worker) -> None:
    """The running one's state and start; the others stay claimed. The start is not moved by the next renewal."""
    running, waiting = worker.claim(*enter(scene, part, 2))
    assert worker.renew(running, waiting, running=running) == []
    started = scene.call(running.id)["started"]
    worker.renew(running, waiting, running=running)
    assert (scene.call(running.id)["state"], scene.call(waiting.id)["state"]) == ("running", "claimed")
    assert scene.call(running.id)["started"] == started is not None


def held(scene: Scene, part: Part, worker: Worker) -> list[Claimed]:
    """Five calls in the worker's hand, in the order of their tokens."""
    return worker.claim(*enter(scene, part, 5))


def test_a_workers_exit_counts_exactly_what_was_started(scene: Scene, part: Part, worker: Worker) -> None:
    """The mark is the last started token: that and all before it count, the others go back untouched."""
    calls = held(scene, part, worker)
    worker.finish(calls[0])
    count = scene.agent().one("select agent.worker_exited(%s, %s, 'signal 9')", worker.id, calls[2].token)
    assert count == 4
    assert [facts(scene, call.id) for call in calls] == [
        ("done", 1, 0, 0),
        ("queued", 1, 0, 1),
        ("queued", 1, 0, 1),
        ("queued", 0, 0, 0),
        ("queued", 0, 0, 0),
    ]
    assert sorted(outbox(scene)) == sorted(call.id for call in calls[1:])
    assert scene.agent().one("select agent.worker_exited(%s, %s, 'again')", worker.id, calls[4].token) == 0


def test_a_poison_call_is_parked_and_costs_the_others_nothing(scene: Scene, part: Part, worker: Worker) -> None:
    """Each exit counts the head of the batch alone."""
    scene.setting("max_losses", "3")
    ids = enter(scene, part, 5)
    for _ in range(3):
        calls = worker.claim(*ids)
        scene.agent().ask("select agent.worker_exited(%s, %s, 'signal 11')", worker.id, calls[0].token)
    assert [facts(scene, id_) for id_ in ids] == [("parked", 3, 0, 3)] + [("queued", 0, 0, 0)] * 4


def test_no_mark_means_nothing_was_started(scene: Scene, part: Part, worker: Worker) -> None:
    """A worker that died before its first call."""
    calls = held(scene, part, worker)
    assert scene.agent().one("select agent.worker_exited(%s, null, 'exit 3')", worker.id) == 5
    assert {facts(scene, call.id) for call in calls} == {("queued", 0, 0, 0)}


def test_an_old_incarnations_calls_are_given_back_by_its_id(scene: Scene, part: Part, worker: Worker) -> None:
    """The new one has the row by then; what it holds is not touched."""
    old = worker.claim_one(enter(scene, part, 1)[0])
    new = start_worker(scene, part.processor)
    mine = new.claim_one(enter(scene, part, 1)[0])
    assert scene.agent().one("select agent.worker_exited(%s, %s, 'signal 9')", worker.id, old.token) == 1
    assert facts(scene, old.id) == ("queued", 1, 0, 1)
    assert facts(scene, mine.id) == ("claimed", 0, 0, 0)


def test_another_nodes_worker_cannot_be_declared_dead(scene: Scene, part: Part, worker: Worker) -> None:
    """Neither a known one, nor calls of a processor that is not on the node."""
    call = worker.claim_one(enter(scene, part, 1)[0])
    with pytest.raises(ForbiddenError, match="another node's"):
        scene.agent("n2").ask("select agent.worker_exited(%s, %s, 'x')", worker.id, call.token)
    scene.superuser.ask("delete from pyfi.worker")
    with pytest.raises(ForbiddenError, match="another node's"):
        scene.agent("n2").ask("select agent.worker_exited(%s, %s, 'x')", worker.id, call.token)
    assert facts(scene, call.id) == ("claimed", 0, 0, 0)


def test_resync_gives_back_only_what_is_not_held(scene: Scene, part: Part, worker: Worker) -> None:
    """What a lost reply claimed goes back untouched."""
    calls = held(scene, part, worker)
    assert worker.resync(calls[0], calls[3]) == 3
    assert [facts(scene, call.id)[0] for call in calls] == ["claimed", "queued", "queued", "claimed", "queued"]
    assert {facts(scene, call.id)[1:] for call in calls} == {(0, 0, 0)}
    assert sorted(outbox(scene)) == sorted([calls[1].id, calls[2].id, calls[4].id])
    assert worker.resync(calls[0], calls[3]) == 0


def test_no_token_is_given_twice_although_a_crash_forgot_it(scene: Scene, part: Part, worker: Worker) -> None:
    """A claim is not flushed, and neither is what the sequence gave for it."""
    *_, newest = held(scene, part, worker)
    scene.superuser.ask("select setval('ledger.claim_token', %s)", newest.token - 3)
    worker.resync(seen=newest.token)
    (call,) = worker.claim(*enter(scene, part, 1))
    assert call.token == newest.token + 1
    worker.resync(call, seen=call.token)
    assert worker.claim(*enter(scene, part, 1))[0].token == call.token + 1


def test_expired_leases_go_back(scene: Scene, part: Part, worker: Worker) -> None:
    """The one that was seen running counts; the fence refuses what comes late."""
    scene.setting("lease", "1 second")
    running, waiting, fresh = worker.claim(*enter(scene, part, 3))
    worker.renew(running, running=running)
    scene.superuser.ask(
        "update pyfi.call set lease_until = now() - interval '1 ms' where id = any (%s)", [running.id, waiting.id]
    )
    assert scene.agent().one("select ledger.sweep()") == 2
    assert [facts(scene, call.id) for call in (running, waiting, fresh)] == [
        ("queued", 1, 0, 1),
        ("queued", 0, 0, 0),
        ("claimed", 0, 0, 0),
    ]
    assert sorted(outbox(scene)) == sorted([running.id, waiting.id])
    assert worker.finish(running).finished == []
    assert worker.renew(running) == [running.id]
    assert scene.ann.ask("select call_id, name, note from pyfi.event") == [(running.id, "lost", "the lease ran out")]


def test_nothing_expires_within_one_lease_after_a_restart_of_the_database(
    scene: Scene, part: Part, worker: Worker
) -> None:
    """Nobody could renew meanwhile. A lease longer than the server is up makes it such a moment."""
    call = worker.claim_one(enter(scene, part, 1)[0])
    scene.superuser.ask("update pyfi.call set lease_until = now() - interval '1 day'")
    uptime = scene.superuser.one("select extract(epoch from now() - pg_postmaster_start_time())::float")
    scene.setting("lease", f"{uptime + 3600} seconds")
    assert scene.agent().one("select ledger.sweep()") == 0
    assert facts(scene, call.id)[0] == "claimed"
    scene.setting("lease", f"{uptime / 2} seconds")
    assert scene.agent().one("select ledger.sweep()") == 1


def test_one_sweeps_at_a_time(scene: Scene, part: Part) -> None:
    """And nobody but a node can hold the others off: an advisory lock of a tenant's does nothing."""
    early, late = enter(scene, part, 2)
    scene.superuser.ask("update pyfi.call set expires = now() - interval '1 ms' where id = %s", early)
    scene.bob.ask("select pg_advisory_lock(hashtext('pyfi sweep'), hashtext(current_database()))")
    first = scene.agent("n1").another()
    first.connection.autocommit = False
    assert first.one("select ledger.sweep()") == 1
    scene.superuser.ask("update pyfi.call set expires = now() - interval '1 ms' where id = %s", late)
    assert scene.agent("n2").one("select ledger.sweep()") == 0
    first.connection.rollback()
    first.close()
    assert scene.agent("n2").one("select ledger.sweep()") == 2


def test_a_sweep_passes_over_calls_that_are_being_finished(scene: Scene, part: Part, worker: Worker) -> None:
    """It does not wait for anybody."""
    call = worker.claim_one(enter(scene, part, 1)[0])
    scene.setting("lease", "1 second")
    scene.superuser.ask("update pyfi.call set lease_until = now() - interval '1 s'")
    worker.login.connection.autocommit = False
    worker.finish(call)
    scene.agent().ask("set lock_timeout = '2s'")
    assert scene.agent().one("select ledger.sweep()") == 0
    worker.login.connection.commit()
    worker.login.connection.autocommit = True
    assert facts(scene, call.id)[0] == "done"


def test_stale_calls_are_found_and_woken_with_growing_patience(scene: Scene, part: Part, worker: Worker) -> None:
    """Each rewake doubles the time until the next; who is held, due later or paused is not stale."""
    ids = enter(scene, part, 4)
    worker.claim_one(ids[3])
    scene.superuser.ask("update pyfi.call set not_before = now() + interval '1 h' where id = %s", ids[2])
    assert stale(scene) == []
    age(scene, 11)
    assert stale(scene) == [("ann:p.p.one", 2)]
    rewake = "select ledger.rewake('ann:p.p.one', 10, %s)"
    assert scene.agent().one(rewake, 1) == 1
    assert outbox(scene) == [ids[0]], "the oldest"
    assert stale(scene) == [("ann:p.p.one", 1)]
    assert scene.agent().one(rewake, 100) == 1
    assert stale(scene) == []
    age(scene, 11)
    assert stale(scene) == []
    age(scene, 21)
    assert stale(scene) == [("ann:p.p.one", 2)]
    scene.ann.ask("update pyfi.processor set requested_status = 'paused'")
    assert stale(scene) == []


def stale(scene: Scene) -> list[tuple[str, int]]:
    """Addresses and counts, with ten seconds of patience."""
    return [(address, waiting) for address, waiting in scene.agent().ask("select * from ledger.stale(10)")]


def age(scene: Scene, seconds: int) -> None:
    """As if everything had been woken that long ago."""
    scene.superuser.ask("update pyfi.call set woken = now() - %s * interval '1 s' where state = 'queued'", seconds)


def test_a_resumed_processor_wakes_what_waits(scene: Scene, part: Part, worker: Worker) -> None:
    """Claims were refused while it paused, and their wake-ups are gone."""
    ids = enter(scene, part, 2)
    scene.ann.ask("update pyfi.processor set requested_status = 'paused'")
    assert worker.claim(*ids) == []
    assert outbox(scene) == []
    scene.ann.ask("update pyfi.processor set requested_status = 'running'")
    assert sorted(outbox(scene)) == sorted(ids)
    published(scene)
    scene.ann.ask("update pyfi.processor set requested_status = 'running'")
    assert outbox(scene) == []


def test_two_relays_share_the_outbox(scene: Scene, part: Part) -> None:
    """Each row is one relay's until its transaction ends; what it did not forget is there again."""
    for _ in range(3):
        submit(scene.ann, part.sockets["one"], arguments(1))
    relays = [scene.agent(node).another() for node in ("n1", "n2")]
    for relay in relays:
        relay.connection.autocommit = False
    first = relays[0].ask("select id from ledger.take_outbox(2)")
    second = relays[1].ask("select id from ledger.take_outbox(2)")
    assert (len(first), len(second)) == (2, 1)
    assert not {*first} & {*second}
    relays[0].ask("select ledger.forget(%s::bigint[])", [row for (row,) in first])
    relays[0].connection.commit()
    relays[1].connection.rollback()
    assert relays[1].ask("select id from ledger.take_outbox(5)") == second
    for relay in relays:
        relay.close()


def test_a_relay_takes_what_is_due_oldest_first(scene: Scene, part: Part) -> None:
    """What its submitter publishes himself has two seconds."""
    submit(scene.ann, part.sockets["one"], arguments(1), soon=True)
    assert scene.agent().ask("select * from ledger.take_outbox(5)") == []
    (late,) = submit(scene.ann, part.sockets["one"], arguments(1))
    scene.superuser.ask("update pyfi.outbox set due = due - interval '3 s'")
    (early,) = submit(scene.ann, part.sockets["one"], arguments(1))
    scene.superuser.ask("update pyfi.outbox set due = now() - interval '1 h' where ids = %s", [early])
    taken = scene.agent().ask("select ids from ledger.take_outbox(5)")
    assert taken[0] == ([early],)
    assert ([late],) in taken


def test_waiting_work_wakes_the_relay(scene: Scene, part: Part, worker: Worker) -> None:
    """By a notification: of submissions, releases, retries, rewakes and resumes."""
    relay = scene.agent().another()
    relay.ask("listen pyfi_outbox")

    def woken() -> bool:
        def heard() -> bool:
            relay.connection.poll()
            return bool(relay.connection.notifies)

        seen = wait_until(heard, timeout_seconds=5)
        relay.connection.notifies.clear()
        return seen

    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    assert woken()
    worker.claim_one(id_)
    worker.resync()
    assert woken()
    age(scene, 11)
    scene.agent().ask("select ledger.rewake('ann:p.p.one', 10, 5)")
    assert woken()
    worker.fail(worker.claim_one(id_))
    assert woken()
    scene.superuser.ask("update pyfi.call set not_before = now()")
    scene.ann.ask("update pyfi.processor set requested_status = 'paused'")
    scene.ann.ask("update pyfi.processor set requested_status = 'running'")
    assert woken()
    relay.close()


def test_a_worker_may_finish_after_its_deployment_was_taken_away(scene: Scene, part: Part) -> None:
    """It drains: what it holds is not lost because the count was lowered meanwhile."""
    scene.ann.ask("update pyfi.processor set concurrency = 1")
    deploy(scene, part.processor)
    worker = Worker(login=scene.worker(), processor=part.processor)
    worker.enlist()
    call = worker.claim_one(enter(scene, part, 1)[0])
    deployment = scene.admin.one("delete from pyfi.deployment returning id")
    scene.agent().ask(
        "select agent.report(%s, %s)",
        1,
        json.dumps(
            {
                "workers": [
                    {
                        "id": str(worker.id),
                        "key": worker.key,
                        "deployment_id": str(deployment),
                        "ordinal": 0,
                        "status": "draining",
                    }
                ],
                "deployments": [],
            }
        ),
    )
    assert worker.finish(call).finished == [call.id]
    scene.agent().ask('select agent.report(1, \'{"workers": [], "deployments": []}\')')
    with pytest.raises(ForbiddenError):
        worker.turn()


def test_a_lost_call_of_a_chain_fires_no_plug(scene: Scene, worker: Worker, part: Part) -> None:
    """Neither RESULT nor ERROR: it is not settled."""
    other = add_part(scene.ann, "q", "next")
    for kind in ("RESULT", "ERROR"):
        add_plug(scene.ann, kind, part.sockets["one"], other.sockets["next"], other.queue, kind)
    call = worker.claim_one(enter(scene, part, 1)[0])
    worker.turn(finish=[Told(call=call, outcome="lost", value=LOST)])
    assert scene.children(call.id) == []


def test_a_node_without_deployments_may_relay_and_sweep(scene: Scene) -> None:
    """Those are any node's duties; a worker's login may not."""
    add_processor(scene.ann, "idle")
    assert scene.agent("n2").one("select ledger.sweep()") == 0
    assert scene.agent("n2").ask("select * from ledger.stale(1)") == []
    for call in ("ledger.sweep()", "ledger.stale(1)", "ledger.take_outbox(1)", "ledger.forget('{}')"):
        with pytest.raises(ForbiddenError):
            scene.worker("n2").ask(f"select {call}")


def test_a_relay_wakes_nobody_for_what_is_claimed(scene: Scene, part: Part, worker: Worker) -> None:
    """Only the row is to be forgotten. Who gives a call back writes a new one."""
    ids = submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(3)])
    held = worker.claim(ids[0], ids[2])
    assert [row[0] for row in scene.agent().ask("select ids from ledger.take_outbox(5)")] == [[ids[1]]]
    worker.finish(held[0])
    worker.claim(ids[1])
    ((row, taken),) = scene.agent().ask("select id, ids from ledger.take_outbox(5)")
    assert taken == []
    scene.agent().ask("select ledger.forget(%s::bigint[])", [row])
    worker.turn(back=[held[1]])
    assert outbox(scene) == [ids[2]]
