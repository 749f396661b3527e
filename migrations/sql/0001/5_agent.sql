-- What an agent may ask and say. It has no rights on tables; each function looks at who is logged in.

create function agent.required_node() returns pyfi.node language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node;
begin
  select n.* into v_node from pyfi.node n where n.login = access.acting();
  if v_node.id is null then
    raise exception using errcode = 'PF403', message = 'this login is no node''s', hint = 'flow agent start enrols the node';
  end if;
  return v_node;
end $$;

create function agent.node_lease() returns interval language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce((select value::interval from pyfi.setting where key = 'node_lease'), interval '40 seconds')
$$;

-- A newer registration raises the epoch; what an older agent says afterwards is refused.
create function agent.register(p_name text, p_hostname text, p_cpus int, p_facts jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node := agent.required_node(); v_agent pyfi.agent; v_network text;
begin
  update pyfi.node set hostname = p_hostname, cpus = p_cpus, facts = p_facts, status = 'running', lease_until = now() + agent.node_lease()
    where id = v_node.id;
  insert into pyfi.agent as a (name, owner_id, network_id, node_id, epoch, pid, port, status, seen)
    values (v_node.name, v_node.owner_id, v_node.network_id, v_node.id, 1, (p_facts ->> 'pid')::int, (p_facts ->> 'port')::int, 'running', now())
    on conflict (node_id) do update set epoch = a.epoch + 1, pid = excluded.pid, port = excluded.port, status = 'running', seen = now()
    returning * into v_agent;
  select name into v_network from pyfi.network where id = v_node.network_id;
  return jsonb_build_object('node_id', v_node.id, 'agent_id', v_agent.id, 'epoch', v_agent.epoch, 'network', v_network);
end $$;

create function agent.is_current(p_node uuid, p_epoch int) returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (select from pyfi.agent a where a.node_id = p_node and a.epoch = p_epoch)
$$;

create function agent.heartbeat(p_epoch int, p_facts jsonb) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node := agent.required_node();
begin
  if not agent.is_current(v_node.id, p_epoch) then return false; end if;
  update pyfi.node set facts = facts || p_facts, status = 'running', lease_until = now() + agent.node_lease() where id = v_node.id;
  update pyfi.agent set status = 'running', seen = now() where node_id = v_node.id;
  return true;
end $$;

-- The agent leaves: its node offers nothing any more.
create function agent.leave(p_epoch int) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node := agent.required_node();
begin
  if not agent.is_current(v_node.id, p_epoch) then return; end if;
  update pyfi.node set status = 'stopped', lease_until = now() where id = v_node.id;
  update pyfi.agent set status = 'stopped', pid = null, seen = now() where node_id = v_node.id;
end $$;

-- CPUs a processor asks for: its own count, else the sum of its sockets' caps, at least one; none when it is to stop.
create function agent.wanted_cpus(p pyfi.processor) returns int language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when p.requested_status in ('stopped', 'removed') then 0 else
    coalesce(p.concurrency, greatest(1, (select sum(s.concurrency) from pyfi.socket s where s.processor_id = p.id)::int)) end
$$;

create function agent.live_cpus(p_processor uuid) returns int language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(sum(d.cpus), 0)::int from pyfi.deployment d join pyfi.node n on n.id = d.node_id
    where d.processor_id = p_processor and n.lease_until > now()
$$;

-- What this node should run. Placed deployments beyond what is wanted are reduced first (the node was away and others took over,
-- or the count was lowered); those a user made stay.
create function agent.desired() returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node := agent.required_node(); d record; v_excess int; v_result jsonb;
begin
  for d in select x.id, x.cpus, p.id as processor_id from pyfi.deployment x join pyfi.processor p on p.id = x.processor_id
      where x.node_id = v_node.id and x.origin = 'placed'
        and (p.requested_status not in ('stopped', 'removed') and agent.live_cpus(p.id) > agent.wanted_cpus(p)
          or p.hostname is not null and p.hostname not in (v_node.name, v_node.hostname))
      -- Everybody locks processors in this order, so that agents wait for each other, but never in a circle.
      order by p.id loop
    perform from pyfi.processor p where p.id = d.processor_id for update;
    select case when p.hostname is not null and p.hostname not in (v_node.name, v_node.hostname) then d.cpus
        else agent.live_cpus(p.id) - agent.wanted_cpus(p) end into v_excess from pyfi.processor p where p.id = d.processor_id;
    if v_excess >= d.cpus then delete from pyfi.deployment where id = d.id;
    elsif v_excess > 0 then update pyfi.deployment set cpus = d.cpus - v_excess where id = d.id; end if;
  end loop;
  select jsonb_build_object(
      'settings', (select coalesce(jsonb_object_agg(s.key, s.value), '{}') from pyfi.setting s
        where s.key in ('allow_file_repositories', 'repositories_allow', 'repositories_deny', 'repositories_private_hosts', 'commit_signers', 'strict_installs', 'ssh_known_hosts')),
      'deployments', coalesce(jsonb_agg(jsonb_build_object(
      'id', x.id, 'processor_id', p.id, 'processor', p.name, 'network', n.name,
      'owner', (select u.name from pyfi."user" u where u.id = p.owner_id and p.owner_id <> n.owner_id), 'cpus', x.cpus, 'generation', p.generation,
      'requested_status', p.requested_status, 'gitrepo', p.gitrepo, 'commit', p.commit, 'module', p.module, 'modulepath', p.modulepath,
      'requirements', p.requirements, 'time_limit_seconds', p.time_limit_seconds,
      'soft_time_limit_seconds', p.soft_time_limit_seconds, 'drain_seconds', p.drain_seconds,
      'restart_token', p.restart_token, 'owner_id', p.owner_id, 'environment', p.environment, 'index_url', p.index_url, 'hashes_only', p.hashes_only, 'sandbox', p.sandbox, 'online', p.online,
      'git_secret', p.git_secret, 'index_secret', p.index_secret, 'secrets_changed', (select max(s.changed) from pyfi.secret s
        where s.owner_id = p.owner_id and s.network_id = p.network_id and s.name = any (access.secret_names(p))),
      'sockets', (select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'name', s.name, 'task', t.name, 'address', s.address) order by s.name), '[]')
        from pyfi.socket s join pyfi.task t on t.id = s.task_id where s.processor_id = p.id)) order by p.created), '[]'))
    into v_result
    from pyfi.deployment x join pyfi.processor p on p.id = x.processor_id join pyfi.network n on n.id = p.network_id
      -- A processor that went to another network runs there.
      where x.node_id = v_node.id and p.network_id = v_node.network_id;
  return v_result;
end $$;

-- Processors of this network that lack CPUs and may run here.
create function agent.offers() returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node := agent.required_node();
begin
  return (select coalesce(jsonb_agg(jsonb_build_object('processor_id', o.id, 'processor', o.name, 'missing', o.missing) order by o.created), '[]')
    from (select p.id, p.name, p.created, agent.wanted_cpus(p) - agent.live_cpus(p.id) as missing from pyfi.processor p
      where p.network_id = v_node.network_id and p.requested_status in ('running', 'paused')
        and p.sandbox <= coalesce((v_node.facts ->> 'sandbox_most')::int, 0)
        and (p.hostname is null or p.hostname in (v_node.name, v_node.hostname))) o where o.missing > 0);
end $$;

create function agent.place(p_processor uuid, p_cpus int) returns boolean
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node := agent.required_node(); v_missing int;
begin
  -- Two statements: what is counted must be counted after the lock was had, with a new snapshot.
  perform from pyfi.processor p where p.id = p_processor for update;
  select agent.wanted_cpus(p) - agent.live_cpus(p.id) into v_missing from pyfi.processor p
    where p.id = p_processor and p.network_id = v_node.network_id and p.sandbox <= coalesce((v_node.facts ->> 'sandbox_most')::int, 0) and (p.hostname is null or p.hostname in (v_node.name, v_node.hostname));
  if v_missing is null or v_missing <= 0 or p_cpus <= 0 then return false; end if;
  insert into pyfi.deployment as d (processor_id, node_id, cpus, origin) values (p_processor, v_node.id, least(p_cpus, v_missing), 'placed')
    on conflict (processor_id, node_id) do update set cpus = d.cpus + excluded.cpus;
  return true;
end $$;

-- A processor's status is the best that its deployments reached, or the reason why none did.
create function agent.refresh_processor(p_processor uuid) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare v_status text; v_reason text; p pyfi.processor; v_workers int;
begin
  select * into p from pyfi.processor where id = p_processor;
  select count(*) into v_workers from pyfi.worker w join pyfi.node n on n.id = w.node_id
    where w.processor_id = p_processor and w.status in ('starting', 'running', 'draining') and n.lease_until > now();
  if p.requested_status in ('stopped', 'removed') then
    v_status := case when v_workers > 0 then 'stopping' else p.requested_status end;
    v_reason := case when v_workers > 0 then format('%s workers drain', v_workers) else '' end;
  else
    select d.status, d.reason into v_status, v_reason from pyfi.deployment d join pyfi.node n on n.id = d.node_id
      where d.processor_id = p_processor and n.lease_until > now()
      order by array_position(array['running', 'updating', 'starting', 'failed', 'paused', 'stopping', 'stopped', 'ready'], d.status) limit 1;
    if v_status is null then v_status := 'ready'; v_reason := 'no agent has taken it yet';
    elsif v_status = 'running' and p.requested_status = 'paused' then v_status := 'paused'; v_reason := 'asked to pause'; end if;
  end if;
  update pyfi.processor set status = v_status, reason = v_reason,
      status_since = case when status = v_status then status_since else now() end
    where id = p_processor and (status, reason) is distinct from (v_status, v_reason);
end $$;

create function agent.report(p_epoch int, p_document jsonb) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node := agent.required_node(); v_processor uuid;
begin
  if not agent.is_current(v_node.id, p_epoch) then return; end if;
  delete from pyfi.worker w where w.node_id = v_node.id and p_document ? 'workers'
    and not w.key in (select x ->> 'key' from jsonb_array_elements(p_document -> 'workers') x);
  insert into pyfi.worker as w (id, key, node_id, deployment_id, processor_id, ordinal, pid, status, reason, generation, restarts, last_exit, next_try)
    select x.id, x.key, v_node.id, d.id, coalesce(d.processor_id, k.processor_id), x.ordinal, x.pid, x.status, coalesce(x.reason, ''), coalesce(x.generation, 0),
        coalesce(x.restarts, 0), x.last_exit, now() + x.next_try_seconds * interval '1 second'
      from jsonb_to_recordset(p_document -> 'workers') x (id uuid, key text, deployment_id text, ordinal int, pid int, status text, reason text,
        generation int, restarts int, last_exit text, next_try_seconds double precision)
      -- A worker that drains after its deployment was taken away is still one, and may finish what it holds.
      left join pyfi.deployment d on d.id = nullif(x.deployment_id, '')::uuid and d.node_id = v_node.id
      left join pyfi.worker k on k.id = x.id and k.node_id = v_node.id
      where d.id is not null or k.id is not null
    on conflict (node_id, key) do update set id = excluded.id, deployment_id = excluded.deployment_id, processor_id = excluded.processor_id,
      ordinal = excluded.ordinal, pid = excluded.pid, status = excluded.status, reason = excluded.reason, generation = excluded.generation,
      restarts = excluded.restarts, last_exit = excluded.last_exit, next_try = excluded.next_try,
      sockets = case when w.id = excluded.id then w.sockets else '{}' end;
  update pyfi.deployment d set status = x.status, reason = coalesce(x.reason, ''), observed_generation = coalesce(x.observed_generation, 0),
      status_since = case when d.status = x.status then d.status_since else now() end
    from jsonb_to_recordset(p_document -> 'deployments') x (id uuid, status text, reason text, observed_generation int)
    where d.id = x.id and d.node_id = v_node.id
      and (d.status, d.reason, d.observed_generation) is distinct from (x.status, coalesce(x.reason, ''), coalesce(x.observed_generation, 0));
  delete from pyfi.deployment d using pyfi.processor p where p.id = d.processor_id and d.node_id = v_node.id
    and p.requested_status = 'removed' and d.origin = 'placed'
    and not exists (select from pyfi.worker w where w.deployment_id = d.id);
  for v_processor in select distinct d.processor_id from pyfi.deployment d where d.node_id = v_node.id
      union select p.id from pyfi.processor p where p.network_id = v_node.network_id
        and p.status <> case when p.requested_status in ('stopped', 'removed') then p.requested_status else 'ready' end
        and not exists (select from pyfi.deployment d join pyfi.node n on n.id = d.node_id where d.processor_id = p.id and n.lease_until > now())
      order by 1 loop
    perform agent.refresh_processor(v_processor);
  end loop;
end $$;

-- A worker of this node is gone. Which incarnation, and the last token whose function was started (the mark's eight bytes).
-- p_asked: somebody had told it to end, so what it ran counts no loss.
create function agent.worker_exited(p_worker uuid, p_started bigint, p_cause text, p_asked boolean default false) returns int
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node := agent.required_node();
begin
  if exists (select from pyfi.worker w where w.id = p_worker and w.node_id <> v_node.id)
    or exists (select from pyfi.call c join pyfi.socket s on s.id = c.socket_id
      where c.worker_id = p_worker and c.state in ('claimed', 'running')
        and not exists (select from pyfi.deployment d where d.processor_id = s.processor_id and d.node_id = v_node.id)
        and not exists (select from pyfi.worker w where w.id = p_worker)) then
    raise exception using errcode = 'PF403', message = 'that worker is another node''s';
  end if;
  return ledger.release(p_worker, coalesce(p_started, 0), '{}', p_cause, p_asked);
end $$;
