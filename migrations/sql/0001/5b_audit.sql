-- Who changed what: one row for each change of the model, written by triggers, chained by hashes in the order of the commits.

-- What agents observe, and what triggers compute, is not a change that somebody made. Secrets are told of, never told.
create function access.told(p_row jsonb) returns jsonb language sql immutable set search_path = pg_catalog, pg_temp as $$
  select p_row - array['status', 'reason', 'status_since', 'observed_generation', 'generation', 'lease_until', 'facts', 'seen', 'pid',
      'epoch', 'port', 'created', 'updated', 'crashed', 'address', 'content', 'ciphertext']
    || case when p_row ? 'ciphertext' then jsonb_build_object('ciphertext', left(encode(sha256(convert_to(p_row ->> 'ciphertext', 'UTF8')), 'hex'), 8)) else '{}' end
    || case when p_row ? 'content' then jsonb_build_object('content', left(encode(sha256(convert_to(p_row ->> 'content', 'UTF8')), 'hex'), 8)) else '{}' end
$$;

create function access.audit() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_before jsonb := access.told(to_jsonb(old)); v_after jsonb := access.told(to_jsonb(new)); v_row jsonb := coalesce(v_after, v_before);
begin
  if tg_op = 'UPDATE' then
    if v_before = v_after then return null; end if;
    select jsonb_object_agg(b.key, b.value), jsonb_object_agg(b.key, v_after -> b.key) into v_before, v_after
      from jsonb_each(v_before) b where b.value is distinct from v_after -> b.key;
  end if;
  perform access.record(lower(tg_op), tg_table_name, (v_row ->> 'id')::uuid, coalesce(v_row ->> 'name', v_row ->> 'key', v_row ->> 'right', ''),
    (v_row ->> 'owner_id')::uuid, v_before, v_after);
  return null;
end $$;

-- For verbs that change no row of the model as well: a discarded call, a new password.
create function access.record(p_verb text, p_kind text, p_row uuid, p_name text, p_owner uuid, p_before jsonb, p_after jsonb)
  returns void language sql set search_path = pg_catalog, pg_temp as $$
  insert into pyfi.audit (login, user_id, program, client, verb, kind, row_id, name, owner_id, before, after)
    values (access.acting(), access.me(), current_setting('application_name'), coalesce(host(inet_client_addr()), ''),
      p_verb, p_kind, p_row, p_name, p_owner, p_before, p_after)
$$;

create function access.audit_text(a pyfi.audit) returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_array(a.number, extract(epoch from a.at), a.login, a.user_id, a.program, a.client, a.verb, a.kind, a.row_id, a.name,
    a.owner_id, a.before, a.after)::text
$$;

-- From what to what, for who may read the entry; code and configuration of a processor as far as he may see them now.
-- The hash would let what is hidden be guessed.
create function access.audit_detail(p_id bigint) returns table (before jsonb, after jsonb, hash bytea)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare a pyfi.audit; v_me uuid := access.me(); v_network uuid; v_hidden text[] := '{}';
begin
  select x.* into a from pyfi.audit x where x.id = p_id and (x.user_id = v_me or x.owner_id = v_me or access.is_admin());
  if a.id is null then return; end if;
  if a.kind = 'processor' then
    v_network := coalesce((select p.network_id from pyfi.processor p where p.id = a.row_id), (a.before ->> 'network_id')::uuid);
    if not access.may('VIEW_PROCESSOR_CODE', a.owner_id, v_network) then v_hidden := v_hidden || access.code_columns(); end if;
    if not access.may('VIEW_PROCESSOR_CONFIG', a.owner_id, v_network) then v_hidden := v_hidden || access.config_columns(); end if;
  end if;
  return query select access.veiled(a.before, v_hidden), access.veiled(a.after, v_hidden), case when v_hidden = '{}' then a.hash end;
end $$;

-- That such a column changed is told, not its values.
create function access.veiled(p_row jsonb, p_hidden text[]) returns jsonb language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when p_row is null or p_hidden = '{}' then p_row else
    (select coalesce(jsonb_object_agg(e.key, case when e.key = any (p_hidden) then '"***"' else e.value end), '{}') from jsonb_each(p_row) e) end
$$;

-- At the commit, so that the head of the chain is locked for its last moment only: the number and the hash over the row and the hash before.
create function access.chain_audit() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_head pyfi.audit_head; v_row pyfi.audit;
begin
  insert into pyfi.audit_head (single, number, hash) values (true, 0, '') on conflict do nothing;
  select * into v_head from pyfi.audit_head for update;
  select * into v_row from pyfi.audit where id = new.id;
  v_row.number := v_head.number + 1;
  v_row.hash := sha256(v_head.hash || convert_to(access.audit_text(v_row), 'UTF8'));
  update pyfi.audit set number = v_row.number, hash = v_row.hash where id = new.id;
  update pyfi.audit_head set number = v_row.number, hash = v_row.hash;
  return null;
end $$;

create constraint trigger audit_chain after insert on pyfi.audit deferrable initially deferred for each row execute function access.chain_audit();

create function access.refuse_rewriting() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception using errcode = 'PF403', message = 'the audit log is only ever added to';
end $$;

create trigger audit_final before update on pyfi.audit for each row when (old.hash is not null) execute function access.refuse_rewriting();
create trigger audit_kept before delete on pyfi.audit for each row execute function access.refuse_rewriting();
create trigger audit_whole before truncate on pyfi.audit for each statement execute function access.refuse_rewriting();

create function access.notify_audit() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_notify('pyfi_audit', '');
  return null;
end $$;

create trigger audit_notify after insert on pyfi.audit for each statement execute function access.notify_audit();

-- How many entries there are, and the number of the first that does not follow from the one before it; null: the chain is whole.
create function access.verify_audit() returns table (entries bigint, broken bigint)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform access.require_admin('verifying the audit log');
  return query with chained as (
    select a.number, a.hash, sha256(coalesce(lag(a.hash) over w, '') || convert_to(access.audit_text(a), 'UTF8')) as right_hash,
        coalesce(lag(a.number) over w, 0) + 1 as right_number
      from pyfi.audit a where a.number is not null window w as (order by a.number)),
  head as (select coalesce(max(h.number), 0) as number, max(encode(h.hash, 'hex')) as hash from pyfi.audit_head h),
  wrong as (
    select c.right_number as n from chained c where c.hash is distinct from c.right_hash or c.number <> c.right_number
    union all
    select h.number from head h where h.number <> coalesce((select max(c.number) from chained c), 0)
      or h.hash is distinct from (select encode(c.hash, 'hex') from chained c order by c.number desc limit 1)
    union all
    select a.id from pyfi.audit a where a.number is null)
  select (select count(*) from chained), (select min(wrong.n) from wrong);
end $$;

do $$
declare t text;
begin
  foreach t in array array['network','node','agent','queue','processor','socket','task','plug','gate','deployment','scheduler','role','user',
      'user_role','privilege','member','secret','setting','file','version','flow','login'] loop
    execute format('create trigger %I after insert or update or delete on pyfi.%I for each row execute function access.audit()', t || '_audit', t);
  end loop;
end $$;
