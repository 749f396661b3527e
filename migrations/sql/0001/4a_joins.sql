-- Joins (docs/explanation/ledger.md): where several calls lead to one. Compositions are frames, rows of pyfi.call whose members return
-- into them; plugs to arguments fill slots. All of it happens in the transaction that finishes the last part.

-- The arguments of a step: what the composition hands on (a text, or a payload) comes before the step's own.
create function ledger.step_arguments(p_id uuid, p_root uuid, p_given text, p_payload uuid, p_step json, out value text, out payload uuid)
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_own text := btrim(coalesce(p_step ->> 'args', '[]'), E' \t\r\n');
begin
  v_own := btrim(substr(v_own, 2, length(v_own) - 2), E' \t\r\n');
  select c.value, c.payload into value, payload from ledger.composed(p_id, p_root,
    array['{"args":[' || coalesce(p_given, ''), null,
      case when v_own <> '' and (p_given is not null or p_payload is not null) then ',' else '' end || v_own || '],"kwargs":' || coalesce(p_step ->> 'kwargs', '{}') || '}'],
    case when p_payload is not null then array[null, p_payload, null] end) c;
end $$;

-- {"call": socket, "args": [...], "kwargs": {...}} or {"pipeline": [step, ...]} or {"parallel": [step, ...], "return_errors": true}.
-- Gives how many calls it comes to; refuses what is no composition, and sockets that the caller may not call.
create function ledger.check_step(p_step json, p_me uuid, p_wide boolean, p_depth int) returns bigint
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare v_kind text; v_steps json; v_count bigint; v_bad text; v_each json;
begin
  if json_typeof(p_step) is distinct from 'object' then
    raise exception using errcode = 'PF422', message = 'a step of a composition is an object: a call, a pipeline or a parallel';
  end if;
  select k into v_kind from json_object_keys(p_step) k where k in ('call', 'pipeline', 'parallel') limit 1;
  if v_kind is null or v_kind = 'call' and p_step ->> 'call' is null or (select count(*) from json_object_keys(p_step) k where k in ('call', 'pipeline', 'parallel')) <> 1 then
    raise exception using errcode = 'PF422', message = 'a step of a composition is one of: call, pipeline, parallel';
  end if;
  if v_kind = 'call' then
    perform ledger.check_calls(json_build_array(p_step), p_me, p_wide);
    return 1;
  end if;
  v_steps := p_step -> v_kind;
  if json_typeof(v_steps) <> 'array' or v_kind = 'pipeline' and json_array_length(v_steps) = 0 then
    raise exception using errcode = 'PF422', message = format('a %s is a list of steps', v_kind);
  end if;
  if p_depth >= 100 or json_array_length(v_steps) > 100000 then
    raise exception using errcode = 'PF422', message = 'a composition has at most 100 levels, and 100000 steps in one of them';
  end if;
  select json_agg(s.value) filter (where s.value ->> 'call' is not null), count(*) filter (where s.value ->> 'call' is not null)
    into v_each, v_count from json_array_elements(v_steps) s;
  if v_each is not null then perform ledger.check_calls(v_each, p_me, p_wide); end if;
  for v_each in select s.value from json_array_elements(v_steps) s where s.value ->> 'call' is null loop
    v_count := v_count + ledger.check_step(v_each, p_me, p_wide, p_depth + 1);
  end loop;
  return v_count;
exception when invalid_parameter_value or invalid_text_representation then
  get stacked diagnostics v_bad = message_text;
  raise exception using errcode = 'PF422', message = format('a step of the composition is no step: %s', v_bad);
end $$;

create function ledger.check_calls(p_steps json, p_me uuid, p_wide boolean) returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare v_lacks record;
begin
  select u.socket, s.id, p.name, p.locked,
      json_typeof(u.step -> 'args') is distinct from 'array' and u.step -> 'args' is not null
      or json_typeof(u.step -> 'kwargs') is distinct from 'object' and u.step -> 'kwargs' is not null as odd into v_lacks
    from (select e.value as step, (e.value ->> 'call')::uuid as socket from json_array_elements(p_steps) e) u
      left join pyfi.socket s on s.id = u.socket and (s.owner_id = p_me or p_wide or s.id = any ((select access.sockets('RUN_TASK'))::uuid[])) left join pyfi.processor p on p.id = s.processor_id
    where s.id is null or p.locked or p.requested_status = 'removed' or json_typeof(u.step -> 'args') <> 'array' or json_typeof(u.step -> 'kwargs') <> 'object' limit 1;
  if not found then return; end if;
  if v_lacks.odd then
    raise exception using errcode = 'PF422', message = 'the arguments of a step are {"args": [...], "kwargs": {...}}';
  elsif v_lacks.id is null then
    raise exception using errcode = 'PF404', message = 'there is no such socket', hint = 'flow ls sockets';
  end if;
  if v_lacks.locked then
    raise exception using errcode = 'PF409', message = format('processor %s is locked', v_lacks.name), hint = format('flow proc unlock -n %s', v_lacks.name);
  end if;
  raise exception using errcode = 'PF409', message = format('processor %s is removed', v_lacks.name), hint = format('flow proc start -n %s', v_lacks.name);
end $$;

-- A frame: open until its members have come back. Null: there is a call of that id.
create function ledger.open_frame(p_id uuid, p_parent pyfi.call, p_slot int, p_step json) returns pyfi.call
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_frame pyfi.call; v_kind text := case when p_step -> 'pipeline' is null then 'parallel' else 'pipeline' end;
begin
  insert into pyfi.call (id, root_id, parent_id, slot, frame, name, owner_id, socket_owner_id, hops, state, args, started, deadline, priority)
    values (p_id, p_parent.root_id, p_parent.id, p_slot, v_kind, v_kind, p_parent.owner_id, p_parent.owner_id, p_parent.hops, 'running', p_step, now(), p_parent.deadline, coalesce(p_parent.priority, 0))
    on conflict do nothing returning * into v_frame;
  if v_frame.id is not null then
    insert into pyfi.frame (call_id, need, keeps_errors)
      values (p_id, json_array_length(p_step -> v_kind), v_kind = 'parallel' and coalesce((p_step ->> 'return_errors')::boolean, false));
  end if;
  return v_frame;
end $$;

-- Enter steps of a frame, those that are calls in one statement. Rows: a call that is queued; a frame that is over at once (socket null):
-- an empty parallel, or one with a socket that is gone.
create function ledger.enter(p_frame pyfi.call, p_slots int[], p_steps json[], p_given text, p_payload uuid) returns table (id uuid, socket_id uuid)
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_inner pyfi.call; v_step json; v_slot int; v_steps json[];
begin
  if exists (select from unnest(p_steps) u (step) left join pyfi.socket s on s.id = (u.step ->> 'call')::uuid
      where u.step ->> 'call' is not null and s.id is null) then
    perform ledger.end_frame(p_frame.id, null, null, '{"error":"socket_deleted","type":"SocketDeleted","message":"a socket of the composition was deleted"}');
    return query select p_frame.id, null::uuid;
    return;
  end if;
  return query insert into pyfi.call (id, root_id, parent_id, slot, socket_id, name, owner_id, socket_owner_id, hops, args, args_payload,
      expires, deadline, priority)
    select u.id, p_frame.root_id, p_frame.id, u.slot, s.id, s.name, p_frame.owner_id, s.owner_id, p_frame.hops, a.value::json, a.payload,
        ledger.until(p_frame.deadline, now(), s.queue_id, null), p_frame.deadline, p_frame.priority
      from (select n.slot, n.step, ledger.child_id(p_frame.id, p_frame.id, p_frame.id, n.slot) as id from unnest(p_slots, p_steps) n (slot, step)) u
        join pyfi.socket s on s.id = (u.step ->> 'call')::uuid
        cross join lateral ledger.step_arguments(u.id, p_frame.root_id, p_given, p_payload, u.step) a
      order by u.slot
    on conflict do nothing returning call.id, call.socket_id;
  for v_slot, v_step in select u.slot, u.step from unnest(p_slots, p_steps) u (slot, step) where u.step ->> 'call' is null loop
    v_inner := ledger.open_frame(ledger.child_id(p_frame.id, p_frame.id, p_frame.id, v_slot), p_frame, v_slot, v_step);
    return query select * from ledger.enter_frame(v_inner, p_given, p_payload);
  end loop;
end $$;

-- What a frame begins with: a parallel with all its steps, a pipeline with the first.
create function ledger.enter_frame(p_frame pyfi.call, p_given text, p_payload uuid) returns table (id uuid, socket_id uuid)
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_steps json[];
begin
  if p_frame.frame = 'pipeline' then
    return query select * from ledger.enter(p_frame, array[0], array[p_frame.args -> 'pipeline' -> 0], p_given, p_payload);
    return;
  end if;
  v_steps := array(select e.value from json_array_elements(p_frame.args -> 'parallel') with ordinality e (value, n) order by e.n);
  if cardinality(v_steps) = 0 then
    perform ledger.end_frame(p_frame.id, '[]', null, null);
    return query select p_frame.id, null::uuid;
  else
    return query select * from ledger.enter(p_frame, array(select generate_series(0, cardinality(v_steps) - 1)), v_steps, p_given, p_payload);
  end if;
end $$;

-- The result is a text or a payload, or there is an error.
create function ledger.end_frame(p_id uuid, p_result text, p_payload uuid, p_error text) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update pyfi.call c set state = case when p_error is null then 'done' else 'failed' end, result = p_result::json, result_payload = p_payload, error = p_error::json,
      finished = clock_timestamp(), seconds = extract(epoch from clock_timestamp() - c.started), woken = now()
    where c.id = p_id and c.state = 'running';
  if p_error is not null then perform ledger.end_members(array[p_id], 'a sibling failed'); end if;
  perform ledger.announce('d', array[p_id]);
end $$;

-- A frame is over: members that still wait need not run, nor those of frames inside. Who is claimed at this moment runs, and nobody hears it.
create function ledger.end_members(p_frames uuid[], p_why text) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_ended uuid[]; v_frames uuid[] := p_frames;
begin
  while cardinality(v_frames) > 0 loop
    with m as (
      select c.id from pyfi.call c where c.parent_id = any (v_frames) and c.slot is not null
        and (c.state = 'queued' or c.state = 'running' and c.frame is not null) order by c.id for update skip locked),
    e as (
      update pyfi.call c set state = 'cancelled', finished = clock_timestamp(), not_before = null,
          error = json_build_object('error', 'cancelled', 'type', 'Cancelled', 'message', p_why)
        from m where c.id = m.id returning c.id, c.frame),
    noted as (insert into pyfi.event (call_id, name, note) select e.id, 'cancelled', p_why from e)
    select array_agg(e.id), coalesce(array_agg(e.id) filter (where e.frame is not null), '{}') into v_ended, v_frames from e;
    perform ledger.announce('d', v_ended);
  end loop;
end $$;

-- The list of the members' results, of failed ones their errors, in the order of their slots.
create function ledger.gathered(p_frame uuid, p_root uuid, out value text, out payload uuid) language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_texts text[]; v_payloads uuid[];
begin
  -- Two parts a member: what stands before it with its text, and its payload.
  select array_agg(p.text order by m.slot, p.n), array_agg(p.payload order by m.slot, p.n) into v_texts, v_payloads
    from pyfi.call m cross join lateral (values
      (1, case when m.slot = 0 then '[' else ',' end || case when m.result_payload is not null then ''
        else coalesce(case when m.state = 'done' then m.result else m.error end::text, 'null') end, null::uuid),
      (2, case when m.result_payload is null then '' end, m.result_payload)) p (n, text, payload)
    where m.parent_id = p_frame and m.slot is not null;
  select c.value, c.payload into value, payload from ledger.composed(p_frame, p_root, v_texts || ']'::text, v_payloads || null::uuid) c;
end $$;

-- Members that ended come back to their frames: a parallel that has all is done, a pipeline goes on with the next step, a failure ends both.
-- One composition at a time, by its first frame's row. Rows: calls that this entered.
create function ledger.come_back(p_ids uuid[]) returns table (id uuid, socket_id uuid)
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_back uuid[] := p_ids; v_over uuid[]; r record; v_frame pyfi.call; v_new record; v_entered uuid[]; v_sockets uuid[];
begin
  perform from pyfi.frame f where f.call_id in (select c.root_id from pyfi.call c where c.id = any (p_ids) and c.slot is not null)
    order by f.call_id for update;
  while cardinality(v_back) > 0 loop
    v_over := '{}';
    for r in
      select f.call_id, f.need, f.have, f.step, f.keeps_errors,
          count(*) filter (where m.id <> all (f.early)) as came,
          coalesce(array_agg(m.id) filter (where m.state = 'parked'), '{}') as parked,
          (array_agg(m.error::text order by m.slot) filter (where m.state <> 'done'))[1] as error,
          bool_or(m.state <> 'done') as failed,
          (array_agg(m.result::text) filter (where m.slot = f.step))[1] as value,
          (array_agg(m.result_payload) filter (where m.slot = f.step))[1] as payload,
          bool_or(m.slot = f.step) as is_step
        from pyfi.call m join pyfi.frame f on f.call_id = m.parent_id
        where m.id = any (v_back) and m.slot is not null group by f.call_id loop
      select * into v_frame from pyfi.call c where c.id = r.call_id;
      continue when v_frame.state <> 'running';
      if r.failed and not r.keeps_errors then
        perform ledger.end_frame(v_frame.id, null, null, coalesce(r.error, '{}'));
        v_over := v_over || v_frame.id;
      elsif v_frame.frame = 'parallel' then
        -- A member that was parked has come back once already.
        update pyfi.frame f set have = f.have + r.came, early = f.early || r.parked where f.call_id = v_frame.id;
        if r.have + r.came = r.need then
          perform ledger.end_frame(v_frame.id, g.value, g.payload, null) from ledger.gathered(v_frame.id, v_frame.root_id) g;
          v_over := v_over || v_frame.id;
        end if;
      elsif r.is_step and r.step + 1 = r.need then
        perform ledger.end_frame(v_frame.id, case when r.payload is null then coalesce(r.value, 'null') end, r.payload, null);
        v_over := v_over || v_frame.id;
      elsif r.is_step then
        update pyfi.frame f set step = f.step + 1 where f.call_id = v_frame.id;
        for v_new in select * from ledger.enter(v_frame, array[r.step + 1], array[v_frame.args -> 'pipeline' -> (r.step + 1)],
            case when r.payload is null then coalesce(r.value, 'null') end, r.payload) loop
          if v_new.socket_id is null then
            v_over := v_over || v_new.id;
          else
            v_entered := v_entered || v_new.id;
            v_sockets := v_sockets || v_new.socket_id;
          end if;
        end loop;
      end if;
    end loop;
    v_back := v_over;
  end loop;
  return query select * from unnest(v_entered, v_sockets);
end $$;

-- The wake-ups of what come_back or compose entered.
create function ledger.wake(p_ids uuid[], p_sockets uuid[], p_due timestamptz) returns table (num bigint, address text, ids uuid[])
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return query insert into pyfi.outbox as o (address, ids, due)
    select s.address, array_agg(u.id order by u.id), p_due from unnest(p_ids, p_sockets) u (id, socket) join pyfi.socket s on s.id = u.socket group by s.address
    returning o.id, o.address, o.ids;
end $$;

-- Part of a turn: parts that arrived through plugs, members that came back; what was entered by it is p_worker's at once as far as
-- p_room and p_sockets go ('c' rows), else it gets wake-ups.
create function ledger.join(p_settled int[], p_members uuid[], p_ids uuid[], p_outcomes text[], p_values text[],
    p_plug_parents uuid[], p_plug_names text[], p_plug_values text[], p_worker uuid, p_sockets uuid[], p_commit text, p_room int,
    p_payloads uuid[] default null, p_plug_payloads uuid[] default null, p_seqs bigint[] default null)
  returns table (kind "char", id uuid, num bigint, attempt smallint, socket uuid, text text, root uuid, parent uuid, ids uuid[])
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_ids uuid[]; v_sockets uuid[]; v_more uuid[]; v_more_sockets uuid[];
begin
  if p_settled is not null then
    select array_agg(a.id), array_agg(a.socket_id) into v_ids, v_sockets
      from ledger.arrive(p_settled, p_ids, p_outcomes, p_values, p_plug_parents, p_plug_names, p_plug_values, p_payloads, p_plug_payloads, p_seqs) a;
  end if;
  if p_members is not null then
    select v_ids || array_agg(b.id), v_sockets || array_agg(b.socket_id) into v_ids, v_sockets from ledger.come_back(p_members) b;
  end if;
  if p_room > 0 then
    return query with c as (
      update pyfi.call c set state = 'claimed', claim = u.token, worker_id = p_worker, lease_until = now() + ledger.lease(), claimed = now(), "commit" = p_commit
        from (select t.id, nextval('ledger.claim_token') as token from unnest(v_ids, v_sockets) t (id, socket)
          where t.socket = any (p_sockets) limit p_room) u
        where c.id = u.id returning c.id, c.claim, c.socket_id, c.args, c.root_id, c.parent_id, c.deadline)
    select 'c'::"char", c.id, c.claim, 1::smallint, c.socket_id, c.args::text, c.root_id, c.parent_id, null::uuid[] from c
    union all select 't', c.id, (extract(epoch from c.deadline - now()) * 1000)::bigint, null, null, null, null, null, null from c
      where c.deadline is not null order by 3;
    select array_agg(t.id), array_agg(t.socket) into v_more, v_more_sockets from unnest(v_ids, v_sockets) t (id, socket)
      where exists (select from pyfi.call c where c.id = t.id and c.state = 'queued');
  else
    v_more := v_ids;
    v_more_sockets := v_sockets;
  end if;
  return query select 'o'::"char", null::uuid, w.num, null::smallint, null::uuid, w.address, null::uuid, null::uuid, w.ids
    from ledger.wake(v_more, v_more_sockets, now() + interval '2 seconds') w;
end $$;

-- Calls ended outside of a turn (swept, released, cancelled, expired): those that are members come back to their frames; a relay brings the wake-ups.
create function ledger.bring_back(p_ids uuid[]) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if p_ids is null or not exists (select from pyfi.call c where c.id = any (p_ids) and c.slot is not null) then return; end if;
  perform ledger.wake(array_agg(b.id), array_agg(b.socket_id), now()) from ledger.come_back(p_ids) b having count(*) > 0;
  perform pg_notify('pyfi_outbox', '');
end $$;

-- Enter a composition: one id, whose result is that of the whole. The same id again with the same steps is the same composition.
-- p_options: deadline and priority, which all its calls inherit. Rows: the wake-ups, for the caller to publish (p_soon) or a relay.
create function ledger.compose(p_id uuid, p_steps text, p_soon boolean, p_options jsonb default null) returns table (num bigint, address text, ids uuid[])
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_me uuid := access.me(); v_top pyfi.call; v_ids uuid[]; v_over uuid[]; v_sockets uuid[]; v_steps json;
begin
  if v_me is null then
    raise exception using errcode = 'PF404', message = 'there is no such socket', hint = 'flow ls sockets';
  end if;
  if p_id is null or substr(p_id::text, 15, 1) = '8' then
    raise exception using errcode = 'PF422', message = 'the id of a call must not be of version 8', hint = 'version 7 sorts by time';
  end if;
  begin
    v_steps := p_steps::json;
  exception when invalid_text_representation then
    raise exception using errcode = 'PF422', message = 'a composition is JSON';
  end;
  if octet_length(p_steps) > 16777216 then
    raise exception using errcode = 'PF422', message = format('the composition is %s bytes long, 16777216 are allowed', octet_length(p_steps));
  end if;
  if access.scope('RUN_TASK') is null then perform access.require('RUN_TASK', v_me, null, 'sockets'); end if;
  if v_steps -> 'call' is not null or ledger.check_step(v_steps, v_me, access.wide('RUN_TASK'), 1) is null then
    raise exception using errcode = 'PF422', message = 'a composition is a pipeline or a parallel';
  end if;
  v_top.root_id := p_id;
  v_top.owner_id := v_me;
  v_top.hops := 0;
  if p_options is not null then
    if p_options - array['deadline', 'priority'] <> '{}' then
      raise exception using errcode = 'PF422', message = 'a composition has the options deadline and priority';
    end if;
    select o.o_deadline, o.o_priority into v_top.deadline, v_top.priority from ledger.read_options(p_options, null, array[p_id]) o;
  end if;
  v_top := ledger.open_frame(p_id, v_top, null, v_steps);
  if v_top.id is null then
    if not exists (select from pyfi.call c where c.id = p_id and c.owner_id = v_me and c.frame is not null and c.args::text = p_steps) then
      raise exception using errcode = 'PF409', message = 'a call with that id exists and is another one';
    end if;
    return;
  end if;
  select array_agg(e.id) filter (where e.socket_id is not null), array_agg(e.socket_id) filter (where e.socket_id is not null),
      array_agg(e.id) filter (where e.socket_id is null)
    into v_ids, v_sockets, v_over from ledger.enter_frame(v_top, null, null) e;
  if v_over is not null then
    select v_ids || array_agg(b.id), v_sockets || array_agg(b.socket_id) into v_ids, v_sockets from ledger.come_back(v_over) b;
  end if;
  if v_ids is null then return; end if;
  if not p_soon then perform pg_notify('pyfi_outbox', ''); end if;
  return query select * from ledger.wake(v_ids, v_sockets, case when p_soon then now() + interval '2 seconds' else now() end);
end $$;

-- Plugs to arguments: what arrives fills the slots of its root and target; when every argument that a plug leads to has its n-th value,
-- the target's n-th call is made, with them as keyword arguments. One root and target at a time. Rows: those calls.
create function ledger.arrive(p_settled int[], p_ids uuid[], p_outcomes text[], p_values text[],
    p_plug_parents uuid[], p_plug_names text[], p_plug_values text[],
    p_payloads uuid[] default null, p_plug_payloads uuid[] default null, p_seqs bigint[] default null)
  returns table (id uuid, socket_id uuid) language plpgsql set search_path = pg_catalog, pg_temp as $$
declare r record; v_rounds bigint[]; v_wanted text[]; v_most int := ledger.max_hops();
begin
  for r in
    select a.root_id, a.target_id, min(a.owner_id::text)::uuid as owner_id, max(a.hops) + 1 as hops, min(a.deadline) as deadline,
        max(a.priority) as priority, array_agg(a.argument) as arguments, array_agg(a.given) as given, array_agg(a.payload) as payloads,
        array_agg(a.tail) as tails, array_agg(a.id) as sources, array_agg(a.plug_id) as plugs, array_agg(a.seq) as seqs
      from ledger.fired(p_settled, p_ids, p_outcomes, p_values, p_plug_parents, p_plug_names, p_plug_values, p_payloads, p_plug_payloads, p_seqs) a
      where a.argument is not null group by a.root_id, a.target_id order by a.root_id, a.target_id loop
    insert into pyfi.junction (root_id, socket_id) values (r.root_id, r.target_id) on conflict do nothing;
    perform from pyfi.junction j where j.root_id = r.root_id and j.socket_id = r.target_id for update;
    -- A part that came before (the same call, plug and item) is not a second one.
    with new as (
      select u.*, row_number() over (partition by u.argument order by u.source, u.seq, u.plug) as n
        from unnest(r.arguments, r.given, r.payloads, r.tails, r.sources, r.plugs, r.seqs) u (argument, given, payload, tail, source, plug, seq)
        where not exists (select from pyfi.slot s where s.root_id = r.root_id and s.socket_id = r.target_id
          and s.source_id = u.source and s.plug_id = u.plug and s.seq = u.seq)),
    filled as (
      insert into pyfi.slot (root_id, socket_id, argument, round, source_id, plug_id, seq, value, payload, tail)
        select r.root_id, r.target_id, new.argument, new.n + (select count(*) from pyfi.slot s
            where s.root_id = r.root_id and s.socket_id = r.target_id and s.argument = new.argument),
          new.source, new.plug, new.seq, case when new.payload is null then coalesce(new.given, 'null') else new.given end, new.payload,
          case when new.payload is not null then new.tail end
        from new returning slot.round)
    select array_agg(distinct f.round) into v_rounds from filled f;
    v_wanted := array(select distinct g.argument from pyfi.plug g where g.target_id = r.target_id and g.argument is not null order by g.argument);
    return query with ready as (
      select s.round, ledger.child_id(r.root_id, r.target_id, r.target_id, s.round) as id
        from pyfi.slot s where s.root_id = r.root_id and s.socket_id = r.target_id and s.round = any (v_rounds) and s.argument = any (v_wanted)
        group by s.round having count(*) = cardinality(v_wanted)),
    k as (
      insert into pyfi.call (id, root_id, parent_id, plug_id, socket_id, name, owner_id, socket_owner_id, hops, expires, deadline, priority,
          args, args_payload, state, error)
        select ready.id, r.root_id, r.sources[1], r.plugs[1], t.id, t.name, r.owner_id, t.owner_id, r.hops,
            ledger.until(r.deadline, now(), t.queue_id, null), r.deadline, r.priority, k.value::json, k.payload,
            case when r.hops <= v_most then 'queued' else 'parked' end, case when r.hops > v_most then ledger.hop_limit(v_most) end
          from ready cross join pyfi.socket t cross join lateral ledger.keywords(ready.id, r.root_id, r.target_id, ready.round, v_wanted) k where t.id = r.target_id
        on conflict do nothing returning call.id, call.socket_id, call.state, call.error),
    noted as (
      insert into pyfi.event (call_id, name, note) select k.id, 'parked', k.error ->> 'message' from k where k.state = 'parked'),
    emptied as (
      update pyfi.slot s set value = null, payload = null, tail = null from ready where s.root_id = r.root_id and s.socket_id = r.target_id and s.round = ready.round)
    select k.id, k.socket_id from k where k.state = 'queued';
  end loop;
end $$;

-- The arguments of a call that plugs to arguments make: '{"args":[],"kwargs":{"a":...,"b":...}}' of one round's slots.
create function ledger.keywords(p_id uuid, p_root uuid, p_socket uuid, p_round bigint, p_wanted text[], out value text, out payload uuid)
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_texts text[]; v_payloads uuid[];
begin
  select array_agg(p.text order by s.argument, p.n), array_agg(p.payload order by s.argument, p.n) into v_texts, v_payloads
    from pyfi.slot s cross join lateral (values
      (1, case when s.argument = p_wanted[1] then '' else ',' end || to_json(s.argument)::text || ':' || coalesce(s.value, ''), null::uuid),
      (2, case when s.payload is null then '' end, s.payload), (3, coalesce(s.tail, ''), null)) p (n, text, payload)
    where s.root_id = p_root and s.socket_id = p_socket and s.round = p_round and s.argument = any (p_wanted);
  select c.value, c.payload into value, payload
    from ledger.composed(p_id, p_root, '{"args":[],"kwargs":{'::text || v_texts || '}}'::text, null::uuid || v_payloads || null::uuid) c;
end $$;

create function ledger.hop_limit(p_most int) returns json language sql immutable as $$
  select json_build_object('error', 'hop_limit', 'type', 'HopLimit', 'message', format('more than %s hops from the first call', p_most))
$$;
