-- The rules of single calls: from when, until when, how often they are tried, and how a person ends them.

-- In events and errors.
create function ledger.shown(p_at timestamptz) returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
  select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- A moment as a submitter gives it: seconds from now, or a time with its zone.
create function ledger.moment(p_name text, p_given jsonb) returns timestamptz language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare v_text text := p_given #>> '{}';
begin
  if jsonb_typeof(p_given) = 'number' and v_text::numeric between 0 and 3155760000 then
    return now() + v_text::double precision * interval '1 second';
  elsif jsonb_typeof(p_given) = 'string'
      and v_text ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)$' then
    return v_text::timestamptz;
  elsif v_text is null then
    return null;
  end if;
  raise data_exception;
exception when data_exception then
  raise exception using errcode = 'PF422', message = format('%s is no time: %s', p_name, left(p_given::text, 100)),
    hint = 'seconds from now, or a time with its zone such as 2030-01-31T12:00:00Z';
end $$;

-- The id of the call that this user makes of that socket with that key. Of version 8: nobody can take it without the key.
create function ledger.key_id(p_socket uuid, p_key text) returns uuid language sql stable set search_path = pg_catalog, pg_temp as $$
  select overlay(overlay(substr(encode(sha256(convert_to('key:' || access.me() || ':' || p_socket || ':' || p_key, 'UTF8')), 'hex'), 1, 32)
    placing '8' from 13) placing '8' from 17)::uuid
$$;

-- Part of a submission. Options: not_before, expires, deadline (see ledger.moment), key, priority (ledger.priority).
create function ledger.read_options(p_options jsonb, p_socket uuid, p_ids uuid[],
    out o_begin timestamptz, out o_expires timestamptz, out o_deadline timestamptz, out o_key text, out o_priority smallint)
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare v_unknown text;
begin
  if jsonb_typeof(p_options) <> 'object' then
    raise exception using errcode = 'PF422', message = 'the options of a call are one object';
  end if;
  select k into v_unknown from jsonb_object_keys(p_options) k where k not in ('not_before', 'expires', 'deadline', 'key', 'priority') limit 1;
  if v_unknown is not null then
    raise exception using errcode = 'PF422', message = format('a call has no option %L', left(v_unknown, 100));
  end if;
  o_begin := ledger.moment('not_before', p_options -> 'not_before');
  o_deadline := ledger.moment('deadline', p_options -> 'deadline');
  o_expires := least(ledger.moment('expires', p_options -> 'expires'), o_deadline);
  o_key := p_options ->> 'key';
  o_priority := ledger.priority(p_options -> 'priority');
  if o_begin >= o_expires then
    raise exception using errcode = 'PF422', message = format('it could never start: it is due at %s and has until %s',
      ledger.shown(o_begin), ledger.shown(o_expires));
  end if;
  if o_begin <= now() then o_begin := null; end if;
  if o_key is not null then
    if length(o_key) not between 1 and 255 then
      raise exception using errcode = 'PF422', message = 'a key has 1 to 255 characters';
    end if;
    if p_ids is distinct from array[ledger.key_id(p_socket, o_key)] then
      raise exception using errcode = 'PF422', message = 'a call with a key has the id that ledger.key_id says, and stands alone';
    end if;
  end if;
end $$;

-- For the relay: seconds until the next wake-up that nobody will announce.
create function ledger.next_due() returns double precision language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select extract(epoch from o.due - now())::double precision from pyfi.outbox o where o.due > now() and access.node() is not null
    order by o.due limit 1
$$;

-- Losses until a call of that socket is parked: the processor's own count, else the installation's.
create function ledger.loss_cap(p_socket uuid) returns int language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select p.max_losses from pyfi.socket s join pyfi.processor p on p.id = s.processor_id where s.id = p_socket),
    ledger.max_losses());
end $$;

-- The names of an error's class and of its bases, each also without its module. Whatever the guest wrote.
create function ledger.error_names(p_error text) returns text[] language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare v_error json := p_error;
begin
  return array(
    select distinct w from (
      select v_error ->> 'type' as n
      union all select json_array_elements_text(case json_typeof(v_error -> 'bases') when 'array' then v_error -> 'bases' else '[]' end)) x,
      unnest(array[n, regexp_replace(n, '^.*\.', '')]) w where w is not null);
exception when data_exception then
  return '{}';
end $$;

create function ledger.is_retried(p_error text, p_on text[], p_never text[]) returns boolean language plpgsql immutable
  set search_path = pg_catalog, pg_temp as $$
declare v_names text[];
begin
  if p_on = '{}' and p_never = '{}' then return true; end if;
  v_names := ledger.error_names(p_error);
  return not v_names && p_never and (p_on = '{}' or v_names && p_on);
end $$;

-- Part of a turn: when each call that failed is tried again; null: it is not. A retry that its deadline forbids is none.
create function ledger.next_tries(p_processor uuid, p_ids uuid[], p_outcomes text[], p_values text[]) returns timestamptz[]
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare p pyfi.processor;
begin
  select * into p from pyfi.processor x where x.id = p_processor;
  return array(
    select case when c.failures < p.retries and (c.deadline is null or n.at < c.deadline)
        and not starts_with(u.value, '{"error":"nondeterministic"') and ledger.is_retried(u.value, p.retry_on, p.no_retry_on) then n.at end
      from unnest(p_ids, p_outcomes, p_values) with ordinality u (id, outcome, value, n)
        left join pyfi.call c on c.id = u.id and u.outcome = 'failed'
        cross join lateral (select now() + least(p.backoff_max_seconds, p.backoff_seconds * p.backoff_factor ^ c.failures)
          * (0.75 + random() / 4) * interval '1 second' as at) n
      order by u.n);
end $$;

-- Each worker that runs something long listens on a channel of its own, and looks at once what it still holds.
create function ledger.tell_workers(p_workers uuid[]) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_notify('pyfi_worker_' || replace(w::text, '-', ''), '') from (select distinct unnest(p_workers) as w) x where w is not null;
end $$;

-- Part of a sweep: what had to start, or to end, before now ends as failed, and its ERROR plugs get that. A worker ends the
-- guest at the deadline itself; two seconds later nobody waits for it any more.
create function ledger.expire() returns int language plpgsql set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_ids uuid[]; v_errors text[]; v_workers uuid[]; v_outbox bigint[];
begin
  with queued as (
    select c.id from pyfi.call c where c.state = 'queued' and c.expires <= now() order by c.expires limit 1000 for update skip locked),
  held as (
    select c.id, c.state = 'running' as begun from pyfi.call c
      where c.state in ('claimed', 'running') and c.claim is not null and c.deadline < now() - interval '2 seconds'
      order by c.claim limit 1000 for update skip locked),
  old as (
    select q.id, false as begun from queued q union all select h.id, h.begun from held h),
  e as (
    update pyfi.call c set state = 'failed', claim = null, lease_until = null, not_before = null, finished = clock_timestamp(),
        attempt = c.attempt + old.begun::int, failures = c.failures + old.begun::int,
        error = case when c.deadline <= now()
          then json_build_object('error', 'deadline', 'type', 'DeadlineExceeded', 'message', 'it did not end before ' || ledger.shown(c.deadline))
          else json_build_object('error', 'expired', 'type', 'Expired', 'message', 'it did not start before ' || ledger.shown(c.expires)) end
      from old where c.id = old.id
      returning c.id, c.attempt, c.worker_id, c.error::text as error),
  noted as (
    insert into pyfi.event (call_id, name, note, attempt) select e.id, 'expired', ledger.error_message(e.error), e.attempt from e)
  select array_agg(e.id), array_agg(e.error), array_agg(e.worker_id) into v_ids, v_errors, v_workers from e;
  if v_ids is null then return 0; end if;
  v_outbox := array(select r.num from ledger.route(array(select generate_series(1, cardinality(v_ids))), v_ids,
    array_fill('failed'::text, array[cardinality(v_ids)]), v_errors, null, null, null, null, null, null, 0) r where r.kind = 'o');
  -- A statement of its own: it must see what the one before wrote. Nobody else publishes these.
  update pyfi.outbox o set due = now() where o.id = any (v_outbox);
  perform ledger.wake(array_agg(a.id), array_agg(a.socket_id), now()) from ledger.arrive(array(select generate_series(1, cardinality(v_ids))),
    v_ids, array_fill('failed'::text, array[cardinality(v_ids)]), v_errors, null, null, null) a having count(*) > 0;
  perform ledger.bring_back(v_ids);
  perform ledger.announce('d', v_ids), ledger.tell_workers(v_workers);
  return cardinality(v_ids);
end $$;

-- End calls with all that they led to. Their owners may, the owners of their sockets and administrators; what follows from a
-- call goes with it, whosever sockets it runs at. p_strict: a call that has ended already, with nothing of its tree left to
-- end, is an error; a call that was cancelled before never is. Gives the ids that were cancelled now.
create function ledger.cancel(p_ids uuid[], p_reason text default '', p_strict boolean default true) returns uuid[]
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_me uuid := access.me(); v_all uuid[] := '{}'; v_tree uuid[]; v_note text; v_id uuid; v_state text;
begin
  perform access.require_calls('CANCEL_TASK', p_ids);
  select u.id into v_id from unnest(p_ids) u (id) where not exists (select from pyfi.call c
    where c.id = u.id and access.reaches_call('CANCEL_TASK', c.owner_id, c.socket_owner_id, c.socket_id)) limit 1;
  if found then
    raise exception using errcode = 'PF404', message = format('there is no call %s', v_id), hint = 'flow ls calls';
  end if;
  v_note := concat_ws(': ', 'cancelled by ' || (select u.name from pyfi."user" u where u.id = v_me), nullif(left(p_reason, 500), ''));
  -- Again and again, until nothing is left: what finished meanwhile may have made calls that the look before did not see.
  loop
    v_tree := ledger.tree(p_ids);
    exit when not exists (select from pyfi.call c where c.id = any (v_tree) and c.state in ('queued', 'claimed', 'running', 'parked'));
    -- Calls before the frames that they come back to, as a finish goes; a frame is locked as ledger.come_back does.
    v_all := v_all || ledger.end_open(v_tree, false, v_note);
    perform from pyfi.frame f where f.call_id in (select c.root_id from pyfi.call c where c.id = any (p_ids)) order by f.call_id for update;
    v_all := v_all || ledger.end_open(v_tree, true, v_note);
  end loop;
  select c.id, c.state into v_id, v_state from pyfi.call c where p_strict and c.id = any (p_ids) and c.state in ('done', 'failed')
    and not exists (select from pyfi.call m where m.id = any (ledger.tree(array[c.id])) and m.state = 'cancelled') limit 1;
  if found then
    raise exception using errcode = 'PF409', message = format('call %s is %s: that is final', v_id, v_state), hint = format('flow call show %s', v_id);
  end if;
  perform ledger.announce('d', v_all), ledger.bring_back(v_all);
  return v_all;
end $$;

-- Part of a cancel: frames, or all else.
create function ledger.end_open(p_ids uuid[], p_frames boolean, p_note text) returns uuid[] language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_ids uuid[]; v_workers uuid[];
begin
  with open as (
    -- Who is held in the order of its claims, as a finish goes; the others in the order of ids, as a claim goes.
    select c.id from pyfi.call c
      where c.id = any (p_ids) and c.state in ('queued', 'claimed', 'running', 'parked') and (c.frame is not null) = p_frames
      order by case when c.state in ('claimed', 'running') then c.claim end nulls last, c.id for update),
  e as (
    update pyfi.call c set state = 'cancelled', claim = null, lease_until = null, not_before = null, finished = clock_timestamp(),
        error = json_build_object('error', 'cancelled', 'type', 'Cancelled', 'message', p_note)
      from open where c.id = open.id returning c.id, c.attempt, c.worker_id),
  noted as (
    insert into pyfi.event (call_id, name, note, attempt) select e.id, 'cancelled', p_note, e.attempt from e)
  select array_agg(e.id), array_agg(e.worker_id) into v_ids, v_workers from e;
  perform ledger.tell_workers(v_workers);
  return coalesce(v_ids, '{}');
end $$;

-- Calls with all that they led to.
create function ledger.tree(p_ids uuid[]) returns uuid[] language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive family as materialized (
    select m.id, m.parent_id from pyfi.call m
      where m.parent_id is not null and m.root_id in (select c.root_id from pyfi.call c where c.id = any (p_ids))),
  tree (id) as (
    select unnest(p_ids) union select f.id from tree t join family f on f.parent_id = t.id)
  select array_agg(id) from tree
$$;
