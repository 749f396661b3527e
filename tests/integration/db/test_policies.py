"""The rules of single calls: from when, until when, with which key, how often; and what a person ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from pyfi.clock import wait_until
from pyfi.errors import ConflictError, InvalidError, NotFoundError
from tests.integration.db.scene import Login, Part, Scene, add_part, add_plug, arguments
from tests.integration.db.workers import Worker, start_worker, submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor of ann's: one leads to two, and its errors to three."""
    made = add_part(scene.ann, "p", "one", "two", "three", retries=3)
    add_plug(scene.ann, "next", made.sockets["one"], made.sockets["two"], made.queue)
    add_plug(scene.ann, "broken", made.sockets["one"], made.sockets["three"], made.queue, "ERROR")
    return made


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """Of that processor."""
    return start_worker(scene, part.processor)


def enter(login: Login, socket: UUID, text: str | None = None, **options: object) -> UUID:
    """A call with options."""
    id_ = login.one("select ledger.key_id(%s, %s)", socket, options["key"]) if "key" in options else uuid4()
    login.ask(
        "select ledger.submit(%s::uuid[], %s, %s::text[], true, %s::jsonb)",
        [id_],
        socket,
        [text or arguments(1)],
        json.dumps(options),
    )
    return UUID(str(id_))


def state(scene: Scene, id_: UUID) -> tuple[str, str | None]:
    """How it stands, and its error's code."""
    call = scene.call(id_)
    return call["state"], json.loads(call["error"])["error"] if call["error"] else None


def in_the_past(scene: Scene, column: str, id_: UUID, seconds: float = 60) -> None:
    """Time goes by."""
    scene.superuser.ask(f"update pyfi.call set {column} = now() - %s * interval '1 s' where id = %s", seconds, id_)


# From when


def test_a_delayed_call_is_woken_when_it_is_due_and_not_claimed_before(
    scene: Scene, part: Part, worker: Worker
) -> None:
    """Its one outbox row is due then, and nobody publishes it sooner."""
    id_ = enter(scene.ann, part.sockets["one"], not_before=3600)
    assert scene.superuser.one("select o.due = c.not_before from pyfi.outbox o, pyfi.call c")
    assert worker.claim(id_) == []
    in_the_past(scene, "not_before", id_, 0)
    assert [call.id for call in worker.claim(id_)] == [id_]


def test_a_time_in_the_past_is_now(scene: Scene, part: Part, worker: Worker) -> None:
    """As `at` midnight of yesterday."""
    id_ = enter(scene.ann, part.sockets["one"], not_before="2020-01-01T00:00:00Z")
    assert scene.call(id_)["not_before"] is None
    worker.claim_one(id_)


def test_a_due_call_without_a_wakeup_is_stale_and_one_that_waits_is_not(scene: Scene, part: Part) -> None:
    """Delayed for an hour, a minute ago: nobody counts that hour as waiting."""
    id_ = enter(scene.ann, part.sockets["one"], not_before=3600)
    scene.superuser.ask("update pyfi.call set woken = now() - interval '1 day'")
    stale = "select * from ledger.stale(10)"
    assert scene.agent().ask(stale) == []
    in_the_past(scene, "not_before", id_, 5)
    assert scene.agent().ask(stale) == []
    in_the_past(scene, "not_before", id_, 11)
    assert scene.agent().ask(stale) == [("ann:p.p.one", 1)]
    assert scene.agent().one("select ledger.rewake('ann:p.p.one', 10, 9)") == 1


def test_a_delayed_call_of_a_resumed_processor_waits_on(scene: Scene, part: Part) -> None:
    """Resuming wakes what is due, and no more."""
    late, due = (enter(scene.ann, part.sockets["one"], not_before=3600) for _ in range(2))
    in_the_past(scene, "not_before", due)
    scene.superuser.ask("delete from pyfi.outbox")
    for status in ("paused", "running"):
        scene.ann.ask("update pyfi.processor set requested_status = %s", status)
    assert scene.superuser.ask("select ids from pyfi.outbox") == [([due],)]
    assert state(scene, late) == ("queued", None)


WRONG: list[dict[str, object]] = [
    {"not_before": -1}, {"not_before": "soon"}, {"expires": "2030-01-01"}, {"deadline": "infinity"}, {"deadline": True},
    {"expires": 1e300}, {"not_before": "2030-99-01T00:00:00Z"}, {"colour": 1}, {"not_before": 10, "expires": 5},
    {"not_before": 10, "deadline": 5}, {"key": ""}, {"key": "k" * 256},
]  # fmt: skip


@pytest.mark.parametrize("options", WRONG, ids=str)
def test_options_that_mean_nothing_are_refused(scene: Scene, part: Part, options: dict[str, object]) -> None:
    """Nothing is entered."""
    with pytest.raises(InvalidError):
        enter(scene.ann, part.sockets["one"], **options)
    assert scene.superuser.one("select count(*) from pyfi.call") == 0


@pytest.mark.parametrize("options", ["[]", "1", '"x"'])
def test_options_are_an_object(scene: Scene, part: Part, options: str) -> None:
    """Nothing else."""
    with pytest.raises(InvalidError):
        scene.ann.ask("select ledger.submit(%s::uuid[], %s, '{{}}', true, %s)", [uuid4()], part.sockets["one"], options)


# Until when


@pytest.mark.parametrize(("option", "code"), [("expires", "expired"), ("deadline", "deadline")])
def test_a_call_whose_time_is_over_never_starts(
    scene: Scene, part: Part, worker: Worker, option: str, code: str
) -> None:
    """It fails, its ERROR plug gets that at once, and who waits is woken."""
    id_ = enter(scene.ann, part.sockets["one"], **{option: 3600})
    listener = scene.ann.another()
    listener.ask("listen pyfi_call")
    for column in {"expires", option}:
        in_the_past(scene, column, id_)
    assert worker.claim(id_) == []
    assert scene.agent().one("select ledger.sweep()") == 1
    assert (state(scene, id_), scene.call(id_)["attempt"]) == (("failed", code), 0)
    (child,) = scene.children(id_)
    assert (child["name"], json.loads(child["args"])["args"][0]["error"]) == ("three", code)
    taken = scene.agent().ask("select ids from ledger.take_outbox(9)")
    assert ([UUID(child["id"])],) in taken
    assert scene.ann.one("select name from pyfi.event where call_id = %s", id_) == "expired"

    def told() -> bool:
        listener.connection.poll()
        return f"d:{id_}" in [notify.payload for notify in listener.connection.notifies]

    assert wait_until(told, timeout_seconds=5)
    listener.close()


def test_who_has_started_may_be_late_for_its_expiry_but_not_for_its_deadline(
    scene: Scene, part: Part, worker: Worker
) -> None:
    """A retry of it needs no second start in time."""
    id_ = enter(scene.ann, part.sockets["one"], expires=3600, deadline=7200)
    worker.fail(worker.claim_one(id_))
    row = scene.call(id_)
    assert (row["state"], row["expires"]) == ("queued", row["deadline"])


def test_a_retry_that_the_deadline_forbids_is_none(scene: Scene, part: Part, worker: Worker) -> None:
    """The function's own error stays."""
    scene.ann.ask("update pyfi.processor set backoff_seconds = 600, backoff_max_seconds = 600")
    id_ = enter(scene.ann, part.sockets["one"], deadline=60)
    worker.fail(worker.claim_one(id_))
    assert state(scene, id_) == ("failed", "raised")


def test_a_running_call_past_its_deadline_is_ended_by_the_sweep_too(scene: Scene, part: Part, worker: Worker) -> None:
    """The worker has two seconds; then it is fenced, and told."""
    id_ = enter(scene.ann, part.sockets["one"], deadline=3600)
    call = worker.claim_one(id_)
    worker.renew(call, running=call)
    in_the_past(scene, "deadline", id_, 1)
    assert scene.agent().one("select ledger.sweep()") == 0
    in_the_past(scene, "deadline", id_, 3)
    channel = scene.worker().another()
    channel.ask(f"listen pyfi_worker_{worker.id.hex}")
    assert scene.agent().one("select ledger.sweep()") == 1
    assert (state(scene, id_), scene.call(id_)["attempt"]) == (("failed", "deadline"), 1)
    assert worker.finish(call).finished == []
    assert wait_until(lambda: channel.connection.poll() or bool(channel.connection.notifies), timeout_seconds=5)
    channel.close()


def test_children_inherit_the_deadline_and_workers_are_told_of_it(scene: Scene, part: Part, worker: Worker) -> None:
    """Also what the turn claims at once."""
    id_ = enter(scene.ann, part.sockets["one"], deadline=600)
    (told,) = worker.login.ask(CLAIM, worker.id, [id_])
    assert told[0] == id_ and 590_000 < told[1] <= 600_000
    (call,) = worker_holds(scene, worker)
    scene.superuser.ask("update pyfi.call set worker_id = %s where id = %s", worker.id, id_)
    worker.login.ask(FINISH, worker.id, [id_], [call])
    (child,) = scene.children(id_)
    assert child["deadline"] == scene.call(id_)["deadline"] == child["expires"]


def worker_holds(scene: Scene, worker: Worker) -> list[int]:
    """Its claims."""
    return [claim for (claim,) in scene.superuser.ask("select claim from pyfi.call where worker_id = %s", worker.id)]


CLAIM = (
    "select id, num from ledger.turn(%s, %s::uuid[], null, 0, 0, null, null,"
    " null, null, null, null, null, null, null, null, null, null, null, null, null, null, 0) where kind = 't'"
)
FINISH = (
    "select kind from ledger.turn(%s, null, null, 0, 0, null, null, %s::uuid[], %s::bigint[],"
    " '{done}', '{1}', '{0.1}', '{null}', null, null, null, null, null, null, null, null, 0)"
)


# Keys


def test_one_key_is_one_call(scene: Scene, part: Part) -> None:
    """Fifty, many at once: one row, one wake-up, fifty times its id."""
    gate = threading.Barrier(10)

    def some(_: int) -> set[UUID]:
        login = scene.ann.another()
        login.ask("select 1")
        gate.wait(100)
        try:
            return {enter(login, part.sockets["one"], key="order 4711") for _ in range(5)}
        finally:
            login.close()

    with ThreadPoolExecutor(10) as threads:
        (ids,) = {frozenset(found) for found in threads.map(some, range(10))}
    assert scene.superuser.ask("select id, key from pyfi.call") == [(id_, "order 4711") for id_ in ids]
    assert scene.superuser.one("select count(*) from pyfi.outbox") == 1


def test_a_key_with_other_arguments_is_a_conflict_that_names_both(scene: Scene, part: Part) -> None:
    """The first call stays as it is."""
    id_ = enter(scene.ann, part.sockets["one"], key="k")
    with pytest.raises(ConflictError, match=rf"'k'.*{id_}"):
        enter(scene.ann, part.sockets["one"], arguments(2), key="k")
    assert scene.call(id_)["args"] == arguments(1)


def test_a_key_belongs_to_its_user_and_socket(scene: Scene, part: Part) -> None:
    """The same word elsewhere is another call; nobody takes its id without it."""
    ids = {
        enter(scene.ann, part.sockets["one"], key="k"),
        enter(scene.ann, part.sockets["two"], key="k"),
        enter(scene.admin, part.sockets["one"], key="k"),
    }
    assert len(ids) == 3
    named = scene.ann.one("select ledger.key_id(%s, 'free')", part.sockets["one"])
    with pytest.raises(InvalidError):
        submit(scene.ann, part.sockets["one"], arguments(1), ids=[named])
    with pytest.raises(InvalidError):
        scene.ann.ask(
            'select ledger.submit(%s::uuid[], %s, %s::text[], true, \'{"key": "free"}\')',
            [uuid4()],
            part.sockets["one"],
            [arguments(1)],
        )


# Retries

ERRORS = {
    "own": {"type": "shop.errors.Busy", "bases": ["shop.errors.ShopError", "OSError", "Exception"]},
    "value": {"type": "ValueError", "bases": ["Exception"]},
    "strange": {"type": 5, "bases": {"a": 1}},
}


@pytest.mark.parametrize(
    ("on", "never", "error", "again"),
    [
        ([], [], "own", True),
        (["Busy"], [], "own", True),
        (["shop.errors.Busy"], [], "own", True),
        (["ShopError"], [], "own", True),
        (["OSError"], [], "own", True),
        (["errors.Busy"], [], "own", False),
        (["Busy"], [], "value", False),
        (["OSError", "ValueError"], [], "value", True),
        ([], ["ValueError"], "value", False),
        ([], ["ValueError"], "own", True),
        (["OSError"], ["Busy"], "own", False),
        ([], ["OSError"], "strange", True),
        (["OSError"], [], "strange", False),
    ],
)
def test_which_exceptions_are_retried(
    scene: Scene, part: Part, worker: Worker, on: list[str], never: list[str], error: str, again: bool
) -> None:
    """By class or base class, with or without the module; what must not be wins."""
    scene.ann.ask("update pyfi.processor set retry_on = %s::text[], no_retry_on = %s::text[]", on, never)
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    worker.fail(worker.claim_one(id_), value=json.dumps({"error": "raised", "message": "no", **ERRORS[error]}))
    assert scene.call(id_)["state"] == ("queued" if again else "failed")


def test_the_backoff_is_the_processors(scene: Scene, part: Part, worker: Worker) -> None:
    """First delay, factor, most; the jitter takes off at most a quarter. The event says when."""
    scene.ann.ask("update pyfi.processor set backoff_seconds = 10, backoff_factor = 3, backoff_max_seconds = 50")
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    for most in (10, 30, 50):
        worker.fail(worker.claim_one(id_))
        seconds, note = scene.superuser.ask(
            "select extract(epoch from c.not_before - now())::float,"
            " position('; tried again at ' || to_char(c.not_before at time zone 'UTC', 'YYYY-MM-DD') in e.note) > 0"
            " from pyfi.call c join pyfi.event e on e.call_id = c.id order by e.id desc limit 1"
        )[0]
        assert 0.75 * most - 1 < seconds <= most and note
        in_the_past(scene, "not_before", id_)


# Stops and losses


def test_a_stop_is_an_attempt_and_no_loss(scene: Scene, part: Part, worker: Worker) -> None:
    """However often it is deployed."""
    scene.setting("max_losses", "1")
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    turn = worker.fail(worker.claim_one(id_), "stopped")
    assert [ids for _, _, ids in turn.outbox] == [[id_]]
    token = worker.claim_one(id_).token
    scene.agent().ask("select agent.worker_exited(%s, %s, 'signal 9', true)", worker.id, token)
    call = scene.call(id_)
    assert (call["state"], call["attempt"], call["losses"]) == ("queued", 2, 0)
    assert scene.ann.ask("select name from pyfi.event") == [("stopped",), ("stopped",)]


def test_a_processor_has_its_own_cap_of_losses(scene: Scene, part: Part, worker: Worker) -> None:
    """In a turn, at a worker's exit and in a sweep."""
    scene.ann.ask("update pyfi.processor set max_losses = 1")
    ids = submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(3)])
    worker.fail(worker.claim_one(ids[0]), "lost")
    scene.agent().ask("select agent.worker_exited(%s, %s, 'signal 9')", worker.id, worker.claim_one(ids[1]).token)
    worker.claim_one(ids[2])
    scene.setting("lease", "1 second")
    scene.superuser.ask("update pyfi.call set lease_until = now() - interval '1 s' where state = 'claimed'")
    scene.agent().ask("select ledger.sweep()")
    assert [state(scene, id_) for id_ in ids] == [("parked", "lost")] * 3


def test_a_call_that_takes_its_node_down_at_once_is_parked(scene: Scene, part: Part, worker: Worker) -> None:
    """Nobody saw it running; the first that a worker held is the one that ran. The others go back untouched."""
    scene.setting("lease", "1 second")
    scene.setting("max_losses", "2")
    ids = submit(scene.ann, part.sockets["one"], *[arguments(n) for n in range(3)])
    for _ in range(2):
        worker.turn(claim=ids)
        scene.superuser.ask("update pyfi.call set lease_until = now() - interval '1 s'")
        assert scene.agent().one("select ledger.sweep()") == 3
    assert [(scene.call(id_)["state"], scene.call(id_)["losses"]) for id_ in ids] == [
        ("parked", 2),
        ("queued", 0),
        ("queued", 0),
    ]


# Ending


def cancel(login: Login, *ids: UUID, strict: bool = True) -> list[UUID]:
    """Ids that were cancelled now."""
    return list(login.one("select ledger.cancel(%s::uuid[], 'why', %s)", list(ids), strict))


def test_a_queued_call_is_cancelled_and_never_runs(scene: Scene, part: Part, worker: Worker) -> None:
    """Twice is the same answer."""
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    assert cancel(scene.ann, id_) == [id_]
    assert cancel(scene.ann, id_) == []
    assert (worker.claim(id_), state(scene, id_)) == ([], ("cancelled", "cancelled"))
    assert scene.ann.ask("select name, note from pyfi.event") == [("cancelled", "cancelled by ann: why")]
    assert scene.children(id_) == []


@pytest.mark.parametrize("shown", [False, True])
def test_a_held_call_is_cancelled_fenced_and_its_worker_told(
    scene: Scene, part: Part, worker: Worker, shown: bool
) -> None:
    """On a channel of its own, and at the next renewal."""
    channel = scene.worker().another()
    channel.ask(f"listen pyfi_worker_{worker.id.hex}")
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    call = worker.claim_one(id_)
    if shown:
        worker.renew(call, running=call)
    assert cancel(scene.ann, id_) == [id_]
    assert wait_until(lambda: channel.connection.poll() or bool(channel.connection.notifies), timeout_seconds=5)
    assert worker.renew(call) == [id_]
    assert worker.finish(call).finished == []
    assert (state(scene, id_)[0], scene.children(id_)) == ("cancelled", [])
    channel.close()


def test_a_parked_call_can_be_cancelled(scene: Scene, part: Part, worker: Worker) -> None:
    """That is what it waits for, or a retry."""
    scene.setting("max_losses", "1")
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    worker.fail(worker.claim_one(id_), "lost")
    assert cancel(scene.ann, id_) == [id_]


def test_a_call_that_has_ended_cannot_be_cancelled(scene: Scene, part: Part, worker: Worker) -> None:
    """The error says how it ended, and nothing of the order was done; without strictness it is passed over."""
    scene.ann.ask("update pyfi.processor set retries = 0")
    done, failed, waits = submit(scene.ann, part.sockets["two"], *[arguments(n) for n in range(3)])
    worker.finish(worker.claim_one(done))
    worker.fail(worker.claim_one(failed))
    for id_, word in ((done, "done"), (failed, "failed")):
        with pytest.raises(ConflictError, match=word):
            cancel(scene.ann, waits, id_)
    assert state(scene, waits)[0] == "queued"
    assert cancel(scene.ann, waits, done, failed, strict=False) == [waits]


def test_nobody_cancels_what_is_not_his(scene: Scene, part: Part, worker: Worker) -> None:
    """Not even to learn that it is there. Its owner may, the owner of its socket, and an administrator."""
    (hers,) = submit(scene.ann, part.sockets["one"], arguments(1))
    for id_ in (hers, uuid4()):
        with pytest.raises(NotFoundError):
            cancel(scene.bob, id_)
    assert state(scene, hers)[0] == "queued"
    assert cancel(scene.admin, hers) == [hers]
    (admins,) = submit(scene.admin, part.sockets["one"], arguments(1))
    assert cancel(scene.ann, admins) == [admins]


def test_a_tree_is_cancelled_with_its_root(scene: Scene, part: Part, worker: Worker) -> None:
    """Also when the root is done; and a member with what follows from it, but not with its siblings."""
    first, other = submit(scene.ann, part.sockets["one"], arguments(1), arguments(2))
    for id_ in (first, other):
        worker.finish(worker.claim_one(id_))
    (child,), (cousin,) = ([UUID(each["id"]) for each in scene.children(id_)] for id_ in (first, other))
    assert cancel(scene.ann, first) == [child]
    assert cancel(scene.ann, first) == []
    assert (state(scene, child)[0], state(scene, cousin)[0]) == ("cancelled", "queued")
    assert cancel(scene.ann, cousin) == [cousin]
    assert state(scene, other)[0] == "done"


@pytest.mark.parametrize("finish_first", [True, False])
def test_a_cancel_that_races_with_a_finish_has_one_winner(
    scene: Scene, part: Part, worker: Worker, finish_first: bool
) -> None:
    """Whoever commits first; and what the finish made meanwhile is cancelled with it."""
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    call = worker.claim_one(id_)
    acts: list[tuple[Login, Callable[[], list[UUID]]]] = [
        (worker.login, lambda: worker.finish(call).finished),
        (scene.ann, lambda: cancel(scene.ann, id_)),
    ]
    (first, begins), (second, waits) = acts if finish_first else reversed(acts)
    first.connection.autocommit = False
    assert begins() == [id_]
    pid = second.connection.info.backend_pid
    locked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and pid = %s"
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(waits)
        assert wait_until(lambda: scene.superuser.one(locked, pid) == 1, timeout_seconds=10)
        first.connection.commit()
        outcome = late.result(30)
    first.connection.autocommit = True
    children = [(UUID(each["id"]), each["state"]) for each in scene.children(id_)]
    if finish_first:
        assert (state(scene, id_)[0], children) == ("done", [(outcome[0], "cancelled")])
    else:
        assert (state(scene, id_)[0], children, outcome) == ("cancelled", [], [])


def test_times_are_read_with_their_zone(scene: Scene, part: Part) -> None:
    """An hour from now, said in another zone."""
    at = datetime.now(UTC) + timedelta(hours=1)
    id_ = enter(
        scene.ann, part.sockets["one"], not_before=(at + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00")
    )
    assert scene.superuser.one(
        "select abs(extract(epoch from not_before - %s)) < 1 from pyfi.call where id = %s", at, id_
    )
