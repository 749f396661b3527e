"""What a person wrote about an object becomes the columns of its row: names are looked up, words are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyfi.control import find
from pyfi.core.limits import LIFTED, parsed_rate
from pyfi.core.names import DEFAULT_NETWORK, checked_name
from pyfi.core.variables import checked_index, checked_module, checked_modulepath, checked_variables
from pyfi.db.rows import Row, Rows
from pyfi.errors import ConflictError, InvalidError, NotFoundError

Given = Mapping[str, Any]
Columns = dict[str, Any]

STATUS_WORDS = {
    "ready": "running",
    "start": "running",
    "running": "running",
    "paused": "paused",
    "stopped": "stopped",
}


def _network(rows: Rows, given: Given) -> Columns:
    return {"network_id": find.one(rows, "network", given.get("network") or DEFAULT_NETWORK)["id"]}


def _plain(given: Given, *keys: str) -> Columns:
    return {key: given[key] for key in keys if given.get(key) is not None}


PROCESSOR_CHECKS: dict[str, Callable[[Any], Any]] = {
    "environment": checked_variables,
    "index_url": checked_index,
    "module": checked_module,
    "modulepath": checked_modulepath,
    "git_secret": lambda name: checked_name("secret", name),
    "index_secret": lambda name: checked_name("secret", name),
}


def _limits(given: Given, *keys: str) -> Columns:
    """Numbers, or LIFTED, which writes that there is none."""
    return {key: None if value == LIFTED else value for key, value in _plain(given, *keys).items()}


def of_network(rows: Rows, given: Given) -> Columns:
    """description."""
    return _plain(given, "description")


def of_node(rows: Rows, given: Given) -> Columns:
    """hostname, which is the node's name when none is given."""
    return _network(rows, given) | {"hostname": given.get("hostname") or given["name"]}


def of_agent(rows: Rows, given: Given) -> Columns:
    """node: the name of the node it is the agent of."""
    node = find.one(rows, "node", given["node"], network=given.get("network"))
    return _network(rows, {"network": node["network"]}) | {"node_id": node["id"]}


def of_queue(rows: Rows, given: Given) -> Columns:
    """type and limits; times in milliseconds, lengths in calls and bytes."""
    limits = _limits(given, "max_length", "max_length_bytes", "message_ttl", "expires")
    return _network(rows, given) | _plain(given, "type", "durable") | limits


def of_processor(rows: Rows, given: Given) -> Columns:
    """Everything as it is, but for requested_status, which has more words than states.

    Raises: InvalidError: among others, variables or an index with a password, a module path that leaves the repository.
    """
    columns = _plain(
        given,
        *("gitrepo", "branch", "commit", "module", "modulepath", "requirements", "hostname", "concurrency"),
        *("backoff_seconds", "backoff_factor", "backoff_max_seconds", "retry_on", "no_retry_on", "max_losses"),
        "soft_time_limit_seconds",
        *("retries", "time_limit_seconds", "drain_seconds", "description", "environment", "index_url", "index_secret"),
        *("git_secret", "hashes_only", "sandbox", "online", "public_logs"),
    )
    for key, check in PROCESSOR_CHECKS.items():
        if key in columns:
            columns[key] = check(columns[key])
    if status := given.get("requested_status"):
        if status not in STATUS_WORDS:
            raise InvalidError(f"requested status {status!r} is not one of {', '.join(STATUS_WORDS)}")
        columns["requested_status"] = STATUS_WORDS[status]
    return _network(rows, given) | columns


def task_of(rows: Rows, processor: Row, name: str) -> Row:
    """The row of that function of a processor, made when there is none.

    Raises: InvalidError: the name is no Python name.
    """
    if not (name.isidentifier() and name.isascii()):
        raise InvalidError(f"task {name!r} is not the name of a Python function")
    found = rows.find("task", processor_id=processor["id"], name=name)
    return found[0] if found else rows.add("task", {"processor_id": processor["id"], "name": name})


def _only_task(rows: Rows, processor: Row) -> Row:
    tasks = rows.find("task", processor_id=processor["id"])
    if len(tasks) != 1:
        raise InvalidError(f"which function of processor {processor['name']}?", hint="give -t TASK")
    return tasks[0]


def of_socket(rows: Rows, given: Given) -> Columns:
    """processor (a name or its row), queue (a name; else the one of the processor's name, made if need be), task (a
    function's name; else the processor's only one).
    Limits are numbers, or LIFTED.

    Raises: InvalidError: a rate that is none.
    """
    columns = _plain(given, "description") | _limits(given, "concurrency", "rate", "burst")
    if isinstance(rate := columns.get("rate"), str):
        columns["rate"] = parsed_rate(rate)
    processor = given["processor"]
    if not isinstance(processor, dict):
        processor = find.one(rows, "processor", processor, network=given.get("network"))
    columns["processor_id"] = processor["id"]
    if queue := given.get("queue"):
        columns["queue_id"] = find.one(rows, "queue", queue, network=processor["network"])["id"]
    elif not given.get("exists"):
        columns["queue_id"] = rows.socket_queue(processor["id"])
    if task := given.get("task"):
        columns["task_id"] = task_of(rows, processor, task)["id"]
    elif not given.get("exists"):
        columns["task_id"] = _only_task(rows, processor)["id"]
    return columns


def _end(rows: Rows, given: Given, key: str) -> Row | None:
    end = given.get(key)
    if end is None or isinstance(end, dict):
        return end
    return find.one(rows, "socket", end, network=given.get("network"))


def _only_socket(rows: Rows, what: str, name: str, **where: object) -> Row:
    sockets = rows.find("socket", **where)
    if not sockets:
        raise NotFoundError(f"{what} {name} has no socket yet", hint="flow add socket")
    if len(sockets) > 1:
        listed = ", ".join(f"{row['processor']}/{row['name']}" for row in sockets)
        raise ConflictError(f"{what} {name} has several sockets: {listed}", hint="name one with -s or -t")
    return sockets[0]


def of_plug(rows: Rows, given: Given) -> Columns:
    """source and target (names or rows of sockets), queue; the older form names a processor and a queue instead."""
    columns = _plain(given, "type", "argument", "description")
    source, target = _end(rows, given, "source"), _end(rows, given, "target")
    queue = None
    if name := given.get("queue"):
        queue = find.one(rows, "queue", name, network=source["network"] if source else given.get("network"))
        columns["queue_id"] = queue["id"]
    if not given.get("exists"):
        if source is None and given.get("processor"):
            processor = find.one(rows, "processor", given["processor"], network=given.get("network"))
            source = _only_socket(rows, "processor", processor["name"], processor_id=processor["id"])
        if source is None:
            raise InvalidError("where does the plug come from?", hint="give -s SOCKET")
        if target is None and queue:
            target = _only_socket(rows, "queue", queue["name"], queue_id=queue["id"])
    columns |= {"source_id": source["id"]} if source else {}
    columns |= {"target_id": target["id"]} if target else {}
    return columns


def of_deployment(rows: Rows, given: Given) -> Columns:
    """processor, node (a node's name or its hostname), cpus."""
    processor = find.one(rows, "processor", given["processor"], network=given.get("network"))
    nodes = rows.find("node", network=processor["network"], name=given["node"])
    nodes = nodes or rows.find("node", network=processor["network"], hostname=given["node"])
    if not nodes:
        raise NotFoundError(f"there is no node {given['node']}", hint=find.nearest(rows, "node", given["node"]))
    return {"processor_id": processor["id"], "node_id": nodes[0]["id"]} | _plain(given, "cpus")


def of_role(rows: Rows, given: Given) -> Columns:
    """Nothing but its name; rights are given to it one by one."""
    return {}


COLUMNS: dict[str, Callable[[Rows, Given], Columns]] = {
    "network": of_network,
    "role": of_role,
    "node": of_node,
    "agent": of_agent,
    "queue": of_queue,
    "processor": of_processor,
    "socket": of_socket,
    "plug": of_plug,
    "deployment": of_deployment,
}


def named(kind: str, given: Given) -> Columns:
    """The name, checked; a deployment has none.

    Raises: InvalidError.
    """
    return {} if kind == "deployment" else {"name": checked_name(kind, given["name"])}
