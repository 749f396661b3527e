"""What agents ask and say: epochs, desired documents, placement, reports, and who is woken by what."""

from __future__ import annotations

import json
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest

from pyfi.clock import wait_until
from pyfi.errors import ForbiddenError, InvalidError
from tests.integration.db.scene import (
    Login,
    Part,
    Scene,
    add_part,
    add_processor,
    add_queue,
    add_socket,
    arguments,
    fresh_verifier,
)
from tests.integration.db.workers import deploy, start_worker, submit


def register(agent: Login, *, cpus: int = 4, hostname: str = "host-n1", facts: str = "{}") -> dict[str, Any]:
    """A new agent of that node."""
    return dict(agent.one("select agent.register('whatever', %s, %s, %s)", hostname, cpus, facts))


def place(agent: Login, processor: UUID, cpus: int) -> bool:
    """Ask for a deployment."""
    return bool(agent.one("select agent.place(%s, %s)", processor, cpus))


def desired(agent: Login) -> list[dict[str, Any]]:
    """What the node should run."""
    return list(agent.one("select agent.desired()")["deployments"])


def offers(agent: Login) -> dict[str, int]:
    """Missing CPUs by processor."""
    return {offer["processor"]: offer["missing"] for offer in agent.one("select agent.offers()")}


def report(agent: Login, *, epoch: int = 1, workers: object = (), deployments: object = ()) -> None:
    """Say how it stands."""
    document = json.dumps({"workers": list(workers), "deployments": list(deployments)})  # type: ignore[call-overload]
    agent.ask("select agent.report(%s, %s)", epoch, document)


def status(scene: Scene, processor: UUID) -> tuple[str, str]:
    """A processor's status and its reason, as its owner sees them."""
    return tuple(scene.ann.ask("select status, reason from pyfi.processor where id = %s", processor)[0])  # type: ignore[return-value]


def die(scene: Scene, node: str) -> None:
    """The node's lease is over."""
    scene.superuser.ask("update pyfi.node set lease_until = now() - interval '1 s' where name = %s", node)


def test_a_newer_registration_supersedes(scene: Scene) -> None:
    """The older one's heartbeats, reports and farewell do nothing any more."""
    agent = scene.agent()
    first = register(agent, facts='{"pid": 7, "port": 99}')
    second = register(agent, cpus=2)
    assert (second["node_id"], second["network"]) == (first["node_id"], "default")
    assert second["epoch"] == first["epoch"] + 1
    assert agent.one("select agent.heartbeat(%s, '{}')", first["epoch"]) is False
    agent.ask("select agent.leave(%s)", first["epoch"])
    report(agent, epoch=first["epoch"], workers=[{"id": "no uuid"}])
    assert agent.one("select agent.heartbeat(%s, '{\"load\": 1}')", second["epoch"]) is True
    row = scene.admin.ask("select status, cpus, facts, lease_until > now() from pyfi.node where name = 'n1'")
    assert row == [("running", 2, {"load": 1}, True)]


def test_who_leaves_offers_nothing(scene: Scene) -> None:
    """Its lease ends at once, so that others take over."""
    agent = scene.agent()
    epoch = register(agent)["epoch"]
    agent.ask("select agent.leave(%s)", epoch)
    assert scene.admin.ask(
        "select n.status, a.status, a.pid, n.lease_until <= now() from pyfi.node n, pyfi.agent a"
        " where a.node_id = n.id and n.name = 'n1'"
    ) == [("stopped", "stopped", None, True)]


def test_a_login_that_is_no_nodes_is_told_so(scene: Scene) -> None:
    """A node that was deleted, for instance."""
    scene.superuser.ask("delete from pyfi.node where name = 'n2'")
    with pytest.raises(ForbiddenError, match="no node's"):
        desired(scene.agent("n2"))


def test_desired_says_all_that_a_worker_runs_with(scene: Scene) -> None:
    """One document, complete: a newcomer needs no other."""
    part = add_part(scene.ann, "p", "one", "two")
    deploy(scene, part.processor, cpus=3)
    scene.ann.ask("update pyfi.processor set time_limit_seconds = 2.5, modulepath = 'src', requirements = 'x'")
    (document,) = desired(scene.agent())
    generation = scene.ann.one("select generation from pyfi.processor")
    assert UUID(document.pop("id")) == scene.ann.one("select id from pyfi.deployment")
    assert document == {
        "processor_id": str(part.processor), "processor": "p", "network": "default", "owner": "ann", "cpus": 3,
        "generation": generation, "requested_status": "running", "gitrepo": "https://example.org/code",
        "commit": "0" * 40, "module": "code", "modulepath": "src", "requirements": "x", "time_limit_seconds": 2.5,
        "soft_time_limit_seconds": None,
        "drain_seconds": 30, "restart_token": 0, "owner_id": str(scene.ann.one("select access.me()")),
        "environment": {}, "index_url": None, "hashes_only": False, "sandbox": 0, "online": False, "git_secret": None,
        "index_secret": None, "secrets_changed": None,
        "sockets": [
            {"id": str(part.sockets[name]), "name": name, "task": name, "address": f"ann:p.p.{name}"}
            for name in ("one", "two")
        ],
    }  # fmt: skip
    assert desired(scene.agent("n2")) == []


@pytest.mark.parametrize(
    ("concurrency", "caps", "wanted"),
    [(None, [], 1), (5, [], 5), (5, [2, 3, 4], 5), (None, [2, 3], 5), (None, [2, None], 2), (None, [None], 1)],
)
def test_wanted_cpus(scene: Scene, concurrency: int | None, caps: list[int | None], wanted: int) -> None:
    """The processor's own count, else the sum of its sockets' caps, else one."""
    processor = add_processor(scene.ann, "p", concurrency=concurrency)
    queue = add_queue(scene.ann, "q")
    for number, cap in enumerate(caps):
        socket = add_socket(scene.ann, processor, queue, f"t{number}")
        scene.ann.ask("update pyfi.socket set concurrency = %s where id = %s", cap, socket)
    assert offers(scene.agent()) == {"p": wanted}


@pytest.mark.parametrize(
    ("requested", "offered"), [("running", True), ("paused", True), ("stopped", False), ("removed", False)]
)
def test_only_what_is_to_run_is_offered(scene: Scene, requested: str, offered: bool) -> None:
    """A paused processor keeps its workers."""
    processor = add_processor(scene.ann, "p")
    scene.ann.ask("update pyfi.processor set requested_status = %s", requested)
    assert bool(offers(scene.agent())) is offered
    assert place(scene.agent(), processor, 1) is offered


def test_a_processor_of_another_network_is_neither_offered_nor_placed(scene: Scene) -> None:
    """Nodes serve their own network."""
    network = scene.ann.one("insert into pyfi.network (name) values ('annet') returning id")
    processor = add_processor(scene.ann, "p")
    scene.ann.ask("update pyfi.processor set network_id = %s", network)
    assert offers(scene.agent()) == {}
    assert place(scene.agent(), processor, 1) is False


@pytest.mark.parametrize("pin", ["n2", "host-n2"])
def test_a_pinned_processor_runs_on_its_node_only(scene: Scene, pin: str) -> None:
    """By the node's name or its host's. Pinned elsewhere later, it is taken away."""
    processor = add_processor(scene.ann, "p", concurrency=2)
    scene.ann.ask("update pyfi.processor set hostname = %s", pin)
    assert (offers(scene.agent("n1")), offers(scene.agent("n2"))) == ({}, {"p": 2})
    assert place(scene.agent("n1"), processor, 2) is False
    assert place(scene.agent("n2"), processor, 2) is True
    scene.ann.ask("update pyfi.processor set hostname = 'n1'")
    assert desired(scene.agent("n2")) == []
    assert offers(scene.agent("n1")) == {"p": 2}


def test_no_more_is_placed_than_is_missing(scene: Scene) -> None:
    """Asked for more, one gets the rest; asked again, it grows."""
    processor = add_processor(scene.ann, "p", concurrency=3)
    assert [place(scene.agent("n1"), processor, cpus) for cpus in (0, -1)] == [False, False]
    assert place(scene.agent("n1"), processor, 1) is True
    assert place(scene.agent("n2"), processor, 10) is True
    assert place(scene.agent("n1"), processor, 1) is False
    assert [(d["cpus"]) for n in ("n1", "n2") for d in desired(scene.agent(n))] == [1, 2]
    scene.ann.ask("update pyfi.processor set concurrency = 5")
    assert place(scene.agent("n1"), processor, 2) is True
    assert [(d["cpus"]) for n in ("n1", "n2") for d in desired(scene.agent(n))] == [3, 2]


def test_agents_that_place_at_once_never_exceed_what_is_wanted(scene: Scene) -> None:
    """What the second one counts, it counts after the first one's commit."""
    processor = add_processor(scene.ann, "p", concurrency=2)
    first = scene.agent("n1").another()
    first.connection.autocommit = False
    assert place(first, processor, 2) is True
    answers: list[bool] = []
    second = threading.Thread(target=lambda: answers.append(place(scene.agent("n2"), processor, 2)))
    second.start()
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    assert wait_until(lambda: scene.superuser.one(waiting) == 1, timeout_seconds=5)
    first.connection.commit()
    second.join()
    first.close()
    assert answers == [False]
    assert scene.superuser.one("select sum(cpus) from pyfi.deployment") == 2


def test_a_dead_nodes_cpus_are_placed_again_and_trimmed_when_it_returns(scene: Scene) -> None:
    """The one that was away gives way; those a user made stay."""
    processor, fixed = add_processor(scene.ann, "p", concurrency=2), add_processor(scene.ann, "fixed", concurrency=1)
    deploy(scene, fixed, "n1", cpus=3)
    assert place(scene.agent("n1"), processor, 2)
    die(scene, "n1")
    assert offers(scene.agent("n2")) == {"p": 2, "fixed": 1}
    assert place(scene.agent("n2"), processor, 2)
    register(scene.agent("n1"))
    assert {d["processor"]: d["cpus"] for d in desired(scene.agent("n1"))} == {"fixed": 3}
    assert {d["processor"]: d["cpus"] for d in desired(scene.agent("n2"))} == {"p": 2}


def test_a_lowered_count_trims_placed_deployments(scene: Scene) -> None:
    """By as much as is too much, in one node after the other."""
    processor = add_processor(scene.ann, "p", concurrency=4)
    assert place(scene.agent("n1"), processor, 2) and place(scene.agent("n2"), processor, 2)
    scene.ann.ask("update pyfi.processor set concurrency = 3")
    assert [d["cpus"] for d in desired(scene.agent("n1"))] == [1]
    assert [d["cpus"] for d in desired(scene.agent("n2"))] == [2]
    scene.ann.ask("update pyfi.processor set concurrency = 1")
    assert desired(scene.agent("n1")) == []
    assert [d["cpus"] for d in desired(scene.agent("n2"))] == [1]


def test_a_stopped_processor_keeps_its_deployment(scene: Scene) -> None:
    """So that it starts again where it was."""
    processor = add_processor(scene.ann, "p")
    place(scene.agent(), processor, 1)
    scene.ann.ask("update pyfi.processor set requested_status = 'stopped'")
    assert [(d["cpus"], d["requested_status"]) for d in desired(scene.agent())] == [(1, "stopped")]


@pytest.fixture
def placed(scene: Scene) -> tuple[Part, UUID]:
    """A processor of ann's, and its deployment on n1."""
    part = add_part(scene.ann, "p", "one")
    place(scene.agent(), part.processor, 1)
    return part, UUID(str(scene.ann.one("select id from pyfi.deployment")))


def said(deployment: UUID, word: str, reason: str = "", generation: int = 1) -> dict[str, object]:
    """A deployment's line of a report."""
    return {"id": str(deployment), "status": word, "reason": reason, "observed_generation": generation}


def named(deployment: UUID, word: str = "running", id_: UUID | None = None, key: str = "k") -> dict[str, object]:
    """A worker's line of a report."""
    return {"id": str(id_ or uuid4()), "key": key, "deployment_id": str(deployment), "ordinal": 0, "status": word}


def test_a_report_becomes_the_processors_status(scene: Scene, placed: tuple[Part, UUID]) -> None:
    """The best that a live node reached, with its reason."""
    part, deployment = placed
    agent = scene.agent()
    assert status(scene, part.processor) == ("ready", "no agent has taken it yet")
    for word in ("starting", "updating", "failed", "running"):
        report(agent, deployments=[said(deployment, word, f"because {word}")])
        assert status(scene, part.processor) == (word, f"because {word}")
    assert scene.ann.one("select observed_generation from pyfi.deployment") == 1
    scene.ann.ask("update pyfi.processor set requested_status = 'paused'")
    report(agent, deployments=[said(deployment, "running")])
    assert status(scene, part.processor) == ("paused", "asked to pause")


def test_a_status_keeps_its_time_until_it_changes(scene: Scene, placed: tuple[Part, UUID]) -> None:
    """A report that says the same changes nothing at all."""
    _, deployment = placed
    since = "select status_since from pyfi.processor"
    report(scene.agent(), deployments=[said(deployment, "running", "a")])
    first = scene.ann.one(since)
    report(scene.agent(), deployments=[said(deployment, "running", "b")])
    assert scene.ann.one(since) == first
    report(scene.agent(), deployments=[said(deployment, "failed", "b")])
    assert scene.ann.one(since) > first


def test_a_stopped_processor_is_stopping_until_its_workers_are_gone(scene: Scene, placed: tuple[Part, UUID]) -> None:
    """Then stopped; a removed one loses its placed deployment too."""
    part, deployment = placed
    agent = scene.agent()
    scene.ann.ask("update pyfi.processor set requested_status = 'removed'")
    report(agent, workers=[named(deployment, "draining")], deployments=[said(deployment, "stopping")])
    assert status(scene, part.processor) == ("stopping", "1 workers drain")
    assert len(desired(agent)) == 1
    report(agent, workers=[], deployments=[said(deployment, "stopped")])
    assert status(scene, part.processor) == ("removed", "")
    assert desired(agent) == []


def test_a_dead_nodes_word_is_worth_nothing(scene: Scene, placed: tuple[Part, UUID]) -> None:
    """Any live agent of the network says so in its next report; a dead worker does not keep a stop waiting."""
    part, deployment = placed
    report(scene.agent("n1"), workers=[named(deployment)], deployments=[said(deployment, "running")])
    die(scene, "n1")
    report(scene.agent("n2"))
    assert status(scene, part.processor) == ("ready", "no agent has taken it yet")
    scene.ann.ask("update pyfi.processor set requested_status = 'stopped'")
    report(scene.agent("n2"))
    assert status(scene, part.processor) == ("stopped", "")


def test_a_processor_whose_deployment_was_deleted_is_ready_again(scene: Scene, placed: tuple[Part, UUID]) -> None:
    """It waits for an agent."""
    part, deployment = placed
    report(scene.agent(), deployments=[said(deployment, "running")])
    scene.admin.ask("delete from pyfi.deployment")
    report(scene.agent())
    assert status(scene, part.processor) == ("ready", "no agent has taken it yet")


def test_workers_are_what_the_last_report_named(scene: Scene, placed: tuple[Part, UUID]) -> None:
    """A new incarnation replaces the old one and serves nothing before it enlists."""
    part, deployment = placed
    worker = start_worker(scene, part.processor, key="k")
    report(scene.agent(), workers=[named(deployment, id_=worker.id), named(deployment, key="other")])
    keys = "select key, status from pyfi.worker order by key"
    assert scene.ann.ask(keys) == [("k", "running"), ("other", "running")]
    worker.turn()
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    assert len(worker.claim(id_)) == 1
    report(scene.agent(), workers=[named(deployment, "starting", key="k")])
    assert scene.ann.ask(keys) == [("k", "starting")]
    assert scene.superuser.one("select sockets from pyfi.worker") in ([], "{}")
    with pytest.raises(ForbiddenError):
        worker.turn()


def test_a_report_tells_when_the_next_try_is(scene: Scene, placed: tuple[Part, UUID]) -> None:
    """In seconds from now: the node's clock is not believed."""
    _, deployment = placed
    line = named(deployment, "backoff") | {
        "reason": "crashed",
        "restarts": 3,
        "last_exit": "signal 9",
        "next_try_seconds": 60,
    }
    report(scene.agent(), workers=[line])
    assert scene.ann.ask(
        "select reason, restarts, last_exit, next_try between now() + interval '50 s' and now() + interval '60 s'"
        " from pyfi.worker"
    ) == [("crashed", 3, "signal 9", True)]


def test_an_agent_reports_its_own_node_only(scene: Scene, placed: tuple[Part, UUID]) -> None:
    """Another node's deployments and workers stay as they are, whatever it says."""
    part, deployment = placed
    worker = start_worker(scene, part.processor, key="k")
    report(scene.agent("n1"), workers=[named(deployment, id_=worker.id)], deployments=[said(deployment, "running")])
    report(scene.agent("n2"), workers=[named(deployment, "failed")], deployments=[said(deployment, "failed")])
    report(scene.agent("n2"))
    assert scene.ann.ask("select key, status from pyfi.worker") == [("k", "running")]
    assert scene.ann.one("select status from pyfi.deployment") == "running"
    deploy(scene, part.processor, "n2")
    own = scene.superuser.one(
        "select d.id from pyfi.deployment d join pyfi.node n on n.id = d.node_id where n.name = 'n2'"
    )
    with pytest.raises(Exception, match="worker_pk"):
        report(scene.agent("n2"), workers=[named(own, id_=worker.id)])


@pytest.mark.parametrize("word", ["dancing", None])
def test_words_that_are_no_status_are_refused(scene: Scene, placed: tuple[Part, UUID], word: str) -> None:
    """The whole report: an agent that says so has a bug."""
    _, deployment = placed
    with pytest.raises(InvalidError):
        report(scene.agent(), workers=[named(deployment, word)])


RUN_WITH = {
    "gitrepo": "'https://example.org/other'",
    '"commit"': "repeat('1', 40)",
    "module": "'other'",
    "modulepath": "'src'",
    "requirements": "'numpy'",
    "time_limit_seconds": "1.5",
    "restart_token": "restart_token + 1",
}
NOT_RUN_WITH = {
    "description": "'words'",
    "concurrency": "3",
    "retries": "4",
    "hostname": "'n2'",
    "drain_seconds": "5",
    "branch": "'main'",
    "requested_status": "'paused'",
    "name": "'renamed'",
}


@pytest.mark.parametrize("column", [*RUN_WITH, *NOT_RUN_WITH])
def test_a_generation_is_raised_by_what_workers_run_with(scene: Scene, column: str) -> None:
    """And by nothing else: each raise restarts the workers."""
    processor = add_processor(scene.ann, "p")
    change = f"update pyfi.processor set {column} = {(RUN_WITH | NOT_RUN_WITH)[column]}"
    scene.ann.ask(change)
    generation = "select generation from pyfi.processor where id = %s"
    assert scene.ann.one(generation, processor) == (2 if column in RUN_WITH else 1)
    if column != "restart_token":
        scene.ann.ask(change)
        assert scene.ann.one(generation, processor) == (2 if column in RUN_WITH else 1)


def test_a_generation_is_raised_by_sockets(scene: Scene) -> None:
    """Added, renamed, moved to another queue or task, deleted; not by words and caps."""
    part = add_part(scene.ann, "p", "one")
    generation = "select generation from pyfi.processor"
    assert scene.ann.one(generation) == 2
    for change, raised in (
        ("set description = 'x', concurrency = 2", False),
        ("set name = 'renamed'", True),
        (f"set queue_id = '{add_queue(scene.ann, 'q2')}'", True),
    ):
        before = scene.ann.one(generation)
        scene.ann.ask(f"update pyfi.socket {change}")
        assert scene.ann.one(generation) - before == int(raised), change
    before = scene.ann.one(generation)
    scene.ann.ask("delete from pyfi.socket where id = %s", part.sockets["one"])
    assert scene.ann.one(generation) == before + 1


class Ear:
    """A connection that listens for what changed in the model."""

    def __init__(self, scene: Scene) -> None:
        self._login = scene.agent().another()
        self._login.ask("listen pyfi_model")

    def heard(self) -> set[str]:
        """Tables that were named since the last time: all that was sent before now."""
        self._login.ask("notify pyfi_model, 'end'")
        connection = self._login.connection
        assert wait_until(lambda: any(notify.payload == "end" for notify in connection.notifies), timeout_seconds=5)
        payloads = {notify.payload for notify in connection.notifies} - {"end"}
        connection.notifies.clear()
        return payloads

    def close(self) -> None:
        """Disconnect."""
        self._login.close()


def test_changes_of_what_is_desired_wake_the_agents(scene: Scene) -> None:
    """By the name of the table."""
    ear = Ear(scene)
    part = add_part(scene.ann, "p", "one")
    assert ear.heard() == {"processor", "queue", "task", "socket"}
    for statement, named_ in (
        ("update pyfi.processor set requested_status = 'paused'", "processor"),
        ("update pyfi.processor set concurrency = 2", "processor"),
        ("update pyfi.processor set restart_token = restart_token + 1", "processor"),
        ("update pyfi.socket set concurrency = 2", "socket"),
        ("delete from pyfi.processor", "processor"),
    ):
        scene.ann.ask(statement)
        assert named_ in ear.heard(), statement
    processor = add_processor(scene.ann, "again")
    ear.heard()
    deploy(scene, processor)
    assert ear.heard() == {"deployment"}
    scene.admin.ask("update pyfi.deployment set cpus = 2")
    assert ear.heard() == {"deployment"}
    assert part.sockets
    ear.close()


def test_what_agents_say_wakes_no_agent(scene: Scene, placed: tuple[Part, UUID]) -> None:
    """Else they would wake each other, and themselves, for ever."""
    part, deployment = placed
    ear = Ear(scene)
    agent = scene.agent()
    worker = start_worker(scene, part.processor)
    epoch = register(agent)["epoch"]
    for word in ("starting", "failed", "running"):
        agent.ask("select agent.heartbeat(%s, '{}')", epoch)
        report(
            agent,
            epoch=epoch,
            workers=[named(deployment, id_=worker.id, key="w")],
            deployments=[said(deployment, word)],
        )
        desired(agent)
        offers(agent)
    (id_,) = submit(scene.ann, part.sockets["one"], arguments(1))
    worker.finish(worker.claim_one(id_))
    agent.ask("select ledger.sweep()")
    assert ear.heard() == set()
    assert status(scene, part.processor)[0] == "running"
    ear.close()


def test_nodes_of_two_networks_may_have_one_name(scene: Scene) -> None:
    """Their logins differ; a name too long for a role gets a login all the same."""
    network = scene.ann.one("insert into pyfi.network (name) values ('annet') returning id")
    verifier = fresh_verifier()
    enroll = "select access.enroll_node(%s, 'h', %s, %s, %s)"
    made = [scene.admin.one(enroll, "n1", name, verifier, verifier) for name in ("annet", "default")]
    long = scene.admin.one(enroll, "n" * 63, "default", verifier, verifier)
    logins = [each[key] for each in (*made, long) for key in ("login", "worker_login")]
    assert len(set(logins)) == 6
    assert max(len(login) for login in logins) <= 63
    assert made[0]["node_id"] != made[1]["node_id"] and network


def test_agents_that_report_at_once_never_deadlock(scene: Scene) -> None:
    """They refresh the same processors, each in the order of the ids."""
    processors = [add_processor(scene.ann, f"p{n}", concurrency=2) for n in range(12)]
    for processor in processors:
        for node in ("n1", "n2"):
            assert place(scene.agent(node), processor, 1)
    errors: list[Exception] = []
    gate = threading.Barrier(2)

    def speak(node: str) -> None:
        agent = scene.agent(node).another()
        try:
            ids = [document["id"] for document in desired(agent)]
            # Each names them in its own order, so that nothing but the query decides.
            ids = ids if node == "n1" else ids[::-1]
            for word in ("starting", "failed", "running") * 5:
                gate.wait(timeout=30)
                report(agent, deployments=[said(UUID(id_), word, f"{node} {word}") for id_ in ids])
        except Exception as error:
            errors.append(error)
            gate.abort()
        finally:
            agent.close()

    threads = [threading.Thread(target=speak, args=(node,)) for node in ("n1", "n2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {status(scene, processor)[0] for processor in processors} == {"running"}
