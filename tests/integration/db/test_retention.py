"""What is finished and old is deleted, whole trees only, oldest first; what is not stays."""

from __future__ import annotations

from uuid import UUID

import pytest

from pyfi.errors import ForbiddenError
from tests.integration.db.scene import Part, Scene, add_part, add_plug, add_queue, arguments
from tests.integration.db.workers import Worker, start_worker, submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """A plug from one to two."""
    made = add_part(scene.ann, "p", "one", "two")
    add_plug(scene.ann, "edge", made.sockets["one"], made.sockets["two"], made.queue)
    return made


@pytest.fixture
def worker(scene: Scene, part: Part) -> Worker:
    """Of that processor."""
    return start_worker(scene, part.processor)


def age(scene: Scene, days: float) -> None:
    """Let everything be older."""
    scene.superuser.ask(
        "set session_replication_role = replica; update pyfi.call set created = created - %s * interval '1 day',"
        " finished = finished - %s * interval '1 day'; reset session_replication_role",
        days,
        days,
    )


def run(scene: Scene, part: Part, worker: Worker, *, whole: bool = True) -> UUID:
    """A tree of two calls, ended unless its child is to stay open."""
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    worker.finish(worker.claim_one(id_))
    (child,) = scene.children(id_)
    if whole:
        worker.turn(claim=[UUID(child["id"])])
        rows = scene.superuser.ask("select id, claim from pyfi.call where id = %s", UUID(child["id"]))
        scene.superuser.ask("update pyfi.call set state = 'done', finished = now() where id = %s", rows[0][0])
    return id_


def retire(scene: Scene, limit: int = 100) -> int:
    """A whole pass, begun at once."""
    scene.superuser.ask("update pyfi.retention set next = '-infinity', looked_to = '-infinity'")
    deleted = 0
    for _ in range(1000):
        deleted += int(scene.agent().one("select ledger.retire(%s)", limit))
        if scene.superuser.one("select looked_to = '-infinity' from pyfi.retention"):
            return deleted
    raise AssertionError("a pass without an end")


def ids(scene: Scene) -> set[UUID]:
    """All that is there."""
    return {id_ for (id_,) in scene.superuser.ask("select id from pyfi.call where parent_id is null")}


def test_nothing_is_deleted_unless_it_is_said(scene: Scene, part: Part, worker: Worker) -> None:
    run(scene, part, worker)
    age(scene, 10_000)
    assert retire(scene) == 0


def test_by_age(scene: Scene, part: Part, worker: Worker) -> None:
    scene.setting("keep_days", "2")
    old = run(scene, part, worker)
    scene.superuser.ask("insert into pyfi.event (call_id, name) values (%s, 'x')", old)
    age(scene, 3)
    new = run(scene, part, worker)
    age(scene, 1)
    assert retire(scene) == 2
    assert ids(scene) == {new}
    assert scene.superuser.one("select count(*) from pyfi.event where name = 'x'") == 0
    assert scene.superuser.one("select deleted from pyfi.retention") == 2


def test_an_unfinished_tree_stays_whole(scene: Scene, part: Part, worker: Worker) -> None:
    scene.setting("keep_days", "2")
    open_tree = run(scene, part, worker, whole=False)
    age(scene, 30)
    assert retire(scene) == 0
    assert ids(scene) == {open_tree} and len(scene.children(open_tree)) == 1


def test_a_tree_is_as_old_as_its_youngest_end(scene: Scene, part: Part, worker: Worker) -> None:
    scene.setting("keep_days", "2")
    id_ = run(scene, part, worker)
    age(scene, 30)
    scene.superuser.ask(
        "set session_replication_role = replica; update pyfi.call set finished = now() where parent_id is not null;"
        " reset session_replication_role"
    )
    assert retire(scene) == 0 and ids(scene) == {id_}


def test_parked_calls_stay(scene: Scene, part: Part, worker: Worker) -> None:
    scene.setting("keep_days", "2")
    scene.setting("max_losses", "1")
    (id_,) = submit(scene.ann, part.sockets["two"], arguments(1))
    worker.fail(worker.claim_one(id_), "lost")
    age(scene, 30)
    assert retire(scene) == 0 and ids(scene) == {id_}


def test_by_count_the_oldest_go(scene: Scene, part: Part, worker: Worker) -> None:
    scene.setting("keep_calls", "4")
    made = []
    for _ in range(5):
        made.append(run(scene, part, worker))
        age(scene, 0.001)
    assert retire(scene, 2) == 6
    assert ids(scene) == set(made[-2:])
    assert retire(scene) == 0


def test_small_batches_come_to_the_same(scene: Scene, part: Part, worker: Worker) -> None:
    scene.setting("keep_days", "1")
    kept = []
    for n in range(6):
        (kept if n % 2 else []).append(run(scene, part, worker, whole=n % 2 == 0))
        age(scene, 2)
    assert retire(scene, 1) == 6
    assert ids(scene) == set(kept)


def test_a_pass_begins_once_a_minute(scene: Scene, part: Part, worker: Worker) -> None:
    scene.setting("keep_days", "1")
    assert retire(scene) == 0
    run(scene, part, worker)
    age(scene, 2)
    assert scene.agent().one("select ledger.retire(100)") == 0


def test_only_nodes_delete(scene: Scene) -> None:
    with pytest.raises(ForbiddenError):
        scene.admin.ask("select ledger.retire(1)")


def test_a_wrong_setting_deletes_nothing(scene: Scene, part: Part, worker: Worker) -> None:
    """Whatever somebody wrote in psql."""
    run(scene, part, worker)
    age(scene, 30)
    for value in ("-1", "nan", "0"):
        scene.setting("keep_days", value)
        assert retire(scene) == 0, value


def test_an_unused_queue_ends(scene: Scene, part: Part) -> None:
    unused, used = add_queue(scene.ann, "unused"), add_queue(scene.ann, "used")
    add_plug(scene.ann, "through", part.sockets["one"], part.sockets["two"], used)
    scene.ann.ask("update pyfi.queue set expires = 3600000 where id in (%s, %s)", unused, used)
    retire(scene)
    names = "select name from pyfi.queue where name in ('unused', 'used') order by 1"
    assert scene.superuser.ask(names) == [("unused",), ("used",)]
    later = "set session_replication_role = replica; update pyfi.queue set updated = now() - interval '2 h'"
    scene.superuser.ask(later + "; reset session_replication_role")
    retire(scene)
    assert scene.superuser.ask(names) == [("used",)]
    scene.ann.ask("delete from pyfi.plug where name = 'through'")
    retire(scene)
    assert scene.superuser.ask(names) == [("used",)], "its time begins when it is left"
    scene.superuser.ask(later + "; reset session_replication_role")
    retire(scene)
    assert scene.superuser.ask(names) == []
