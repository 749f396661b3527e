-- What people do to calls afterwards (docs/how-to/mend-calls.md): retry, replay, discard, purge. Each takes at most a thousand calls, says of each
-- what became of it, and is one transaction. Outcomes: queued, replayed, cancelled; refused, with the reason and what to type instead.

-- An error for people: its type and message; whatever the guest wrote.
create function ledger.error_told(p_error json) returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return left(coalesce(nullif(concat_ws(': ', nullif(p_error ->> 'type', ''), nullif(p_error ->> 'message', '')), ''), p_error::text), 500);
exception when others then
  return left(p_error::text, 500);
end $$;

create function ledger.error_says(p_error json, p_text text) returns boolean language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return position(lower(p_text) in lower(concat_ws(' ', p_error ->> 'error', concat_ws(': ', p_error ->> 'type', p_error ->> 'message')))) > 0;
exception when others then
  return position(lower(p_text) in lower(p_error::text)) > 0;
end $$;

-- Who asks, and why he says so: what the event of each call keeps.
create function ledger.asking(p_ids uuid[], p_reason text, p_right text) returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare v_name text := (select u.name from pyfi."user" u where u.id = access.me());
begin
  if v_name is null then
    raise exception using errcode = 'PF403', message = 'only a user of this installation may do that', hint = 'flow whoami tells who you are';
  end if;
  if cardinality(p_ids) > 1000 or array_position(p_ids, null) is not null
      or (select count(distinct u.id) from unnest(p_ids) u (id)) <> coalesce(cardinality(p_ids), 0) then
    raise exception using errcode = 'PF422', message = 'at most 1000 calls at a time, each by its id and once';
  end if;
  perform access.require_calls(p_right, p_ids);
  return v_name || coalesce(': ' || left(nullif(btrim(p_reason), ''), 500), '');
end $$;

-- Those of the calls that are in these states and that the asking user's right reaches: the first call's owner, the socket's owner, people of the network, all.
-- They are locked in the order of their ids: two people wait for each other, but never in a circle, and the second one finds what the first did.
create function ledger.lock_calls(p_ids uuid[], p_states text[], p_right text) returns uuid[] language plpgsql set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_me uuid := access.me(); v_held boolean := access.scope(p_right) is not null; v_all boolean := access.wide(p_right);
  v_sockets uuid[] := access.sockets(p_right); v_ids uuid[];
begin
  with l as (
    select c.id from pyfi.call c where c.id = any (p_ids) and case when c.state = any (p_states) then true else false end
        and (v_held and v_me in (case when p_right = 'RUN_TASK' and c.socket_id is not null then c.socket_owner_id else c.owner_id end, c.socket_owner_id) or c.socket_id = any (v_sockets) or v_all)
      order by c.id for update)
  select coalesce(array_agg(l.id), '{}') into v_ids from l;
  return v_ids;
end $$;

-- What is left of a composition from a member on, as a composition of its own: the member with the arguments that it had, then the steps after it,
-- level by level. Not out of a parallel: what the others gave is theirs.
create function ledger.onward(p_id uuid) returns json language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare c pyfi.call; f pyfi.call; v_steps text; v_rest text;
begin
  select * into c from pyfi.call x where x.id = p_id;
  if c.slot is null or c.frame is not null then
    raise exception using errcode = 'PF409', message = format('call %s is no member of a composition', p_id), hint = 'leave --onward out';
  elsif c.args is null then
    raise exception using errcode = 'PF409', message = format('the arguments of call %s are kept by reference', p_id),
      hint = format('flow call replay %s runs the whole composition again', c.root_id);
  end if;
  v_steps := '{"call":"' || c.socket_id || '",' || substr(btrim(c.args::text, E' \t\r\n'), 2);
  loop
    select * into f from pyfi.call x where x.id = c.parent_id;
    if f.frame = 'parallel' then
      raise exception using errcode = 'PF409', message = format('call %s is one of a parallel, whose other results are needed', c.id),
        hint = format('flow call replay %s runs the whole composition again', c.root_id);
    end if;
    select string_agg(e.value::text, ',' order by e.n) into v_rest from json_array_elements(f.args -> 'pipeline') with ordinality e (value, n)
      where e.n > c.slot + 1;
    v_steps := '{"pipeline":[' || concat_ws(',', v_steps, v_rest) || ']}';
    exit when f.slot is null;
    c := f;
  end loop;
  return v_steps::json;
end $$;

-- A composition that repeats another or a part of it, and belongs to whom that belongs. Refuses as ledger.compose does.
create function ledger.recompose(p_id uuid, p_of pyfi.call, p_steps json) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_top pyfi.call; v_ids uuid[]; v_sockets uuid[]; v_over uuid[];
begin
  perform ledger.check_step(p_steps, p_of.owner_id, coalesce((select u.admin from pyfi."user" u where u.id = p_of.owner_id), false), 1);
  v_top.root_id := p_id;
  v_top.owner_id := p_of.owner_id;
  v_top.hops := 0;
  v_top.priority := p_of.priority;
  v_top := ledger.open_frame(p_id, v_top, null, p_steps);
  if v_top.id is null then return; end if;
  update pyfi.call c set replay_of = p_of.id where c.id = p_id;
  select array_agg(e.id) filter (where e.socket_id is not null), array_agg(e.socket_id) filter (where e.socket_id is not null),
      array_agg(e.id) filter (where e.socket_id is null)
    into v_ids, v_sockets, v_over from ledger.enter_frame(v_top, null, null) e;
  if v_over is not null then
    select v_ids || array_agg(b.id), v_sockets || array_agg(b.socket_id) into v_ids, v_sockets from ledger.come_back(v_over) b;
  end if;
  if v_ids is not null then perform ledger.wake(v_ids, v_sockets, now()); end if;
end $$;

-- New first calls with the arguments of calls that have ended. They belong to whom the old ones belong: who may mend a call sees no more of what
-- it leads to than before. p_commit: null, or the beginning of the commit that the processor must be at, or 'same' as the old call ran at.
create function ledger.remake(p_ids uuid[], p_new uuid[], p_may uuid[], p_again boolean, p_commit text, p_onward boolean, p_by text) returns uuid[]
  language plpgsql set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_made uuid[]; v_composed uuid[] := '{}'; v_id uuid; v_new uuid; v_of pyfi.call;
begin
  if cardinality(p_new) is distinct from cardinality(p_ids) or array_position(p_new, null) is not null
      or exists (select from unnest(p_new) u (id) where substr(u.id::text, 15, 1) = '8') then
    raise exception using errcode = 'PF422', message = 'each call needs an id for its replay, not of version 8';
  end if;
  with k as (
    insert into pyfi.call (id, root_id, socket_id, name, owner_id, socket_owner_id, args, args_payload, priority, expires, replay_of, created)
      select u.made, u.made, s.id, s.name, c.owner_id, s.owner_id, c.args, ledger.copied(c.args_payload, u.made, u.made), c.priority,
          ledger.until(null, now(), s.queue_id, null), c.id, now() + u.n * interval '1 microsecond'
        from unnest(p_ids, p_new) with ordinality u (id, made, n) join pyfi.call c on c.id = u.id
          join pyfi.socket s on s.id = c.socket_id join pyfi.processor p on p.id = s.processor_id
        where not p_onward and u.id = any (p_may) and p.requested_status <> 'removed' and not p.locked
          and case when p_commit is null then true when p_commit = 'same' then p."commit" = c."commit" else starts_with(p."commit", p_commit) end
          and (p_again or not exists (select from pyfi.call r where r.replay_of = c.id))
          -- Asked again after a lost answer: what is there is there.
          and not exists (select from pyfi.call r where r.id = u.made)
      on conflict do nothing returning call.id, call.replay_of, call.socket_id),
  noted as (insert into pyfi.event (call_id, name, note) select k.id, 'replayed', format('%s by %s', k.replay_of, p_by) from k),
  o as (insert into pyfi.outbox (address, ids)
    select s.address, array_agg(k.id order by k.id) from k join pyfi.socket s on s.id = k.socket_id group by s.address)
  select array_agg(k.id) into v_made from k;
  perform ledger.require_room(h.socket_id, array_agg(c.id)) from pyfi.call c join pyfi.throttle h on h.socket_id = c.socket_id and h.waits_in <> '{}'
    where c.id = any (v_made) group by h.socket_id;
  for v_id, v_new in select u.id, u.made from unnest(p_ids, p_new) with ordinality u (id, made, n) join pyfi.call c on c.id = u.id
      where u.id = any (p_may) and case when p_onward then c.slot is not null else c.frame is not null and c.slot is null end and p_commit is null
        and (p_again or not exists (select from pyfi.call x where x.replay_of = c.id)) and not exists (select from pyfi.call x where x.id = u.made)
      order by u.n loop
    select * into v_of from pyfi.call c where c.id = v_id;
    begin
      perform ledger.recompose(v_new, v_of, case when p_onward then ledger.onward(v_id) else v_of.args end);
      insert into pyfi.event (call_id, name, note) values (v_new, 'replayed', format('%s by %s', v_id, p_by));
      v_composed := v_composed || v_new;
    exception when sqlstate 'PF404' or sqlstate 'PF409' or sqlstate 'PF422' then null;  -- ledger.refusal says it again
    end;
  end loop;
  v_made := coalesce(v_made, '{}') || v_composed;
  if cardinality(v_made) > 0 then perform pg_notify('pyfi_outbox', ''); end if;
  return v_made;
end $$;

-- Why nothing became of a call, and what to type. p_verb: retry, replay, discard or purge.
create function ledger.refusal(p_id uuid, p_verb text, p_commit text, p_onward boolean, out note text, out hint text) language plpgsql stable
  set search_path = pg_catalog, pg_temp as $$
declare c pyfi.call; p pyfi.processor; v_me uuid := access.me(); v_replay uuid; v_steps json;
begin
  select * into c from pyfi.call x where x.id = p_id and (x.owner_id = v_me or x.socket_owner_id = v_me or access.reaches_call('READ', x.owner_id, x.socket_owner_id, x.socket_id));
  select x.* into p from pyfi.processor x join pyfi.socket s on s.processor_id = x.id where s.id = c.socket_id;
  select r.id into v_replay from pyfi.call r where r.replay_of = p_id order by r.created desc limit 1;
  case
    when c.id is null then
      note := format('there is no call %s', p_id); hint := 'flow ls calls';
    when p_verb in ('discard', 'purge') then
      note := format('call %s is %s, not %s', p_id, c.state, case p_verb when 'discard' then 'parked' else 'waiting' end); hint := 'flow call show ' || p_id;
    when c.state in ('queued', 'claimed', 'running') then
      note := format('call %s is %s: it has not ended', p_id, c.state); hint := 'flow call show ' || p_id;
    when p_verb = 'retry' and c.state in ('done', 'cancelled') then
      note := format('call %s is %s', p_id, c.state); hint := format('flow call replay %s runs it again', p_id);
    when p_verb = 'replay' and c.state = 'parked' then
      note := format('call %s is parked', p_id); hint := format('flow call retry %s, or flow call discard %s', p_id, p_id);
    when p_onward or c.frame is not null and c.slot is null then
      begin
        v_steps := case when p_onward then ledger.onward(p_id) else c.args end;
        perform ledger.check_step(v_steps, c.owner_id, coalesce((select u.admin from pyfi."user" u where u.id = c.owner_id), false), 1);
        if p_commit is not null then
          note := format('call %s is a composition, whose members have commits of their own', p_id); hint := 'leave --same-commit and --at out';
        else
          note := format('call %s was replayed as %s', p_id, v_replay); hint := '--again makes another';
        end if;
      exception when sqlstate 'PF404' or sqlstate 'PF409' or sqlstate 'PF422' then
        get stacked diagnostics note = message_text, hint = pg_exception_hint;
      end;
    when c.frame is not null then
      note := format('call %s is a composition inside another', p_id); hint := format('flow call replay %s runs the whole again', c.root_id);
    when p.id is null then
      note := format('the socket %s of call %s is gone', c.name, p_id); hint := 'flow ls sockets';
    when p.locked then
      note := format('processor %s is locked', p.name); hint := 'flow proc unlock -n ' || p.name;
    when p.requested_status = 'removed' then
      note := format('processor %s is removed', p.name); hint := 'flow proc start -n ' || p.name;
    when p_commit = 'same' and c."commit" is null then
      note := format('call %s never ran, so at no commit', p_id); hint := 'leave --same-commit out';
    when p_commit = 'same' and c."commit" <> p."commit" then
      note := format('call %s ran at commit %s, processor %s is at %s', p_id, c."commit", p.name, p."commit");
      hint := format('flow update processor -n %s --commit %s', p.name, c."commit");
    when p_commit <> 'same' and not starts_with(p."commit", p_commit) then
      note := format('processor %s is at commit %s, not at %s', p.name, p."commit", p_commit);
      hint := format('flow update processor -n %s --commit %s', p.name, p_commit);
    when v_replay is not null then
      note := format('call %s was replayed as %s', p_id, v_replay); hint := '--again makes another';
    else
      note := format('call %s has just become another''s to mend', p_id); hint := 'flow call show ' || p_id;
  end case;
end $$;

-- Parked calls wait again, their losses start anew; failed ones are made anew (final is final), once, unless p_again.
create function ledger.retry(p_ids uuid[], p_new uuid[], p_again boolean, p_reason text)
  returns table (id uuid, outcome text, made uuid, note text, hint text) language plpgsql security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_by text := ledger.asking(p_ids, p_reason, 'RUN_TASK'); v_may uuid[] := ledger.lock_calls(p_ids, '{parked,failed}', 'RUN_TASK'); v_woken uuid[]; v_made uuid[];
begin
  with r as (
    update pyfi.call c set state = 'queued', losses = 0, wakes = 0, error = null, claim = null, worker_id = null, woken = now(),
        -- Who lets it run again knows how late it is.
        expires = case when c.expires > now() then c.expires else ledger.until(null, now(), s.queue_id, null) end,
        deadline = case when c.deadline > now() then c.deadline end
      from pyfi.socket s join pyfi.processor p on p.id = s.processor_id
      where c.id = any (v_may) and case when c.state = 'parked' then true else false end and s.id = c.socket_id and p.requested_status <> 'removed' and not p.locked
      returning c.id, c.attempt, s.address),
  noted as (insert into pyfi.event (call_id, name, note, attempt) select r.id, 'retried', 'by ' || v_by, r.attempt from r),
  o as (insert into pyfi.outbox (address, ids) select r.address, array_agg(r.id order by r.id) from r group by r.address)
  select coalesce(array_agg(r.id), '{}') into v_woken from r;
  if cardinality(v_woken) > 0 then perform pg_notify('pyfi_outbox', ''); end if;
  v_made := ledger.remake(p_ids, p_new, array(select c.id from pyfi.call c where c.id = any (v_may) and c.state = 'failed'), p_again, null, false, v_by);
  return query select u.id, case when u.id = any (v_woken) then 'queued' when n.id is not null then 'replayed' else 'refused' end, n.id, w.note, w.hint
    from unnest(p_ids, p_new) with ordinality u (id, made, n) left join pyfi.call n on n.id = u.made and n.replay_of = u.id
      left join lateral ledger.refusal(u.id, 'retry', null, false) w on n.id is null and u.id <> all (v_woken)
    order by u.n;
end $$;

-- Calls that have ended, however, run again as new first calls: from that step on, along plugs. p_onward: a member of a composition, and what is left of it.
create function ledger.replay(p_ids uuid[], p_new uuid[], p_again boolean, p_commit text, p_onward boolean, p_reason text)
  returns table (id uuid, outcome text, made uuid, note text, hint text) language plpgsql security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_by text := ledger.asking(p_ids, p_reason, 'RUN_TASK'); v_may uuid[] := ledger.lock_calls(p_ids, '{done,failed,cancelled}', 'RUN_TASK'); v_made uuid[];
begin
  v_made := ledger.remake(p_ids, p_new, v_may, p_again, p_commit, coalesce(p_onward, false), v_by);
  return query select u.id, case when n.id is not null then 'replayed' else 'refused' end, n.id, w.note, w.hint
    from unnest(p_ids, p_new) with ordinality u (id, made, n) left join pyfi.call n on n.id = u.made and n.replay_of = u.id
      left join lateral ledger.refusal(u.id, 'replay', p_commit, coalesce(p_onward, false)) w on n.id is null
    order by u.n;
end $$;

-- Calls that will not run: parked ones (discard), or those that wait (purge). They end as cancelled ones do.
create function ledger.give_up(p_ids uuid[], p_verb text, p_reason text)
  returns table (id uuid, outcome text, made uuid, note text, hint text) language plpgsql security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_by text := ledger.asking(p_ids, p_reason, 'CANCEL_TASK'); v_may uuid[]; v_ended uuid[];
begin
  if p_verb is null or p_verb not in ('discard', 'purge') then
    raise exception using errcode = 'PF422', message = 'parked calls are discarded, waiting ones are purged';
  end if;
  v_may := ledger.lock_calls(p_ids, case p_verb when 'discard' then '{parked}' else '{queued}' end::text[], 'CANCEL_TASK');
  with e as (
    update pyfi.call c set state = 'cancelled', claim = null, lease_until = null, not_before = null, finished = clock_timestamp(),
        error = coalesce(c.error, json_build_object('error', 'cancelled', 'type', 'Cancelled', 'message', 'purged by ' || v_by))
      where c.id = any (v_may) returning c.id, c.attempt),
  noted as (
    insert into pyfi.event (call_id, name, note, attempt)
      select e.id, case p_verb when 'discard' then 'discarded' else 'purged' end, 'by ' || v_by, e.attempt from e)
  select coalesce(array_agg(e.id), '{}') into v_ended from e;
  perform ledger.announce('d', v_ended);
  perform ledger.bring_back(v_ended);
  return query select u.id, case when u.id = any (v_ended) then 'cancelled' else 'refused' end, null::uuid, w.note, w.hint
    from unnest(p_ids) with ordinality u (id, n) left join lateral ledger.refusal(u.id, p_verb, null, false) w on u.id <> all (v_ended)
    order by u.n;
end $$;

-- Workers that are alive and serve these sockets, those of them that the asking user owns. Nodes are not his to see, their leases decide.
create function ledger.consumers(p_sockets uuid[]) returns table (socket_id uuid, consumers bigint) language sql stable security definer
  set search_path = pg_catalog, pg_temp as $$
  select s.id, count(n.id) from pyfi.socket s
      left join pyfi.worker w on s.id = any (w.sockets) and w.status = 'running' and w.processor_id = s.processor_id
      left join pyfi.node n on n.id = w.node_id and n.lease_until > now()
    where s.id = any (p_sockets) and (s.owner_id = access.me() or s.id = any (access.sockets('LS_SOCKETS')) or access.wide('LS_SOCKETS')) group by s.id
$$;
