"""What the protocol consists of, taken out piece by piece; and the test that each missing piece turns red."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.architecture import project

SQL = "migrations/sql/0001/"
LEDGER, JOINS = SQL + "4_ledger.sql", SQL + "4a_joins.sql"
DB, UNIT = "tests/integration/db/", "tests/unit/"
COPIED = ("pyfi", "migrations", "tests", "docs", "processors_example")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """`old` becomes `new` in `file`, at its `at`-th occurrence of `among`; then `test` fails."""

    name: str
    file: str
    old: str
    new: str
    test: str
    at: int = 1
    among: int = 1

    def apply(self, root: Path) -> None:
        """Change the file below `root`.

        Raises: LookupError: the piece is not there as it was: the list must follow the code.
        """
        path = root / self.file
        parts = path.read_text().split(self.old)
        if len(parts) != self.among + 1:
            raise LookupError(
                f"{self.name}: {self.file} has {len(parts) - 1} times {self.old!r}, not {self.among} times"
            )
        path.write_text(self.old.join(parts[: self.at]) + self.new + self.old.join(parts[self.at :]))


MUTATIONS = (
    Mutation(
        name="a finish is not fenced by its claim",
        file=LEDGER,
        old="c.claim = u.claim and c.worker_id = p_worker and case when",
        new="case when",
        at=2,
        among=2,
        test=DB + "test_turn.py::test_a_stale_finish_changes_nothing",
    ),
    Mutation(
        name="giving back is not fenced by its claim",
        file=LEDGER,
        old="c.claim = u.claim and c.worker_id = p_worker and case when",
        new="case when",
        at=1,
        among=2,
        test=DB + "test_turn.py::test_a_worker_of_another_node_cannot_finish_renew_or_give_back",
    ),
    Mutation(
        name="a renewal is not fenced by its claim",
        file=LEDGER,
        old="and c.id = u.id and c.claim = u.claim and c.worker_id = p_worker",
        new="and c.id = u.id",
        test=DB + "test_turn.py::test_a_worker_of_another_node_cannot_finish_renew_or_give_back",
    ),
    Mutation(
        name="a claim takes what is not queued",
        file=LEDGER,
        old="case when c.state = 'queued' then (c.not_before is null or",
        new="case when true then (c.not_before is null or",
        test=DB + "test_turn.py::test_only_queued_calls_are_claimed",
    ),
    Mutation(
        name="a turn sent again is taken for a late one",
        file=LEDGER,
        old="and case when c.state in ('done', 'failed', 'queued', 'parked') then true else false end",
        new="and false",
        test=DB + "test_turn.py::test_a_turn_sent_again_after_a_lost_reply_is_answered_as_finished",
    ),
    Mutation(
        name="a submission writes no outbox",
        file=LEDGER,
        old="values (v_socket.address, v_new,",
        new="values (v_socket.address, '{}'::uuid[],",
        test=DB + "test_submit.py::test_a_call_is_entered_with_its_wakeup",
    ),
    Mutation(
        name="a finish writes no outbox for the children",
        file=LEDGER,
        old="select t.address, array_agg(k.id), now() + interval '2 seconds' from k",
        new="select t.address, '{}'::uuid[], now() + interval '2 seconds' from k",
        test=DB + "test_plugs.py::test_each_result_plug_gets_the_result",
    ),
    Mutation(
        name="a child's id is one of chance",
        file=LEDGER,
        old="sha256(uuid_send(p_parent)",
        new="sha256(uuid_send(gen_random_uuid())",
        test=DB + "test_plugs.py::test_ids_of_children_are_determined",
    ),
    Mutation(
        name="what is tried again fires its plugs too",
        file=LEDGER,
        old="array_agg(f.n) filter (where f.state in ('done', 'failed'))",
        new="array_agg(f.n)",
        test=DB + "test_recovery.py::test_a_lost_call_of_a_chain_fires_no_plug",
    ),
    Mutation(
        name="the hop limit is off",
        file=LEDGER,
        old="case when a.hops >= v_most then 'parked' when",
        new="case when false then 'parked' when",
        test=DB + "test_plugs.py::test_the_hop_limit_parks",
    ),
    Mutation(
        name="a submission said twice is not recognised",
        file=LEDGER,
        old="      on conflict do nothing returning id)\n",
        new="      returning id)\n",
        test=DB + "test_submit.py::test_the_same_id_again_is_the_first_call",
    ),
    Mutation(
        name="the start mark is ignored: all that was held counts",
        file=LEDGER,
        old="c.claim <= p_started as begun, c.claim <= p_started and not p_asked as lost",
        new="true as begun, true and not p_asked as lost",
        test=DB + "test_recovery.py::test_a_workers_exit_counts_exactly_what_was_started",
    ),
    Mutation(
        name="the start mark is ignored: nothing that was held counts",
        file="pyfi/agent/apply.py",
        old="state.id, started_token(folder), cause",
        new="state.id, 0, cause",
        test="tests/faults/test_points.py::test_a_slice -k exit_told",
    ),
    Mutation(
        name="the guest does not write its mark",
        file="pyfi/runner/guest.py",
        old="        mark[0:8] = _mark.pack(token)\n",
        new="",
        test=UNIT + "runner/test_guest_death.py::test_the_mark_is_the_token_that_was_started_last",
    ),
    Mutation(
        name="a withdrawn call starts all the same",
        file="pyfi/runner/guest.py",
        old="is_withdrawn = token <= _mark.unpack_from(mark, 8)[0]",
        new="is_withdrawn = False",
        test=UNIT + "runner/test_guest_withdraw.py::test_one_that_was_about_to_start_does_not",
    ),
    Mutation(
        name="the sweeper is off",
        file=LEDGER,
        old="  perform ledger.sweep_payloads();\n",
        new="  return 0;\n",
        test=DB + "test_recovery.py::test_expired_leases_go_back",
    ),
    Mutation(
        name="a lost wake-up is not replaced",
        file=LEDGER,
        old="  insert into pyfi.outbox (address, ids) values (p_address, v_ids);\n",
        new="",
        test=DB + "test_recovery.py::test_stale_calls_are_found_and_woken_with_growing_patience",
    ),
    Mutation(
        name="leases expire right after a restart of the database",
        file=LEDGER,
        old="  if now() - pg_postmaster_start_time() > ledger.lease() then\n",
        new="  if true then\n",
        test=DB + "test_recovery.py::test_nothing_expires_within_one_lease_after_a_restart_of_the_database",
    ),
    Mutation(
        name="what a lost reply claimed is not given back",
        file=LEDGER,
        old="return ledger.release(p_worker, 0, p_held, 'the worker''s connection was cut');",
        new="return 0;",
        test=DB + "test_recovery.py::test_resync_gives_back_only_what_is_not_held",
    ),
    Mutation(
        name="final states can be changed",
        file=LEDGER,
        old="when (old.state in ('done', 'failed', 'cancelled'))",
        new="when (false)",
        test=DB + "test_turn.py::test_a_final_state_is_final",
    ),
    Mutation(
        name="a parallel fires with its first member",
        file=JOINS,
        old="if r.have + r.came = r.need then",
        new="if r.have + r.came >= 1 then",
        test=DB + "test_compositions.py::test_a_parallel_gives_the_results_in_the_declared_order",
    ),
    Mutation(
        name="members that come back at once are counted at once",
        file=JOINS,
        old="    order by f.call_id for update;\n",
        new="    order by f.call_id;\n",
        test="tests/faults/test_joins_killed.py::test_the_last_two_members_at_once_fire_once",
    ),
    Mutation(
        name="a join fires without all its parts",
        file=JOINS,
        old="having count(*) = cardinality(v_wanted)",
        new="having count(*) >= 1",
        test=DB + "test_joins.py::test_the_last_part_makes_the_call",
    ),
    Mutation(
        name="the broker's refusal is ignored",
        file="pyfi/broker/confirms.py",
        old="            self.refused.append(what)\n",
        new="            return\n",
        test=UNIT + "broker/test_confirms.py",
    ),
    Mutation(
        name="the relay forgets what it did not publish",
        file="pyfi/ledger/relay.py",
        old="            self._publish([each for _, address, ids in rows for each in packed(address, ids)])\n",
        new="",
        test="tests/faults/test_points.py::test_a_slice -k relay",
    ),
    Mutation(
        name="a wake-up is acknowledged before the claim",
        file="pyfi/worker/inbox.py",
        old="        self._messages.append(Delivered(ids, message))\n",
        new="        self._messages.append(Delivered(ids, message))\n        self._tell(message.ack)\n",
        test=UNIT + "worker/test_inbox.py",
    ),
    Mutation(
        name="what got no answer is not said again",
        file="pyfi/worker/report.py",
        old="        self._again.appendleft(replace(turn, claim=(), room=0, more=0))\n",
        new="",
        test=UNIT
        + "worker/test_engine_lists.py::test_a_lost_answer_to_a_finish_is_told_again_and_what_is_held_is_kept",
    ),
    Mutation(
        name="a worker goes on although it could not renew",
        file="pyfi/worker/engine.py",
        old="if self._leases.are_lost(now):",
        new="if now < 0:",
        test=UNIT + "worker/test_engine_lists.py::test_a_lost_lease_ends_the_guest_and_tells_what_was_started",
    ),
)


def scratch(mutation: Mutation, to: Path) -> Path:
    """A copy of the project without that piece."""
    for name in COPIED:
        shutil.copytree(project.ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "Makefile", "alembic.ini"):
        shutil.copy(project.ROOT / name, to / name)
    mutation.apply(to)
    return to


def table() -> str:
    """The mutations as README.md has them."""
    rows = [f"| {each.name} | `{each.file}` | `{re.sub(r'^tests/', '', each.test)}` |" for each in MUTATIONS]
    return "\n".join(["| mutation | file | test that turns red |", "|---|---|---|", *rows])
