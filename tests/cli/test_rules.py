"""The rules of calls from the command line and the client: delays, expiry, keys, retries, cancels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pyfi.client.api import Handle, Processor, Socket, connect, disconnect
from pyfi.errors import ConflictError, InvalidError, NotFoundError
from tests.cli.conftest import Flow
from tests.network import Network


@pytest.fixture
def scene(online: Network, flow: Flow, repository: Path) -> Iterator[Network]:
    """One processor, one socket; no worker runs."""
    flow("add", "processor", "-n", "rules", "-g", str(repository), "-m", "functions", "-t", "echo")
    yield online
    for table in ("event", "call", "outbox"):
        online.rows(f"delete from pyfi.{table}")
    flow("delete", "processor", "-n", "rules", "--cascade")
    flow("delete", "queue", "-n", "rules")


@pytest.fixture
def socket(scene: Network) -> Iterator[Socket]:
    """The client's."""
    connect()
    yield Socket(name="rules.echo")
    disconnect()


def run(flow: Flow, *words: str, code: int = 0) -> str:
    """Enter a call; its id."""
    return flow("task", "run", "-s", "rules.echo", "--no-wait", *words, code=code).out.strip()


def columns(scene: Network, id_: str) -> tuple[object, ...]:
    """Seconds until due, expiry and deadline; the key; the state."""
    ((due, expires, deadline, key, state),) = scene.rows(
        "select round(extract(epoch from not_before - now())), round(extract(epoch from expires - now())),"
        " round(extract(epoch from deadline - now())), key, state from pyfi.call where id = %s",
        (id_,),
    )
    return *(None if each is None else int(each) for each in (due, expires, deadline)), key, state


def near(found: object, wanted: float) -> bool:
    """Within the time that a slow machine takes."""
    return isinstance(found, int) and wanted - 60 < found <= wanted


def test_the_options_of_task_run(scene: Network, flow: Flow) -> None:
    due, expires, deadline, key, state = columns(
        scene,
        run(flow, "-d", "[1]", "--delay", "1h", "--expires", "2h", "--deadline", "3h30m", "--key", "k"),
    )
    assert near(due, 3600) and near(expires, 7200) and near(deadline, 12600) and (key, state) == ("k", "queued")
    at = (datetime.now(UTC) + timedelta(hours=5)).isoformat(timespec="seconds")
    due, expires, deadline, _, _ = columns(scene, run(flow, "-d", "[1]", "--at", at, "--deadline", "36000"))
    assert near(due, 5 * 3600) and near(deadline, 36000) and near(expires, 36000)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--delay", "soon"], 1, "no time to come"),
        (["--delay", "1m", "--at", "2030-01-01"], 2, "not both"),
        (["--delay", "2m", "--expires", "1m"], 1, "could never start"),
        (["--key", "k" * 300], 1, "1 to 255"),
    ],
)
def test_rules_that_mean_nothing(scene: Network, flow: Flow, words: list[str], code: int, says: str) -> None:
    done = flow("task", "run", "-s", "rules.echo", "-d", "[1]", "--no-wait", *words, code=code)
    assert says in done.err and not done.out


def test_one_key_is_one_call(scene: Network, flow: Flow) -> None:
    first = run(flow, "-d", "[1]", "--key", "order 7")
    assert run(flow, "-d", "[1]", "--key", "order 7") == first
    done = flow("task", "run", "-s", "rules.echo", "-d", "[2]", "--no-wait", "--key", "order 7", code=1)
    assert "order 7" in done.err and first in done.err


def test_call_cancel(scene: Network, flow: Flow) -> None:
    """By ids, with what is shown afterwards; twice is the same, an ended one says so, another's is not there."""
    id_, done_id = run(flow, "-d", "[1]"), run(flow, "-d", "[2]")
    assert flow("call", "cancel", id_, "--reason", "wrong data").out == "1 cancelled\n"
    assert flow("call", "cancel", id_).out == "1 cancelled\n"
    shown = flow("call", "show", id_).out
    assert "cancelled by" in shown and "wrong data" in shown
    scene.rows("update pyfi.call set state = 'done', finished = now() where id = %s", (done_id,))
    assert "is done: that is final" in flow("call", "cancel", done_id, code=1).err
    assert "there is no call" in flow("call", "cancel", "033cf3d3-a0fa-492d-af0a-f51cf5f58d49", code=1).err


def test_call_cancel_by_filters(scene: Network, flow: Flow) -> None:
    """Only what has not ended; asked before."""
    ids = [run(flow, "-d", "[1]") for _ in range(3)]
    scene.rows("update pyfi.call set state = 'done', finished = now() where id = %s", (ids[0],))
    assert "cancel would touch 2 calls" in flow("call", "cancel", "--socket", "rules.echo", code=1).err
    assert flow("call", "cancel", "--socket", "rules.echo", "--yes").out == "2 cancelled\n"
    states = dict(scene.rows("select id::text, state from pyfi.call"))
    assert [states[each] for each in ids] == ["done", "cancelled", "cancelled"]


def test_the_retry_options_of_a_processor(scene: Network, flow: Flow) -> None:
    words = "--backoff 2 --backoff-factor 3 --backoff-max 60 --retry-on OSError --retry-on shop.Busy --max-losses 7"
    flow("update", "processor", "-n", "rules", "-r", "4", *words.split(), "--no-retry-on", "KeyError")
    columns = "backoff_seconds, backoff_factor, backoff_max_seconds, retry_on, no_retry_on, max_losses"
    query = f"select {columns} from pyfi.processor where name = 'rules'"
    assert scene.rows(query) == [(2, 3, 60, ["OSError", "shop.Busy"], ["KeyError"], 7)]
    flow("update", "processor", "-n", "rules", "--retry-on", "", "--time-limit", "9", "--soft-time-limit", "8")
    assert scene.rows(query) == [(2, 3, 60, [], ["KeyError"], 7)]
    assert scene.rows("select soft_time_limit_seconds from pyfi.processor where name = 'rules'") == [(8.0,)]
    done = flow("update", "processor", "-n", "rules", "--soft-time-limit", "10", code=1)
    assert "soft time limit" in done.err


def test_the_clients_processor(socket: Socket, scene: Network) -> None:
    """Exceptions are given as such, or by name."""
    Processor(name="rules", retries=2, backoff=0.5, retry_on=[TimeoutError, json.JSONDecodeError, "shop.Busy"])
    assert scene.rows("select retry_on, backoff_seconds from pyfi.processor where name = 'rules'") == [
        (["TimeoutError", "json.decoder.JSONDecodeError", "shop.Busy"], 0.5)
    ]


def test_the_clients_options(socket: Socket, scene: Network) -> None:
    """They stay with the bound socket and leave the first one alone."""
    later = socket.options(delay=timedelta(hours=1), expires=7200.0)
    handles = [later.delay(1), *later.options(deadline=9000).map([1, 2]).handles()]
    plain = socket.delay(1)
    for handle in handles:
        due, expires, deadline, _, _ = columns(scene, str(handle.id))
        assert near(due, 3600) and near(expires, 7200) and (deadline is None or near(deadline, 9000))
    assert columns(scene, str(plain.id)) == (None, None, None, None, "queued")
    with pytest.raises(InvalidError, match="zone"):
        socket.options(delay=datetime.now()).delay(1)  # noqa: DTZ005 # the point
    with pytest.raises(InvalidError, match="one call"):
        socket.options(key="k").map([1, 2])


def test_the_clients_key_and_cancel(socket: Socket, scene: Network) -> None:
    """The same key gives the same handle's id; a handle cancels once."""
    ids = {socket.options(key="one").delay(5).id for _ in range(3)}
    assert len(ids) == 1
    with pytest.raises(ConflictError, match="'one'"):
        socket.options(key="one").delay(6)
    handle = Handle(ids.pop())
    assert (handle.cancel("enough"), handle.cancel(), handle.status) == (True, False, "cancelled")
    with pytest.raises(NotFoundError):
        Handle("033cf3d3-a0fa-492d-af0a-f51cf5f58d49").cancel()
    scene.rows("update pyfi.call set state = 'done', finished = now() where state = 'queued'")
    ended = socket.delay(7)
    scene.rows("update pyfi.call set state = 'done', finished = now() where id = %s", (str(ended.id),))
    with pytest.raises(ConflictError, match="done"):
        ended.cancel()
