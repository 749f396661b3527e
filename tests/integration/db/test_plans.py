"""The planner: a turn stays on primary keys, whatever the statistics say. Leaving them costs half of the rate and more
(reference: a partial index on the queued calls looks empty to who analysed while nothing was queued)."""

from __future__ import annotations

from contextlib import closing
from uuid import UUID

import pytest

from pyfi.ledger.calls import Calls
from pyfi.ledger.connection import RENEWED_AFTER
from tests.integration.db.scene import Part, Scene, add_part, add_plug, arguments
from tests.integration.db.workers import FAILED, Told, Worker, start_worker, submit

FINISHED = """
insert into pyfi.call (id, root_id, socket_id, name, owner_id, socket_owner_id, state, args)
  select gen_random_uuid(), gen_random_uuid(), %s, 'x', u.id, u.id, 'done', '{}'
    from generate_series(1, %s), pyfi."user" u where u.name = 'ann'
"""
BATCH = 32


@pytest.fixture
def part(scene: Scene) -> Part:
    """Two sockets and a plug between them."""
    made = add_part(scene.ann, "p", "one", "two")
    add_plug(scene.ann, "edge", made.sockets["one"], made.sockets["two"], made.queue)
    return made


def scans(scene: Scene, worker: Worker) -> dict[str, int]:
    """How often each index of the calls was used and the table was read from end to end, until now."""
    for login in (worker.login, scene.ann, scene.superuser):
        login.ask("select pg_stat_force_next_flush()")
    scene.superuser.ask("select pg_stat_clear_snapshot()")
    rows = scene.superuser.ask(
        "select indexrelname, idx_scan from pg_stat_user_indexes where schemaname = 'pyfi' and relname = 'call'"
        " union all select 'end to end', seq_scan from pg_stat_user_tables"
        "   where schemaname = 'pyfi' and relname = 'call'"
    )
    return {str(name): int(count) for name, count in rows}


def turns(scene: Scene, part: Part, worker: Worker) -> dict[str, int]:
    """What one claim and one finish of a batch, with children, an error and a loss among it, used."""
    ids = submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(BATCH)])
    before = scans(scene, worker)
    calls = worker.claim(*ids)
    told = [Told(call=call) for call in calls[2:]]
    told += [Told(call=calls[0], outcome="failed", value=FAILED), Told(call=calls[1], outcome="lost", value=FAILED)]
    worker.turn(finish=told, logs=[(ids[0], 1, 0.0, 1, "line")])
    after = scans(scene, worker)
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def fresh(scene: Scene, part: Part, worker: Worker) -> None:
    """A new connection: no plan is kept from earlier."""
    worker.login.close()
    worker.login.ask("select 1")


@pytest.mark.parametrize("analysed", ["never", "empty", "nothing queued", "all queued"])
def test_a_turn_finds_its_calls_by_their_ids(scene: Scene, part: Part, analysed: str) -> None:
    """On a table of many finished calls, with plans made under whatever statistics."""
    worker = start_worker(scene, part.processor)
    scene.superuser.ask("truncate pyfi.call cascade")
    if analysed == "empty":
        scene.superuser.ask("analyze pyfi.call")
    scene.superuser.ask(FINISHED, part.sockets["one"], 20_000)
    if analysed == "all queued":
        scene.superuser.ask("set session_replication_role = replica; update pyfi.call set state = 'queued'")
        scene.superuser.ask("analyze pyfi.call; update pyfi.call set state = 'done'; reset session_replication_role")
    elif analysed == "nothing queued":
        scene.superuser.ask("analyze pyfi.call")
    fresh(scene, part, worker)
    used = turns(scene, part, worker)
    assert set(used) == {"call_pk"}, used
    # Claim, finish, routing and what is tried again: a few look-ups a call, never a look at all of them.
    assert BATCH * 2 <= used["call_pk"] <= BATCH * 5


def test_renewing_stays_on_the_primary_key(scene: Scene, part: Part) -> None:
    """It is the most frequent statement of a worker with long calls."""
    scene.superuser.ask(FINISHED, part.sockets["one"], 20_000)
    scene.superuser.ask("analyze pyfi.call")
    worker = start_worker(scene, part.processor)
    ids = submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(BATCH)])
    calls = worker.claim(*ids)
    before = scans(scene, worker)
    assert worker.renew(*calls) == []
    after = scans(scene, worker)
    assert {name for name in after if after[name] != before[name]} == {"call_pk"}


def test_a_plan_is_not_made_again(scene: Scene, part: Part) -> None:
    """After the first turns of a connection, planning is over: half of a small turn's time would go there."""
    worker = start_worker(scene, part.processor)
    scene.superuser.ask("analyze pyfi.call")
    for _ in range(8):
        turns(scene, part, worker)
    generic = "select count(*) filter (where generic_plans = 0) from pg_prepared_statements"
    assert worker.login.one(generic) == 0
    assert scene.superuser.one(
        "select 'plan_cache_mode=force_generic_plan' = any (proconfig) from pg_proc where proname = 'turn'"
    )


def test_looks_at_one_call_are_planned_for_many(scene: Scene, part: Part) -> None:
    """But not for ever: what was planned for one call would read all of them. A cut connection plans anew."""
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    scene.superuser.ask("analyze pyfi.call")
    watcher = Worker(login=scene.ann, processor=part.processor)
    planned = "select generic_plans > 0 from pg_prepared_statements where name = 'outcome'"
    with closing(Calls(scene.ann.url)) as calls:

        def looks(count: int) -> dict[str, int]:
            before = scans(scene, watcher)
            for _ in range(count):
                assert calls.outcomes([id_]).keys() == {id_}
            calls._link.rows("select pg_stat_force_next_flush()")
            after = scans(scene, watcher)
            return {name: after[name] - before[name] for name in after if after[name] != before[name]}

        looks(8)
        assert calls._link.rows(planned) == [(True,)]
        scene.superuser.ask(FINISHED, part.sockets["one"], 20_000)
        looks(RENEWED_AFTER - 8)
        assert looks(RENEWED_AFTER) == {"call_pk": RENEWED_AFTER}
        looks(3)
        ((pid,),) = calls._link.rows("select pg_backend_pid()")
        scene.superuser.ask("select pg_terminate_backend(%s, 10000)", pid)
        assert looks(8) == {"call_pk": 8}


def test_sweeping_looks_at_open_calls_only(scene: Scene, part: Part) -> None:
    """Each second, on whatever is finished."""
    scene.superuser.ask(FINISHED, part.sockets["one"], 20_000)
    scene.superuser.ask("analyze pyfi.call")
    agent = scene.agent().another()
    watcher = Worker(login=agent, processor=part.processor)
    agent.ask("select ledger.sweep()")
    before = scans(scene, watcher)
    agent.ask("select ledger.sweep()")
    agent.ask("select * from ledger.stale(10)")
    agent.ask("select ledger.rewake('ann:p.p.one', 10, 100)")
    after = scans(scene, watcher)
    used = {name for name in after if after[name] != before[name]}
    assert "end to end" not in used and used <= {"call_held_idx", "call_expires_idx", "call_queued_idx"}, used
    agent.close()


def test_a_page_of_calls_is_read_off_an_index(scene: Scene, part: Part) -> None:
    """Newest first, however many there are: ids of children do not tell their time."""
    scene.superuser.ask(FINISHED, part.sockets["one"], 5_000)
    scene.superuser.ask("analyze pyfi.call")
    plan = scene.bob.ask("explain select id from pyfi.call order by created desc, id desc limit 20")
    assert any("call_created_idx" in line for (line,) in plan), plan


def test_ids_of_children_are_computed_in_line(scene: Scene) -> None:
    """A call of an SQL function for each child would be the dearest part of routing."""
    made = "explain (verbose) select ledger.child_id(id, id, id, 1) from pyfi.socket"
    assert not any("child_id" in line for (line,) in scene.superuser.ask(made))
    assert isinstance(
        scene.superuser.one("select ledger.child_id(%s, %s, %s, 1)", *[UUID(int=n) for n in range(3)]), UUID
    )


def test_whoever_forbids_plans_forbids_compiling_them(scene: Scene) -> None:
    """Postgres 15 gives a forbidden step an enormous cost, and would compile the query for that: 50 ms each time."""
    rows = scene.superuser.ask(
        "select proname from pg_proc where 'enable_seqscan=off' = any (proconfig) and not 'jit=off' = any (proconfig)"
    )
    assert rows == []
    assert scene.superuser.one("select count(*) from pg_proc where 'jit=off' = any (proconfig)") >= 5
