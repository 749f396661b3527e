-- Rules of sockets and queues (docs/explanation/limits.md): order, concurrency, rate, length. A socket with a row in pyfi.throttle has
-- some; a wake-up of such a socket is a token, and what is claimed for it is what priority and age say.
-- Locks are taken in one order: calls that end, then throttles by socket, then backlogs by queue; calls to be claimed are skipped when locked.

-- Until when a call may begin: what was asked for, or what the queues that it enters allow. plpgsql keeps the plan from one statement to the next.
create function ledger.until(p_asked timestamptz, p_begin timestamptz, p_queue uuid, p_ttl bigint) returns timestamptz
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return least(p_asked, p_begin + least(p_ttl, (select q.message_ttl from pyfi.queue q where q.id = p_queue)) * interval '1 ms');
end $$;

-- Part of a submission: a priority as it was given.
create function ledger.priority(p_given jsonb) returns smallint language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if p_given is null then return 0; end if;
  if jsonb_typeof(p_given) = 'number' and (p_given #>> '{}') ~ '^-?\d+$' and (p_given #>> '{}')::numeric between -10 and 10 then
    return p_given #>> '{}';
  end if;
  raise exception using errcode = 'PF422', message = format('priority is no whole number from -10 to 10: %s', left(p_given::text, 100));
end $$;

-- Tokens that a bucket holds: what was left, and what came since; never more than the burst.
create function ledger.filled(p_tokens double precision, p_since timestamptz, p_rate double precision, p_burst int) returns double precision
  language sql volatile as $$
  select least(coalesce(p_burst, greatest(1, ceil(p_rate))),
    case when p_since = '-infinity' then 'infinity' else p_tokens + p_rate * extract(epoch from clock_timestamp() - p_since)::double precision end)
$$;

-- What the arguments of a call take: as stored, so that nothing is unpacked. Without SET, so that it is inlined.
create function ledger.argument_bytes(p_args json, p_payload uuid) returns bigint language sql stable as $$
  select coalesce(pg_column_size(p_args)::bigint, (select p.bytes from pyfi.payload p where p.id = p_payload))
$$;

-- How full a queue is, counted anew when the last count is older than it was dear: a short queue each time, a long one each few seconds.
-- Bounded: beyond the limit nobody needs to know how far. Locks the row.
create function ledger.measured(p_queue uuid, out length bigint, out bytes bigint, out is_new boolean)
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare b pyfi.backlog; v_most bigint; v_bytes bigint;
begin
  select x.* into b from pyfi.backlog x where x.queue_id = p_queue for update;
  is_new := clock_timestamp() >= b.counted + least(5, b.length * 0.00001) * interval '1 second';
  if is_new then
    select coalesce(q.max_length::bigint, 1000000), q.max_length_bytes into v_most, v_bytes from pyfi.queue q where q.id = p_queue;
    if v_bytes is null then
      select count(*), 0 into b.length, b.bytes from (select from unnest(b.sockets) s (id) join pyfi.call c
        on c.socket_id = s.id and c.state = 'queued' and c.not_before is null limit v_most + 1) x;
    else
      select count(*), coalesce(sum(x.bytes), 0) into b.length, b.bytes from (select ledger.argument_bytes(c.args, c.args_payload) as bytes from unnest(b.sockets) s (id)
        join pyfi.call c on c.socket_id = s.id and c.state = 'queued' and c.not_before is null limit v_most + 1) x;
    end if;
    update pyfi.backlog x set length = b.length, bytes = b.bytes, counted = clock_timestamp() where x.queue_id = p_queue;
  end if;
  length := b.length;
  bytes := b.bytes;
end $$;

-- For how many calls more there is room, what is under way to the queue taken off; whoever finds none is told when there is.
create function ledger.room(p_queue uuid, p_wanted bigint) returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare m record; b pyfi.backlog; v_length int; v_bytes bigint; v_coming bigint; v_room bigint;
begin
  m := ledger.measured(p_queue);
  select x.* into b from pyfi.backlog x where x.queue_id = p_queue;
  select q.max_length, q.max_length_bytes into v_length, v_bytes from pyfi.queue q where q.id = p_queue;
  select count(*) into v_coming from unnest(b.feeders) f (id) join pyfi.call c
    on c.socket_id = f.id and c.limited and c.state in ('claimed', 'running');
  v_room := greatest(0, least(coalesce(v_length - m.length - v_coming, p_wanted), case when m.bytes >= v_bytes then 0 else p_wanted end));
  if v_room < p_wanted and not b.awaited then
    update pyfi.backlog x set awaited = true where x.queue_id = p_queue;
  end if;
  return v_room;
end $$;

-- Part of a submission: calls that were just entered fit into every queue that they wait in, or none of them is entered.
create function ledger.require_room(p_socket uuid, p_new uuid[]) returns void language plpgsql set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare v_queue uuid; m record; q pyfi.queue; v_length bigint; v_bytes bigint; v_more_bytes bigint;
begin
  select sum(ledger.argument_bytes(c.args, c.args_payload)) into v_more_bytes from pyfi.call c where c.id = any (p_new);
  for v_queue in select u.id from pyfi.throttle h, unnest(h.waits_in) u (id) where h.socket_id = p_socket order by 1 loop
    select x.* into q from pyfi.queue x where x.id = v_queue;
    if v_more_bytes > q.max_length_bytes and cardinality(p_new) = 1 then
      raise exception using errcode = 'PF422', message = format('the call has %s bytes, and queue %s may hold %s', v_more_bytes, q.name, q.max_length_bytes);
    end if;
    m := ledger.measured(v_queue);
    -- What this transaction entered is in a count of its own, and not in an older one.
    v_length := m.length + case when m.is_new then 0 else cardinality(p_new) end;
    v_bytes := m.bytes + case when m.is_new then 0 else v_more_bytes end;
    if v_length > q.max_length or v_bytes > q.max_length_bytes then
      raise exception using errcode = 'PF429', message = format('queue %s is full: %s', q.name, case when v_length > q.max_length
        then format('it may hold %s calls', q.max_length) else format('it may hold %s bytes', q.max_length_bytes) end),
        hint = format('flow ls calls shows what waits; flow update queue -n %s changes its limits', q.name);
    end if;
    if not m.is_new then
      update pyfi.backlog x set length = v_length, bytes = v_bytes where x.queue_id = v_queue;
    end if;
  end loop;
end $$;

-- One wake-up for the first call of a socket, at that time; false: none waits.
create function ledger.wake_first(p_socket uuid, p_address text, p_due timestamptz) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into pyfi.outbox (address, ids, due)
    select p_address, array[c.id], p_due from pyfi.call c where c.socket_id = p_socket and c.state = 'queued' and c.not_before is null
      order by c.priority desc, c.created limit 1;
  if found then perform pg_notify('pyfi_outbox', ''); end if;
  return found;
end $$;

-- Some calls of a socket become a worker's: the oldest whatever their priority, or the first by priority and age. The guest starts
-- them in the order of their tokens.
create function ledger.take_calls(p_worker uuid, p_commit text, p_socket uuid, p_most bigint, p_oldest boolean) returns uuid[]
  language plpgsql set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare v_until timestamptz := now() + ledger.lease(); v_ids uuid[];
begin
  if p_oldest then
    v_ids := array(select x.id from generate_series(-10, 10) p (p) cross join lateral (
        select c.id, c.created from pyfi.call c where c.socket_id = p_socket and c.state = 'queued' and c.not_before is null and c.priority = p.p
          order by c.created limit p_most) x order by x.created limit p_most);
    v_ids := array(select c.id from unnest(v_ids) with ordinality u (id, n) join pyfi.call c on c.id = u.id
      where case when c.state = 'queued' then c.not_before is null and (c.expires is null or c.expires > now()) else false end
      order by u.n for update of c skip locked);
  else
    v_ids := array(select c.id from pyfi.call c where c.socket_id = p_socket and c.state = 'queued' and c.not_before is null
        and (c.expires is null or c.expires > now())
      order by c.priority desc, c.created limit p_most for update skip locked);
  end if;
  -- Materialized: a plan that reads it again and again would give tokens in whatever order.
  with t as materialized (select u.id, nextval('ledger.claim_token') as token from unnest(v_ids) u (id))
  update pyfi.call c set state = 'claimed', claim = t.token, worker_id = p_worker, lease_until = v_until, "commit" = p_commit,
      claimed = now(), started = null, limited = true
    from t where c.id = t.id;
  return v_ids;
end $$;

-- Part of a turn: which of the named calls are claimed by their ids, since no rules hold for their sockets.
create function ledger.unruled(p_ids uuid[]) returns uuid[] language sql stable set search_path = pg_catalog, pg_temp as $$
  select array_agg(u.id order by u.n) from unnest(p_ids) with ordinality u (id, n) left join pyfi.call c on c.id = u.id
    where not exists (select from pyfi.throttle h where h.socket_id = c.socket_id)
$$;

-- Part of a turn: claims for sockets with rules. p_ids: what wake-ups named, each a token for its socket. p_more: so many calls more than
-- tokens the worker takes. What cannot be claimed now is owed: who has room for it later claims it, or a wake-up is sent.
-- Rows: 'c' and 't' as in a turn; 'r': ids that were tokens, so that nobody counts them as duplicates.
create function ledger.claim_limited(p_worker uuid, p_commit text, p_sockets uuid[], p_ids uuid[], p_more int, p_told boolean)
  returns table (kind "char", id uuid, num bigint, attempt smallint, socket uuid, text text, root uuid, parent uuid, ids uuid[])
  language plpgsql set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  r record; t pyfi.throttle; v_got bigint; v_more bigint := greatest(p_more, 0); v_want bigint; v_most bigint; v_mine bigint; v_take bigint; v_claimed bigint; v_old bigint;
  v_level double precision; v_held bigint; v_held_here bigint; v_due timestamptz; v_queue uuid; v_named uuid[]; v_socks uuid[]; v_ids uuid[]; v_all uuid[] := '{}';
begin
  select array_agg(c.id), array_agg(c.socket_id) into v_named, v_socks
    from unnest(p_ids) u (id) join pyfi.call c on c.id = u.id where c.socket_id = any (p_sockets)
      and exists (select from pyfi.throttle h where h.socket_id = c.socket_id);
  if v_named is not null then
    -- What has come due is in the order of the others from now on.
    update pyfi.call c set not_before = null where c.id = any (array(select x.id from pyfi.call x where x.id = any (v_named)
      and case when x.state = 'queued' then x.not_before <= now() else false end for update skip locked));
    return query select 'r'::"char", null::uuid, null::bigint, null::smallint, null::uuid, null::text, null::uuid, null::uuid, v_named;
  end if;

  for r in select h.socket_id, h.owed, h.waits_in, h.feeds, s.address, s.processor_id, s.concurrency, s.rate, s.burst
      from pyfi.throttle h join pyfi.socket s on s.id = h.socket_id where h.socket_id = any (p_sockets) order by h.socket_id loop
    v_got := coalesce(cardinality(array_positions(v_socks, r.socket_id)), 0);
    -- A slot that was freed in this turn is seen by this turn alone until it commits: who finishes looks at what is owed under the lock.
    if v_got = 0 and r.owed = 0 and not (p_told and r.concurrency is not null) then continue; end if;
    v_most := v_got;
    v_mine := v_got;
    v_want := v_got;
    v_due := null;
    if r.concurrency is not null or r.rate is not null or r.feeds <> '{}' then
      select h.* into t from pyfi.throttle h where h.socket_id = r.socket_id for update;
      v_want := v_got + t.owed;
      v_most := v_want;
      v_mine := v_want;
      if v_want = 0 then continue; end if;
      if r.concurrency is not null then
        select count(*), count(*) filter (where c.worker_id = p_worker) into v_held, v_held_here from pyfi.call c
          where c.socket_id = r.socket_id and c.limited and c.state in ('claimed', 'running');
        v_most := least(v_most, r.concurrency - v_held);
        -- A worker runs one after the other: what it held beyond its share would keep slots from those that are idle.
        select greatest(1, ceil(r.concurrency::numeric / greatest(1, count(*)))) - v_held_here into v_mine from pyfi.worker w
          where w.processor_id = r.processor_id and w.status = 'running';
      end if;
      if r.rate is not null then
        v_level := ledger.filled(t.tokens, t.filled, r.rate, r.burst);
        v_most := least(v_most, floor(v_level));
        -- Of a high rate several at once: a wake-up for each would be dearer than the calls.
        if v_level < v_want then
          v_due := clock_timestamp() + greatest((floor(v_level) + 1 - v_level) / r.rate,
            least(0.01, ledger.filled(0, '-infinity', r.rate, r.burst) / 2 / r.rate)) * interval '1 second';
        end if;
      end if;
      foreach v_queue in array r.feeds loop
        if v_most > 0 then
          v_most := least(v_most, ledger.room(v_queue, v_most));
          if v_most <= 0 then v_due := greatest(v_due, clock_timestamp() + interval '1 second'); end if;
        end if;
      end loop;
    end if;

    v_take := greatest(0, least(v_most, v_mine, v_got + v_more));
    v_claimed := 0;
    if v_take > 0 then
      -- Every tenth or so is the oldest, whatever its priority: nothing waits for ever.
      v_old := floor(v_take * 0.1 + random());
      if v_old > 0 then
        v_ids := ledger.take_calls(p_worker, p_commit, r.socket_id, v_old, true);
        v_claimed := cardinality(v_ids);
        v_all := v_all || v_ids;
      end if;
      if v_claimed < v_take then
        v_ids := ledger.take_calls(p_worker, p_commit, r.socket_id, v_take - v_claimed, false);
        v_claimed := v_claimed + cardinality(v_ids);
        v_all := v_all || v_ids;
      end if;
      v_more := v_more - greatest(0, v_claimed - v_got);
    end if;

    if r.concurrency is not null or r.rate is not null or r.feeds <> '{}' then
      -- Fewer than there was room for: nothing waits any more.
      t.owed := case when v_claimed < v_take then 0 else v_want - v_claimed end;
      if r.rate is not null then
        t.tokens := v_level - v_claimed;
        t.filled := clock_timestamp();
      end if;
      -- Slots or tokens are left and this worker is full: somebody else is to have them.
      if v_due is null and v_most > v_claimed then v_due := clock_timestamp() + interval '50 milliseconds'; end if;
      -- One at a time: they would multiply. Who ends a call under a cap claims the next one, and needs none.
      if t.owed > 0 and v_due is not null and t.woken <= clock_timestamp() then
        if ledger.wake_first(r.socket_id, r.address, v_due) then t.woken := v_due; else t.owed := 0; end if;
      end if;
      update pyfi.throttle h set owed = t.owed, tokens = t.tokens, filled = t.filled, woken = t.woken where h.socket_id = r.socket_id;
    end if;

    if v_claimed > 0 and exists (select from pyfi.backlog b where b.queue_id = any (r.waits_in) and b.awaited) then
      perform ledger.tell_feeders(r.waits_in);
    end if;
  end loop;
  return query select 'c'::"char", c.id, c.claim, (c.attempt + 1)::smallint, c.socket_id, c.args::text, c.root_id, c.parent_id, null::uuid[]
      from pyfi.call c where c.id = any (v_all)
    union all select 't', c.id, (extract(epoch from c.deadline - now()) * 1000)::bigint, null, null, null, null, null, null
      from pyfi.call c where c.id = any (v_all) and c.deadline is not null order by 3;
end $$;

-- There is room in queues again: whoever paused for them gets a wake-up.
create function ledger.tell_feeders(p_queues uuid[]) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_queue uuid; b pyfi.backlog;
begin
  for v_queue in select x.queue_id from pyfi.backlog x where x.queue_id = any (p_queues) and x.awaited order by 1 loop
    if ledger.room(v_queue, 1) > 0 then
      update pyfi.backlog x set awaited = false where x.queue_id = v_queue returning x.* into b;
      perform ledger.wake_first(s.id, s.address, now()) from pyfi.socket s join pyfi.throttle h on h.socket_id = s.id
        where s.id = any (b.feeders) and h.owed > 0;
    end if;
  end loop;
end $$;

-- Part of a sweep: what is owed although nobody is on the way to claim it (who ended it was no worker, or its wake-up was lost).
create function ledger.wake_owed() returns int language plpgsql set search_path = pg_catalog, pg_temp as $$
declare r record; v_woken int := 0;
begin
  for r in select h.socket_id, s.address from pyfi.throttle h join pyfi.socket s on s.id = h.socket_id
        join pyfi.processor p on p.id = s.processor_id
      where h.owed > 0 and h.woken < now() - interval '1 second' and p.requested_status = 'running' and p.held_since is null
        and (s.concurrency is null or s.concurrency > (select count(*) from pyfi.call c
          where c.socket_id = s.id and c.limited and c.state in ('claimed', 'running')))
      order by h.socket_id for update of h skip locked loop
    if ledger.wake_first(r.socket_id, r.address, now()) then
      update pyfi.throttle h set woken = now() where h.socket_id = r.socket_id;
      v_woken := v_woken + 1;
    else
      update pyfi.throttle h set owed = 0 where h.socket_id = r.socket_id;
    end if;
  end loop;
  return v_woken;
end $$;

-- Which sockets have rules, which queues they wait in and which they fill. A socket never pauses for a queue from which plugs lead
-- back to it: a circle of full queues would stand still for ever.
create function ledger.refresh_limits() returns void language plpgsql set search_path = pg_catalog, pg_temp set jit = off as $$
begin
  if not exists (select from pyfi.queue q where q.max_length is not null or q.max_length_bytes is not null)
      and not exists (select from pyfi.socket s where s.concurrency is not null or s.rate is not null)
      and not exists (select from pyfi.throttle) then
    return;
  end if;
  insert into pyfi.backlog (queue_id) select q.id from pyfi.queue q where q.max_length is not null or q.max_length_bytes is not null order by q.id
    on conflict do nothing;
  with recursive edge as materialized (
    select g.source_id as source, t.id as target, g.queue_id as queue from pyfi.plug g
      cross join lateral (select distinct unnest(ledger.reached(g.queue_id) || g.target_id) as id) t
      where exists (select from pyfi.backlog)),
  limited as materialized (select b.queue_id as id from pyfi.backlog b join pyfi.queue q on q.id = b.queue_id
    where q.max_length is not null or q.max_length_bytes is not null),
  wait as materialized (
    select s.id as socket, l.id as queue from limited l join pyfi.socket s on s.queue_id = l.id
    union select e.target, l.id from limited l join edge e on e.queue = l.id),
  behind as (
    select w.queue, w.socket from wait w union select d.queue, e.target from behind d join edge e on e.source = d.socket),
  feed as (
    select distinct e.source as socket, w.queue from edge e join wait w on w.socket = e.target
      where not exists (select from behind d where d.queue = w.queue and d.socket = e.source)),
  ruled as (
    select s.id, array(select w.queue from wait w where w.socket = s.id order by 1) as waits_in,
        array(select f.queue from feed f where f.socket = s.id order by 1) as feeds
      from pyfi.socket s where s.concurrency is not null or s.rate is not null
        or exists (select from wait w where w.socket = s.id) or exists (select from feed f where f.socket = s.id)
        or exists (select from pyfi.throttle h where h.socket_id = s.id)),
  entered as (
    insert into pyfi.throttle as h (socket_id, waits_in, feeds) select x.id, x.waits_in, x.feeds from ruled x order by x.id
      on conflict (socket_id) do update set waits_in = excluded.waits_in, feeds = excluded.feeds
        where (h.waits_in, h.feeds) is distinct from (excluded.waits_in, excluded.feeds))
  update pyfi.backlog b set sockets = x.sockets, feeders = x.feeders, counted = '-infinity'
    from (select l.queue_id as id, array(select w.socket from wait w where w.queue = l.queue_id order by 1) as sockets,
        array(select f.socket from feed f where f.queue = l.queue_id order by 1) as feeders from pyfi.backlog l) x
    where b.queue_id = x.id and (b.sockets, b.feeders) is distinct from (x.sockets, x.feeders);
  delete from pyfi.backlog b using pyfi.queue q where q.id = b.queue_id and q.max_length is null and q.max_length_bytes is null;
  -- A rule that is there no more: its socket's calls are claimed by their ids again, and those that wait need wake-ups of their own.
  with gone as (
    delete from pyfi.throttle h using pyfi.socket s where s.id = h.socket_id and h.waits_in = '{}' and h.feeds = '{}'
      and s.concurrency is null and s.rate is null and not exists (select from pyfi.call c where c.socket_id = s.id and c.state = 'queued'
        and c.not_before is null and c.priority > 0) and not exists (select from pyfi.call c where c.socket_id = s.id and c.state = 'queued'
        and c.not_before is null and c.priority < 0) returning s.id, s.address, h.owed)
  insert into pyfi.outbox (address, ids) select g.address, array_agg(c.id order by c.created) from gone g join pyfi.call c
    on c.socket_id = g.id and c.state = 'queued' and c.not_before is null where g.owed > 0 group by g.address;
  if found then perform pg_notify('pyfi_outbox', ''); end if;
end $$;

create function ledger.limits_changed() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform ledger.refresh_limits();
  return null;
end $$;

create trigger queue_limits after insert or update of max_length, max_length_bytes, type on pyfi.queue
  for each statement execute function ledger.limits_changed();
create trigger socket_limits after insert or update of concurrency, rate, burst, queue_id on pyfi.socket
  for each statement execute function ledger.limits_changed();
create trigger plug_limits after insert or delete or update of source_id, target_id, queue_id on pyfi.plug
  for each statement execute function ledger.limits_changed();

-- What runs already is counted by a rule that comes later; what a lifted or eased rule kept back gets a wake-up.
create function ledger.rule_begins() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update pyfi.call c set limited = true where c.id = any (array(select x.id from pyfi.worker w join pyfi.call x on x.worker_id = w.id
    where x.state in ('claimed', 'running') and x.socket_id = new.socket_id and not coalesce(x.limited, false) for update of x skip locked));
  return null;
end $$;

create trigger throttle_begins after insert on pyfi.throttle for each row execute function ledger.rule_begins();

create function ledger.ease_owed() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update pyfi.throttle h set woken = '-infinity', filled = case when new.rate is distinct from old.rate then '-infinity' else h.filled end
    where h.socket_id = new.id;
  return null;
end $$;

create trigger socket_eased after update of concurrency, rate, burst on pyfi.socket for each row execute function ledger.ease_owed();

-- The first call with a priority makes its socket one whose calls are claimed in their order.
create function ledger.has_priority() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into pyfi.throttle (socket_id) select s.id from pyfi.socket s where s.id = new.socket_id on conflict do nothing;
  return null;
end $$;

create trigger call_priority after insert on pyfi.call for each row when (new.priority <> 0) execute function ledger.has_priority();

-- Part of a turn: calls whose guest died, one after the other, at one commit. After so many different ones the processor is held: its code,
-- not its calls, is what fails. Any outcome that a guest told itself ends the row. Returns whether it is held.
create function ledger.hold_after() returns int language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select s.value::int from pyfi.setting s where s.key = 'hold_after'), 5);
end $$;

create function ledger.note_crashes(p_worker uuid, p_commit text, p_finished uuid[], p_ids uuid[], p_outcomes text[], p_values text[]) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare p pyfi.processor; v_crashed uuid[];
begin
  select x.* into p from pyfi.worker w join pyfi.processor x on x.id = w.processor_id where w.id = p_worker for no key update of x;
  -- A worker of the former commit, which drains, says nothing of this one.
  if p.held_since is not null or p_commit <> p."commit" then return p.held_since is not null; end if;
  v_crashed := p.crashed;
  for i in 1 .. cardinality(p_ids) loop
    if p_ids[i] = any (p_finished) then
      if p_outcomes[i] = 'crashed' then
        v_crashed := array_append(array_remove(v_crashed, p_ids[i]), p_ids[i]);
        p.held_reason := ledger.error_message(p_values[i]);
      elsif p_outcomes[i] in ('done', 'each', 'failed') then
        v_crashed := '{}';
      end if;
    end if;
  end loop;
  if cardinality(v_crashed) >= ledger.hold_after() then
    p.held_since := clock_timestamp();
    p.held_reason := format('%s calls one after the other crashed, the last: %s', cardinality(v_crashed), p.held_reason);
  else
    p.held_reason := null;
  end if;
  if (v_crashed, p.held_since) is distinct from (p.crashed, null) then
    update pyfi.processor x set crashed = v_crashed, held_since = p.held_since, held_reason = p.held_reason where x.id = p.id;
  end if;
  return p.held_since is not null;
end $$;

-- Who asks for it to run, though nothing else changes by that, wants it to be tried again whatever crashed before.
create function ledger.lift_hold() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.crashed := '{}';
  new.held_since := null;
  new.held_reason := null;
  return new;
end $$;

create trigger processor_lifted before update of requested_status on pyfi.processor for each row
  when (new.requested_status = 'running' and old.held_since is not null) execute function ledger.lift_hold();
