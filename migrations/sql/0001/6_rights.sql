-- Row-level security on every table, enabled and forced; the policies, one a verb, are in 6a_policies.sql. What has none is denied.

grant usage on schema pyfi, ledger, access, agent to {{definer}}, {{maker}};
grant usage on schema pyfi, ledger, access to {{flow_user}};
grant usage on schema ledger, access to {{flow_worker}};
grant usage on schema ledger, access, agent to {{flow_node}};
grant select, insert, update, delete on all tables in schema pyfi to {{definer}};
grant usage on all sequences in schema pyfi, ledger to {{definer}};
grant select on sequence ledger.claim_token to {{definer}};

do $$
declare t text;
begin
  for t in select tablename from pg_tables where schemaname = 'pyfi' loop
    execute format('alter table pyfi.%I enable row level security', t);
    execute format('alter table pyfi.%I force row level security', t);
  end loop;
end $$;

-- The definer passes every policy (BYPASSRLS) and owns nothing but its functions; nobody calls a function he was not given.
do $$
declare f record;
begin
  for f in select p.oid::regprocedure as signature, p.prosecdef, n.nspname, p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname in ('ledger', 'access', 'agent') loop
    execute format('revoke all on function %s from public', f.signature);
    execute format('grant execute on function %s to {{definer}}', f.signature);
  end loop;
end $$;

grant execute on function access.verify_audit(), access.audit_detail(bigint), access.sealed(uuid) to {{flow_user}};
grant execute on function access.acting(), access.me(), access.is_admin() to {{flow_user}}, {{flow_node}}, {{flow_worker}};
-- They ask for the right that they need.
grant execute on function access.offer_node(text, text, text, int), access.revoke_node(text, text) to {{flow_user}};
grant execute on function access.join_node(text, text, text) to {{flow_worker}};
grant execute on function access.enroll_node(text, text, text, text, text), access.create_user(text, text, text, boolean, text[]), access.renew_password(text, text),
  access.activate_user(text, boolean), access.change_user(text, text, boolean), access.grant_right(text, text, text, text, boolean),
  access.forget_right(text, text, text), access.give_role(text, text), access.take_role(text, text), access.socket_queue(uuid),
  access.share_network(text, text, boolean) to {{flow_user}};
-- What policies and triggers ask on a user's behalf; each speaks of the asker alone.
grant execute on function access.scope(text), access.mine(text), access.wide(text), access.joined(), access.networks(text),
  access.processors(text), access.sockets(text), access.people(text), access.may(text, uuid, uuid), access.require(text, uuid, uuid, text),
  access.processor_detail(uuid), access.reads_log(uuid), access.code_columns(), access.config_columns(), access.observed_columns() to {{flow_user}};
grant execute on function ledger.submit(uuid[], uuid, text[], boolean, jsonb, uuid[]), ledger.enter(uuid[], uuid, text[], boolean, jsonb, uuid[]), ledger.upload(uuid, bigint, bytea),
  ledger.read_payload(uuid, text, bigint, int), ledger.payload_sizes(uuid[]), ledger.lines(uuid, bigint), ledger.published(bigint[]), ledger.laws(),
  ledger.key_id(uuid, text), ledger.cancel(uuid[], text, boolean),
  ledger.compose(uuid, text, boolean, jsonb) to {{flow_user}};
grant execute on function ledger.error_told(json), ledger.error_says(json, text), ledger.retry(uuid[], uuid[], boolean, text),
  ledger.replay(uuid[], uuid[], boolean, text, boolean, text), ledger.give_up(uuid[], text, text), ledger.consumers(uuid[]), ledger.reached(uuid) to {{flow_user}};
grant execute on function agent.register(text, text, int, jsonb), agent.heartbeat(int, jsonb), agent.leave(int), agent.desired(), agent.offers(),
  agent.place(uuid, int), agent.report(int, jsonb), agent.worker_exited(uuid, bigint, text, boolean), agent.secrets(uuid) to {{flow_node}};
grant execute on function ledger.take_outbox(int), ledger.next_due(), ledger.forget(bigint[]), ledger.sweep(), ledger.stale(double precision),
  ledger.rewake(text, double precision, int), ledger.retire(int) to {{flow_node}};
grant execute on function ledger.enlist(uuid, text, uuid, int, int, int, text), ledger.resync(uuid, bigint[], bigint), ledger.waiting(uuid, int),
  ledger.renew(uuid, uuid[], bigint[], uuid),
  ledger.turn(uuid, uuid[], bigint[], int, int, uuid[], bigint[], uuid[], bigint[], text[], text[], real[], text[], uuid[], text[], text[],
    uuid[], smallint[], double precision[], smallint[], text[], int, uuid[], uuid[], bigint[], int[], uuid[], bigint[], bigint[], text[], uuid[], int),
  ledger.put(uuid, uuid, bigint, uuid, bigint, bytea, uuid), ledger.read_arguments(uuid, uuid, bigint, bigint, int) to {{flow_worker}};

-- Which revision this is: no secret, and `flow doctor` compares it.
grant select on access.alembic_version to {{flow_user}};
