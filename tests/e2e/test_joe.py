"""Joe may add processors and sockets: by command line, client and psql he gets his own running, nothing of ann's."""

from __future__ import annotations

import os
import shutil
import sys

import psycopg2
import pytest

from pyfi.core.urls import DatabaseUrl
from pyfi.system.processes import Completed, run
from tests.network import Network

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HERS = "k4nary-hers"
CLIENT = """
import sys
from pyfi.client.api import Network, Node, Plug, Processor, Queue, Socket
from pyfi.errors import PyfiError

repository = sys.argv[1]
his = Processor(name="client", gitrepo=repository, module="functions")
echo = Socket(name="client.echo", processor=his, task="echo")
print("made", his.name, echo.name)

def refused(what, act):
    try:
        print(what, "CAME THROUGH", act())
    except PyfiError as error:
        print(what, "|", error.message)

refused("run his", lambda: echo(1))
refused("run hers", lambda: Socket(name="ann.echo")(1))
refused("her processor", lambda: Processor(name="ann"))
refused("queue", lambda: Queue(name="q"))
refused("network", lambda: Network(name="n"))
refused("node", lambda: Node(name="n", hostname="h"))
refused("plug", lambda: Plug(name="p", source=echo, target=echo, queue="client"))
"""
# Typed one after the other in one session; whatever fails, the next is tried.
TYPED = """
\\set ON_ERROR_STOP off
set row_security = off;
select 'rows', count(*) from pyfi.processor where owner_id <> access.me();
reset row_security;
truncate pyfi.call;
\\copy pyfi.call to stdout
\\copy pyfi.log to stdout
copy pyfi.queue to program 'cat';
set role "{prefix}.ann";
set role "{prefix}_flow_admin";
set role "{prefix}_definer";
set session authorization "{prefix}.ann";
set session_replication_role = replica;
create function pg_temp.spy(text) returns boolean language plpgsql cost 0.0000001 as $$ begin raise notice '%', $1; return true; end $$;
create temp view mine as select * from pyfi.call;
create view public.mine as select * from pyfi.call;
create table public.t (id int);
create schema mine;
create extension dblink;
create rule r as on select to pyfi.queue do instead select 1;
prepare p as select name from pyfi.processor where owner_id <> access.me();
execute p;
declare c cursor with hold for select name from pyfi.socket where owner_id <> access.me();
fetch all from c;
explain (analyze, verbose, format text) select * from pyfi.queue where name ~ 'k4nary';
select query from pg_stat_activity where usename <> current_user and query not in ('', '<insufficient privilege>');
select most_common_vals::text from pg_stats where schemaname = 'pyfi';
select stxdmcv from pg_statistic_ext_data;
select pg_read_file('pg_hba.conf');
select pg_ls_dir('.');
select * from pg_authid;
select pg_terminate_backend(pid) from pg_stat_activity where usename <> current_user and usename is not null;
select pg_reload_conf();
alter role "{prefix}.joe" with superuser;
alter default privileges grant all on tables to public;
grant select on pyfi.call to public;
update pyfi."user" set admin = true;
update pyfi.privilege set scope = 'all';
insert into pyfi.privilege (user_id, "right", scope) select access.me(), 'ALL', 'all';
insert into pyfi.member (network_id, user_id) select id, access.me() from pyfi.network;
select access.grant_right('joe', null, 'ALL', 'all', false);
select access.give_role('joe', 'member');
select access.share_network('annlab', 'joe', true);
do $$ begin execute 'select access.make_role(''{prefix}.joe'', ''{prefix}_flow_admin'', ''x'')'; end $$;
select * from xmlparse(document '<x/>') limit 0;
select query_to_xml('select * from pyfi.call', true, false, '');
select table_to_xml('pyfi.processor', true, false, '');
select database_to_xml(true, false, '');
listen pyfi_model;
\\d+ pyfi.call
"""  # noqa: E501 # as one types it


def add_user(net: Network, name: str, *words: str) -> DatabaseUrl:
    """A user; gives his login."""
    net.flow("add", "user", "-n", name, "-e", "x", *words, stdin=f"pw-{name}-canary\n".encode())
    return net.database.login(f"{net.prefix}.{name}", f"pw-{name}-canary")


@pytest.fixture
def people(net: Network) -> dict[str, dict[str, str]]:
    """Who -> the variables with which commands are his. Ann has something of everything, and an agent runs it."""
    urls = {"ann": add_user(net, "ann", "--role", "member"), "joe": add_user(net, "joe")}
    env = {who: {"FLOW_DB": url.libpq(), "FLOW_HOME": str(net.home / who)} for who, url in urls.items()}
    for right in ("ADD_PROCESSOR", "ADD_SOCKET"):
        net.flow("add", "privilege", "-u", "joe", "-n", right)
    repository = str(net.repository())
    ann = env["ann"]
    net.flow("add", "network", "-n", "annlab", "--description", HERS, env=ann)
    described = ("--description", HERS, "--env", f"A={HERS}")
    net.flow("add", "processor", "-n", "ann", "-g", repository, "-m", "functions", *described, env=ann)
    for task in ("echo", "fail"):
        net.flow("add", "socket", "-n", f"ann.{task}", "-pn", "ann", "-t", task, env=ann)
    net.flow("add", "queue", "-n", f"q-{HERS}", env=ann)
    net.flow("secret", "set", "-n", "tok", stdin=HERS.encode(), env=ann)
    net.start_agent(cpus=3)
    assert net.flow("task", "run", "-s", "ann.echo", "-d", repr(HERS), env=ann).stdout.decode().strip() == HERS
    net.flow("task", "run", "-s", "ann.fail", "-d", repr(HERS), env=ann, code=None)
    return env


def psql(net: Network, url: str, typed: str) -> Completed:
    """A session of the real psql, or None where there is none."""
    program = shutil.which("psql")
    assert program
    env = {"PATH": os.environ["PATH"], "HOME": str(net.home), "LANG": "C.UTF-8"}
    return run([program, "-X", "-d", url], env=env, cwd=net.home, timeout_seconds=60, stdin_bytes=typed.encode())


def test_he_gets_his_own_running_and_nothing_of_hers(net: Network, people: dict[str, dict[str, str]]) -> None:
    """Processor, socket and queue of his own, end to end; what it takes to run it he is given last."""
    joe, repository = people["joe"], str(net.home / "repo")
    net.flow("add", "processor", "-n", "his", "-g", repository, "-m", "functions", env=joe)
    net.flow("add", "socket", "-n", "his.echo", "-pn", "his", "-t", "echo", env=joe)
    script = net.home / "script.py"
    script.write_text(CLIENT)
    done = run([sys.executable, str(script), repository], env=net.environment | joe, cwd=net.home, timeout_seconds=60)
    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert "made client client.echo" in said
    assert "CAME THROUGH" not in said, said
    for what, right in {
        "run his": "lacks the right RUN_TASK",
        "run hers": "lacks the right RUN_TASK",
        "her processor": "there is no processor ann",
        "queue": "lacks the right ADD_QUEUE",
        "network": "lacks the right CREATE",
        "node": "lacks the right ADD_NODE",
        "plug": "lacks the right ADD_PLUG",
    }.items():
        (line,) = [line for line in said.splitlines() if line.startswith(f"{what} |")]
        assert right in line, line
    for words in (("task", "run", "-s", "ann.echo", "-d", "1"), ("task", "run", "-s", "his.echo", "-d", "1")):
        assert b"joe lacks the right RUN_TASK" in net.flow(*words, env=joe, code=1).stderr
    for words in (("db", "json"), ("audit",), ("graph",), *(("ls", kind) for kind in ("calls", "events", "queues"))):
        assert HERS.encode() not in net.flow(*words, env=joe).stdout, words
    net.flow("add", "privilege", "-u", "joe", "-n", "RUN_TASK")
    for socket in ("his.echo", "client.echo"):
        assert net.flow("task", "run", "-s", socket, "-d", "'his'", env=joe).stdout == b"his\n"
    assert (
        b"there is no socket ann.echo" in net.flow("task", "run", "-s", "ann.echo", "-d", "1", env=joe, code=1).stderr
    )


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed; tests/security/test_psql.py types too")
def test_what_he_types_in_psql_widens_nothing(net: Network, people: dict[str, dict[str, str]]) -> None:
    """Before and after it he has the same rights, sees the same rows, and nothing of hers is on his screen."""
    url = people["joe"]["FLOW_DB"]

    def standing() -> list[tuple[object, ...]]:
        connection = psycopg2.connect(url)
        found: list[tuple[object, ...]] = []
        with connection, connection.cursor() as cursor:
            cursor.execute("select r, access.scope(r) from unnest(%s::text[]) r", (["ALL", "READ", "ADD_PROCESSOR"],))
            found += cursor.fetchall()
            for table in ("processor", "socket", "queue", "call", "log", "secret", "member", "privilege", "user"):
                cursor.execute(f'select %s, count(*) from pyfi."{table}"', (table,))
                found += cursor.fetchall()
        connection.close()
        return found

    count = "select count(*) from pyfi.call, pyfi.privilege, pyfi.member"
    before, all_before = standing(), net.rows(count)
    typed = TYPED.format(prefix=net.prefix)
    done = psql(net, url, typed)
    screen = (done.stdout + done.stderr).decode()
    for statement in (
        "permission denied",
        "must be",
        "query would be affected by row-level security",
        "lacks the right",
    ):
        assert statement in screen
    assert HERS not in screen.replace(f"~ '{HERS[:6]}", "")
    assert "pw-ann" not in screen and "SCRAM-SHA-256$" not in screen
    assert (standing(), net.rows(count)) == (before, all_before)
    left = "select relname from pg_class where relowner = %s::regrole"
    assert net.rows(left, (f'"{net.prefix}.joe"',)) == []
    assert net.flow("task", "run", "-s", "ann.echo", "-d", "'on'", env=people["ann"]).stdout == b"on\n"
