"""`flow call retry|replay|discard|parked` and the filters that they share with `flow ls calls`."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from pyfi.clock import wait_until
from pyfi.control import selection
from tests.cli.conftest import Flow
from tests.network import Network

CALLS = """
insert into pyfi.call (id, root_id, socket_id, name, owner_id, socket_owner_id, state, args, error, finished, created)
  select u.id, u.id, s.id, s.name, s.owner_id, s.owner_id, %s, '{"args": [1], "kwargs": {}}', %s,
      case when %s in ('failed', 'done') then now() end, now() - %s::interval + u.n * interval '1 us'
    from pyfi.socket s, (select gen_random_uuid() as id, n from generate_series(1, %s) n) u
    where s.name = %s order by u.n
  returning id
"""


@pytest.fixture
def scene(online: Network, flow: Flow, repository: Path) -> Iterator[Network]:
    """Two sockets of one processor, each on its queue; no worker runs."""
    flow("add", "processor", "-n", "mend", "-g", str(repository), "-m", "functions")
    for name in ("one", "two"):
        flow("add", "queue", "-n", f"mend.{name}")
        flow("add", "socket", "-n", f"mend.{name}", "-q", f"mend.{name}", "-pn", "mend", "-t", "echo")
    yield online
    online.rows("delete from pyfi.event")
    online.rows("delete from pyfi.call")
    online.rows("delete from pyfi.outbox")
    flow("delete", "processor", "-n", "mend", "--cascade")
    for name in ("one", "two"):
        flow("delete", "queue", "-n", f"mend.{name}")


def made(
    scene: Network,
    state: str,
    count: int = 1,
    *,
    socket: str = "mend.one",
    kind: str = "ValueError",
    ago: str = "0",
) -> list[str]:
    """Calls in that state, in the order in which they were made."""
    error = json.dumps({"error": "raised", "type": kind, "message": "no"}) if state in {"failed", "parked"} else None
    return [str(id_) for (id_,) in scene.rows(CALLS, (state, error, state, ago, count, socket))]


def states(scene: Network) -> dict[str, int]:
    """How many calls are in which state."""
    return dict(scene.rows("select state, count(*) from pyfi.call group by state"))


def test_filters_find_what_they_say(scene: Network, flow: Flow) -> None:
    """The same words for `ls calls` and for the verbs."""
    (old,) = made(scene, "failed", kind="Old", ago="3 hours")
    (failed,) = made(scene, "failed", kind="TimeoutError")
    (parked,) = made(scene, "parked", socket="mend.two")
    (done,) = made(scene, "done", socket="mend.two")

    def found(*words: str) -> set[str]:
        return set(flow("ls", "calls", "-i", *words).out.split())

    assert found() == {old, failed, parked, done}
    assert found("--failed") == {old, failed}
    assert found("--failed", "--parked") == found("--state", "failed", "--state", "parked") == {old, failed, parked}
    assert found("--since", "1h") == {failed, parked, done}
    assert found("--until", "1h") == {old}
    assert found("--since", "2001-02-03", "--until", "2001-02-04T10:00Z") == set()
    assert found("--socket", "mend.two") == found("--socket", "mend/mend.two") == {parked, done}
    assert found("--queue", "mend.one") == {old, failed}
    assert found("--processor", "mend", "--queue", "mend.two") == {parked, done}
    assert found("--user", "admin") == {old, failed, parked, done}
    assert found("--root", failed) == {failed}
    assert found("--error", "timeouterror: NO") == {failed}
    assert found("-u") == {parked}
    assert json.loads(flow("-o", "json", "ls", "calls", "--parked").out)[0]["id"] == parked
    for words, says in (
        (("--since", "soon"), "'soon' is no moment"),
        (("--socket", "mend.on"), "there is no socket mend.on"),
        (("--queue", "mend"), "there is no queue mend"),
        (("--user", "nobody"), "there is no user nobody"),
        (("--root", "zzzz"), "'zzzz' is no id"),
    ):
        done_ = flow("ls", "calls", *words, code=1)
        assert says in done_.err
        assert "hint:" in done_.err
    flow("ls", "calls", "--state", "finished", code=2)


def test_an_id_may_be_shortened(scene: Network, flow: Flow) -> None:
    """As long as it means one call."""
    (one, two) = made(scene, "parked", 2)
    assert json.loads(flow("-o", "json", "call", "show", one[:13]).out)["id"] == one
    assert two in flow("call", "tree", two.replace("-", "")[:20].upper()).out
    assert "there is no call 0000" in flow("call", "show", "0000", code=1).err
    assert "is no id" in flow("call", "show", "abc", code=1).err
    assert flow("call", "logs", one[:13]).out == ""
    scene.rows("update pyfi.call set id = 'abcd0000-0000-4000-8000-000000000001' where id = %s", (one,))
    scene.rows("update pyfi.call set id = 'abcd0000-0000-4000-8000-000000000002' where id = %s", (two,))
    several = flow("call", "retry", "abcd", code=1)
    assert "call abcd means several: abcd0000-0000-4000-8000-000000000001, abcd0000" in several.err
    assert "hint: write more of its id" in several.err
    assert states(scene) == {"parked": 2}


def test_dry_run_and_consent(scene: Network, flow: Flow) -> None:
    """Nothing is touched unseen: a filter needs --yes, or a person."""
    ids = made(scene, "parked", 3)
    seen = flow("call", "retry", "--parked", "--dry-run")
    assert "retry would touch 3 calls" in seen.out
    assert all(id_ in seen.out for id_ in ids)
    assert flow("call", "discard", "--parked", "--dry-run", "--limit", "2", "-o", "ids").out.split() == ids[:2]
    refused = flow("call", "retry", "--parked", code=1)
    assert "retry would touch 3 calls" in refused.err
    assert "hint: --dry-run shows them, --yes does it" in refused.err
    assert states(scene) == {"parked": 3}
    assert flow("call", "retry", "--parked", "--yes", "--limit", "2").out == "2 queued again\n"
    assert flow("call", "retry", "--parked", "-y", "-o", "ids").out.split() == ids[2:]
    assert flow("call", "retry", "--parked", "--yes").out == "retry: no call is like that\n"
    assert "which calls?" in flow("call", "retry", code=2).err
    assert "which calls?" in flow("call", "discard", "--network", "default", code=2).err
    assert "not both" in flow("call", "retry", ids[0], "--parked", code=2).err


def test_a_person_is_asked(scene: Network) -> None:
    """On a terminal; No changes nothing."""
    made(scene, "parked", 2)
    for answer, left in ((b"n\n", {"parked": 2}), (b"y\n", {"cancelled": 2})):
        ours, theirs = pty.openpty()
        os.write(ours, answer)
        done = subprocess.run(
            [sys.executable, "-m", "pyfi", "call", "discard", "--parked", "--reason", "old"],
            stdin=theirs,
            env=scene.environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        os.close(ours)
        os.close(theirs)
        assert b"discard 2 calls? [y/N]" in done.stderr
        assert states(scene) == left, done
    assert scene.rows("select distinct name, note from pyfi.event") == [("discarded", "by admin: old")]


def test_retry_and_replay(scene: Network, flow: Flow) -> None:
    """By id and by filter; a call that was replayed is not met again."""
    (failed,) = made(scene, "failed")
    (done,) = made(scene, "done")
    assert (
        f"error: call {done} is done\nhint: flow call replay {done} runs it again"
        in flow("call", "retry", done, code=1).err
    )
    told = json.loads(flow("call", "retry", failed, "--reason", "fixed", "-o", "json").out)
    assert told["counts"] == {"queued": 0, "replayed": 1, "cancelled": 0, "refused": 0}
    again = told["calls"][0]["made"]
    shown = json.loads(flow("-o", "json", "call", "show", failed).out)
    assert (shown["replays"], shown["replay_of"]) == ([again], None)
    assert json.loads(flow("-o", "json", "call", "show", again).out)["replay_of"] == failed
    assert flow("call", "tree", failed).out.endswith(f"{failed}  replayed as {again}\n")
    assert flow("call", "tree", again).out.endswith(f"{again}  replay of {failed}\n")
    assert f"replayed: {failed} by admin: fixed" in flow("call", "show", again).out
    assert f"was replayed as {again}" in flow("call", "retry", failed, code=1).err
    by_filter = flow("call", "retry", "--failed", "--yes")
    assert by_filter.out == "1 refused\n"
    assert "(--again makes another)" in by_filter.err
    assert flow("call", "replay", "--socket", "mend.one", "--yes").out == "1 replayed, 1 refused\n"
    assert flow("call", "replay", done, failed).out == "2 replayed\n"
    some = flow("call", "replay", done, again, code=1)
    assert some.out == "1 replayed, 1 refused\n"
    assert f"refused: call {again} is queued: it has not ended" in some.err
    assert "1 of 2 calls were refused" in some.err


def test_filters_leave_a_composition_that_ended_in_one_piece(scene: Network, flow: Flow) -> None:
    """Its members' results would be heard by nobody: the whole is made anew, once. Giving up takes each call."""
    from pyfi.control.arguments import Arguments

    ((socket,),) = scene.rows("select id from pyfi.socket where name = 'mend.one'")
    one_step = json.loads(Arguments((1,)).text()) | {"call": str(socket)}
    calls = scene.calls(publishes=False)
    steps = json.dumps({"parallel": [one_step, one_step]})
    frame = str(calls.new_id())
    calls._link.rows("select * from ledger.compose(%s::uuid, %s, false)", (frame, steps))
    scene.rows(
        "update pyfi.call set state = 'failed', finished = now(), error = %s"
        " where slot is not null or frame is not null",
        ('{"error": "raised", "type": "E", "message": ""}',),
    )
    dry = flow("call", "retry", "--failed", "--dry-run", "-o", "ids")
    assert dry.out.split() == [frame]
    assert flow("call", "retry", "--failed", "--yes").out == "1 replayed\n"
    (again,) = json.loads(flow("-o", "json", "call", "show", frame).out)["replays"]
    tree = flow("call", "tree", again).out
    assert tree.startswith("parallel  running")
    assert tree.count("mend.one  queued") == 2


def test_replay_at_a_commit(scene: Network, flow: Flow) -> None:
    """Only at the one that is deployed; the refusal names both and the command."""
    (call,) = made(scene, "failed")
    assert "never ran" in flow("call", "replay", call, "--same-commit", code=1).err
    scene.rows("alter table pyfi.call disable trigger call_terminal")
    scene.rows("update pyfi.call set commit = %s", ("a" * 40,))
    scene.rows("alter table pyfi.call enable trigger call_terminal")
    ((commit,),) = scene.rows("select commit from pyfi.processor where name = 'mend'")
    refused = flow("call", "replay", call, "--same-commit", code=1).err
    assert f"call {call} ran at commit {'a' * 40}, processor mend is at {commit}" in refused
    assert f"hint: flow update processor -n mend --commit {'a' * 40}" in refused
    assert "is at commit" in flow("call", "replay", call, "--at", "aaaa", code=1).err
    assert "no commit" in flow("call", "replay", call, "--at", "main", code=1).err
    assert "not both" in flow("call", "replay", call, "--at", "aaaa", "--same-commit", code=2).err
    assert flow("call", "replay", call, "--at", commit[:8].upper()).out == "1 replayed\n"
    scene.rows("update pyfi.processor set commit = %s where name = 'mend'", ("a" * 40,))
    assert flow("call", "replay", call, "--same-commit").out == "1 replayed\n"


def test_parked_calls_are_listed_with_their_causes(scene: Network, flow: Flow) -> None:
    """Newest first, and how to go on."""
    ids = made(scene, "parked", 3, kind="Lost")
    seen = flow("call", "parked", "-r", "2")
    assert seen.out.index(ids[2]) < seen.out.index(ids[1])
    assert ids[0] not in seen.out
    assert "Lost: no" in seen.out
    assert "2 of 3 parked calls\nflow call retry ID" in seen.out
    listed = json.loads(flow("call", "parked", "-o", "json", "--error", "lost").out)
    assert [(row["id"], row["cause"]) for row in listed] == [(id_, "Lost: no") for id_ in reversed(ids)]
    assert "these are the parked ones" in flow("call", "parked", "--failed", code=2).err
    assert flow("call", "parked", "--error", "other").out.endswith("0 of 0 parked calls\n")


def test_an_interrupted_run_goes_on(scene: Network, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is committed; the same command does the rest, and nothing twice."""
    monkeypatch.setattr(selection, "BATCH", 10)
    made(scene, "failed", 25)
    scene.rows(
        "create function pyfi.trip() returns trigger language plpgsql as $$ begin"
        " if (select count(*) from pyfi.call where replay_of is not null) >= 20 then"
        "   raise exception using errcode = '57P01', message = 'gone'; end if; return new; end $$"
    )
    scene.rows(
        "create trigger trip before insert on pyfi.call for each row"
        " when (new.replay_of is not null) execute function pyfi.trip()"
    )
    try:
        cut = flow("call", "retry", "--failed", "--yes", code=69)
        assert "20 replayed so far; the same command goes on with the rest" in cut.err
    finally:
        scene.rows("drop function pyfi.trip cascade")
    assert flow("call", "retry", "--failed", "--yes").out == "5 replayed, 20 refused\n"
    assert scene.rows("select count(*), count(distinct replay_of) from pyfi.call where replay_of is not null") == [
        (25, 25)
    ]


def test_a_kill_in_the_middle_loses_nothing(scene: Network) -> None:
    """kill -9 while the second step waits for a lock: the first one is done, the second not at all."""
    made(scene, "parked", 1500)
    holder = psycopg2.connect(scene.database.libpq())
    words = [sys.executable, "-m", "pyfi", "call", "retry", "--parked", "--yes"]
    waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    try:
        with holder.cursor() as cursor:
            cursor.execute("select id from pyfi.call order by created desc limit 1 for update")
        child = subprocess.Popen(words, env=scene.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert wait_until(lambda: bool(scene.rows(waits)) or child.poll() is not None, timeout_seconds=60)
        finally:
            child.kill()
            out, err = child.communicate(timeout=20)
    finally:
        holder.close()
    assert child.returncode == -9, (out, err)
    assert wait_until(lambda: states(scene) == {"queued": 1000, "parked": 500}, timeout_seconds=20)
    assert scene.flow("call", "retry", "--parked", "--yes").stdout == b"500 queued again\n"
