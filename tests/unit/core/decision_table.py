"""Every decision that the plan takes for one worker key and for one environment key, as a page.

`python -m tests.unit.core.decision_table` prints it, `--write` writes docs/reference/decision-table.md.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pyfi.core.backoff import Crashes
from pyfi.core.model import (
    Deployment,
    DeploymentId,
    Desired,
    Environment,
    EnvironmentKey,
    EnvironmentStatus,
    Halt,
    Limits,
    Observed,
    Past,
    Presence,
    Requested,
    Worker,
    WorkerId,
    WorkerKey,
)
from pyfi.core.plan import plan

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "decision-table.md"
NOW = 1000.0
ENV = EnvironmentKey("e1")
KEY = WorkerKey("proc1@node1#0")
OTHER = WorkerKey("other@node1#0")

BASE = Deployment(
    id=DeploymentId("d1"),
    processor="proc1",
    network="default",
    requested=Requested.RUNNING,
    cpus=1,
    sockets=1,
    generation=2,
    revision="r2",
    environment=ENV,
)
WORKER = Worker(
    key=KEY,
    id=WorkerId("w1"),
    deployment_id=BASE.id,
    ordinal=0,
    generation=2,
    revision="r2",
    environment=ENV,
    presence=Presence.ALIVE,
    drain_seconds=30.0,
    cpu=0,
)
PAST = Past(
    key=KEY,
    worker_id=WorkerId("w0"),
    deployment_id=BASE.id,
    ordinal=0,
    generation=2,
    revision="r2",
    crashes=Crashes(in_a_row=1, not_before=NOW + 5),
)

Wants = Mapping[str, Desired]
WANTS: Wants = {
    "running": Desired(node="node1", cpus=1, cpu_ids=(0,), deployments=(BASE,)),
    "paused": Desired(node="node1", cpus=1, cpu_ids=(0,), deployments=(replace(BASE, requested=Requested.PAUSED),)),
    "stopped": Desired(node="node1", cpus=1, cpu_ids=(0,), deployments=(replace(BASE, requested=Requested.STOPPED),)),
    "removed": Desired(node="node1", cpus=1, cpu_ids=(0,), deployments=(replace(BASE, requested=Requested.REMOVED),)),
    "no deployment": Desired(node="node1", cpus=1, cpu_ids=(0,)),
    "no socket": Desired(node="node1", cpus=1, cpu_ids=(0,), deployments=(replace(BASE, sockets=0),)),
    "scaled to 0": Desired(node="node1", cpus=1, cpu_ids=(0,), deployments=(replace(BASE, cpus=0),)),
    "node has 0 CPUs": Desired(node="node1", cpus=0, cpu_ids=(0,), deployments=(BASE,)),
    "invalid": Desired(
        node="node1",
        cpus=1,
        cpu_ids=(0,),
        deployments=(replace(BASE, revision="r3", environment=None, invalid="no commit"),),
    ),
    "agent drains": Desired(node="node1", cpus=1, cpu_ids=(0,), deployments=(BASE,), halt=Halt.DRAIN),
    "agent stops at once": Desired(node="node1", cpus=1, cpu_ids=(0,), deployments=(BASE,), halt=Halt.KILL),
}
HAVES: Mapping[str, Worker | None] = {
    "nothing": None,
    "gone": replace(WORKER, presence=Presence.GONE),
    "unknown": replace(WORKER, presence=Presence.UNKNOWN),
    "alive": WORKER,
    "alive, outdated": replace(WORKER, revision="r1", generation=1),
    "draining, in time": replace(WORKER, draining_until=NOW + 1),
    "draining, at its deadline": replace(WORKER, draining_until=NOW),
    "draining, overdue": replace(WORKER, draining_until=NOW - 1),
}
BUILT: Mapping[str, EnvironmentStatus | None] = {
    "ready": EnvironmentStatus.READY,
    "absent": None,
    "building": EnvironmentStatus.BUILDING,
    "failed": EnvironmentStatus.FAILED,
    "unknown": EnvironmentStatus.UNKNOWN,
}
PASTS: Mapping[str, Past | None] = {
    "none": None,
    "before": PAST,
    "at": replace(PAST, crashes=Crashes(in_a_row=1, not_before=NOW)),
    "after": replace(PAST, crashes=Crashes(in_a_row=1, not_before=NOW - 1)),
    "of another revision": replace(PAST, revision="r1"),
}
CPUS = ("free", "busy")
WORKER_COLUMNS = ("seen", "desired", "environment", "backoff", "CPU")

ENV_NEEDED = ("needed", "used only", "unneeded", "agent stops")
ENV_SEEN = (
    "absent",
    "building",
    "ready, just idle",
    "ready, long idle",
    "failed, before its next try",
    "failed, at its next try",
    "failed, restart asked",
    "unknown",
)
BUILDERS = ("free", "busy")
ENV_COLUMNS = ("seen", "environment is", "builders")


def _one(actions: tuple[object, ...], key: str) -> str:
    own = [action for action in actions if action.key == key]  # type: ignore[attr-defined]
    if not own:
        return "-"
    (action,) = own
    return f"{type(action).__name__}: {action.reason}"  # type: ignore[attr-defined]


def decide_worker(seen: str, desired: str, environment: str, backoff: str, cpu: str) -> str:
    """The plan's word for the worker's key."""
    status, past, have = BUILT[environment], PASTS[backoff], HAVES[seen]
    workers = [have] if have else []
    if cpu == "busy":
        workers.append(replace(WORKER, key=OTHER, id=WorkerId("w9"), presence=Presence.UNKNOWN))
    observed = Observed(
        workers=tuple(workers),
        pasts=(past,) if past else (),
        environments=(Environment(key=ENV, status=status),) if status else (),
    )
    return _one(plan(WANTS[desired], observed, NOW), KEY)


def decide_environment(seen: str, need: str, builders: str) -> str:
    """The plan's word for the environment's key."""
    record = {
        "absent": None,
        "building": Environment(key=ENV, status=EnvironmentStatus.BUILDING),
        "ready, just idle": Environment(key=ENV, status=EnvironmentStatus.READY, idle_seconds=9.9),
        "ready, long idle": Environment(key=ENV, status=EnvironmentStatus.READY, idle_seconds=10.0),
        "failed, before its next try": Environment(
            key=ENV, status=EnvironmentStatus.FAILED, crashes=Crashes(in_a_row=1, not_before=NOW + 1)
        ),
        "failed, at its next try": Environment(
            key=ENV, status=EnvironmentStatus.FAILED, crashes=Crashes(in_a_row=1, not_before=NOW)
        ),
        "failed, restart asked": Environment(
            key=ENV, status=EnvironmentStatus.FAILED, token=7, crashes=Crashes(in_a_row=1, not_before=NOW + 1)
        ),
        "unknown": Environment(key=ENV, status=EnvironmentStatus.UNKNOWN),
    }[seen]
    environments = [record] if record else []
    if builders == "busy":
        environments.append(Environment(key=EnvironmentKey("e9"), status=EnvironmentStatus.BUILDING))
    desired = WANTS["agent drains" if need == "agent stops" else "running"]
    if need in {"used only", "unneeded"}:
        desired = WANTS["no deployment"]
    workers = (WORKER,) if need == "used only" else ()
    observed = Observed(workers=workers, environments=tuple(environments))
    limits = Limits(builds=1, keep_environment_seconds=10.0)
    return _one(plan(desired, observed, NOW, limits=limits), ENV)


Table = dict[tuple[str, ...], str]


def _table(decide: Callable[..., str], *columns: tuple[str, ...]) -> Table:
    return {inputs: decide(*inputs) for inputs in itertools.product(*columns)}


def _merged(table: Table, depth: int, width: int) -> Iterator[tuple[list[str], str]]:
    """Rows with equal continuations told once: values joined, or `any` where a column does not matter."""
    if depth == width:
        yield [], next(iter(table.values()))
        return
    groups: dict[tuple[str, ...], list[str]] = {}
    parts: dict[str, Table] = {}
    for inputs, decision in table.items():
        parts.setdefault(inputs[depth], {})[inputs] = decision
    for value, part in parts.items():
        shape = tuple(part.values())
        groups.setdefault(shape, []).append(value)
    for values in groups.values():
        word = "any" if len(values) == len(parts) else " / ".join(values)
        for rest, decision in _merged(parts[values[0]], depth + 1, width):
            yield [word, *rest], decision


def _page_of(columns: tuple[str, ...], table: Table) -> list[str]:
    lines = ["| " + " | ".join(columns) + " | action: reason |", "|" + "---|" * (len(columns) + 1)]
    lines += ["| " + " | ".join(cells) + f" | {decision} |" for cells, decision in _merged(table, 0, len(columns))]
    return lines


def page() -> str:
    """The whole page."""
    workers = _table(decide_worker, tuple(HAVES), tuple(WANTS), tuple(BUILT), tuple(PASTS), CPUS)
    environments = _table(decide_environment, ENV_SEEN, ENV_NEEDED, BUILDERS)
    lines = [
        "# The decision table",
        "",
        "What the agent's plan (`pyfi/core/plan.py`) decides for one key. Generated from the code by",
        "`python -m tests.unit.core.decision_table --write`; a test compares them. Rows that decide alike are",
        "told once, `any` means that the column does not matter, `-` that there is no such key.",
        "",
        f"## One worker ({len(workers)} cases)",
        "",
        *_page_of(WORKER_COLUMNS, workers),
        "",
        f"## One environment ({len(environments)} cases)",
        "",
        "*used only*: a worker that is not wanted any more still runs in it.",
        "",
        *_page_of(ENV_COLUMNS, environments),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
