"""docs/reference/model.md: the generated part is fresh, and every column of the original has an answer."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Table

from pyfi.db import reference
from pyfi.db.base import Base
from tests.architecture import project

PAGE = "docs/reference/model.md"
# The tables of the original PyFI; `all`: a table of links.
ORIGINAL = {
    "most tables": "id name owner status requested_status enabled created lastupdated",
    "users": "email password clear privileges revoked roles logins",
    "login": "owner created lastupdated login token user_id",
    "role": "privileges",
    "privilege": "right",
    "role_privileges": "all",
    "user_privileges": "all",
    "user_privileges_revoked": "all",
    "user_roles": "all",
    "network": "schedulers queues nodes user_id",
    "node": "hostname scheduler_id memsize freemem disksize diskusage memused cpuload cpus network_id agent",
    "agent": "hostname cpus port pid node_id workers",
    "worker": "backend broker concurrency process port hostname workerdir processor_id deployment_id agent_id",
    "deployment": "name hostname cpus processor_id worker",
    "processor": "module beat gitrepo branch commit gittag retries concurrency receipt ratelimit perworker timelimit"
    " ignoreresult serializer backend ackslate trackstarted disabled retrydelay password requirements endpoint"
    " modulepath icon cron hasapi uistate description container_image container_command container_version use_container"
    " detached user_id flow_id password_id plugs deployments sockets logs",
    "passwords": "password",
    "log": "oid discriminator text source public user_id created",
    "socket": "processor_id schedule_type scheduled cron interval description task_id user_id wait queue sourceplugs"
    " targetplugs call",
    "task": "id name module gitrepo mixin source code sockets arguments",
    "argument": "name position kind task_id user_id plugs",
    "plug": "type processor_id source target argument_id user_id description queue",
    "queue": "qtype durable reliable auto_delete max_length max_length_bytes message_ttl expires network_id",
    "call": "name state parent taskparent resultid celeryid tracking argument task_id socket_id started finished"
    " events",
    "event": "name note call_id",
    "scheduler": "strategy nodes network_id",
    "work": "next_run_time job_state task_id",
    "jobs": "all",
    "flow": "processors file_id versions",
    "file": "path filename collection code type icon versions user_id",
    "versions": "file_id flow version owner",
    "action": "params target",
    "settings": "value",
    "container": "container_id",
    "gate": "open task_id",
    "sockets_queues": "all",
    "plugs_queues": "all",
    "plugs_source_sockets": "all",
    "plugs_target_sockets": "all",
    "plugs_arguments": "all",
    "calls_events": "all",
    "flows_versions": "all",
}


def answers() -> list[list[str]]:
    """The rows of the table of the original's columns: table, columns, what became of them, why."""
    rows = project.table(PAGE)
    first = rows.index(["table", "column", "here", "why"])
    return rows[first + 2 :]


def test_generated_part_is_fresh() -> None:
    """It is what the tables say now, and there is some."""
    assert project.text(PAGE) == reference.page(), "python -m pyfi.db.reference --write"
    assert all(f"#### {table.name}\n" in project.text(PAGE) for table in Base.metadata.sorted_tables)


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_each_column_says_what_it_is(table: Table) -> None:
    """In its `doc`; the class says what the table is."""
    assert [column.name for column in table.columns if not column.doc] == []


def test_each_column_of_the_original_has_one_answer() -> None:
    """And no other column has."""
    told = [(table, column) for table, columns, _, _ in answers() for column in columns.split(", ")]
    assert sorted(told) == sorted((table, column) for table, columns in ORIGINAL.items() for column in columns.split())


def test_answers_are_true() -> None:
    """What was kept or renamed is there; what was dropped says why."""
    known = {f"{table.name}.{column.name}" for table in Base.metadata.sorted_tables for column in table.columns}
    for table, columns, answer, why in answers():
        word, _, named = answer.partition(": ")
        targets = set(re.split(r", ", named)) if named else set()
        assert targets <= known, (table, columns)
        assert bool(targets) == (word in {"kept", "renamed"}), (table, columns)
        assert targets or (word == "dropped" and why), (table, columns)
