"""The network's objects: a constructor finds or makes one by name, and writes what differs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from pyfi.client.connection import connection
from pyfi.client.user import checked_user
from pyfi.control import find, processors, verbs
from pyfi.db.rows import Row, opened
from pyfi.errors import InvalidError


class NotYetWarning(UserWarning):
    """An argument of the founding documents that has no effect yet."""


def not_yet(reason: str, **given: object) -> None:
    """Warn about those that were given: silence would promise an effect."""
    for name, value in given.items():
        if value not in (None, False):
            warnings.warn(f"{name} has no effect yet: {reason}", NotYetWarning, stacklevel=3)


class NetworkObject:
    """A row of the network. `row` is what it was when it was last read."""

    kind: ClassVar[str]

    def __init__(self, row: Row) -> None:
        """Keep the row."""
        self.row = row

    @property
    def id(self) -> UUID:
        """The row's id."""
        id_: UUID = self.row["id"]
        return id_

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.row["name"])

    def refresh(self) -> Row:
        """Read the row again.

        Raises: NotFoundError: it was deleted.
        """
        with opened(connection().database) as rows:
            self.row = find.by_id(rows, self.kind, str(self.id))
        return self.row

    def __getattr__(self, name: str) -> Any:
        """`socket.socket`, `processor.processor`: the row under its kind's name; else a column of the row."""
        row = self.__dict__.get("row", {})
        if name == type(self).kind:
            return row
        if name in row:
            return row[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __repr__(self) -> str:
        """Asks nobody."""
        return f"<{type(self).__name__} {self.name}>"


def found_or_made(kind: str, given: Mapping[str, Any], *, makes_from: tuple[str, ...] = ()) -> Row:
    """Ensure; with `makes_from`, only find when none of these was given."""
    database = connection().database
    if makes_from and not any(given.get(key) is not None for key in makes_from):
        with opened(database) as rows:
            return find.one(rows, kind, given["name"], network=given.get("network"))
    return verbs.ensure(database, kind, given)


class Network(NetworkObject):
    """The outermost scope of names."""

    kind = "network"

    def __init__(self, name: str, *, description: str | None = None, user: object = None) -> None:
        """Find or make it."""
        checked_user(user)
        super().__init__(found_or_made("network", {"name": name, "description": description}))


class Node(NetworkObject):
    """A machine."""

    kind = "node"

    def __init__(
        self, name: str, hostname: str | None = None, *, network: str | None = None, user: object = None
    ) -> None:
        """Find it, or make it when a hostname is given."""
        checked_user(user)
        given = {"name": name, "hostname": hostname, "network": network}
        super().__init__(found_or_made("node", given, makes_from=("hostname",)))


class Agent(NetworkObject):
    """The process of a node that reconciles."""

    kind = "agent"

    def __init__(
        self, name: str, *, node: Node | str | None = None, network: str | None = None, user: object = None
    ) -> None:
        """Find it, or make its row when a node is given."""
        checked_user(user)
        given = {"name": name, "node": name_of(node), "network": network}
        super().__init__(found_or_made("agent", given, makes_from=("node",)))


class Queue(NetworkObject):
    """Where calls wait."""

    kind = "queue"

    def __init__(
        self,
        name: str,
        type: str | None = None,  # noqa: A002 # the founding documents' word
        *,
        message_ttl: int | None = None,
        durable: bool | None = None,
        expires: int | None = None,
        max_length: int | None = None,
        max_length_bytes: int | None = None,
        network: str | None = None,
        user: object = None,
    ) -> None:
        """Find or make it. Times are milliseconds. A queue with a length takes no more calls; see QueueFullError."""
        checked_user(user)
        limits = {
            "message_ttl": message_ttl,
            "expires": expires,
            "max_length": max_length,
            "max_length_bytes": max_length_bytes,
        }
        given = {"name": name, "type": type, "durable": durable, "network": network}
        super().__init__(found_or_made("queue", given | limits))


class Processor(NetworkObject):
    """A user's code: a git repository at a commit, and a module in it."""

    kind = "processor"

    def __init__(
        self,
        name: str,
        *,
        module: str | None = None,
        gitrepo: str | None = None,
        branch: str | None = None,
        commit: str | None = None,
        hostname: str | None = None,
        concurrency: int | None = None,
        retries: int | None = None,
        backoff: float | None = None,
        backoff_factor: float | None = None,
        backoff_max: float | None = None,
        retry_on: Sequence[str | type[BaseException]] | None = None,
        no_retry_on: Sequence[str | type[BaseException]] | None = None,
        max_losses: int | None = None,
        requirements: str | None = None,
        modulepath: str | None = None,
        time_limit: float | None = None,
        soft_time_limit: float | None = None,
        requested_status: str | None = None,
        description: str | None = None,
        network: str | None = None,
        beat: bool | None = None,
        user: object = None,
    ) -> None:
        """Find it, or make it from module and gitrepo; what is given and differs is written.

        Args: concurrency: CPUs to occupy. hostname: run it on that node only. time_limit: seconds of one call;
            soft_time_limit: after which it is told. backoff: seconds before the first retry, backoff_max: at most.
            retry_on, no_retry_on: exception classes or their names. max_losses: until a call is parked.

        Raises: RepositoryError, InvalidError, NotFoundError.
        """
        checked_user(user)
        not_yet("schedules are not there", beat=beat)
        given: dict[str, Any] = {
            "name": name,
            "module": module,
            "gitrepo": gitrepo,
            "branch": branch,
            "commit": commit,
            "hostname": hostname,
            "concurrency": concurrency,
            "retries": retries,
            "backoff_seconds": backoff,
            "backoff_factor": backoff_factor,
            "backoff_max_seconds": backoff_max,
            "retry_on": _names(retry_on),
            "no_retry_on": _names(no_retry_on),
            "max_losses": max_losses,
            "requirements": requirements,
            "modulepath": modulepath,
            "time_limit_seconds": time_limit,
            "soft_time_limit_seconds": soft_time_limit,
            "requested_status": requested_status,
            "description": description,
            "network": network,
        }
        asked = {key: value for key, value in given.items() if key not in {"name", "network"} and value is not None}
        database = connection().database
        if asked:
            super().__init__(processors.ensure(database, given))
        else:
            with opened(database) as rows:
                super().__init__(find.one(rows, "processor", name, network=network))

    def _request(self, word: str) -> None:
        self.row = processors.request(connection().database, word, id_=str(self.id))

    def start(self) -> None:
        """Ask for it to run."""
        self._request("start")

    def stop(self) -> None:
        """Ask for its workers to drain and end."""
        self._request("stop")

    def restart(self) -> None:
        """Ask for new workers."""
        self._request("restart")

    def pause(self) -> None:
        """Ask that no new call begins."""
        self._request("pause")

    def resume(self) -> None:
        """Ask that calls begin again."""
        self._request("resume")

    def remove(self) -> None:
        """Ask for it to leave its nodes."""
        self._request("remove")


class Deployment(NetworkObject):
    """A processor on a node, with a count of CPUs."""

    kind = "deployment"

    def __init__(
        self,
        *,
        processor: Processor | str,
        node: Node | str,
        cpus: int = 1,
        network: str | None = None,
        user: object = None,
    ) -> None:
        """Find or make it."""
        checked_user(user)
        given = {"processor": name_of(processor), "node": name_of(node), "cpus": cpus, "network": network}
        super().__init__(found_or_made("deployment", given))


def _names(exceptions: Sequence[str | type[BaseException]] | None) -> list[str] | None:
    """As errors name them: with the module, but for what is built in."""
    if exceptions is None:
        return None
    return [
        each if isinstance(each, str) else f"{each.__module__}.{each.__qualname__}".removeprefix("builtins.")
        for each in exceptions
    ]


def name_of(thing: NetworkObject | str | None) -> str | None:
    """An object may be given itself or by its name."""
    return thing.name if isinstance(thing, NetworkObject) else thing


def queue_name(queue: Queue | Mapping[str, Any] | str | None, network: str | None) -> str | None:
    """A queue as objects take it: itself, its name, or `{"name": ...}` with its limits, which finds or makes it.

    Raises: InvalidError: the dict has no name, or keys that are nothing of a queue.
    """
    if queue is None or isinstance(queue, str):
        return queue
    if isinstance(queue, Queue):
        return queue.name
    try:
        return Queue(**{"network": network, **queue}).name
    except TypeError as error:
        raise InvalidError(f"that is no queue: {error}", hint="queue={'name': 'pyfi.queue1'}") from None
