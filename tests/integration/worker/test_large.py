"""Large values and streams through real workers, guests and the ledger."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from pyfi.clock import wait_until
from tests.integration.db.scene import add_plug
from tests.integration.worker.stage import PATIENCE_SECONDS, Stage, Worker


def resident_bytes(worker: Worker) -> int:
    """What a worker's process occupies now at most: its high-water mark."""
    (line,) = [each for each in Path(f"/proc/{worker.child.pid}/status").read_text().splitlines() if "VmHWM" in each]
    return int(line.split()[1]) * 1024


def until(reached: Callable[[], Any]) -> None:
    """Wait for it."""
    assert wait_until(lambda: bool(reached()), timeout_seconds=PATIENCE_SECONDS)


def children(stage: Stage, id_: UUID) -> list[UUID]:
    """The calls that a call made."""
    found = stage.scene.superuser.ask("select id from pyfi.call where parent_id = %s order by created, id", id_)
    return [child for (child,) in found]


def test_a_large_result_passes_without_growing_the_worker(stage: Stage) -> None:
    """Nor does it as the arguments of the next call; the ledger holds it once."""
    part = stage.processor("grow", "measure", "echo")
    add_plug(stage.scene.admin, f"{stage.tag}g", part.sockets["grow"], part.sockets["measure"], part.queue)
    worker = stage.worker(part)
    stage.outcomes(stage.submit(part, "echo", *range(20)))
    before = resident_bytes(worker)
    (id_,) = stage.submit(part, "grow", 100_000)
    (outcome,) = stage.outcomes([id_])
    assert (outcome.state, outcome.result, outcome.result_apart) == ("done", None, True), outcome.error
    until(lambda: children(stage, id_))
    (child,) = stage.outcomes(children(stage, id_))
    assert (child.state, child.result) == ("done", [100_000, "99999"]), child.error
    assert resident_bytes(worker) - before < 15e6
    assert stage.calls.whole(outcome).result[77] == "0077" + "x" * 996
    held = stage.scene.superuser.one(
        "select sum(length(x.data)) from pyfi.piece x join pyfi.payload p on p.id = x.payload_id where p.root_id = %s",
        id_,
    )
    assert held < 102e6


def test_large_arguments_are_uploaded_and_reach_the_function(stage: Stage) -> None:
    """Beside small calls, in their turn."""
    part = stage.processor("measure", "echo")
    stage.worker(part)
    ids = stage.submit(part, "echo", *range(10))
    ids += stage.submit(part, "measure", ["é" * 3_000_000], ["z" * 100_000])
    ids += stage.submit(part, "echo", *range(10))
    results = [outcome.result for outcome in stage.outcomes(ids)]
    assert results == [*range(10), [1, "ééééé"], [1, "zzzzz"], *range(10)]
    (outcome,) = stage.outcomes([ids[10]])
    assert outcome.arguments is None
    assert stage.calls.whole(outcome, arguments=True).arguments == {"args": [["é" * 3_000_000]], "kwargs": {}}


def test_what_is_larger_than_allowed_fails_with_its_reason(stage: Stage) -> None:
    """And the worker goes on, no larger than before."""
    stage.scene.setting("largest_bytes", str(8 << 20))
    part = stage.processor("grow", "endless", "large", "echo")
    worker = stage.worker(part)
    stage.outcomes(stage.submit(part, "echo", 1))
    before = resident_bytes(worker)
    for task, value in (("grow", 100_000), ("endless", 0), ("large", 1 << 28)):
        (outcome,) = stage.outcomes(stage.submit(part, task, value))
        assert outcome.state == "failed" and outcome.error
        assert outcome.error["error"] == "result_too_large", task
    assert stage.outcomes(stage.submit(part, "echo", 2))[0].result == 2
    assert resident_bytes(worker) - before < 25e6
    stage.scene.admin.ask("delete from pyfi.setting where key = 'largest_bytes'")
    until(lambda: stage.scene.superuser.one("select count(*) = 0 from pyfi.payload where not used"))


def test_items_go_on_while_the_generator_runs(stage: Stage, tmp_path: Path) -> None:
    """Killed in the middle, the second attempt goes on without doubling any."""
    part = stage.processor("count", "echo")
    add_plug(stage.scene.admin, f"{stage.tag}c", part.sockets["count"], part.sockets["echo"], part.queue)
    worker = stage.worker(part)
    file, end = tmp_path / "held", tmp_path / "end"
    (id_,) = stage.submit(
        part, "count", {"count": 40, "die_at": 25, "size": 70_000, "file": str(file), "until": str(end)}
    )
    until(file.exists)
    until(lambda: len(children(stage, id_)) == 25)
    assert stage.calls.outcomes([id_])[id_].state in {"claimed", "running"}
    worker.signal(signal.SIGKILL)
    stage.scene.superuser.ask("update pyfi.call set lease_until = now() where id = %s", id_)
    stage.worker(part)
    (outcome,) = stage.outcomes([id_])
    assert (outcome.state, outcome.attempt) == ("done", 2), outcome.error
    assert [item["n"] for item in stage.calls.whole(outcome).result] == list(range(40))
    until(lambda: len(children(stage, id_)) == 40)
    results = [stage.calls.whole(each).result["n"] for each in stage.outcomes(children(stage, id_))]
    assert sorted(results) == list(range(40))


def test_an_attempt_that_contradicts_the_one_before_fails(stage: Stage) -> None:
    """It is not tried again; what was sent stays sent."""
    part = stage.processor("moody", "fewer", "echo", retries=3)
    for task in ("moody", "fewer"):
        add_plug(stage.scene.admin, stage.tag + task, part.sockets[task], part.sockets["echo"], part.queue)
    stage.worker(part)
    for task, place in (("moody", 2), ("fewer", 2)):
        (outcome,) = stage.outcomes(stage.submit(part, task, 0))
        assert outcome.state == "failed" and outcome.error and outcome.attempt == 2
        assert outcome.error["error"] == "nondeterministic"
        assert f"item {place} " in outcome.error["message"]
        sent = sorted(each.result for each in stage.outcomes(children(stage, outcome.id)))
        assert sent == ([1, 2] if task == "fewer" else [1, 1])


def test_a_flood_of_lines_is_cut_and_counted(stage: Stage) -> None:
    """Each kept line is there once, in its order; what cannot be text becomes text."""
    part = stage.processor("shout", "echo")
    stage.worker(part)
    (id_,) = stage.submit(part, "shout", 30_000)
    (other,) = stage.submit(part, "echo", 1)
    assert [each.result for each in stage.outcomes([id_, other])] == ["shouted", 1]
    texts = [line.text for line in stage.calls.logs(id_)]
    assert texts[:9999] == [f"line {n}" for n in range(9999)]
    assert texts[9999].endswith("[log cut: more than 10000 lines]")
    assert set(texts[10_000:]) == {
        "... 20000 lines dropped",
        "\x1b[31mred\x1b[0m \N{REPLACEMENT CHARACTER}" * 1 + "\N{REPLACEMENT CHARACTER}",
    }
