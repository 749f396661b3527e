-- The life of a call (docs/explanation/ledger.md). No login role writes these tables; these functions do, one commit a step.

create sequence ledger.claim_token as bigint;

-- plpgsql keeps the plan; an SQL function would be planned anew by each statement that calls it.
create function ledger.lease() returns interval language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select s.value::interval from pyfi.setting s where s.key = 'lease'), interval '30 seconds');
end $$;

create function ledger.max_losses() returns int language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select s.value::int from pyfi.setting s where s.key = 'max_losses'), 5);
end $$;

create function ledger.max_hops() returns int language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select s.value::int from pyfi.setting s where s.key = 'max_hops'), 1000);
end $$;

-- Deterministic, so that a second try of a finish can never make a second child. One expression without SET, so that it is inlined.
-- Version 8 (RFC 9562): submit refuses such ids, so nobody takes a child's place beforehand.
create function ledger.child_id(p_parent uuid, p_plug uuid, p_target uuid, p_seq bigint) returns uuid language sql immutable as $$
  select overlay(overlay(substr(encode(sha256(uuid_send(p_parent) || uuid_send(p_plug) || uuid_send(p_target) || int8send(p_seq)), 'hex'), 1, 32)
    placing '8' from 13) placing '8' from 17)::uuid
$$;

-- What an ERROR plug is given: the error with the arguments and the call's id. Text, never jsonb: a function's error may hold \u0000.
create function ledger.error_document(p_error text, p_args json, p_call uuid) returns text language sql immutable
  set search_path = pg_catalog, pg_temp as $$
  select ledger.error_head(p_error) || p_args::text || ',"call":"' || p_call || '"}'
$$;

-- The document up to where the arguments stand.
create function ledger.error_head(p_error text) returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
  select '{' || case when b = '' then '' else b || ',' end || '"arguments":'
    from (select case when json_typeof(p_error::json) = 'object' then btrim(substr(e, 2, length(e) - 2), E' \t\r\n')
        else '"error":"failed","type":"","message":' || e || ',"traceback":""' end as b
      from (select btrim(p_error, E' \t\r\n') as e) t) x
$$;

-- The message of an error for people, shortened; whatever the guest wrote.
create function ledger.error_message(p_error text) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return left(coalesce(p_error::json ->> 'message', ''), 500);
exception when others then
  return left(p_error, 500);
end $$;

create function ledger.announce(p_kind text, p_ids uuid[]) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  for i in 1 .. coalesce(array_length(p_ids, 1), 0) by 200 loop
    perform pg_notify('pyfi_call', p_kind || ':' || array_to_string(p_ids[i : i + 199], ','));
  end loop;
end $$;

create function ledger.count(p_name text, p_more bigint) returns void language sql set search_path = pg_catalog, pg_temp as $$
  insert into pyfi.counter as c (name, value) values (p_name, p_more) on conflict (name) do update set value = c.value + excluded.value
$$;

create function ledger.refuse_terminal() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception using errcode = 'PF409', message = format('call %s is %s: that is final', old.id, old.state);
end $$;

create trigger call_terminal before update on pyfi.call for each row
  when (old.state in ('done', 'failed', 'cancelled')) execute function ledger.refuse_terminal();

-- S0. Enter calls of one socket and their wake-up. The same id again returns the first; with other arguments it is a conflict.
-- p_soon: the caller publishes the wake-up itself, the relay waits two seconds before it helps.
-- p_options: the rules of these calls (ledger.read_options); what is to begin later is woken by the relay alone.
-- p_uploads: for each call whose arguments were uploaded the payload, its text null; null altogether when there are none.
create function ledger.submit(p_ids uuid[], p_socket uuid, p_args text[], p_soon boolean, p_options jsonb default null, p_uploads uuid[] default null)
  returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_me uuid := access.me(); v_socket pyfi.socket; v_status text; v_processor text; v_network uuid; v_locked boolean; v_new uuid[]; v_outbox bigint;
  v_begin timestamptz; v_expires timestamptz; v_deadline timestamptz; v_key text; v_priority smallint := 0;
  v_large uuid[] := ledger.large(p_ids, p_args, p_uploads);
begin
  if coalesce(cardinality(p_ids), 0) = 0 or cardinality(p_ids) is distinct from cardinality(p_args)
      or array_position(p_ids, null) is not null
      or exists (select from unnest(p_ids, p_args, p_uploads) u (id, args, upload) where (u.args is null) = (u.upload is null)) then
    raise exception using errcode = 'PF422', message = 'a submission is one or more ids, and the arguments of each';
  end if;
  if p_options is not null then
    select * into v_begin, v_expires, v_deadline, v_key, v_priority from ledger.read_options(p_options, p_socket, p_ids);
  end if;
  -- Version 8 is for the calls that plugs make: who took such an id beforehand would take a child's place.
  if v_key is null and exists (select from unnest(p_ids) u (id) where substr(u.id::text, 15, 1) = '8') then
    raise exception using errcode = 'PF422', message = 'the id of a call must not be of version 8', hint = 'version 7 sorts by time';
  end if;
  select * into v_socket from pyfi.socket where id = p_socket;
  select p.requested_status, p.name, p.network_id, p.locked into v_status, v_processor, v_network, v_locked
    from pyfi.processor p where p.id = v_socket.processor_id;
  -- Whether there is one is told to those who may see it.
  if v_me is null or v_socket.id is null
      or v_socket.owner_id <> v_me and not access.may('LS_SOCKETS', v_socket.owner_id, v_network) then
    raise exception using errcode = 'PF404', message = 'there is no such socket', hint = 'flow ls sockets';
  end if;
  perform access.require('RUN_TASK', v_socket.owner_id, v_network, format('socket %s', v_socket.name));
  if v_locked then
    raise exception using errcode = 'PF409', message = format('processor %s is locked', v_processor),
      hint = format('flow proc unlock -n %s, for which one needs UNLOCK_PROCESSOR', v_processor);
  end if;
  if v_status = 'removed' then
    raise exception using errcode = 'PF409', message = format('processor %s is removed', v_processor), hint = format('flow proc start -n %s', v_processor);
  end if;
  with entered as (
    insert into pyfi.call (id, root_id, socket_id, name, owner_id, socket_owner_id, args, args_payload, not_before, expires, deadline, key, priority, created)
      select u.id, u.id, v_socket.id, v_socket.name, v_me, v_socket.owner_id, case when u.payload is null then u.args::json end, u.payload,
          v_begin, ledger.until(v_expires, coalesce(v_begin, now()), v_socket.queue_id, null), v_deadline, v_key, v_priority,
          now() + u.n * interval '1 microsecond'
        from unnest(p_ids, p_args, v_large) with ordinality u (id, args, payload, n)
      on conflict do nothing returning id)
  select array_agg(id) into v_new from entered;
  if v_large is not null then perform ledger.adopt(v_new, p_ids, p_args, v_large, v_me); end if;
  if coalesce(array_length(v_new, 1), 0) < array_length(p_ids, 1) and exists (
      select from unnest(p_ids, p_args, p_uploads) u (id, args, upload) join pyfi.call c on c.id = u.id
      where c.socket_id <> v_socket.id or c.owner_id <> v_me
        or not case when c.args is not null and u.args is not null then c.args::text = u.args
          else ledger.same(c.args::text, c.args_payload, u.args, u.upload) end) then
    raise exception using errcode = 'PF409', message = case when v_key is null then 'a call with that id exists and is another one'
      else format('the key %L is that of call %s, which has other arguments', v_key, p_ids[1]) end;
  end if;
  if v_new is null then return null; end if;
  if exists (select from pyfi.throttle h where h.socket_id = p_socket and h.waits_in <> '{}') then perform ledger.require_room(p_socket, v_new); end if;
  insert into pyfi.outbox (address, ids, due)
    values (v_socket.address, v_new, coalesce(v_begin, case when p_soon then now() + interval '2 seconds' else now() end)) returning id into v_outbox;
  if not p_soon or v_begin is not null then perform pg_notify('pyfi_outbox', ''); end if;
  return case when v_begin is null then v_outbox end;
end $$;

-- The submitter saw the broker's confirm of its own wake-ups.
create function ledger.published(p_outbox bigint[]) returns void language sql security definer set search_path = pg_catalog, pg_temp as $$
  delete from pyfi.outbox d where d.id = any (array(select o.id from pyfi.outbox o where o.id = any (p_outbox)
    and not exists (select from unnest(o.ids) u (id) join pyfi.call c on c.id = u.id where c.owner_id is distinct from (select access.me()))
    for update skip locked))
$$;

-- A worker comes to life: which sockets it serves. Only for deployments of the node whose worker login asks.
create function ledger.enlist(p_worker uuid, p_key text, p_processor uuid, p_ordinal int, p_pid int, p_generation int, p_commit text)
  returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node uuid; v_deployment uuid; v_sockets jsonb; v_ids uuid[];
begin
  select n.id, d.id into v_node, v_deployment from pyfi.node n join pyfi.deployment d on d.node_id = n.id
    where n.worker_login = access.acting() and d.processor_id = p_processor;
  if v_deployment is null then
    raise exception using errcode = 'PF403', message = 'this node has no deployment of that processor';
  end if;
  select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'name', s.name, 'task', t.name, 'address', s.address) order by s.name), '[]'),
      coalesce(array_agg(s.id), '{}')
    into v_sockets, v_ids from pyfi.socket s join pyfi.task t on t.id = s.task_id where s.processor_id = p_processor;
  insert into pyfi.worker as w (id, key, node_id, deployment_id, processor_id, ordinal, pid, status, generation, sockets, "commit")
    values (p_worker, p_key, v_node, v_deployment, p_processor, p_ordinal, p_pid, 'running', p_generation, v_ids, p_commit)
    on conflict (node_id, key) do update set id = excluded.id, deployment_id = excluded.deployment_id, processor_id = excluded.processor_id,
      ordinal = excluded.ordinal, pid = excluded.pid, status = 'running', generation = excluded.generation, sockets = excluded.sockets,
      "commit" = excluded."commit";
  return jsonb_build_object('sockets', v_sockets, 'lease_seconds', extract(epoch from ledger.lease())) || ledger.value_limits();
end $$;

-- Every socket that a queue reaches besides a plug's target. fanout: those on it. topic: those on it and on queues whose names go on
-- from its own after a dot (orders reaches orders.eu and orders.eu.paid); queues of another owner are never reached.
create function ledger.reached(p_queue uuid) returns uuid[] language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(array_agg(s.id), '{}') from pyfi.queue q join pyfi.queue x on x.id = q.id
      or q.type = 'topic' and x.network_id = q.network_id and x.owner_id = q.owner_id and starts_with(x.name, q.name || '.')
    join pyfi.socket s on s.queue_id = x.id
    where q.id = p_queue and q.type in ('fanout', 'topic')
$$;

-- What plugs carry of what was settled (positions in the turn's arrays): if a function named plugs, only those fire; else each RESULT plug
-- gets the result; an ERROR plug gets the error. Outcome 'item': what a generator yielded as its p_seqs[n]th, while it runs; 'each': its
-- end, when every RESULT plug has its items. A value by reference is given || payload || tail. Without SET, so that it is inlined.
create function ledger.fired(p_settled int[], p_ids uuid[], p_outcomes text[], p_values text[],
    p_plug_parents uuid[], p_plug_names text[], p_plug_values text[],
    p_payloads uuid[] default null, p_plug_payloads uuid[] default null, p_seqs bigint[] default null)
  returns table (id uuid, root_id uuid, owner_id uuid, hops int, plug_id uuid, target_id uuid, queue_id uuid, spreads boolean, argument text, given text,
    seq bigint, payload uuid, tail text, deadline timestamptz, priority smallint, ttl bigint)
  language sql stable as $$
  with f as (
    select c.id, c.root_id, c.owner_id, c.hops, c.socket_id, c.state, c.args, c.args_payload, c.deadline, c.priority, p_values[s.n] as value, p_payloads[s.n] as payload,
        p_outcomes[s.n] as outcome, coalesce(p_seqs[s.n], 0) as seq,
        p_plug_parents is not null and c.id = any (p_plug_parents) as naming
      from unnest(p_settled) s (n) join pyfi.call c on c.id = p_ids[s.n]),
  named as (select * from unnest(p_plug_parents, p_plug_names, p_plug_values, p_plug_payloads) n (parent, plug, value, payload))
  select f.id, f.root_id, f.owner_id, f.hops, g.id, g.target_id, q.id, q.type <> 'direct', g.argument,
      case when f.state <> 'failed' then case when n.plug is not null then n.value else f.value end
        when f.args_payload is null then ledger.error_document(f.value, f.args, f.id) else ledger.error_head(f.value) end,
      f.seq,
      case when f.state = 'failed' then f.args_payload when n.plug is not null then n.payload else f.payload end,
      case when f.state = 'failed' then ',"call":"' || f.id || '"}' end, f.deadline, f.priority, q.message_ttl
    from f join pyfi.plug g on g.source_id = f.socket_id join pyfi.queue q on q.id = g.queue_id
      left join named n on n.parent = f.id and n.plug = g.name
    where case f.outcome when 'item' then g.type = 'RESULT'
      else case f.state when 'done' then n.plug is not null or g.type = 'RESULT' and not f.naming and f.outcome <> 'each' else g.type = 'ERROR' end end
$$;

-- Part of a turn: the calls that plugs make of what was settled, and their wake-ups.
-- The first p_room of them that are for p_sockets are p_worker's at once, without a wake-up: 'c' rows.
create function ledger.route(p_settled int[], p_ids uuid[], p_outcomes text[], p_values text[],
    p_plug_parents uuid[], p_plug_names text[], p_plug_values text[], p_worker uuid, p_sockets uuid[], p_commit text, p_room int,
    p_payloads uuid[] default null, p_plug_payloads uuid[] default null, p_seqs bigint[] default null)
  returns table (kind "char", id uuid, num bigint, attempt smallint, socket uuid, text text, root uuid, parent uuid, ids uuid[])
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_most int := ledger.max_hops();
begin
  return query with fired as (
    select * from ledger.fired(p_settled, p_ids, p_outcomes, p_values, p_plug_parents, p_plug_names, p_plug_values,
        p_payloads, p_plug_payloads, p_seqs) a where a.argument is null),
  made as (
    select a.*, t.id as to_id, t.name, t.owner_id as to_owner_id, t.queue_id as to_queue_id,
        case when a.hops >= v_most then 'parked' when p_room > 0 and t.id = any (p_sockets) and (a.deadline is null or a.deadline > now())
          and row_number() over (partition by a.hops < v_most and t.id = any (p_sockets)) <= p_room then 'claimed' else 'queued' end as becomes
      from fired a join pyfi.socket t
        on t.id = any (case when a.spreads then ledger.reached(a.queue_id) else '{}' end || a.target_id)),
  k as (
    insert into pyfi.call as c (id, root_id, parent_id, plug_id, socket_id, name, owner_id, socket_owner_id, hops, expires, deadline, priority, args, args_payload, state, error,
        claim, worker_id, lease_until, claimed, "commit")
      select ledger.child_id(m.id, m.plug_id, m.to_id, m.seq), m.root_id, m.id, m.plug_id, m.to_id, m.name, m.owner_id, m.to_owner_id, m.hops + 1,
        ledger.until(m.deadline, now(), m.to_queue_id, m.ttl), m.deadline, m.priority,
        case when m.payload is null then ('{"args":[' || coalesce(m.given, 'null') || '],"kwargs":{}}')::json end,
        case when m.payload is not null then (ledger.composed(ledger.child_id(m.id, m.plug_id, m.to_id, m.seq), m.root_id,
          array['{"args":[' || coalesce(m.given, ''), null, coalesce(m.tail, '') || '],"kwargs":{}}'], array[null, m.payload, null])).payload end, m.becomes,
        case when m.becomes = 'parked' then ledger.hop_limit(v_most) end,
        case when m.becomes = 'claimed' then nextval('ledger.claim_token') end, case when m.becomes = 'claimed' then p_worker end,
        case when m.becomes = 'claimed' then now() + ledger.lease() end, case when m.becomes = 'claimed' then now() end,
        case when m.becomes = 'claimed' then p_commit end
      from made m
      on conflict do nothing returning c.id, c.socket_id, c.state, c.error, c.claim, c.args, c.root_id, c.parent_id, c.deadline),
  noted as (
    insert into pyfi.event (call_id, name, note) select k.id, 'parked', k.error ->> 'message' from k where k.state = 'parked'),
  o as (
    insert into pyfi.outbox (address, ids, due)
      select t.address, array_agg(k.id), now() + interval '2 seconds' from k join pyfi.socket t on t.id = k.socket_id
        where k.state = 'queued' group by t.address
      returning outbox.id, outbox.address, outbox.ids)
  select 'o'::"char", null::uuid, o.id, null::smallint, null::uuid, o.address, null::uuid, null::uuid, o.ids from o
  union all
  select 'c'::"char", k.id, k.claim, 1::smallint, k.socket_id, k.args::text, k.root_id, k.parent_id, null::uuid[] from k where k.state = 'claimed'
  union all
  select 't'::"char", k.id, (extract(epoch from k.deadline - now()) * 1000)::bigint, null, null, null, null, null, null from k
    where k.state = 'claimed' and k.deadline is not null;
end $$;

-- Part of a turn: what is to be tried again, or is parked: its event and its wake-up (the relay keeps a retry's until it is due).
create function ledger.again(p_again int[], p_ids uuid[], p_outcomes text[], p_values text[])
  returns table (kind "char", id uuid, num bigint, attempt smallint, socket uuid, text text, root uuid, parent uuid, ids uuid[])
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return query with f as (
    select c.id, c.socket_id, c.state, c.attempt, c.not_before, p_outcomes[s.n] as outcome, p_values[s.n] as value
      from unnest(p_again) s (n) join pyfi.call c on c.id = p_ids[s.n]),
  noted as (
    insert into pyfi.event (call_id, name, note, attempt)
      select f.id, case when f.state = 'parked' then 'parked' when f.outcome = 'failed' then 'retry' when f.outcome = 'stopped' then 'stopped' else 'lost' end,
        ledger.error_message(f.value) || coalesce('; tried again at ' || ledger.shown(f.not_before), ''), f.attempt from f),
  later as (
    insert into pyfi.outbox (address, ids, due)
      select t.address, array_agg(f.id), f.not_before from f join pyfi.socket t on t.id = f.socket_id
        where f.not_before is not null group by t.address, f.not_before),
  o as (
    insert into pyfi.outbox (address, ids, due)
      select t.address, array_agg(f.id), now() + interval '2 seconds' from f join pyfi.socket t on t.id = f.socket_id
        where f.state = 'queued' and f.not_before is null group by t.address
      returning outbox.id, outbox.address, outbox.ids)
  select 'o'::"char", null::uuid, o.id, null::smallint, null::uuid, o.address, null::uuid, null::uuid, o.ids from o;
  if 'failed' = any (p_outcomes) then perform pg_notify('pyfi_outbox', ''); end if;
end $$;

-- One turn of a worker: forget confirmed outbox rows, keep logs, give back, finish (fenced by the claim token) with the children
-- that plugs make, claim what was delivered. One statement, one commit. p_room: so many of the children may be claimed at once;
-- p_more: so many calls more than those named, where rules say which.
-- Rows: 'f' finished id; 'o' outbox row num, text = address, ids; 'c' claimed id, num = token, attempt, socket, text = arguments;
-- (null: by reference, ledger.read_arguments); 't': the claimed call id has num milliseconds until its deadline;
-- 'p': the processor takes no calls now; 'h': it is held, and what was not started is to go back; 'r': ids that stood for others;
-- 'n': ledger.items.
-- p_payloads, p_plug_payloads: values by reference, their text null. p_item_*: what generators yielded.
create function ledger.turn(
    p_worker uuid, p_claim uuid[], p_forget bigint[], p_duplicates int, p_fenced int,
    p_back uuid[], p_back_claims bigint[],
    p_ids uuid[], p_claims bigint[], p_outcomes text[], p_values text[], p_seconds real[], p_outputs text[],
    p_plug_parents uuid[], p_plug_names text[], p_plug_values text[],
    p_log_ids uuid[], p_log_attempts smallint[], p_log_at double precision[], p_log_streams smallint[], p_log_texts text[],
    p_room int,
    p_payloads uuid[] default null, p_plug_payloads uuid[] default null, p_log_claims bigint[] default null, p_log_numbers int[] default null,
    p_item_ids uuid[] default null, p_item_claims bigint[] default null, p_item_seqs bigint[] default null, p_item_values text[] default null,
    p_item_payloads uuid[] default null, p_more int default 0)
  returns table (kind "char", id uuid, num bigint, attempt smallint, socket uuid, text text, root uuid, parent uuid, ids uuid[])
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  -- A turn finds its calls by their ids, whatever the statistics were when its plans were made; it never plans twice.
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  v_sockets uuid[]; v_accepting boolean; v_retries int; v_joins boolean; v_limited boolean; v_held boolean; v_crashes boolean; v_named uuid[] := p_claim;
  v_finished uuid[]; v_settled int[]; v_again int[]; v_members uuid[]; v_until timestamptz; v_commit text; v_processor uuid; v_next timestamptz[];
begin
  -- v_joins: null without plugs, true with plugs to arguments.
  select w.sockets, w."commit", p.requested_status = 'running' and p.held_since is null, p.held_since is not null, p.crashed <> '{}', p.retries, p.id,
      case when p_ids is not null then (select bool_or(g.argument is not null) from pyfi.plug g where g.source_id = any (w.sockets)) end,
      exists (select from pyfi.throttle h where h.socket_id = any (w.sockets))
    into v_sockets, v_commit, v_accepting, v_held, v_crashes, v_retries, v_processor, v_joins, v_limited
    from pyfi.worker w join pyfi.node n on n.id = w.node_id join pyfi.processor p on p.id = w.processor_id
    where w.id = p_worker and n.worker_login = access.acting();
  if v_sockets is null then
    raise exception using errcode = 'PF403', message = 'this worker is not enlisted';
  end if;

  -- A claim alone may commit asynchronously: a crash then un-claims the call, and the fence refuses the late finish.
  if p_ids is null and p_back is null and p_log_ids is null and p_item_ids is null then set local synchronous_commit = off; end if;

  -- A row that a relay holds at this moment is the relay's to delete: waiting for it would be waiting for the broker.
  if p_forget is not null then
    delete from pyfi.outbox o where o.id = any (array(select x.id from pyfi.outbox x where x.id = any (p_forget) for update skip locked));
  end if;
  if p_duplicates > 0 then perform ledger.count('duplicate deliveries', p_duplicates); end if;
  if p_fenced > 0 then perform ledger.count('fenced finishes', p_fenced); end if;

  if p_log_ids is not null then
    v_finished := array(select distinct u.id from unnest(p_log_ids) u (id));
    insert into pyfi.log (call_id, attempt, claim, number, stream, at, text)
      select u.id, u.attempt, u.claim, u.number, u.stream, case when u.at between 0 and 1e11 then to_timestamp(u.at) else now() end, u.text
      from unnest(p_log_ids, p_log_attempts, p_log_at, p_log_streams, p_log_texts, p_log_claims, p_log_numbers)
        with ordinality u (id, attempt, at, stream, text, claim, number, n)
      join pyfi.call c on c.id = u.id where c.socket_id = any (v_sockets) order by u.n
      on conflict do nothing;
    perform ledger.announce('l', v_finished);
  end if;

  if p_back is not null then
    return query with back as (
      update pyfi.call c set state = 'queued', claim = null, lease_until = null, worker_id = null, woken = now()
        from unnest(p_back, p_back_claims) u (id, claim)
        where c.id = u.id and c.claim = u.claim and c.worker_id = p_worker and case when c.state in ('claimed', 'running') then true else false end
        returning c.id, c.socket_id),
    o as (insert into pyfi.outbox (address, ids, due)
        select s.address, array_agg(back.id), now() + interval '2 seconds' from back join pyfi.socket s on s.id = back.socket_id group by s.address
        returning outbox.id, outbox.address, outbox.ids)
    select 'o'::"char", null::uuid, o.id, null::smallint, null::uuid, o.address, null::uuid, null::uuid, o.ids from o;
  end if;

  if p_item_ids is not null then
    return query select * from ledger.items(p_worker, p_item_ids, p_item_claims, p_item_seqs, p_item_values, p_item_payloads);
  end if;

  if p_ids is not null then
    if p_payloads is not null then p_payloads := ledger.owned(p_ids, p_payloads); end if;
    if p_plug_payloads is not null then p_plug_payloads := ledger.owned(p_plug_parents, p_plug_payloads); end if;
    if v_retries > 0 and 'failed' = any (p_outcomes) then
      v_next := ledger.next_tries(v_processor, p_ids, p_outcomes, p_values);
    end if;
    with f as (
      update pyfi.call c set
          state = case when u.outcome in ('done', 'each') then 'done'
            when u.outcome = 'failed' then case when v_next[u.n] is not null then 'queued' else 'failed' end
            when u.outcome = 'stopped' then 'queued'
            else case when c.losses + 1 >= ledger.loss_cap(c.socket_id) then 'parked' else 'queued' end end,
          attempt = c.attempt + 1,
          failures = c.failures + (u.outcome = 'failed')::int,
          losses = c.losses + (u.outcome not in ('done', 'each', 'failed', 'stopped'))::int,
          result = case when u.outcome in ('done', 'each') and u.payload is null then coalesce(u.value, 'null')::json end,
          result_payload = case when u.outcome in ('done', 'each') then u.payload end,
          error = case when u.outcome not in ('done', 'each') then coalesce(u.value, '{}')::json end,
          output = u.output::json,
          plugs = case when p_plug_parents is not null then
            (select array_agg(n.plug) from unnest(p_plug_parents, p_plug_names) n (parent, plug) where n.parent = u.id) end,
          not_before = case when u.outcome = 'failed' then v_next[u.n] end,
          -- It has started: only its deadline is left of its times.
          expires = c.deadline,
          lease_until = null,
          worker_id = case when u.outcome in ('done', 'each') or u.outcome = 'failed' and v_next[u.n] is null then c.worker_id end,
          started = clock_timestamp() - case when u.seconds between 0 and 1e9 then u.seconds else 0 end * interval '1 second',
          finished = case when u.outcome in ('done', 'each') or u.outcome = 'failed' and v_next[u.n] is null then clock_timestamp() end,
          seconds = u.seconds, woken = now()
        from unnest(p_ids, p_claims, p_outcomes, p_values, p_seconds, p_outputs, p_payloads)
          with ordinality u (id, claim, outcome, value, seconds, output, payload, n)
        where c.id = u.id and c.claim = u.claim and c.worker_id = p_worker and case when c.state in ('claimed', 'running') then true else false end
        returning c.id, c.state, u.n, c.slot)
    select array_agg(f.id), array_agg(f.n) filter (where f.state in ('done', 'failed')), array_agg(f.n) filter (where f.state in ('queued', 'parked')),
        array_agg(f.id) filter (where f.slot is not null and f.state <> 'queued')
      into v_finished, v_settled, v_again, v_members from f;
    if v_crashes or 'crashed' = any (p_outcomes) then
      v_held := ledger.note_crashes(p_worker, v_commit, v_finished, p_ids, p_outcomes, p_values);
      v_accepting := v_accepting and not v_held;
    end if;
    return query select 'f'::"char", u.id, null::bigint, null::smallint, null::uuid, null::text, null::uuid, null::uuid, null::uuid[]
      from unnest(v_finished) u (id);
    if p_payloads is not null then perform ledger.keep(v_finished, p_ids, p_payloads); end if;
    if p_plug_payloads is not null then perform ledger.keep(v_finished, p_plug_parents, p_plug_payloads); end if;
    if v_settled is not null and v_joins is not null then
      return query select * from ledger.route(v_settled, p_ids, p_outcomes, p_values, p_plug_parents, p_plug_names, p_plug_values,
        p_worker, v_sockets, v_commit, case when v_accepting and not v_limited then p_room else 0 end, p_payloads, p_plug_payloads);
    end if;
    if v_settled is not null and v_joins or v_members is not null then
      return query select * from ledger.join(case when v_joins then v_settled end, v_members,
        p_ids, p_outcomes, p_values, p_plug_parents, p_plug_names, p_plug_values,
        p_worker, v_sockets, v_commit, case when v_accepting and not v_limited and v_joins is null then p_room else 0 end, p_payloads, p_plug_payloads);
    end if;
    if v_again is not null then
      return query select * from ledger.again(v_again, p_ids, p_outcomes, p_values);
    end if;

    -- A turn that is sent again after a lost reply: what this very claim finished is finished. (Whatever else ends a claim erases it.)
    if cardinality(v_finished) is distinct from cardinality(p_ids) then
      return query select 'f'::"char", c.id, null::bigint, null::smallint, null::uuid, null::text, null::uuid, null::uuid, null::uuid[]
        from unnest(p_ids, p_claims) u (id, claim) join pyfi.call c on c.id = u.id
        where c.claim = u.claim and coalesce(c.worker_id, p_worker) = p_worker
          and case when c.state in ('done', 'failed', 'queued', 'parked') then true else false end
          and c.id <> all (coalesce(v_finished, '{}'));
    end if;
    perform ledger.announce('d', p_ids);
  end if;

  if v_held then
    kind := 'h';
    return next;
  end if;
  if v_limited and v_accepting then p_claim := ledger.unruled(p_claim); end if;
  if p_claim is not null and not v_accepting then
    kind := 'p';
    return next;
  elsif p_claim is not null then
    v_until := now() + ledger.lease();
    -- Rows are taken in the order of their ids: two workers with the same wake-ups wait for each other, but never in a circle.
    return query with c as (
      update pyfi.call c set state = 'claimed', claim = u.token, worker_id = p_worker, lease_until = v_until,
          "commit" = v_commit, claimed = now(), not_before = null, started = null
        from (select t.id, t.token from (select x.id, nextval('ledger.claim_token') as token from unnest(p_claim) x (id)) t order by t.id) u
        where c.id = u.id and case when c.state = 'queued' then (c.not_before is null or c.not_before <= now())
            and (c.expires is null or c.expires > now()) else false end
          and c.socket_id = any (v_sockets)
        returning c.id, c.claim, c.attempt, c.socket_id, c.args, c.root_id, c.parent_id, c.deadline)
    select 'c'::"char", c.id, c.claim, (c.attempt + 1)::smallint, c.socket_id, c.args::text, c.root_id, c.parent_id, null::uuid[] from c
    union all select 't', c.id, (extract(epoch from c.deadline - now()) * 1000)::bigint, null, null, null, null, null, null from c
      where c.deadline is not null order by 3;
  end if;
  if v_limited and v_accepting and (v_named is not null or p_ids is not null) then
    return query select * from ledger.claim_limited(p_worker, v_commit, v_sockets, v_named, p_more, p_ids is not null);
  end if;
end $$;

-- S4. Keep what this worker holds; the running one is shown as running. Rows: what it holds no more.
create function ledger.renew(p_worker uuid, p_ids uuid[], p_claims bigint[], p_running uuid) returns table (id uuid)
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare v_until timestamptz := now() + ledger.lease();
begin
  return query with held as (
    update pyfi.call c set lease_until = v_until,
        state = case when c.id = p_running then 'running' else c.state end,
        started = case when c.id = p_running then coalesce(c.started, now()) else c.started end
      from unnest(p_ids, p_claims) u (id, claim), pyfi.worker w, pyfi.node n
      where w.id = p_worker and n.id = w.node_id and n.worker_login = access.acting()
        and c.id = u.id and c.claim = u.claim and c.worker_id = p_worker
        and case when c.state in ('claimed', 'running') then true else false end
      returning c.id)
  select u.id from unnest(p_ids) u (id) where not exists (select from held where held.id = u.id);
  if p_running is not null then perform ledger.announce('c', array[p_running]); end if;
end $$;

-- What a worker or guest held when it died: tokens up to p_started were started and count, the others go back untouched.
-- p_asked: it was told to end, which is an attempt, but no loss.
create function ledger.release(p_worker uuid, p_started bigint, p_keep bigint[], p_cause text, p_asked boolean default false) returns int
  language plpgsql set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_count int; v_parked uuid[];
begin
  -- In the order of the tokens, which is that of a finish still under way: the two wait for each other, but never in a circle.
  with held as (
    select c.id, c.claim <= p_started as begun, c.claim <= p_started and not p_asked as lost from pyfi.call c
      where c.worker_id = p_worker and c.state in ('claimed', 'running') and not c.claim = any (coalesce(p_keep, '{}'))
      order by c.claim for update),
  r as (
    update pyfi.call c set
        state = case when held.lost and c.losses + 1 >= ledger.loss_cap(c.socket_id) then 'parked' else 'queued' end,
        attempt = c.attempt + held.begun::int,
        losses = c.losses + held.lost::int,
        expires = case when held.begun then c.deadline else c.expires end,
        error = case when held.begun then json_build_object('error', case when p_asked then 'stopped' else 'lost' end,
          'type', case when p_asked then 'Stopped' else 'Lost' end, 'message', p_cause) else c.error end,
        claim = null, lease_until = null, worker_id = null, woken = now()
      from held where c.id = held.id
      returning c.id, c.socket_id, c.state, c.attempt, held.begun),
  noted as (
    insert into pyfi.event (call_id, name, note, attempt)
      select r.id, case when r.state = 'parked' then 'parked' when p_asked then 'stopped' else 'lost' end, p_cause, r.attempt from r where r.begun),
  o as (
    insert into pyfi.outbox (address, ids)
      select s.address, array_agg(r.id) from r join pyfi.socket s on s.id = r.socket_id where r.state = 'queued' group by s.address returning outbox.id)
  select count(*), array_agg(r.id) filter (where r.state = 'parked') into v_count, v_parked from r;
  if v_count > 0 then perform pg_notify('pyfi_outbox', ''); end if;
  perform ledger.bring_back(v_parked);
  return v_count;
end $$;

-- After a worker's connection was cut: what a lost reply gave it, and it never saw, goes back untouched.
-- p_seen: the newest token that it ever had. A claim is not flushed, so that a crash of the server may forget tokens that it gave; the worker
-- and its guest go by their order, and must never meet one twice.
create function ledger.resync(p_worker uuid, p_held bigint[], p_seen bigint) returns int
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_last bigint := (select t.last_value from ledger.claim_token t);
begin
  if not exists (select from pyfi.worker w join pyfi.node n on n.id = w.node_id where w.id = p_worker and n.worker_login = access.acting()) then
    raise exception using errcode = 'PF403', message = 'this worker is not enlisted';
  end if;
  perform nextval('ledger.claim_token') from generate_series(1, least(p_seen - v_last, 1000000));
  return ledger.release(p_worker, 0, p_held, 'the worker''s connection was cut');
end $$;

-- S1, for the relay: rows that are due, locked until its transaction ends. ledger.forget deletes them after the broker's confirm.
-- Who has claimed a call needs no wake-up any more, and who gives it back writes another: of such calls only the row is to be forgotten.
create function ledger.take_outbox(p_limit int) returns table (id bigint, address text, ids uuid[])
  language sql security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  select o.id, o.address, array(select u.id from unnest(o.ids) with ordinality u (id, n) join pyfi.call c on c.id = u.id
      -- At a socket with rules it stands for whatever is next there, though the call itself was claimed meanwhile.
      where case when c.state = 'queued' then true else exists (select from pyfi.throttle h where h.socket_id = c.socket_id) end order by u.n)
    from (select x.id, x.address, x.ids from pyfi.outbox x where x.due <= now() and access.node() is not null
      order by x.due limit p_limit for update skip locked) o
$$;

create function ledger.forget(p_ids bigint[]) returns void language sql security definer set search_path = pg_catalog, pg_temp as $$
  delete from pyfi.outbox o where o.id = any (p_ids) and access.node() is not null
$$;

-- S7. One at a time: expired leases, calls whose time is over. Returns how many calls it woke or ended.
-- After a restart of the database nobody could renew: nothing expires for one lease.
-- One at a time by a row's lock, since anybody may take an advisory lock and keep it.
create function ledger.sweep() returns int language plpgsql security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_expired int := 0; v_ended int := 0; v_parked uuid[];
begin
  if access.node() is null then return 0; end if;
  perform from pyfi.setting s where s.key = 'role_prefix' for update skip locked;
  if not found then return 0; end if;
  perform ledger.sweep_payloads();
  if now() - pg_postmaster_start_time() > ledger.lease() then
    with old as (
      -- Nobody is left to say what had started. The first one that the worker held had, at the latest when the others could:
      -- or a call that takes its node down in its first second would do so for ever.
      select c.id, c.state = 'running' or not exists (select from pyfi.call o
          where o.worker_id = c.worker_id and o.state in ('claimed', 'running') and o.claim < c.claim) as begun
        from pyfi.call c where c.state in ('claimed', 'running') and c.lease_until < now()
        limit 1000 for update of c skip locked),
    r as (
      update pyfi.call c set
          state = case when old.begun and c.losses + 1 >= ledger.loss_cap(c.socket_id) then 'parked' else 'queued' end,
          attempt = c.attempt + old.begun::int, losses = c.losses + old.begun::int,
          expires = case when old.begun then c.deadline else c.expires end,
          error = case when old.begun then json_build_object('error', 'lost', 'type', 'Lost', 'message', 'the lease ran out') else c.error end,
          claim = null, lease_until = null, worker_id = null, woken = now()
        from old where c.id = old.id
        returning c.id, c.socket_id, c.state, c.attempt, old.begun),
    noted as (insert into pyfi.event (call_id, name, note, attempt)
        select r.id, case when r.state = 'parked' then 'parked' else 'lost' end, 'the lease ran out', r.attempt from r where r.begun),
    o as (insert into pyfi.outbox (address, ids)
        select s.address, array_agg(r.id) from r join pyfi.socket s on s.id = r.socket_id where r.state = 'queued' group by s.address returning outbox.id)
    select count(*), array_agg(r.id) filter (where r.state = 'parked') into v_expired, v_parked from r;
    perform ledger.bring_back(v_parked);
  end if;
  v_ended := ledger.expire();
  if v_expired + v_ended > 0 then perform pg_notify('pyfi_outbox', ''); end if;
  perform ledger.wake_owed();
  return v_expired + v_ended;
end $$;

-- For a worker that no wake-up reaches: what is due at its sockets, by priority and age. It is claimed as if a wake-up had named it.
create function ledger.waiting(p_worker uuid, p_most int) returns uuid[]
  language sql stable security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  select array(select x.id from pyfi.worker w join pyfi.node n on n.id = w.node_id cross join lateral unnest(w.sockets) s (id)
      cross join lateral (
        (select c.id, c.priority, c.created from pyfi.call c where c.socket_id = s.id and c.state = 'queued' and c.not_before is null
            and (c.expires is null or c.expires > now()) order by c.priority desc, c.created limit p_most)
        union all
        (select c.id, c.priority, c.created from pyfi.call c where c.socket_id = s.id and c.state = 'queued' and c.not_before <= now()
            and (c.expires is null or c.expires > now()) order by c.priority desc, c.created limit p_most)) x
    where w.id = p_worker and n.worker_login = access.acting()
    order by x.priority desc, x.created limit p_most)
$$;

-- Addresses with calls that wait although nothing in the ledger explains it: the sweeper asks the broker how many wake-ups it has.
create function ledger.stale(p_seconds double precision) returns table (address text, waiting bigint)
  language sql security definer set search_path = pg_catalog, pg_temp as $$
  select s.address, count(*) - coalesce(h.owed, 0) from pyfi.call c join pyfi.socket s on s.id = c.socket_id join pyfi.processor p on p.id = s.processor_id
      left join pyfi.throttle h on h.socket_id = s.id
    where c.state = 'queued' and p.requested_status = 'running' and p.held_since is null and access.node() is not null
      and greatest(c.woken, c.not_before) < now() - least(3600, p_seconds * 2 ^ c.wakes) * interval '1 second'
    group by s.address, h.owed having count(*) > coalesce(h.owed, 0)
$$;

-- New wake-ups for the oldest of one address; each time a call is woken again it waits twice as long before the next.
create function ledger.rewake(p_address text, p_seconds double precision, p_limit int) returns int
  language plpgsql security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_ids uuid[];
begin
  if access.node() is null then return 0; end if;
  with old as (
    select c.id from pyfi.call c join pyfi.socket s on s.id = c.socket_id where s.address = p_address and c.state = 'queued'
        and greatest(c.woken, c.not_before) < now() - least(3600, p_seconds * 2 ^ c.wakes) * interval '1 second'
      order by c.priority desc, c.created limit p_limit for update of c skip locked),
  r as (update pyfi.call c set woken = now(), wakes = least(c.wakes + 1, 20) from old where c.id = old.id returning c.id)
  select array_agg(r.id) into v_ids from r;
  if v_ids is null then return 0; end if;
  insert into pyfi.outbox (address, ids) values (p_address, v_ids);
  perform pg_notify('pyfi_outbox', '');
  return array_length(v_ids, 1);
end $$;

-- A processor that takes calls again: what waits gets wake-ups at once (claims were refused while it paused).
create function ledger.wake_processor() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into pyfi.outbox (address, ids)
    select s.address, array_agg(c.id order by c.priority desc, c.created) from pyfi.socket s join pyfi.call c on c.socket_id = s.id
      where s.processor_id = new.id and c.state = 'queued' and (c.not_before is null or c.not_before <= now()) group by s.address;
  if found then perform pg_notify('pyfi_outbox', ''); end if;
  return null;
end $$;

create trigger processor_resumed after update on pyfi.processor for each row
  when (new.requested_status = 'running' and new.held_since is null and (old.requested_status <> 'running' or old.held_since is not null)) execute function ledger.wake_processor();

-- Who deletes a socket gives up the calls that wait for it: they end, so that nobody waits for ever.
create function ledger.end_calls() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_ids uuid[];
begin
  with e as (
    update pyfi.call c set state = 'cancelled', claim = null, lease_until = null, not_before = null, finished = clock_timestamp(),
        error = json_build_object('error', 'socket_deleted', 'type', 'SocketDeleted', 'message', format('the socket %s was deleted', old.address))
      where c.id in (select q.id from pyfi.call q where q.state = 'queued' and q.socket_id = old.id
        union all select h.id from pyfi.call h where h.state in ('claimed', 'running') and h.socket_id = old.id) returning c.id, c.attempt),
  noted as (
    insert into pyfi.event (call_id, name, note, attempt) select e.id, 'cancelled', 'the socket was deleted', e.attempt from e)
  select array_agg(e.id) into v_ids from e;
  perform ledger.announce('d', v_ids);
  perform ledger.bring_back(v_ids);
  return null;
end $$;

create trigger socket_deleted after delete on pyfi.socket for each row execute function ledger.end_calls();

-- The usual three events of a call are read off the call itself, the others are rows.
create view pyfi.call_event with (security_invoker = true) as
  select c.id as call_id, 'received' as name, 'Received task ' || c.name as note, c.attempt, c.claimed as at from pyfi.call c where c.claimed is not null
  union all select c.id, 'prerun', 'Prerun for task ' || c.name, c.attempt, c.started from pyfi.call c where c.started is not null
  union all select c.id, 'postrun', 'Postrun for task', c.attempt, c.finished from pyfi.call c where c.finished is not null and c.started is not null
  union all select e.call_id, e.name, e.note, e.attempt, e.at from pyfi.event e;
