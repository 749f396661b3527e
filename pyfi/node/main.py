"""One node's process: the agent in the main thread, its companions in threads of their own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType

from pyfi import logs
from pyfi.agent import wiring
from pyfi.agent.confine import UNCONFINED, Wanted
from pyfi.agent.service import Agent
from pyfi.agent.wiring import Parts
from pyfi.core.model import Halt
from pyfi.errors import ConflictError
from pyfi.node.health import HealthServer, Watch
from pyfi.service import Loop, Service
from pyfi.settings import Settings

log = logs.get(__name__)

_JOIN_SECONDS = 15.0


def run(
    settings: Settings,
    *,
    name: str,
    cpus: int | None = None,
    port: int | None = None,
    companions: Sequence[Service] = (),
    on_ready: Callable[[], None] = lambda: None,
    parts: Parts | None = None,
    confined: Wanted = UNCONFINED,
) -> None:
    """Run node `name` until SIGTERM, SIGINT or SIGHUP; must be called in the main thread.

    The first signal drains the workers, then stops the companions (a relay has then sent what the last calls made);
    a second one kills the workers.
    Args: cpus: at most that many workers; None: the machine's. port: of GET /health on loopback; None: none.
    confined: in which sandbox functions run.
    companions: services beside the agent. on_ready: called once this process is the node's agent.

    Raises:
        ConflictError: the node has another agent on this machine, or a newer one took over.
        NotConfiguredError, InvalidError: the node is not enrolled here.
        UnavailableError: the health port is taken.
    """
    with ExitStack() as stack:
        lock = wiring.hold(settings.home, name)
        stack.callback(lock.release)
        agent = wiring.make(
            settings.home, name, cpus=cpus, port=port, on_end=lambda: own.stop(), parts=parts, confined=confined
        )
        watches = [Watch(agent), *map(Watch, companions)]
        if port is not None:
            stack.callback(HealthServer(watches, port=port).close)
        # The agent's loop is the main thread's: what it spawns dies with the thread that spawned it.
        own = Loop(watches[0])
        stack.enter_context(_beside([Loop(watch) for watch in watches[1:]]))
        stack.enter_context(_signals(agent, own))
        on_ready()
        own.run()
        if agent.is_superseded:
            raise ConflictError(f"a newer agent has taken over node {name}", hint="flow ls agents shows where it runs")


@contextmanager
def _beside(loops: Sequence[Loop]) -> Iterator[None]:
    threads = [threading.Thread(target=loop.run, name=loop.service.name, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        for thread in threads:
            thread.join(_JOIN_SECONDS)
            if thread.is_alive():
                log.warning("service does not end", extra={"service": thread.name})


@contextmanager
def _signals(agent: Agent, loop: Loop) -> Iterator[None]:
    asked = [0]

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked[0] += 1
        agent.halt(Halt.DRAIN if asked[0] == 1 else Halt.KILL)
        loop.waker.wake()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
