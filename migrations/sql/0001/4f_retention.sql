-- Retention: finished trees are deleted by age and by count, whole and oldest first, in small batches; and queues that nobody uses.

insert into pyfi.retention (key) values ('calls');

create function ledger.keep_days() returns double precision language sql stable set search_path = pg_catalog, pg_temp as $$
  select v.days from pyfi.setting s, lateral (select s.value::double precision as days) v where s.key = 'keep_days' and v.days between 1e-6 and 36500
$$;

create function ledger.keep_calls() returns bigint language sql stable set search_path = pg_catalog, pg_temp as $$
  select s.value::bigint from pyfi.setting s where s.key = 'keep_calls' and s.value::bigint > 0
$$;

-- One batch of a pass over the history, oldest first; a pass begins once a minute and ends where calls are to be kept. One node at a time.
-- A tree is deleted when all of it has ended, and all of it is old enough. Returns how many calls were deleted; p_limit: looked at.
create function ledger.retire(p_limit int) returns int language plpgsql security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_state pyfi.retention; v_days double precision := ledger.keep_days(); v_keep bigint := ledger.keep_calls();
  v_finished timestamptz := coalesce(now() - v_days * interval '1 day', 'infinity'); v_roots uuid[]; v_ids uuid[]; v_last timestamptz; v_count int;
begin
  if access.node() is null then return 0; end if;
  select r.* into v_state from pyfi.retention r where r.key = 'calls' for update skip locked;
  if v_state.key is null or v_state.looked_to = '-infinity' and v_state.next > now() then return 0; end if;
  if v_state.looked_to = '-infinity' then
    v_state.next := now() + interval '1 minute';
    perform ledger.end_queues();
    perform ledger.refresh_limits();
    -- Everything made at this moment or later is kept. Infinite: no count is given; null: there are not so many.
    v_state.created_before := case when v_keep is null then 'infinity' else
      (select c.created from pyfi.call c order by c.created desc, c.id desc offset greatest(v_keep - 1, 0) limit 1) end;
  end if;
  if v_days is null and v_keep is null or v_state.created_before is null then
    update pyfi.retention r set looked_to = '-infinity', next = v_state.next, created_before = null where r.key = 'calls';
    return 0;
  end if;

  with seen as (
    select c.id, c.parent_id, c.state, c.created from pyfi.call c
      where c.created > v_state.looked_to and c.created < least(v_finished, v_state.created_before) order by c.created limit p_limit)
  select array_agg(s.id) filter (where s.parent_id is null and s.state in ('done', 'failed', 'cancelled')), max(s.created), count(*)
    into v_roots, v_last, v_count from seen s;
  -- The rows of a tree are asked for one tree at a time: the index of roots leads to them, whatever the statistics say.
  select array_agg(m.id) into v_ids from unnest(v_roots) r (id) cross join lateral (
    select array[r.id] || array(select k.id from pyfi.call k where k.root_id = r.id and k.parent_id is not null) as tree) t
    cross join lateral unnest(t.tree) m (id)
    where not exists (select from unnest(t.tree) x (id) join pyfi.call c on c.id = x.id
      where c.state not in ('done', 'failed', 'cancelled') or c.finished >= v_finished or c.created >= v_state.created_before);
  delete from pyfi.event e where e.call_id = any (v_ids);
  delete from pyfi.call c where c.id = any (v_ids);
  update pyfi.retention r set looked_to = case when v_count < p_limit then '-infinity' else v_last end, next = v_state.next,
      created_before = v_state.created_before, deleted = r.deleted + coalesce(cardinality(v_ids), 0)
    where r.key = 'calls';
  return coalesce(cardinality(v_ids), 0);
end $$;

-- A queue with `expires` that has had neither socket nor plug for so long is deleted.
create function ledger.end_queues() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  delete from pyfi.queue q where q.expires is not null and q.updated < now() - q.expires * interval '1 ms'
    and not exists (select from pyfi.socket s where s.queue_id = q.id) and not exists (select from pyfi.plug g where g.queue_id = q.id);
exception when foreign_key_violation then
  -- Somebody just took it into use.
end $$;

-- From when on a queue is unused: it counts as written when what used it goes.
create function ledger.queue_left() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update pyfi.queue q set updated = now() where q.id = old.queue_id and q.expires is not null;
  return null;
end $$;

create trigger socket_left after delete or update of queue_id on pyfi.socket for each row execute function ledger.queue_left();
create trigger plug_left after delete or update of queue_id on pyfi.plug for each row execute function ledger.queue_left();
