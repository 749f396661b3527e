"""The JSON of `agent.desired` and `agent.offers` as core's records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from pyfi import __version__
from pyfi.core.model import Deployment, DeploymentId, EnvironmentKey, Requested
from pyfi.core.place import Offer
from pyfi.errors import InvariantError, PyfiError
from pyfi.runner import environment
from pyfi.runner.environment import Spec
from pyfi.runner.policy import Policy
from pyfi.runner.sandbox import OPEN, Sandbox

DRAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A deployment, and what starting a worker of it needs besides."""

    deployment: Deployment
    spec: Spec | None
    processor_id: str
    module: str
    modulepath: str | None
    time_limit_seconds: float | None
    soft_time_limit_seconds: float | None
    sandbox: Sandbox = OPEN
    variables: Mapping[str, str] = field(default_factory=dict)
    git_secret: str | None = None
    index_secret: str | None = None


@lru_cache(maxsize=4096)
def _environment_key(spec: Spec) -> EnvironmentKey:
    return EnvironmentKey(environment.key(spec))


Confine = Callable[[str, int, bool], Sandbox]


def placed_from(
    document: Mapping[str, Any], *, started_with: str, confine: Confine = lambda *_: OPEN
) -> tuple[Placed, ...]:
    """The deployments of this node.

    One whose repository is refused is there too, marked invalid: it must not stop the others.
    Args: confine: by processor, the level it asks for and whether it asks for the network, gives its sandbox.
    started_with: what a worker is started with besides, such as credentials; another one makes workers outdated.

    Raises: InvariantError: the document is not what the database's function gives.
    """
    try:
        policy = Policy.of(document.get("settings") or {})
        return tuple(_placed(each, policy, started_with, confine) for each in document["deployments"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvariantError(f"agent.desired gave something unexpected: {error!r}") from error


def _placed(each: Mapping[str, Any], policy: Policy, started_with: str, confine: Confine) -> Placed:
    sandbox, key, invalid = OPEN, None, ""
    try:
        sandbox = confine(str(each["processor_id"]), int(each["sandbox"]), bool(each["online"]))
    except PyfiError as error:
        invalid = error.message
    spec = Spec(
        repository=each["gitrepo"],
        commit=each["commit"] or "",
        requirements=each["requirements"] or "",
        index_url=each["index_url"] or "",
        strict=bool(each["hashes_only"]),
        secrets_of=str(each["owner_id"]) if each["git_secret"] or each["index_secret"] else "",
        policy=policy,
        sandbox=sandbox.level,
        uid=sandbox.uid,
    )
    try:
        key = None if invalid else _environment_key(spec)
    except PyfiError as error:
        invalid = error.message
    # Two owners may have a processor of one name; a tilde is in no name.
    owner = each.get("owner")
    name = f"{each['processor']}~{owner}" if owner else each["processor"]
    limit, drain = each["time_limit_seconds"], each["drain_seconds"]
    soft = each["soft_time_limit_seconds"]
    deployment = Deployment(
        id=DeploymentId(str(each["id"])),
        processor=name,
        network=each["network"],
        requested=Requested(each["requested_status"]),
        cpus=int(each["cpus"]),
        sockets=len(each["sockets"]),
        generation=int(each["generation"]),
        revision=_revision(each, [str(key), asdict(sandbox)], started_with),
        environment=key,
        restart_token=int(each["restart_token"]),
        drain_seconds=DRAIN_SECONDS if drain is None else float(drain),
        invalid=invalid,
    )
    return Placed(
        deployment=deployment,
        spec=spec if key else None,
        processor_id=str(each["processor_id"]),
        module=each["module"],
        modulepath=each["modulepath"],
        time_limit_seconds=None if limit is None else float(limit),
        soft_time_limit_seconds=None if soft is None else float(soft),
        sandbox=sandbox,
        variables={str(name): str(value) for name, value in each["environment"].items()},
        git_secret=each["git_secret"],
        index_secret=each["index_secret"],
    )


# Counts and requested_status are left out on purpose: neither scaling nor pausing restarts a worker.
_STARTED_WITH = (
    *("id", "processor_id", "commit", "module", "modulepath", "time_limit_seconds", "drain_seconds", "environment"),
    *("secrets_changed", "soft_time_limit_seconds"),
)


def _revision(each: Mapping[str, Any], runs_in: list[object], started_with: str) -> str:
    sockets = sorted((str(socket["id"]), socket["task"], socket["address"]) for socket in each["sockets"])
    parts = [__version__, started_with, runs_in, each["restart_token"], sockets]
    parts += [each[name] for name in _STARTED_WITH]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:20]


def offers_from(document: Iterable[Mapping[str, Any]]) -> tuple[Offer, ...]:
    """The processors that lack CPUs.

    Raises: InvariantError: the document is not what the database's function gives.
    """
    try:
        return tuple(
            Offer(processor_id=str(each["processor_id"]), processor=each["processor"], missing=int(each["missing"]))
            for each in document
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvariantError(f"agent.offers gave something unexpected: {error!r}") from error
