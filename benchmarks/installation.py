"""An installation of PyFI for one run: its own database, roles, queues, and a processor that does nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from benchmarks.functions.noop import PAYLOAD
from benchmarks.programs import BenchmarkError
from benchmarks.services import Services
from pyfi.broker.publish import Publisher
from pyfi.core.scram import verifier
from pyfi.core.urls import DatabaseUrl
from pyfi.db import migrate
from pyfi.errors import PyfiError
from pyfi.ledger.calls import Calls
from pyfi.ledger.connection import Link

ARGUMENTS = json.dumps({"args": [PAYLOAD], "kwargs": {}}, separators=(",", ":"))
NODE = "bench"
# `alone` has no plug; `parent` plugs into `leaf`; `first`, `second`, `third` are a chain; `unserved` has no worker.
SERVED = ("alone", "parent", "leaf", "first", "second", "third")
PLUGS = (("parent", "leaf"), ("first", "second"), ("second", "third"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """A socket's id and its broker queue."""

    id: UUID
    address: str


class Installation:
    """worker: the URL that workers log in with. sockets: by name. calls: of the administrator. Not thread-safe."""

    def __init__(self, services: Services, admin: DatabaseUrl, worker: DatabaseUrl, name: str) -> None:
        """A processor with its sockets and plugs, another one that has no worker; `installed` makes all before."""
        self.services, self.admin, self.worker, self.name = services, admin, worker, name
        self.link = Link(admin.libpq(), application="pyfi bench")
        # Only the schema's owner may ask how children are named.
        self._owner = Link(services.database.at(name).libpq(), application="pyfi bench")
        self.calls = Calls(admin, services.broker)
        self.publisher = Publisher(services.broker)
        self.processor = self._processor(name)
        self.sockets = {each: self._socket(self.processor, each) for each in SERVED}
        self.sockets["unserved"] = self._socket(self._processor(f"{name}.unserved"), "unserved")
        self._plugs = {pair: self._plug(*pair) for pair in PLUGS}

    def _id(self, sql: str, *parameters: object) -> UUID:
        ((found,),) = self.link.rows(sql, tuple(str(each) for each in parameters))
        return UUID(found)

    def _processor(self, name: str) -> UUID:
        made = self._id(
            "insert into pyfi.processor (name, network_id, gitrepo, commit, module, concurrency)"
            " select %s, id, 'file:///none', '0', 'noop', 1 from pyfi.network returning id",
            name,
        )
        self.link.rows(
            "insert into pyfi.deployment (processor_id, node_id, cpus) select %s, id, 1 from pyfi.node", (str(made),)
        )
        return made

    def _socket(self, processor: UUID, name: str) -> Socket:
        queue = self._id("insert into pyfi.queue (name, network_id) select %s, id from pyfi.network returning id", name)
        # Each socket runs the same function, by a queue of its own.
        task = self._id(
            "insert into pyfi.task (processor_id, name) values (%s, 'noop')"
            " on conflict (processor_id, name) do update set name = excluded.name returning id",
            processor,
        )
        ((made, address),) = self.link.rows(
            "insert into pyfi.socket (name, processor_id, task_id, queue_id) values (%s, %s, %s, %s)"
            " returning id, address",
            (name, str(processor), str(task), str(queue)),
        )
        return Socket(id=UUID(made), address=address)

    def _plug(self, source: str, target: str) -> UUID:
        return self._id(
            "insert into pyfi.plug (name, source_id, target_id, queue_id) select %s, %s, id, queue_id"
            " from pyfi.socket where id = %s returning id",
            f"{source}-{target}",
            self.sockets[source].id,
            self.sockets[target].id,
        )

    def new_ids(self, count: int = 1) -> list[UUID]:
        """Of calls that are to be submitted."""
        return [self.calls.new_id() for _ in range(count)]

    def submit(self, socket: str, ids: Sequence[UUID]) -> None:
        """Enter calls under these ids."""
        self.calls.submit(self.sockets[socket].id, [ARGUMENTS] * len(ids), ids)

    def gather(self, count: int, timeout_seconds: float) -> None:
        """A parallel of so many calls, and one that gets the list of their results; waits for the whole.

        Raises: BenchmarkError: it is not done in time.
        """
        step = {"call": str(self.sockets["alone"].id), "args": [PAYLOAD]}
        last = {"call": str(self.sockets["alone"].id)}
        self.finish([self.calls.compose({"pipeline": [{"parallel": [step] * count}, last]})], timeout_seconds)

    def children(self, parents: Sequence[UUID], source: str, target: str) -> list[UUID]:
        """The ids of the calls that the plug between two sockets is going to make, in the order of the parents."""
        rows = self._owner.rows(
            "select ledger.child_id(p, %s::uuid, %s::uuid, 0)"
            " from unnest(%s::uuid[]) with ordinality u (p, n) order by n",
            (str(self._plugs[source, target]), str(self.sockets[target].id), [str(each) for each in parents]),
        )
        return [UUID(found) for (found,) in rows]

    def finish(self, ids: Sequence[UUID], timeout_seconds: float) -> None:
        """Wait for calls.

        Raises: BenchmarkError: one of them is not done.
        """
        done = self.calls.wait(ids, timeout_seconds)
        late = [each for each in ids if each not in done or done[each].state != "done"]
        if late:
            raise BenchmarkError(f"{len(late)} of {len(ids)} calls are not done after {timeout_seconds:g} s")

    def close(self) -> None:
        """Remove the queues, let go of the servers."""
        # Who interrupted us may have done so in the middle of a publish: remove over a fresh connection.
        self.publisher.close()
        for socket in self.sockets.values():
            with suppress(PyfiError):
                self.publisher.delete_queue(socket.address)
        self.publisher.close()
        self.calls.close()
        self._owner.close()
        self.link.close()


def _drop(root: DatabaseUrl) -> None:
    with suppress(PyfiError):
        migrate.drop(root)
    server = Link(root.at("postgres").libpq(), application="pyfi bench")
    server.rows(f'drop database if exists "{root.database}" with (force)')
    server.close()


@contextmanager
def installed(services: Services, name: str) -> Iterator[Installation]:
    """An installation whose database, roles and queues are named after `name`, and gone after the block."""
    root = services.database.at(name)
    secret, salt = secrets.token_urlsafe(16), secrets.token_bytes(16)
    with ExitStack() as stack:
        stack.callback(_drop, root)
        admin = migrate.init(root, prefix=name, admin="admin", password=secret, salt=salt, told=lambda _: None)
        link = Link(admin.libpq(), application="pyfi bench")
        stack.callback(link.close)
        proof = verifier(secret, salt)
        link.rows("select access.enroll_node(%s, %s, 'default', %s, %s)", (NODE, NODE, proof, proof))
        installation = Installation(services, admin, root.login(f"{name}:worker:{NODE}", secret), name)
        stack.callback(installation.close)
        yield installation
