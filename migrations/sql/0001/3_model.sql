-- Desired state: ownership that never changes, generations, addresses, notifications.

create function access.keep_owner() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.owner_id is distinct from old.owner_id then
    raise exception using errcode = 'PF403', message = format('the owner of a %s cannot be changed', tg_table_name);
  end if;
  -- Calls and sealed secrets name rows by it.
  if new.id <> old.id then
    raise exception using errcode = 'PF403', message = format('the id of a %s cannot be changed', tg_table_name);
  end if;
  new.updated := now();
  return new;
end $$;

create function access.touch() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.updated := now();
  return new;
end $$;

create function access.raise_generation() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if (new.gitrepo, new.commit, new.module, new.modulepath, new.requirements, new.time_limit_seconds, new.soft_time_limit_seconds, new.restart_token,
      new.environment, new.index_url, new.index_secret, new.git_secret, new.hashes_only, new.sandbox, new.online)
    is distinct from (old.gitrepo, old.commit, old.module, old.modulepath, old.requirements, old.time_limit_seconds, old.soft_time_limit_seconds, old.restart_token,
      old.environment, old.index_url, old.index_secret, old.git_secret, old.hashes_only, old.sandbox, old.online) then
    new.generation := old.generation + 1;
    -- Other code, or a person who wants it to be tried again, ends a hold.
    new.crashed := '{}';
    new.held_since := null;
    new.held_reason := null;
  end if;
  return new;
end $$;

-- A socket is something that its processor's workers run with.
create function access.socket_changed() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update pyfi.processor p set generation = generation + 1 where p.id = coalesce(new.processor_id, old.processor_id);
  return null;
end $$;

create function access.socket_address() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_bare text; v_network pyfi.network; v_owner text;
begin
  select q.name || '.' || p.name || '.' || t.name into v_bare
    from pyfi.queue q, pyfi.processor p, pyfi.task t where q.id = new.queue_id and p.id = new.processor_id and t.id = new.task_id;
  select n.* into v_network from pyfi.network n join pyfi.processor p on p.network_id = n.id where p.id = new.processor_id;
  select u.name into v_owner from pyfi."user" u where u.id = new.owner_id;
  new.address := case when v_network.name = 'default' then '' else v_network.name || ':' end
    || case when v_network.owner_id = new.owner_id then '' else v_owner || ':' end || v_bare;
  if exists (select from pyfi.socket s where s.address = new.address and s.id <> new.id) then
    new.address := new.address || '.' || new.name;
  end if;
  return new;
end $$;

-- For each row, since a statement's trigger fires without a row too: the agents' reports would wake all agents for ever.
-- Equal notifications of one transaction are sent once.
create function access.notify_model() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_notify('pyfi_model', tg_table_name);
  return null;
end $$;

create trigger processor_guard before update or delete on pyfi.processor for each row execute function access.guard_processor();
create trigger socket_guard before insert or update or delete on pyfi.socket for each row execute function access.guard_socket();
create trigger processor_generation before update on pyfi.processor for each row execute function access.raise_generation();
create trigger socket_address before insert or update of queue_id, task_id on pyfi.socket for each row execute function access.socket_address();
create trigger socket_changed after insert or update of queue_id, task_id, name or delete on pyfi.socket
  for each row execute function access.socket_changed();

do $$
declare t text;
begin
  foreach t in array array['role','secret','network','scheduler','node','agent','queue','processor','socket','plug','gate','file','flow'] loop
    execute format('create trigger %I before update on pyfi.%I for each row execute function access.keep_owner()', t || '_owner', t);
  end loop;
  foreach t in array array['user','privilege','worker','deployment','task','argument','version'] loop
    execute format('create trigger %I before update on pyfi.%I for each row execute function access.touch()', t || '_touch', t);
  end loop;
  foreach t in array array['network','queue','task','socket','plug'] loop
    execute format('create trigger %I after insert or update or delete on pyfi.%I for each row execute function access.notify_model()', t || '_notify', t);
  end loop;
end $$;

create trigger processor_notify after insert or delete or update of gitrepo, commit, module, modulepath, requirements, hostname, concurrency,
  retries, time_limit_seconds, soft_time_limit_seconds, drain_seconds, requested_status, restart_token, generation, environment, index_url, index_secret, git_secret,
  hashes_only, sandbox, online on pyfi.processor
  for each row execute function access.notify_model();
create trigger deployment_notify after insert or delete or update of cpus, node_id on pyfi.deployment
  for each row execute function access.notify_model();

-- What of a processor needs a right of its own: null where the reader lacks it.
create view pyfi.processor_detail with (security_invoker = true) as
  select p.id as processor_id, d.* from pyfi.processor p cross join lateral access.processor_detail(p.id) d;
