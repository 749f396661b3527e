-- The laws that hold at every commit (docs/reference/ledger.md): each, how many rows break it, and some of them.
-- Stable: all are judged by one snapshot. Each is one statement over whole tables, none asks row by row.

create function ledger.laws() returns table (law text, violations bigint, examples text[])
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off set work_mem = '64MB' as $$
declare v_late interval := ledger.lease() + interval '1 minute';
begin
  if not access.is_admin() then
    raise exception using errcode = 'PF403', message = 'only an administrator sees all calls', hint = 'flow whoami tells who you are';
  end if;

  return query select 'a held call has a claim, a worker and a lease, no other call has a lease', count(*), (array_agg(c.id::text))[1:3] from pyfi.call c
    where case when c.state in ('claimed', 'running') and c.frame is null then c.claim is null or c.worker_id is null or c.lease_until is null
      else c.lease_until is not null or c.state in ('queued', 'parked') and c.worker_id is not null end;

  return query select 'a call has an end if it is done, failed or cancelled, and else none', count(*), (array_agg(c.id::text))[1:3] from pyfi.call c
    where (c.state in ('done', 'failed', 'cancelled')) <> (c.finished is not null);

  return query select 'a failed or parked call says why, a done one has no error', count(*), (array_agg(c.id::text))[1:3] from pyfi.call c
    where case c.state when 'done' then c.error is not null when 'failed' then c.error is null when 'parked' then c.error is null else false end;

  return query select 'an attempt succeeded, failed or was lost', count(*), (array_agg(c.id::text))[1:3] from pyfi.call c
    where c.frame is null and c.attempt < c.failures + c.losses + (c.state = 'done')::int;

  return query select 'a first call has no parent, is its own root and came by no plug', count(*), (array_agg(c.id::text))[1:3] from pyfi.call c
    where (c.parent_id is null) <> (c.id = c.root_id) or c.parent_id is null and (c.plug_id is not null or c.hops <> 0);

  return query select 'a child has a parent, of the same flow and owner, fewer hops from the first call', count(*), (array_agg(k.id::text))[1:3]
    from pyfi.call k left join pyfi.call c on c.id = k.parent_id
    where k.parent_id is not null
      and (c.id is null or c.root_id <> k.root_id or c.owner_id <> k.owner_id or k.plug_id is not null and k.hops <= c.hops);

  return query select 'a child by a plug has a parent that is done, or failed if it is an ERROR plug', count(*), (array_agg(k.id::text))[1:3]
    from pyfi.call k join pyfi.call c on c.id = k.parent_id left join pyfi.plug g on g.id = k.plug_id
    where k.plug_id is not null and case c.state when 'done' then false when 'failed' then g.type = 'RESULT' else true end
      -- What a generator yields goes on while it runs, whatever becomes of it.
      and k.id = ledger.child_id(k.parent_id, k.plug_id, k.socket_id, 0);

  -- A plug that was changed after the call was made may have been another one when the call ended.
  return query select 'a child came by a plug of its parent, one that the parent named if it named any', count(*), (array_agg(k.id::text))[1:3]
    from pyfi.call k join pyfi.call c on c.id = k.parent_id join pyfi.plug g on g.id = k.plug_id and g.updated < c.created
    where g.source_id <> c.socket_id
      or c.state = 'done' and k.id = ledger.child_id(k.parent_id, k.plug_id, k.socket_id, 0) and case when c.plugs is null then g.type <> 'RESULT' else g.name <> all (c.plugs) end;

  -- An empty generator fires a plug without making a call.
  return query select 'a call that ended has the children that its plugs make', count(*), (array_agg(c.id::text))[1:3]
    from pyfi.call c join pyfi.plug g on g.source_id = c.socket_id and g.updated < c.created and g.argument is null
      left join (select distinct k.parent_id, k.plug_id, k.socket_id from pyfi.call k where k.plug_id is not null) k
        on k.parent_id = c.id and k.plug_id = g.id and k.socket_id = g.target_id
    where k.parent_id is null
      and case c.state when 'done' then case when c.plugs is null then g.type = 'RESULT' else g.name = any (c.plugs) end
        when 'failed' then g.type = 'ERROR' else false end
      and case when c.state = 'failed' then true when json_typeof(c.result) = 'array' then json_array_length(c.result) > 0 else true end;

  return query with joined as materialized (
      select ledger.child_id(s.root_id, s.socket_id, s.socket_id, s.round) as id from pyfi.slot s group by s.root_id, s.socket_id, s.round),
    made as (
      select k.parent_id, k.plug_id, k.socket_id, count(*) as n, array_agg(k.id) as ids from pyfi.call k
        where k.plug_id is not null and not exists (select from joined j where j.id = k.id) group by k.parent_id, k.plug_id, k.socket_id),
    wrong as (
      -- One child is that of a result, or of a generator's only item.
      select m.ids[1] as id from made m where m.n = 1
        and case when m.ids[1] = ledger.child_id(m.parent_id, m.plug_id, m.socket_id, 0) then false
          else m.ids[1] <> ledger.child_id(m.parent_id, m.plug_id, m.socket_id, 1) end
      union all
      select k.id from made m, unnest(m.ids) k (id) where m.n > 1 and not exists (
        select from made x, generate_series(1, x.n) s where x.n > 1 and ledger.child_id(x.parent_id, x.plug_id, x.socket_id, s) = k.id)
      union all
      select m.ids[2] from made m join pyfi.call c on c.id = m.parent_id where m.n > 1 and c.state = 'done'
        and case when json_typeof(c.result) = 'array' then json_array_length(c.result) <> m.n else c.result is not null end)
    select 'a parent has at most one child for each plug, socket and item', count(*), (array_agg(w.id::text))[1:3] from wrong w;

  -- Joins: what plugs bring to arguments.
  return query select 'a call that ended has filled the slots that its plugs lead to', count(*), (array_agg(c.id::text))[1:3]
    from pyfi.call c join pyfi.plug g on g.source_id = c.socket_id and g.updated < c.created and g.argument is not null
      left join (select distinct s.source_id, s.plug_id from pyfi.slot s) s on s.source_id = c.id and s.plug_id = g.id
    where s.source_id is null
      and case c.state when 'done' then case when c.plugs is null then g.type = 'RESULT' else g.name = any (c.plugs) end
        when 'failed' then g.type = 'ERROR' else false end
      and case when c.state = 'failed' then true when json_typeof(c.result) = 'array' then json_array_length(c.result) > 0 else true end;

  return query with wanted as (
      select g.target_id, array_agg(distinct g.argument) as names, max(g.updated) as updated from pyfi.plug g where g.argument is not null group by g.target_id),
    rounds as (
      select s.root_id, s.socket_id, s.round, count(*) filter (where s.argument = any (w.names)) = cardinality(w.names) as complete
        from pyfi.slot s join wanted w on w.target_id = s.socket_id join pyfi.call r on r.id = s.root_id and w.updated < r.created
        group by s.root_id, s.socket_id, s.round, w.names)
    select 'a join has made its one call if it has all its parts, and else none', count(*), (array_agg(x.root_id::text))[1:3]
      from rounds x left join pyfi.call k on k.id = ledger.child_id(x.root_id, x.socket_id, x.socket_id, x.round) where x.complete <> (k.id is not null);

  return query select 'a slot was filled by a call of the same flow that has ended', count(*), (array_agg(s.root_id::text))[1:3]
    from pyfi.slot s left join pyfi.call c on c.id = s.source_id
    where c.id is null or c.root_id <> s.root_id or c.state not in ('done', 'failed') and s.seq = 0;

  -- Compositions.
  return query select 'a member has a frame, and a slot of its own in it', count(*), (array_agg(m.id::text))[1:3]
    from pyfi.call m left join pyfi.call c on c.id = m.parent_id left join pyfi.frame f on f.call_id = c.id
    where m.slot is not null and (c.frame is null or f.call_id is null or m.id <> ledger.child_id(c.id, c.id, c.id, m.slot));

  -- Of a frame that failed or was cancelled nothing more is asked: who ran on then comes back to nobody.
  return query with m as (
      select m.parent_id, count(*) as members, count(*) filter (where m.state in ('done', 'failed', 'cancelled') or m.id = any (f.early)) as back,
          count(*) filter (where m.state = 'done') as done, count(*) filter (where m.slot = f.step and m.state in ('done', 'failed', 'cancelled')) as over
        from pyfi.frame f join pyfi.call m on m.parent_id = f.call_id and m.slot is not null group by m.parent_id)
    select 'a frame has entered its steps, and counts who came back', count(*), (array_agg(c.id::text))[1:3]
      from pyfi.call c left join pyfi.frame f on f.call_id = c.id left join m on m.parent_id = c.id
      where c.frame is not null and (f.call_id is null
        or c.state in ('running', 'done') and case c.frame
          when 'parallel' then coalesce(m.members, 0) <> f.need or coalesce(m.back, 0) <> f.have or (f.have = f.need) <> (c.state = 'done')
          else m.members <> f.step + 1 or m.over <> (c.state = 'done')::int or c.state = 'done' and (f.step + 1 <> f.need or m.done <> f.need) end);

  return query select 'a parked call has an event that says so', count(*), (array_agg(c.id::text))[1:3] from pyfi.call c
    where c.state = 'parked' and not exists (select from pyfi.event e where e.call_id = c.id and e.name = 'parked');

  return query select 'an event tells of a call that is there', count(*), (array_agg(e.id::text))[1:3] from pyfi.event e
    where not exists (select from pyfi.call c where c.id = e.call_id);

  return query select 'the outbox names calls that are there, of the socket at that address', count(*), (array_agg(distinct o.id::text))[1:3]
    from pyfi.outbox o cross join unnest(o.ids) u (id) left join pyfi.call c on c.id = u.id left join pyfi.socket s on s.id = c.socket_id
    where c.id is null or s.address is distinct from o.address and s.id is not null;

  -- What follows holds while a node's relay and sweeper are at work, and some time after they began again.
  return query select 'no wake-up waits in the outbox for more than a minute', count(*), (array_agg(o.id::text))[1:3] from pyfi.outbox o
    where o.due < now() - interval '1 minute' and now() - pg_postmaster_start_time() > v_late;

  return query select 'no lease is long past', count(*), (array_agg(c.id::text))[1:3] from pyfi.call c
    where c.state in ('claimed', 'running') and c.lease_until < now() - v_late and now() - pg_postmaster_start_time() > v_late;

  return query select 'no call waits longer than it may', count(*), (array_agg(c.id::text))[1:3] from pyfi.call c
    where c.state = 'queued' and c.expires < now() - interval '1 minute' and now() - pg_postmaster_start_time() > v_late;
end $$;
