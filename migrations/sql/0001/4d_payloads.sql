-- Large values (docs/explanation/payloads.md): what does not fit into a call's row is a payload, a row of pieces in order.
-- A piece has bytes of its own, or is another payload of the same root: what is made of a large value does not copy it.
-- Which value is a payload is said by a column of the call, never by the value itself: data cannot forge a reference.

CREATE TABLE pyfi.payload (
  id UUID NOT NULL,
  root_id UUID,
  owner_id UUID,
  call_id UUID,
  claim BIGINT,
  bytes BIGINT DEFAULT 0 NOT NULL,
  used BOOLEAN DEFAULT false NOT NULL,
  written TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT payload_pk PRIMARY KEY (id)
);

CREATE INDEX payload_root_id_idx ON pyfi.payload (root_id);

CREATE INDEX payload_unused_idx ON pyfi.payload (written) WHERE not used;

CREATE TABLE pyfi.piece (
  payload_id UUID NOT NULL,
  start BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  data BYTEA,
  source_id UUID,
  CONSTRAINT piece_pk PRIMARY KEY (payload_id, start),
  CONSTRAINT piece_data_check CHECK ((data is null) <> (source_id is null)),
  CONSTRAINT piece_payload_id_fk FOREIGN KEY(payload_id) REFERENCES pyfi.payload (id) ON DELETE CASCADE
);

-- Compressing costs more processor time than the disk is worth, and a part of it could not be read without the whole.
alter table pyfi.piece alter column data set storage external;

-- Up to so many bytes a value stays in its call's row.
create function ledger.inline_bytes() returns int language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select greatest(1024, least(s.value::int, 1048576)) from pyfi.setting s where s.key = 'inline_bytes'), 65536);
end $$;

-- Whoever reads a value has it in memory, as text and as objects: several times its size.
create function ledger.largest_bytes() returns bigint language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return coalesce((select s.value::bigint from pyfi.setting s where s.key = 'largest_bytes'), 268435456);
end $$;

-- What a worker is told when it enlists.
create function ledger.value_limits() returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('inline_bytes', ledger.inline_bytes(), 'largest_bytes', ledger.largest_bytes(),
    'log_bytes', coalesce((select s.value::bigint from pyfi.setting s where s.key = 'log_bytes'), 1048576),
    'log_lines', coalesce((select s.value::bigint from pyfi.setting s where s.key = 'log_lines'), 10000))
$$;

-- One more piece at the end. p_start: how long it was for the writer; the same piece again (a reply was lost) changes nothing.
create function ledger.append(p_id uuid, p_start bigint, p_data bytea, p_source uuid) returns bigint
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_root uuid; v_bytes bigint; v_more bigint;
begin
  select p.root_id, p.bytes into v_root, v_bytes from pyfi.payload p where p.id = p_id for update;
  v_more := case when p_data is not null then length(p_data)
    else (select s.bytes from pyfi.payload s where s.id = p_source and s.root_id = v_root) end;
  if coalesce(v_more, 0) = 0 or p_start is null then
    raise exception using errcode = 'PF422', message = 'a piece of a value is some bytes, or another value of the same flow';
  end if;
  if exists (select from pyfi.piece x where x.payload_id = p_id and x.start = p_start and x.bytes = v_more) then
    return v_bytes;
  end if;
  if v_bytes <> p_start then
    raise exception using errcode = 'PF409', message = format('the value has %s bytes, and another piece is there', v_bytes);
  end if;
  if v_bytes + v_more > ledger.largest_bytes() then
    raise exception using errcode = 'PF422', message = format('the value is larger than %s bytes, the largest allowed', ledger.largest_bytes()),
      hint = 'an administrator may raise the setting largest_bytes';
  end if;
  insert into pyfi.piece (payload_id, start, bytes, data, source_id) values (p_id, p_start, v_more, p_data, p_source);
  update pyfi.payload p set bytes = v_bytes + v_more, written = now() where p.id = p_id;
  return v_bytes + v_more;
end $$;

-- Large arguments, before their call is submitted: p_id is new or an upload of the same user that no call has. An hour after the last
-- piece the sweeper removes it.
create function ledger.upload(p_id uuid, p_start bigint, p_data bytea) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_me uuid := access.me();
begin
  if v_me is null then
    raise exception using errcode = 'PF403', message = 'only a user uploads';
  end if;
  if p_start = 0 and (select coalesce(sum(p.bytes), 0) from pyfi.payload p where not p.used and p.owner_id = v_me and p.call_id is null)
      > 4 * ledger.largest_bytes() then
    raise exception using errcode = 'PF409', message = 'too much is uploaded for calls that were never submitted',
      hint = 'what no call uses is removed after an hour';
  end if;
  insert into pyfi.payload (id, owner_id) values (p_id, v_me) on conflict do nothing;
  if not exists (select from pyfi.payload p where p.id = p_id and p.owner_id = v_me and p.call_id is null and not p.used) then
    raise exception using errcode = 'PF404', message = 'there is no such upload';
  end if;
  return ledger.append(p_id, p_start, p_data, null);
end $$;

-- Part of ledger.submit: which of these calls have arguments by reference, and as which payload (the call's id for a text that is too long
-- for its row). Null: none.
create function ledger.large(p_ids uuid[], p_args text[], p_uploads uuid[]) returns uuid[] language plpgsql stable
  set search_path = pg_catalog, pg_temp as $$
declare v_most int;
begin
  if p_uploads is null and not exists (select from unnest(p_args) u (args) where octet_length(u.args) > 1024) then return null; end if;
  v_most := ledger.inline_bytes();
  if p_uploads is null and not exists (select from unnest(p_args) u (args) where octet_length(u.args) > v_most) then return null; end if;
  return array(select coalesce(u.upload, case when octet_length(u.args) > v_most then u.id end)
    from unnest(p_ids, p_args, p_uploads) with ordinality u (id, args, upload, n) order by u.n);
end $$;

-- Part of ledger.submit: the payloads of calls that were just entered.
create function ledger.adopt(p_new uuid[], p_ids uuid[], p_args text[], p_payloads uuid[], p_owner uuid) returns void language plpgsql
  set search_path = pg_catalog, pg_temp as $$
declare r record;
begin
  for r in select u.id, u.args, u.payload from unnest(p_ids, p_args, p_payloads) u (id, args, payload)
      where u.payload is not null and u.id = any (p_new) loop
    if r.args is not null then
      perform r.args::json;
      if octet_length(r.args) > ledger.largest_bytes() then
        raise exception using errcode = 'PF422', message = format('the arguments are larger than %s bytes, the largest allowed', ledger.largest_bytes());
      end if;
      perform ledger.composed(r.id, r.id, array[r.args], null);
    else
      update pyfi.payload p set used = true, root_id = r.id
        where p.id = r.payload and p.owner_id = p_owner and p.call_id is null and not p.used and p.bytes > 0;
      if not found then
        raise exception using errcode = 'PF404', message = 'the upload of the arguments is not there', hint = 'upload them again';
      end if;
    end if;
  end loop;
end $$;

-- A value made of parts, in their order: texts[n], or where that is null the payload payloads[n] of the same root (payloads null: texts alone).
-- Gives the text when it is short and no part is a payload; else makes the payload p_id, which copies the texts and refers to
-- the payloads. p_id is computed from what the value is for (a child call's id): made again, it is the one that is there.
-- For example '{"args":[' || a result || '],"kwargs":{}}', or '[' || the results of members with ',' between || ']'.
create function ledger.composed(p_id uuid, p_root uuid, p_texts text[], p_payloads uuid[], out value text, out payload uuid)
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_text text := ''; v_bytes bigint := 0; v_made bigint;
begin
  if not exists (select from unnest(p_payloads) u (id) where u.id is not null) then
    value := array_to_string(p_texts, '');
    if octet_length(value) <= ledger.inline_bytes() then return; end if;
    p_texts := array[value];
    value := null;
  end if;
  payload := p_id;
  insert into pyfi.payload (id, root_id, used) values (p_id, p_root, true) on conflict do nothing;
  if not found then return; end if;
  for n in 1 .. cardinality(p_texts) loop
    if p_texts[n] is not null then
      v_text := v_text || p_texts[n];
    else
      v_bytes := ledger.append_text(p_id, v_bytes, v_text);
      v_text := '';
      insert into pyfi.piece (payload_id, start, bytes, source_id)
        select p_id, v_bytes, s.bytes, s.id from pyfi.payload s where s.id = p_payloads[n] and s.root_id = p_root returning bytes into v_made;
      if not found then
        raise exception using errcode = 'PF404', message = format('there is no value %s of the flow %s', p_payloads[n], p_root);
      end if;
      v_bytes := v_bytes + v_made;
      update pyfi.payload s set used = true where s.id = p_payloads[n] and not s.used;
    end if;
  end loop;
  v_bytes := ledger.append_text(p_id, v_bytes, v_text);
  update pyfi.payload p set bytes = v_bytes where p.id = p_id;
end $$;

-- The bytes of a text as pieces of a payload; gives the length then.
create function ledger.append_text(p_id uuid, p_start bigint, p_text text) returns bigint language plpgsql
  set search_path = pg_catalog, pg_temp as $$
declare v_data bytea := convert_to(p_text, 'UTF8');
begin
  insert into pyfi.piece (payload_id, start, bytes, data)
    select p_id, p_start + s.at, length(s.part), s.part
      from (select i.at, substr(v_data, i.at + 1, 262144) as part from generate_series(0, length(v_data) - 1, 262144) i (at)) s;
  return p_start + length(v_data);
end $$;

-- A payload of another flow that holds the same bytes: for a call that is made again.
create function ledger.copied(p_payload uuid, p_id uuid, p_root uuid) returns uuid language plpgsql
  set search_path = pg_catalog, pg_temp as $$
declare v_bytes bigint;
begin
  if p_payload is null then return null; end if;
  select p.bytes into v_bytes from pyfi.payload p where p.id = p_payload;
  insert into pyfi.payload (id, root_id, bytes, used) values (p_id, p_root, v_bytes, true);
  for i in 0 .. (v_bytes - 1) / 262144 loop
    insert into pyfi.piece (payload_id, start, bytes, data)
      select p_id, i * 262144::bigint, length(s.data), s.data from ledger.slice(p_payload, i * 262144::bigint, 262144) s (data);
  end loop;
  return p_id;
end $$;

-- At most p_most bytes of a payload, from byte p_from on; empty behind its end.
create function ledger.slice(p_id uuid, p_from bigint, p_most int) returns bytea language plpgsql stable
  set search_path = pg_catalog, pg_temp as $$
declare v_found bytea := ''; r record;
begin
  for r in
      select x.source_id, greatest(p_from - x.start, 0) as skip,
          case when x.data is not null then substr(x.data, greatest(p_from - x.start, 0)::int + 1, p_most) end as data
        from pyfi.piece x where x.payload_id = p_id and x.start < p_from + p_most
          and x.start >= coalesce((select max(y.start) from pyfi.piece y where y.payload_id = p_id and y.start <= p_from), 0)
        order by x.start loop
    exit when length(v_found) >= p_most;
    v_found := v_found || coalesce(substr(r.data, 1, p_most - length(v_found)), ledger.slice(r.source_id, r.skip, p_most - length(v_found)));
  end loop;
  return v_found;
end $$;

-- Whether two values are the same text. Each is a text or a payload.
create function ledger.same(p_text text, p_payload uuid, p_other text, p_other_payload uuid) returns boolean language plpgsql stable
  set search_path = pg_catalog, pg_temp as $$
declare v_at bigint := 0; v_bytes bigint; v_others bigint; v_data bytea; v_other_data bytea;
begin
  if p_payload is null and p_other_payload is null then return p_text = p_other; end if;
  v_bytes := coalesce((select p.bytes from pyfi.payload p where p.id = p_payload), octet_length(p_text));
  v_others := coalesce((select p.bytes from pyfi.payload p where p.id = p_other_payload), octet_length(p_other));
  if v_bytes is distinct from v_others then return false; end if;
  v_data := convert_to(p_text, 'UTF8');
  v_other_data := convert_to(p_other, 'UTF8');
  while v_at < v_bytes loop
    if coalesce(substr(v_data, v_at::int + 1, 262144), ledger.slice(p_payload, v_at, 262144))
        is distinct from coalesce(substr(v_other_data, v_at::int + 1, 262144), ledger.slice(p_other_payload, v_at, 262144)) then
      return false;
    end if;
    v_at := v_at + 262144;
  end loop;
  return true;
end $$;

-- A worker writes a value of a call that it holds. In transactions of their own, which may be lost in a crash: the finish that
-- names the payload comes after them in the same log.
create function ledger.put(p_worker uuid, p_call uuid, p_claim bigint, p_id uuid, p_start bigint, p_data bytea, p_source uuid) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  set local synchronous_commit = off;
  insert into pyfi.payload (id, root_id, call_id, claim)
    select p_id, c.root_id, c.id, c.claim from pyfi.call c join pyfi.worker w on w.id = c.worker_id join pyfi.node n on n.id = w.node_id
      where c.id = p_call and c.claim = p_claim and w.id = p_worker and n.worker_login = access.acting()
        and case when c.state in ('claimed', 'running') then true else false end
    on conflict do nothing;
  if not found and not exists (
      select from pyfi.payload p join pyfi.call c on c.id = p.call_id join pyfi.worker w on w.id = c.worker_id join pyfi.node n on n.id = w.node_id
        where p.id = p_id and p.call_id = p_call and p.claim = p_claim and not p.used and c.claim = p_claim and w.id = p_worker
          and n.worker_login = access.acting() and case when c.state in ('claimed', 'running') then true else false end) then
    raise exception using errcode = 'PF409', message = format('this worker does not hold the call %s', p_call);
  end if;
  return ledger.append(p_id, p_start, p_data, p_source);
end $$;

-- A worker reads the arguments of a call that it holds; bytes is how long they are.
create function ledger.read_arguments(p_worker uuid, p_call uuid, p_claim bigint, p_from bigint, p_most int, out bytes bigint, out data bytea)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_id uuid;
begin
  select c.args_payload into v_id from pyfi.call c join pyfi.worker w on w.id = c.worker_id join pyfi.node n on n.id = w.node_id
    where c.id = p_call and c.claim = p_claim and w.id = p_worker and n.worker_login = access.acting()
      and case when c.state in ('claimed', 'running') then true else false end;
  if not found then
    raise exception using errcode = 'PF409', message = format('this worker does not hold the call %s', p_call);
  end if;
  bytes := (select p.bytes from pyfi.payload p where p.id = v_id);
  data := ledger.slice(v_id, p_from, p_most);
end $$;

-- For whoever may see the call: a part of its 'arguments' or its 'result', when that is by reference.
create function ledger.read_payload(p_call uuid, p_what text, p_from bigint, p_most int) returns bytea
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare v_id uuid;
begin
  select case p_what when 'arguments' then c.args_payload when 'result' then c.result_payload end into v_id
    from pyfi.call c where c.id = p_call and (access.me() in (c.owner_id, c.socket_owner_id)
      or access.reaches_call('READ', c.owner_id, c.socket_owner_id, c.socket_id));
  if v_id is null then
    raise exception using errcode = 'PF404', message = format('the call %s has no large %s', p_call, p_what), hint = 'flow ls calls';
  end if;
  return ledger.slice(v_id, p_from, least(p_most, 4194304));
end $$;

-- How long the values by reference of these calls are, for whoever may see the calls.
create function ledger.payload_sizes(p_calls uuid[]) returns table (id uuid, arguments_bytes bigint, result_bytes bigint)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select c.id, a.bytes, r.bytes from pyfi.call c left join pyfi.payload a on a.id = c.args_payload left join pyfi.payload r on r.id = c.result_payload
    where c.id = any (p_calls) and (access.me() in (c.owner_id, c.socket_owner_id)
      or access.reaches_call('READ', c.owner_id, c.socket_owner_id, c.socket_id))
      and num_nonnulls(c.args_payload, c.result_payload) > 0
$$;

-- Part of a turn: each call's payload, or null where it is not one that this call's worker wrote.
create function ledger.owned(p_calls uuid[], p_payloads uuid[]) returns uuid[] language sql stable set search_path = pg_catalog, pg_temp as $$
  select array(select (select p.id from pyfi.payload p where p.id = u.payload and p.call_id = u.call and p.bytes > 0)
    from unnest(p_calls, p_payloads) with ordinality u (call, payload, n) order by u.n)
$$;

-- Part of a turn: what finished calls named stays.
create function ledger.keep(p_finished uuid[], p_calls uuid[], p_payloads uuid[]) returns void language sql set search_path = pg_catalog, pg_temp as $$
  update pyfi.payload p set used = true from unnest(p_calls, p_payloads) u (call, payload)
    where p.id = u.payload and u.call = any (p_finished)
$$;

-- Part of a sweep: uploads that no call took within an hour, and what attempts wrote that are lost or named it not.
create function ledger.sweep_payloads() returns void language sql set search_path = pg_catalog, pg_temp as $$
  delete from pyfi.payload d where d.id = any (array(
    select p.id from pyfi.payload p left join pyfi.call c on c.id = p.call_id
      where not p.used and case when p.call_id is null then p.written < now() - interval '1 hour'
        else c.id is null or c.claim is distinct from p.claim or c.state not in ('claimed', 'running') end
      order by p.written limit 32 for update of p skip locked))
$$;

-- With the last call of a flow its payloads go.
create function ledger.end_payloads() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from pyfi.payload p using (select distinct g.root_id from gone g) o
    where p.root_id = o.root_id and not exists (select from pyfi.call c where c.id = o.root_id)
      and not exists (select from pyfi.call c where c.root_id = o.root_id and c.parent_id is not null);
  return null;
end $$;

create trigger call_deleted after delete on pyfi.call referencing old table as gone
  for each statement execute function ledger.end_payloads();

-- Part of a turn: what generators yielded while they run. Fenced by the claim; each item goes to every RESULT plug as a call of its own,
-- whose id is computed: sent again it is the call that is there. An attempt that yields something else than an earlier one
-- at the same place, or (value and payload null: the end) nothing, is told so: row 'n', id, num = the place.
create function ledger.items(p_worker uuid, p_ids uuid[], p_claims bigint[], p_seqs bigint[], p_values text[], p_payloads uuid[])
  returns table (kind "char", id uuid, num bigint, attempt smallint, socket uuid, text text, root uuid, parent uuid, ids uuid[])
  language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_live int[]; v_outcomes text[]; v_retried uuid[]; v_broken uuid[]; v_places bigint[]; v_owned uuid[];
begin
  with c as (
    select c.id, c.claim, c.attempt from pyfi.call c where c.id = any (p_ids) and c.worker_id = p_worker
      and case when c.state in ('claimed', 'running') then true else false end order by c.id for no key update)
  select array_agg(u.n order by u.n), array_agg(distinct c.id) filter (where c.attempt > 0) into v_live, v_retried
    from unnest(p_ids, p_claims) with ordinality u (id, claim, n) join c on c.id = u.id and c.claim = u.claim;
  if v_live is null then return; end if;
  if p_payloads is not null then v_owned := ledger.owned(p_ids, p_payloads); end if;
  if v_retried is not null then
    with broken as (
      select p_ids[s.n] as call, min(p_seqs[s.n]) as seq
        from unnest(v_live) s (n) join pyfi.call c on c.id = p_ids[s.n] and c.id = any (v_retried)
          join pyfi.plug g on g.source_id = c.socket_id and g.type = 'RESULT' and g.argument is null join pyfi.queue q on q.id = g.queue_id
          join pyfi.socket t on t.id = any (case when q.type <> 'direct' then ledger.reached(q.id) else '{}' end || g.target_id)
          join pyfi.call k on k.id = ledger.child_id(c.id, g.id, t.id, p_seqs[s.n])
        where (p_values[s.n] is null and v_owned[s.n] is null) or not ledger.same(
          k.args::text, (select x.source_id from pyfi.piece x where x.payload_id = k.args_payload and x.source_id is not null),
          '{"args":[' || p_values[s.n] || '],"kwargs":{}}', v_owned[s.n])
        group by 1)
    select array_agg(b.call), array_agg(b.seq) into v_broken, v_places from broken b;
    return query select 'n'::"char", b.call, b.seq, null::smallint, null::uuid, null::text, null::uuid, null::uuid, null::uuid[]
      from unnest(v_broken, v_places) b (call, seq);
  end if;
  if v_owned is not null then perform ledger.keep(p_ids, p_ids, v_owned); end if;
  v_live := array(select s.n from unnest(v_live) s (n) where (p_values[s.n] is not null or v_owned[s.n] is not null)
    and p_ids[s.n] <> all (coalesce(v_broken, '{}')));
  v_outcomes := array_fill('item'::text, array[cardinality(p_ids)]);
  return query select * from ledger.route(v_live, p_ids, v_outcomes, p_values, null, null, null, p_worker, null, null, 0, v_owned, null, p_seqs);
  if exists (select from pyfi.call c join pyfi.plug g on g.source_id = c.socket_id where c.id = any (p_ids) and g.argument is not null) then
    return query select * from ledger.join(v_live, null, p_ids, v_outcomes, p_values, null, null, null, p_worker, null, null, 0, v_owned, null, p_seqs);
  end if;
end $$;
