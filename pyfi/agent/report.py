"""The document that `agent.report` takes: how workers and deployments are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyfi.core import summary
from pyfi.core.actions import Action
from pyfi.core.model import Desired, Observed
from pyfi.core.summary import WorkerSummary

Document = dict[str, list[dict[str, Any]]]


def document(desired: Desired, observed: Observed, actions: Sequence[Action], now: float) -> Document:
    """What to tell of this pass."""
    rows = summary.workers(desired, observed, actions, now)
    return {
        # A worker whose state cannot be read has no id to be told by.
        "workers": [_worker(row) for row in rows if row.id],
        "deployments": [
            {
                "id": each.id,
                "status": each.status.value,
                "reason": each.reason,
                "observed_generation": each.observed_generation,
            }
            for each in summary.deployments(desired, observed, rows)
        ],
    }


def _worker(row: WorkerSummary) -> dict[str, Any]:
    return {
        "id": row.id,
        "key": row.key,
        "deployment_id": row.deployment_id,
        "ordinal": row.ordinal,
        "pid": row.pid,
        "status": row.status.value,
        "reason": row.reason,
        "generation": row.generation,
        "restarts": row.restarts,
        "last_exit": row.last_exit or None,
        "next_try_seconds": row.next_try_seconds,
    }


def gist(document: Document, now: float) -> Document:
    """The same with moments instead of countdowns: two that are equal say nothing new."""
    workers = [
        each | {"next_try_seconds": each["next_try_seconds"] and round(now + each["next_try_seconds"])}
        for each in document["workers"]
    ]
    return {**document, "workers": workers}
