"""Named points at which a test may end, stop or cut this very process. Nothing happens unless PYFI_FAULTS is set.

PYFI_FAULTS is `FOLDER POINT=ACTION ...`. Each point meets its action once, in whichever process comes first: the file
FOLDER/POINT says which. Actions:

    kill                    SIGKILL to this process
    kill_parent             SIGKILL to the one that started it
    stop                    SIGSTOP to this process; whoever tests continues it
    raise[:MODULE.CLASS]    raise FaultError, or that class
    drop                    let the answer under way arrive, throw it away and cut the connection
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import socket
from collections.abc import Mapping
from functools import cache

# Where a process may be. The first word is whose code it is: client, relay, sweeper, publisher (in all of these and in
# workers), worker, guest (the worker's side of it), agent.
POINTS: Mapping[str, str] = {
    "client.entering": "the calls are not yet committed",
    "client.entered": "the calls are committed, their submitter has no answer yet",
    "client.publishing": "the submitter knows that they are",
    "client.published": "the broker has confirmed, the outbox row is still there",
    "client.forgot": "the outbox row is gone",
    "relay.took": "outbox rows are locked",
    "relay.published": "the broker has confirmed, the rows are still there",
    "relay.forgot": "the rows are deleted, not yet committed",
    "relay.committed": "that is committed",
    "sweeper.swept": "leases are expired and retries woken",
    "publisher.sent": "wake-ups are sent, none is confirmed",
    "worker.delivered": "a wake-up came, nothing is claimed",
    "worker.claiming": "the claim is sent",
    "worker.claimed": "it is answered, the wake-up not acknowledged",
    "worker.acknowledged": "the wake-up is acknowledged",
    "worker.fed": "the guest has the call",
    "worker.heard": "the guest has said how a call ended, nobody else knows",
    "worker.finishing": "the finish is sent",
    "worker.finished": "it is answered, the children's wake-ups are not published",
    "worker.forwarded": "they are published, the outbox row is still there",
    "worker.renewing": "the renewal of leases is sent",
    "worker.resyncing": "after a cut connection: what is held is sent",
    "worker.drained": "all is said, the worker ends",
    "guest.started": "the guest's process is there, its module is not loaded",
    "guest.loaded": "its module is loaded",
    "guest.died": "its death is seen, nobody else knows",
    "agent.exit_seen": "a worker's end is seen, the ledger does not know",
    "agent.exit_told": "the ledger knows, the agent has not noted it",
    "agent.reporting": "the agent is about to report",
    "agent.reported": "it has",
}
ANSWER_SECONDS = 10.0


class FaultError(RuntimeError):
    """What a point raises that was told to."""


def fault(point: str, fd: int = -1) -> None:
    """This process is at that point. `fd`: of the connection on which an answer is awaited.

    Raises: FaultError, or what PYFI_FAULTS names.
    """
    armed = _armed()
    if armed and point in armed[1]:
        _meet(armed[0], point, armed[1][point], fd)


@cache
def _armed() -> tuple[str, dict[str, str]] | None:
    folder, *faults = os.environ.get("PYFI_FAULTS", "").split() or [""]
    if not faults:
        return None
    planned = dict(each.partition("=")[::2] for each in faults)
    if unknown := planned.keys() - POINTS.keys():
        raise ValueError(f"PYFI_FAULTS names points that are not there: {', '.join(sorted(unknown))}")
    return folder, planned


def _meet(folder: str, point: str, action: str, fd: int) -> None:
    try:
        file = os.open(os.path.join(folder, point), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # noqa: PTH118
    except FileExistsError:
        return
    os.write(file, str(os.getpid()).encode())
    os.close(file)
    match action.partition(":"):
        case "kill", _, _:
            os.kill(os.getpid(), signal.SIGKILL)
        case "kill_parent", _, _:
            os.kill(os.getppid(), signal.SIGKILL)
        case "stop", _, _:
            os.kill(os.getpid(), signal.SIGSTOP)
        case "raise", _, name:
            raise _error(name)
        case "drop", _, _:
            _drop(fd)
        case _:
            raise ValueError(f"PYFI_FAULTS: there is no action {action!r}")


def _error(name: str) -> Exception:
    if not name:
        return FaultError("asked for by PYFI_FAULTS")
    module, _, of_class = name.rpartition(".")
    made: Exception = getattr(importlib.import_module(module), of_class)("asked for by PYFI_FAULTS")
    return made


def _drop(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll(ANSWER_SECONDS * 1000)
    with socket.socket(fileno=os.dup(fd)) as connection:
        connection.recv(1 << 20)
        connection.shutdown(socket.SHUT_RDWR)
