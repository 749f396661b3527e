"""Tokens: once, for a while, for one node; and what a stolen login of a node is good for."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

import psycopg2
import pytest

from pyfi.control import tokens
from pyfi.control.tokens import Token
from pyfi.core.urls import parse_database
from pyfi.db.session import Database
from pyfi.errors import ForbiddenError, InvalidError, NotFoundError, PyfiError
from tests.integration.db.scene import Scene, add_part
from tests.integration.db.workers import deploy


def offered(scene: Scene, name: str, hours: float = 1.0, network: str | None = None) -> Token:
    database = Database(scene.admin.url)
    try:
        return tokens.offer(database, name, network=network, hours=hours, broker="amqp://h/v")
    finally:
        database.close()


def asks(url: str, statement: str) -> Any:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    finally:
        connection.close()


def test_a_token_works_once(scene: Scene) -> None:
    """Its node then has logins; a second use, another machine's, makes nothing."""
    token = Token.from_text(offered(scene, "joins").text())
    logins = tokens.redeem(token, hostname="machine")
    assert asks(logins.agent.libpq(), "select agent.offers()") == [([],)]
    row = scene.superuser.ask("select hostname, login, worker_login from pyfi.node where name = 'joins'")
    assert row == [("machine", logins.agent.user, logins.worker.user)]
    with pytest.raises(ForbiddenError, match="used, revoked or is over"):
        tokens.redeem(token, hostname="thief")
    assert scene.superuser.ask("select hostname from pyfi.node where name = 'joins'") == [("machine",)]


def test_a_node_is_not_named_into_anothers_login(scene: Scene) -> None:
    """A long name's login is made of its digest; who names a node so has another login, and spoils nothing."""
    name = "x" * 60
    twin = hashlib.sha256(name.encode()).hexdigest()[:24]
    first, second = offered(scene, name), offered(scene, twin)
    hers, his = tokens.redeem(first, hostname="hers"), tokens.redeem(second, hostname="his")
    assert hers.agent.user != his.agent.user and hers.worker.user != his.worker.user
    found = scene.superuser.ask("select name, hostname from pyfi.node where name in (%s, %s)", name, twin)
    assert sorted(found) == sorted([(name, "hers"), (twin, "his")])


def test_of_two_at_once_one_wins(scene: Scene) -> None:
    """However close they are."""
    token = offered(scene, "raced")
    start, ends = threading.Barrier(4), []

    def run(number: int) -> None:
        start.wait()
        try:
            tokens.redeem(token, hostname=f"m{number}")
            ends.append("won")
        except PyfiError as error:
            ends.append(error.message)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["this token was used, revoked or is over"] * 3 + ["won"]


def test_a_token_is_over_after_its_time_and_when_another_is_made(scene: Scene) -> None:
    late = offered(scene, "late")
    scene.superuser.ask(f"alter role \"{parse_database(late.database).user}\" valid until '2000-01-01'")
    older = offered(scene, "twice")
    newer = offered(scene, "twice")
    with pytest.raises(ForbiddenError):
        tokens.redeem(late, hostname="m")
    if checks_passwords(older):
        with pytest.raises(ForbiddenError):
            tokens.redeem(older, hostname="m")
    assert tokens.redeem(newer, hostname="m")


def checks_passwords(token: Token) -> bool:
    """Not where the server trusts everybody who connects."""
    url = parse_database(token.database)
    try:
        psycopg2.connect(url.login(url.user, "wrong").libpq()).close()
    except psycopg2.OperationalError:
        return True
    return False


def test_a_token_is_good_for_nothing_else(scene: Scene) -> None:
    """No table, no function of agents, no work of workers; and no other node."""
    token = offered(scene, "narrow")
    for statement in (
        "select * from pyfi.node",
        "select agent.desired()",
        "select ledger.take_outbox(1)",
        "select access.offer_node('x', 'default', 'v', 60)",
        "select ledger.enlist(gen_random_uuid(), 'k', gen_random_uuid(), 0, 1, 1, null)",
    ):
        with pytest.raises(psycopg2.Error):
            asks(token.database, statement)
    assert tokens.redeem(token, hostname="m").agent.user.endswith(":narrow")


def test_only_who_may_start_agents_makes_tokens(scene: Scene) -> None:
    for login in (scene.ann, scene.bob):
        database = Database(login.url)
        with pytest.raises(ForbiddenError):
            tokens.offer(database, "theirs", network=None, hours=1, broker=None)
        with pytest.raises((ForbiddenError, NotFoundError)):
            tokens.revoke(database, "n1", network=None)
        database.close()
    with pytest.raises(NotFoundError):
        offered(scene, "x", network="nowhere")
    with pytest.raises(InvalidError):
        offered(scene, "x", hours=1000)


def test_a_revoked_node_is_nobody_at_once(scene: Scene) -> None:
    """In a session that it has open too."""
    logins = tokens.redeem(offered(scene, "gone"), hostname="m")
    connection = psycopg2.connect(logins.agent.libpq())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select agent.offers()")
        database = Database(scene.admin.url)
        tokens.revoke(database, "gone", network=None)
        database.close()
        with pytest.raises(psycopg2.Error, match="no node's"):
            cursor.execute("select agent.offers()")
    connection.close()
    assert tokens.redeem(offered(scene, "gone"), hostname="m"), "a new token brings it back"


def test_a_stolen_login_reaches_no_other_node(scene: Scene) -> None:
    """Neither its deployments, secrets and calls by the agent's login, nor work by a worker's."""
    tokens.redeem(offered(scene, "honest"), hostname="m")
    deploy(scene, add_part(scene.ann, "p", "one").processor, "honest")
    logins = tokens.redeem(offered(scene, "thief"), hostname="m")
    others = scene.superuser.ask("select id, processor_id from pyfi.deployment")
    assert others
    assert asks(logins.agent.libpq(), "select agent.desired() -> 'deployments'") == [([],)]
    for url in (logins.agent.libpq(), logins.worker.libpq()):
        for table in ("call", "node", "secret", "processor", "log", "setting"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                asks(url, f"select * from pyfi.{table}")
    for deployment, processor in others:
        with pytest.raises(psycopg2.Error, match="another node"):
            asks(logins.agent.libpq(), f"select agent.secrets('{deployment}')")
        with pytest.raises(psycopg2.Error):
            asks(
                logins.worker.libpq(),
                f"select ledger.enlist(gen_random_uuid(), 'k', '{processor}', 0, 1, 1, null)",
            )


@pytest.mark.parametrize("text", ["", "x", "e30=", "W10=", "{}", "\u00e9"])
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(InvalidError, match="no token"):
        Token.from_text(text)
