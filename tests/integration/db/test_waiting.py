"""What a worker finds without wake-ups."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.integration.db.scene import Part, Scene, add_part, arguments
from tests.integration.db.workers import Worker, start_worker, submit


@pytest.fixture
def part(scene: Scene) -> Part:
    """A processor of ann's with two sockets."""
    return add_part(scene.ann, "p", "one", "two")


def waiting(worker: Worker, most: int = 10) -> list[UUID]:
    """Their ids."""
    return [UUID(each) for each in worker.login.one("select ledger.waiting(%s::uuid, %s)::text[]", worker.id, most)]


def test_the_first_by_priority_and_age_of_all_its_sockets(scene: Scene, part: Part) -> None:
    worker = start_worker(scene, part.processor)
    first = submit(scene.ann, part.sockets["one"], arguments(1))
    second = submit(scene.ann, part.sockets["two"], arguments(2))
    third = submit(scene.ann, part.sockets["one"], arguments(3))
    assert waiting(worker) == [*first, *second, *third]
    assert waiting(worker, 2) == [*first, *second]
    scene.superuser.ask("update pyfi.call set priority = 1 where id = %s", third[0])
    assert waiting(worker, 1) == third


def test_only_what_is_due_and_not_expired(scene: Scene, part: Part) -> None:
    worker = start_worker(scene, part.processor)
    due, later, late, claimed = submit(scene.ann, part.sockets["one"], *map(arguments, range(4)))
    worker.claim_one(claimed)
    scene.superuser.ask("update pyfi.call set not_before = now() - interval '1 s' where id = %s", due)
    scene.superuser.ask("update pyfi.call set not_before = now() + interval '1 h' where id = %s", later)
    scene.superuser.ask("update pyfi.call set expires = now() - interval '1 s' where id = %s", late)
    assert waiting(worker) == [due]
    assert worker.claim_one(due).id == due


def test_nothing_of_another_nodes_worker(scene: Scene, part: Part) -> None:
    """Whoever has stolen a worker's id, or a node's login, learns no ids."""
    worker = start_worker(scene, part.processor)
    submit(scene.ann, part.sockets["one"], arguments(1))
    assert waiting(Worker(login=scene.worker("n2"), processor=part.processor, id=worker.id)) == []
