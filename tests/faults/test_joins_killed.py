"""The connection ends between the last slot of a join and the commit, again and again: each join fires once."""

from __future__ import annotations

import json
import threading
from uuid import UUID

import psycopg2
import pytest

from pyfi.clock import wait_until
from pyfi.core.ids import uuid7
from pyfi.errors import DatabaseUnavailableError
from tests.integration.db.conftest import _clone, installation, scene, server  # noqa: F401 # fixtures
from tests.integration.db.scene import Part, Scene, add_part, add_plug, arguments
from tests.integration.db.workers import Claimed, Told, Worker, start_worker, submit

pytestmark = pytest.mark.faults


class Joins:
    """Both kinds: a parallel before another step, and two plugs to the arguments of one socket."""

    def __init__(self, place: Scene) -> None:
        self.scene = place
        self.part: Part = add_part(place.ann, "p", "fork", "join", "step", "after")
        sockets, queue = self.part.sockets, self.part.queue
        for name in "xy":
            add_plug(place.ann, name, sockets["fork"], sockets["join"], queue, argument=name)
        add_plug(place.ann, "on", sockets["join"], sockets["after"], queue)
        self.worker: Worker = start_worker(place, self.part.processor)

    def last_parts(self, number: int) -> list[Told]:
        """What a turn must say so that a join fires: by turns of a frame's last member, and of the plugs' source."""
        if number % 2:
            (id_,) = submit(self.scene.ann, self.part.sockets["fork"], arguments(number))
            return [Told(call=self.worker.claim_one(id_), value=str(number))]
        step = {"call": str(self.part.sockets["step"])}
        steps = json.dumps({"pipeline": [{"parallel": [step, step]}, step]})
        ((_, _, ids),) = self.scene.ann.ask("select * from ledger.compose(%s, %s, true)", uuid7(number, 7), steps)
        first, second = self.worker.claim(*ids)
        self.worker.finish(first)
        return [Told(call=second, value=str(number))]

    def kill_before_commit(self, told: list[Told]) -> None:
        """All of the turn is done, and then its backend is no more."""
        connection = self.worker.login.connection
        connection.autocommit = False
        turn = self.worker.turn(finish=told)
        assert turn.finished == [each.call.id for each in told]
        ((gone,),) = self.scene.superuser.ask("select pg_terminate_backend(%s, 5000)", connection.get_backend_pid())
        assert gone
        with pytest.raises((psycopg2.Error, DatabaseUnavailableError)):
            connection.commit()
        connection.close()

    def again(self, told: list[Told]) -> None:
        """What the worker does then: it says what it holds, and says again what got no answer."""
        calls: list[Claimed] = [each.call for each in told]
        assert self.worker.resync(*calls) == 0
        for _ in range(2):
            assert sorted(self.worker.turn(finish=told).finished) == sorted(call.id for call in calls)

    def fired(self) -> tuple[int, int]:
        """How many joins of each kind have made their next call."""
        ((frames, plugs),) = self.scene.superuser.ask(
            "select count(*) filter (where slot = 1 and parent_id = root_id), count(*) filter (where name = 'join')"
            " from pyfi.call"
        )
        return int(frames), int(plugs)


def fire(place: Scene, times: int) -> None:
    """So many joins, each of which is killed before its commit."""
    joins = Joins(place)
    for number in range(times):
        told = joins.last_parts(number)
        before = joins.fired()
        joins.kill_before_commit(told)
        assert joins.fired() == before
        joins.again(told)
    assert joins.fired() == (times - times // 2, times // 2)
    # There is no relay here.
    place.agent().ask("select ledger.forget(array(select id from ledger.take_outbox(%s)))", 10 * times)
    assert [law for law, count, _ in place.admin.ask("select * from ledger.laws()") if count] == []
    open_ids: list[UUID] = [id_ for (id_,) in place.superuser.ask("select id from pyfi.call where state = 'queued'")]
    while open_ids:
        joins.worker.turn(finish=[Told(call=call) for call in joins.worker.claim(*open_ids)])
        open_ids = [id_ for (id_,) in place.superuser.ask("select id from pyfi.call where state = 'queued'")]
    assert place.superuser.one("select count(*) from pyfi.call where state <> 'done'") == 0


def test_the_last_two_members_at_once_fire_once(scene: Scene) -> None:  # noqa: F811 # the fixture
    """The second turn waits for the first one's commit and counts what that left; neither is said again."""
    joins = Joins(scene)
    step = {"call": str(joins.part.sockets["step"])}
    steps = json.dumps({"pipeline": [{"parallel": [step, step]}, step]})
    ((_, _, ids),) = scene.ann.ask("select * from ledger.compose(%s, %s, true)", uuid7(1, 7), steps)
    other = start_worker(scene, joins.part.processor, "n2", key="other")
    mine, others = joins.worker.claim_one(ids[0]), other.claim_one(ids[1])
    connection = joins.worker.login.connection
    connection.autocommit = False
    joins.worker.finish(mine)
    finishing = threading.Thread(target=other.finish, args=(others,))
    finishing.start()
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    assert wait_until(lambda: scene.superuser.one(waiting) == 1, timeout_seconds=30)
    connection.commit()
    connection.autocommit = True
    finishing.join(30)
    assert joins.fired() == (1, 0)


def test_each_join_fires_once(scene: Scene) -> None:  # noqa: F811 # the fixture
    """A few dozen times."""
    fire(scene, 30)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_each_join_fires_once_a_thousand_times(scene: Scene) -> None:  # noqa: F811 # the fixture
    """As it says."""
    fire(scene, 1000)
