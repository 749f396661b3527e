"""The reviewed list of who may touch what: a new table or function that nobody entered here fails."""

from __future__ import annotations

import pytest

from tests.integration.db.scene import Scene

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")

# Table -> what a user may try (policies then say on which rows), and what an administrator may beyond that.
TABLES = {
    "agent": ("SELECT INSERT UPDATE DELETE", ""),
    # But for what changed: access.audit_detail.
    "audit": ("", ""),
    "audit_head": ("SELECT", ""),
    "argument": ("SELECT INSERT DELETE", ""),
    "backlog": ("SELECT", ""),
    "call": ("SELECT", ""),
    "counter": ("SELECT", ""),
    "deployment": ("SELECT INSERT UPDATE DELETE", ""),
    "event": ("SELECT", ""),
    "file": ("SELECT INSERT UPDATE DELETE", ""),
    "frame": ("SELECT", ""),
    "flow": ("SELECT INSERT UPDATE DELETE", ""),
    "gate": ("SELECT INSERT UPDATE DELETE", ""),
    "junction": ("SELECT", ""),
    "log": ("SELECT", ""),
    # Its program alone.
    "login": ("SELECT", ""),
    "member": ("SELECT", ""),
    "network": ("SELECT INSERT UPDATE DELETE", ""),
    # All its columns but the logins.
    "node": ("SELECT DELETE", ""),
    "outbox": ("SELECT", ""),
    # Read by ledger.read_payload alone, which looks at the call.
    "payload": ("", ""),
    "piece": ("", ""),
    "plug": ("SELECT INSERT UPDATE DELETE", ""),
    "privilege": ("SELECT", ""),
    # But for its code, its configuration, and what agents observe.
    "processor": ("DELETE", ""),
    "queue": ("SELECT INSERT UPDATE DELETE", ""),
    "retention": ("SELECT", ""),
    "role": ("SELECT INSERT UPDATE DELETE", ""),
    "scheduler": ("SELECT INSERT UPDATE DELETE", ""),
    # All its columns but what is sealed.
    "secret": ("INSERT UPDATE DELETE", ""),
    "setting": ("SELECT", "INSERT UPDATE DELETE"),
    "slot": ("SELECT", ""),
    "socket": ("SELECT INSERT UPDATE DELETE", ""),
    "task": ("SELECT INSERT UPDATE DELETE", ""),
    "throttle": ("SELECT", ""),
    "user": ("SELECT", ""),
    "user_role": ("SELECT", ""),
    "version": ("SELECT INSERT", ""),
    "worker": ("SELECT", ""),
    "call_event": ("SELECT", ""),
    "processor_detail": ("SELECT", ""),
}
VIEWS = {"call_event", "processor_detail"}
OBSERVED = {"generation", "status", "reason", "status_since", "crashed", "held_since", "held_reason"}
# What is granted by columns: table, verb and the columns that are left out.
COLUMNS = {
    ("node", "INSERT"): {"login", "worker_login"},
    ("node", "UPDATE"): {"login", "worker_login"},
    ("audit", "SELECT"): {"before", "after", "hash"},
    ("secret", "SELECT"): {"ciphertext"},
    ("login", "INSERT"): {"id", "user_id", "address", "at"},
    ("processor", "INSERT"): OBSERVED,
    ("processor", "UPDATE"): OBSERVED,
    ("processor", "SELECT"): {
        *("gitrepo", "branch", "commit", "modulepath", "requirements", "index_url", "index_secret", "git_secret"),
        *("hashes_only", "hostname", "concurrency", "retries", "time_limit_seconds", "soft_time_limit_seconds"),
        *("drain_seconds", "backoff_seconds", "backoff_factor", "backoff_max_seconds", "retry_on", "no_retry_on"),
        *("max_losses", "environment", "sandbox", "online"),
    },
}

FUNCTIONS = {
    "flow_user": {
        "access.acting", "access.me", "access.is_admin", "access.scope", "access.mine", "access.wide", "access.joined",
        "access.networks", "access.processors", "access.sockets", "access.people", "access.may", "access.require",
        "access.processor_detail", "access.reads_log", "access.code_columns", "access.config_columns",
        "access.observed_columns",
        "access.create_user", "access.enroll_node", "access.offer_node", "access.revoke_node",
        "access.renew_password", "access.activate_user",
        "access.change_user",
        "access.grant_right", "access.forget_right", "access.give_role", "access.take_role", "access.share_network",
        "access.socket_queue", "access.verify_audit", "access.audit_detail", "access.sealed",
        "ledger.submit", "ledger.enter", "ledger.compose", "ledger.published", "ledger.laws", "ledger.key_id",
        "ledger.cancel",
        "ledger.retry", "ledger.replay", "ledger.give_up", "ledger.error_told", "ledger.error_says",
        "ledger.consumers", "ledger.reached", "ledger.upload", "ledger.read_payload", "ledger.payload_sizes",
        "ledger.lines",
    },
    "flow_admin": set(),
    "flow_node": {
        "access.acting", "access.me", "access.is_admin",
        "agent.register", "agent.heartbeat", "agent.leave", "agent.desired", "agent.offers", "agent.place",
        "agent.report", "agent.worker_exited", "agent.secrets",
        "ledger.take_outbox", "ledger.next_due", "ledger.forget", "ledger.sweep", "ledger.stale", "ledger.rewake",
        "ledger.retire",
    },
    "flow_worker": {
        "access.acting", "access.me", "access.is_admin",
        "access.join_node",
        "ledger.enlist", "ledger.turn", "ledger.renew", "ledger.resync", "ledger.waiting", "ledger.put",
        "ledger.read_arguments",
    },
}  # fmt: skip

# Pass every policy, so each is to be read with that in mind: who asks, and whose rows are touched.
DEFINERS = {
    "access.me", "access.is_admin", "access.make_role", "access.create_user", "access.enroll_node", "access.node",
    "access.offer_node", "access.join_node", "access.revoke_node",
    "access.socket_changed", "access.socket_address", "access.guard_socket",
    "access.audit", "access.chain_audit", "access.verify_audit", "access.audit_detail", "access.sealed",
    "access.scope", "access.mine", "access.wide", "access.joined", "access.networks",
    "access.processors", "access.sockets", "access.people", "access.may", "access.require", "access.require_wide",
    "access.require_held", "access.require_over", "access.user_named", "access.role_named",
    "access.processor_detail", "access.reads_log", "access.reaches_call", "access.require_calls",
    "access.renew_password", "access.activate_user", "access.change_user", "access.change_group", "access.close_login",
    "access.grant_right", "access.forget_right", "access.give_role", "access.take_role", "access.share_network",
    "access.socket_queue",
    "ledger.submit", "ledger.enter", "ledger.compose", "ledger.published",
    "ledger.enlist", "ledger.turn", "ledger.renew", "ledger.resync", "ledger.waiting",
    "ledger.take_outbox", "ledger.next_due", "ledger.forget", "ledger.sweep", "ledger.stale", "ledger.rewake",
    "ledger.wake_processor",    "ledger.end_calls", "ledger.consumers",
    "ledger.retry", "ledger.replay", "ledger.give_up", "ledger.laws",
    "ledger.cancel", "ledger.upload", "ledger.read_payload", "ledger.payload_sizes", "ledger.lines", "ledger.put",
    "ledger.read_arguments", "ledger.end_payloads",
    "ledger.retire", "ledger.limits_changed", "ledger.rule_begins", "ledger.ease_owed", "ledger.has_priority",
    "ledger.queue_left",
    "agent.required_node", "agent.register", "agent.heartbeat", "agent.leave", "agent.desired", "agent.offers",
    "agent.place", "agent.report", "agent.worker_exited", "agent.secrets",
}  # fmt: skip


def granted(scene: Scene, group: str) -> dict[str, str]:
    """Verbs by table and view."""
    rows = scene.superuser.ask(
        "select c.relname, concat(string_agg(v.verb, ' ' order by v.n) filter"
        "   (where has_table_privilege(%s, c.oid, v.verb)))"
        " from pg_class c, unnest(%s) with ordinality v (verb, n)"
        " where c.relnamespace = 'pyfi'::regnamespace and c.relkind in ('r', 'p', 'v') group by 1",
        scene.roles.group(group),
        list(VERBS),
    )
    return {str(table): str(verbs) for table, verbs in rows}


def test_tables(scene: Scene) -> None:
    """Neither more nor less than what stands above."""
    assert granted(scene, "flow_user") == {table: user for table, (user, _) in TABLES.items()}
    assert granted(scene, "flow_admin") == {table: admin for table, (_, admin) in TABLES.items()}
    for group in ("flow_node", "flow_worker"):
        assert granted(scene, group) == dict.fromkeys(TABLES, "")


@pytest.mark.parametrize(("table", "verb"), sorted(COLUMNS))
def test_columns(scene: Scene, table: str, verb: str) -> None:
    """Who logs in as a node, when he logged in, and what of a processor takes a right of its own, is not his."""
    rows = scene.superuser.ask(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        " and not has_column_privilege(%s, attrelid, attnum, %s)",
        f"pyfi.{table}",
        scene.roles.group("flow_user"),
        verb,
    )
    assert {name for (name,) in rows} == COLUMNS[table, verb]


def test_functions(scene: Scene) -> None:
    """Nobody may execute one that is not his."""
    for group, allowed in FUNCTIONS.items():
        rows = scene.superuser.ask(
            "select distinct n.nspname || '.' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
            " where n.nspname = any ('{access,ledger,agent,pyfi}') and has_function_privilege(%s, p.oid, 'EXECUTE')",
            scene.roles.group(group),
        )
        assert {name for (name,) in rows} == allowed, group


def test_functions_that_pass_policies(scene: Scene) -> None:
    """The reviewed ones."""
    rows = scene.superuser.ask(
        "select n.nspname || '.' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname in ('access', 'ledger', 'agent', 'pyfi') and p.prosecdef"
    )
    assert {name for (name,) in rows} == DEFINERS


def test_each_policy_is_needed(scene: Scene) -> None:
    """Without a policy for a verb that is granted, that verb finds no row: grants and policies belong together."""
    rows = scene.superuser.ask("select tablename, cmd, roles::text[] from pg_policies where schemaname = 'pyfi'")
    covered = {(table, verb) for table, cmd, _ in rows for verb in (VERBS[:4] if cmd == "ALL" else (cmd,))}
    wanted = {
        (table, verb) for table, verbs in TABLES.items() for verb in " ".join(verbs).split() if table not in VIEWS
    }
    assert covered == wanted | {(table, "SELECT") for table in TABLES if table not in VIEWS} | set(COLUMNS)
