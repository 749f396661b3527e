-- Generated: python -m pyfi.db.generated --write. Do not edit.

create function pg_temp.grant_columns(p_verb text, p_table text, p_which text, p_columns text[], p_group text)
  returns void language plpgsql as $$
declare v_columns text;
begin
  select string_agg(format('%I', column_name), ', ' order by ordinal_position) into v_columns
    from information_schema.columns
    where table_schema = 'pyfi' and table_name = p_table and (column_name = any (p_columns)) = (p_which = 'only');
  execute format('grant %s (%s) on pyfi.%I to %s', p_verb, v_columns, p_table, p_group);
end $$;

create policy agent_select on pyfi.agent for select to {{flow_user}}
  using (case (select access.scope('LS_AGENTS')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
create policy agent_insert on pyfi.agent for insert to {{flow_user}}
  with check (owner_id = (select access.mine('ADD_AGENT')) and exists (select from pyfi.node e where e.id = agent.node_id and (e.owner_id = agent.owner_id or case (select access.scope('UPDATE_NODE')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)) and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('ADD_AGENT'))));
create policy agent_update on pyfi.agent for update to {{flow_user}}
  using (case (select access.scope('UPDATE_AGENT')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE_AGENT')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end and exists (select from pyfi.node e where e.id = agent.node_id and (e.owner_id = agent.owner_id or case (select access.scope('UPDATE_NODE')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)) and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('UPDATE_AGENT'))));
create policy agent_delete on pyfi.agent for delete to {{flow_user}}
  using (case (select access.scope('DELETE_AGENT')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
grant select, insert, update, delete on pyfi.agent to {{flow_user}};

create policy argument_select on pyfi.argument for select to {{flow_user}}
  using (task_id in (select id from pyfi.task));
create policy argument_insert on pyfi.argument for insert to {{flow_user}}
  with check (task_id in (select t.id from pyfi.task t where t.processor_id in (select p.id from pyfi.processor p where case (select access.scope('ADD_TASK')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)));
create policy argument_delete on pyfi.argument for delete to {{flow_user}}
  using (task_id in (select t.id from pyfi.task t where t.processor_id in (select p.id from pyfi.processor p where case (select access.scope('ADD_TASK')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)));
grant select, insert, delete on pyfi.argument to {{flow_user}};

create policy audit_select on pyfi.audit for select to {{flow_user}}
  using (user_id = (select access.me()) or owner_id = (select access.me()) or (select access.is_admin()));
select pg_temp.grant_columns('select', 'audit', 'but', array['before', 'after', 'hash'], '{{flow_user}}');

create policy audit_head_select on pyfi.audit_head for select to {{flow_user}}
  using ((select access.is_admin()));
grant select on pyfi.audit_head to {{flow_user}};

create policy backlog_select on pyfi.backlog for select to {{flow_user}}
  using (queue_id in (select id from pyfi.queue));
grant select on pyfi.backlog to {{flow_user}};

create policy call_select on pyfi.call for select to {{flow_user}}
  using (owner_id = (select access.me()) or socket_owner_id <> owner_id and socket_owner_id = (select access.me()) or (select access.scope('READ') in ('network', 'all')) and (socket_id = any ((select access.sockets('READ'))::uuid[]) or (select access.wide('READ'))));
grant select on pyfi.call to {{flow_user}};

create policy counter_select on pyfi.counter for select to {{flow_user}}
  using ((select access.wide('READ')));
grant select on pyfi.counter to {{flow_user}};

create policy deployment_select on pyfi.deployment for select to {{flow_user}}
  using (processor_id in (select id from pyfi.processor));
create policy deployment_insert on pyfi.deployment for insert to {{flow_user}}
  with check (processor_id in (select p.id from pyfi.processor p where case (select access.scope('ADD_DEPLOYMENT')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end) and exists (select from pyfi.node n join pyfi.processor p on p.network_id = n.network_id where n.id = deployment.node_id and p.id = deployment.processor_id));
create policy deployment_update on pyfi.deployment for update to {{flow_user}}
  using (processor_id in (select p.id from pyfi.processor p where case (select access.scope('EDIT_PROCESSOR_CONFIG')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end))
  with check (processor_id in (select p.id from pyfi.processor p where case (select access.scope('EDIT_PROCESSOR_CONFIG')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end) and exists (select from pyfi.node n join pyfi.processor p on p.network_id = n.network_id where n.id = deployment.node_id and p.id = deployment.processor_id));
create policy deployment_delete on pyfi.deployment for delete to {{flow_user}}
  using (processor_id in (select p.id from pyfi.processor p where case (select access.scope('EDIT_PROCESSOR_CONFIG')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end));
grant select, insert, update, delete on pyfi.deployment to {{flow_user}};

create policy event_select on pyfi.event for select to {{flow_user}}
  using ((select true from pyfi.call c where c.id = call_id));
grant select on pyfi.event to {{flow_user}};

create policy file_select on pyfi.file for select to {{flow_user}}
  using (case (select access.scope('READ')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
create policy file_insert on pyfi.file for insert to {{flow_user}}
  with check (owner_id = (select access.mine('CREATE')) and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('CREATE'))));
create policy file_update on pyfi.file for update to {{flow_user}}
  using (case (select access.scope('UPDATE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('UPDATE'))));
create policy file_delete on pyfi.file for delete to {{flow_user}}
  using (case (select access.scope('DELETE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
grant select, insert, update, delete on pyfi.file to {{flow_user}};

create policy flow_select on pyfi.flow for select to {{flow_user}}
  using (case (select access.scope('READ')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
create policy flow_insert on pyfi.flow for insert to {{flow_user}}
  with check (owner_id = (select access.mine('CREATE')) and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('CREATE'))) and (file_id is null or file_id in (select id from pyfi.file)));
create policy flow_update on pyfi.flow for update to {{flow_user}}
  using (case (select access.scope('UPDATE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('UPDATE'))) and (file_id is null or file_id in (select id from pyfi.file)));
create policy flow_delete on pyfi.flow for delete to {{flow_user}}
  using (case (select access.scope('DELETE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
grant select, insert, update, delete on pyfi.flow to {{flow_user}};

create policy frame_select on pyfi.frame for select to {{flow_user}}
  using ((select true from pyfi.call c where c.id = call_id));
grant select on pyfi.frame to {{flow_user}};

create policy gate_select on pyfi.gate for select to {{flow_user}}
  using ((case (select access.scope('LS_PLUGS')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) when 'all' then true else false end or plug_id in (select e.id from pyfi.plug e where e.source_id = any ((select access.sockets('LS_PLUGS'))::uuid[]))));
create policy gate_insert on pyfi.gate for insert to {{flow_user}}
  with check (owner_id = (select access.mine('ADD_PLUG')) and exists (select from pyfi.plug e where e.id = gate.plug_id and (e.owner_id = gate.owner_id or case (select access.scope('UPDATE_PLUG')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.source_id = any ((select access.sockets('UPDATE_PLUG'))::uuid[]) when 'all' then true else false end)));
create policy gate_update on pyfi.gate for update to {{flow_user}}
  using ((case (select access.scope('UPDATE_PLUG')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) when 'all' then true else false end or plug_id in (select e.id from pyfi.plug e where e.source_id = any ((select access.sockets('UPDATE_PLUG'))::uuid[]))))
  with check ((case (select access.scope('UPDATE_PLUG')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) when 'all' then true else false end or plug_id in (select e.id from pyfi.plug e where e.source_id = any ((select access.sockets('UPDATE_PLUG'))::uuid[]))) and exists (select from pyfi.plug e where e.id = gate.plug_id and (e.owner_id = gate.owner_id or case (select access.scope('UPDATE_PLUG')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.source_id = any ((select access.sockets('UPDATE_PLUG'))::uuid[]) when 'all' then true else false end)));
create policy gate_delete on pyfi.gate for delete to {{flow_user}}
  using ((case (select access.scope('DELETE_PLUG')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) when 'all' then true else false end or plug_id in (select e.id from pyfi.plug e where e.source_id = any ((select access.sockets('DELETE_PLUG'))::uuid[]))));
grant select, insert, update, delete on pyfi.gate to {{flow_user}};

create policy junction_select on pyfi.junction for select to {{flow_user}}
  using (exists (select from pyfi.call c where c.id = root_id and (c.owner_id = (select access.me()) or (select access.wide('READ')))) or socket_id in (select s.id from pyfi.socket s where s.owner_id = (select access.me())) or socket_id = any ((select access.sockets('READ'))::uuid[]));
grant select on pyfi.junction to {{flow_user}};

create policy log_select on pyfi.log for select to {{flow_user}}
  using ((select true from pyfi.call c where c.id = call_id) or case when (select access.scope('READ_LOG')) in ('network', 'all') then access.reads_log(call_id) else false end);
grant select on pyfi.log to {{flow_user}};

create policy login_select on pyfi.login for select to {{flow_user}}
  using (user_id = (select access.me()) or (select access.wide('READ_USER')));
create policy login_insert on pyfi.login for insert to {{flow_user}}
  with check (user_id = (select access.me()));
grant select on pyfi.login to {{flow_user}};
select pg_temp.grant_columns('insert', 'login', 'only', array['program'], '{{flow_user}}');

create policy member_select on pyfi.member for select to {{flow_user}}
  using (user_id = (select access.me()) or network_id in (select id from pyfi.network));
grant select on pyfi.member to {{flow_user}};

create policy network_select on pyfi.network for select to {{flow_user}}
  using (name = 'default' or id = any ((select access.joined())::uuid[]) or case (select access.scope('READ')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) when 'all' then true else false end);
create policy network_insert on pyfi.network for insert to {{flow_user}}
  with check (owner_id = (select access.mine('CREATE')));
create policy network_update on pyfi.network for update to {{flow_user}}
  using (case (select access.scope('UPDATE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or id = any ((select access.joined())::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
create policy network_delete on pyfi.network for delete to {{flow_user}}
  using (case (select access.scope('DELETE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
grant select, insert, update, delete on pyfi.network to {{flow_user}};

create policy node_select on pyfi.node for select to {{flow_user}}
  using (case (select access.scope('LS_NODES')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
create policy node_insert on pyfi.node for insert to {{flow_user}}
  with check (owner_id = (select access.mine('ADD_NODE')) and (network_id in (select n.id from pyfi.network n where n.owner_id = (select access.me())) or network_id = any ((select access.networks('ADD_NODE'))::uuid[]) or (select access.wide('ADD_NODE'))) and (scheduler_id is null or scheduler_id in (select id from pyfi.scheduler)));
create policy node_update on pyfi.node for update to {{flow_user}}
  using (case (select access.scope('UPDATE_NODE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE_NODE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end and (network_id in (select n.id from pyfi.network n where n.owner_id = (select access.me())) or network_id = any ((select access.networks('UPDATE_NODE'))::uuid[]) or (select access.wide('UPDATE_NODE'))) and (scheduler_id is null or scheduler_id in (select id from pyfi.scheduler)));
create policy node_delete on pyfi.node for delete to {{flow_user}}
  using (case (select access.scope('DELETE_NODE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
grant select, delete on pyfi.node to {{flow_user}};
select pg_temp.grant_columns('insert', 'node', 'but', array['login', 'worker_login'], '{{flow_user}}');
select pg_temp.grant_columns('update', 'node', 'but', array['login', 'worker_login'], '{{flow_user}}');

create policy outbox_select on pyfi.outbox for select to {{flow_user}}
  using ((select access.wide('READ')));
grant select on pyfi.outbox to {{flow_user}};

create policy payload_select on pyfi.payload for select to {{flow_user}}
  using (false);

create policy piece_select on pyfi.piece for select to {{flow_user}}
  using (false);

create policy plug_select on pyfi.plug for select to {{flow_user}}
  using (case (select access.scope('LS_PLUGS')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or source_id = any ((select access.sockets('LS_PLUGS'))::uuid[]) when 'all' then true else false end);
create policy plug_insert on pyfi.plug for insert to {{flow_user}}
  with check (owner_id = (select access.mine('ADD_PLUG')) and exists (select from pyfi.socket e where e.id = plug.source_id and (e.owner_id = plug.owner_id or case (select access.scope('UPDATE_SOCKET')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.id = any ((select access.sockets('UPDATE_SOCKET'))::uuid[]) when 'all' then true else false end)) and exists (select from pyfi.socket e where e.id = plug.target_id and (e.owner_id = plug.owner_id or case (select access.scope('RUN_TASK')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.id = any ((select access.sockets('RUN_TASK'))::uuid[]) when 'all' then true else false end)) and exists (select from pyfi.queue e where e.id = plug.queue_id and (e.owner_id = plug.owner_id or case (select access.scope('UPDATE_QUEUE')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)));
create policy plug_update on pyfi.plug for update to {{flow_user}}
  using (case (select access.scope('UPDATE_PLUG')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or source_id = any ((select access.sockets('UPDATE_PLUG'))::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE_PLUG')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or source_id = any ((select access.sockets('UPDATE_PLUG'))::uuid[]) when 'all' then true else false end and exists (select from pyfi.socket e where e.id = plug.source_id and (e.owner_id = plug.owner_id or case (select access.scope('UPDATE_SOCKET')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.id = any ((select access.sockets('UPDATE_SOCKET'))::uuid[]) when 'all' then true else false end)) and exists (select from pyfi.socket e where e.id = plug.target_id and (e.owner_id = plug.owner_id or case (select access.scope('RUN_TASK')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.id = any ((select access.sockets('RUN_TASK'))::uuid[]) when 'all' then true else false end)) and exists (select from pyfi.queue e where e.id = plug.queue_id and (e.owner_id = plug.owner_id or case (select access.scope('UPDATE_QUEUE')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)));
create policy plug_delete on pyfi.plug for delete to {{flow_user}}
  using (case (select access.scope('DELETE_PLUG')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or source_id = any ((select access.sockets('DELETE_PLUG'))::uuid[]) when 'all' then true else false end);
grant select, insert, update, delete on pyfi.plug to {{flow_user}};

create policy privilege_select on pyfi.privilege for select to {{flow_user}}
  using (user_id = (select access.me()) or role_id in (select id from pyfi.role) or user_id = any ((select access.people('READ_PRIVILEGE'))::uuid[]) or (select access.wide('READ_PRIVILEGE')));
grant select on pyfi.privilege to {{flow_user}};

create policy processor_select on pyfi.processor for select to {{flow_user}}
  using (case (select access.scope('LS_PROCESSORS')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
create policy processor_insert on pyfi.processor for insert to {{flow_user}}
  with check (owner_id = (select access.mine('ADD_PROCESSOR')) and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('ADD_PROCESSOR'))));
create policy processor_update on pyfi.processor for update to {{flow_user}}
  using (case (select access.scope('CHANGE_PROCESSOR')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('CHANGE_PROCESSOR')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('CHANGE_PROCESSOR'))));
create policy processor_delete on pyfi.processor for delete to {{flow_user}}
  using (case (select access.scope('DELETE_PROCESSOR')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
grant delete on pyfi.processor to {{flow_user}};
select pg_temp.grant_columns('select', 'processor', 'but', array['gitrepo', 'branch', 'commit', 'modulepath', 'requirements', 'index_url', 'index_secret', 'git_secret', 'hashes_only', 'hostname', 'concurrency', 'retries', 'time_limit_seconds', 'soft_time_limit_seconds', 'drain_seconds', 'backoff_seconds', 'backoff_factor', 'backoff_max_seconds', 'retry_on', 'no_retry_on', 'max_losses', 'environment', 'sandbox', 'online'], '{{flow_user}}');
select pg_temp.grant_columns('insert', 'processor', 'but', array['generation', 'status', 'reason', 'status_since', 'crashed', 'held_since', 'held_reason'], '{{flow_user}}');
select pg_temp.grant_columns('update', 'processor', 'but', array['generation', 'status', 'reason', 'status_since', 'crashed', 'held_since', 'held_reason'], '{{flow_user}}');

create policy queue_select on pyfi.queue for select to {{flow_user}}
  using (case (select access.scope('LS_QUEUES')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
create policy queue_insert on pyfi.queue for insert to {{flow_user}}
  with check (owner_id = (select access.mine('ADD_QUEUE')) and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('ADD_QUEUE'))));
create policy queue_update on pyfi.queue for update to {{flow_user}}
  using (case (select access.scope('UPDATE_QUEUE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE_QUEUE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('UPDATE_QUEUE'))));
create policy queue_delete on pyfi.queue for delete to {{flow_user}}
  using (case (select access.scope('DELETE_QUEUE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
grant select, insert, update, delete on pyfi.queue to {{flow_user}};

create policy retention_select on pyfi.retention for select to {{flow_user}}
  using ((select access.is_admin()));
grant select on pyfi.retention to {{flow_user}};

create policy role_select on pyfi.role for select to {{flow_user}}
  using (case (select access.scope('READ_ROLE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) when 'all' then true else false end or id in (select role_id from pyfi.user_role where user_id = (select access.me())));
create policy role_insert on pyfi.role for insert to {{flow_user}}
  with check (owner_id = (select access.mine('ADD_ROLE')));
create policy role_update on pyfi.role for update to {{flow_user}}
  using (case (select access.scope('UPDATE_ROLE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE_ROLE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) when 'all' then true else false end);
create policy role_delete on pyfi.role for delete to {{flow_user}}
  using (case (select access.scope('DELETE_ROLE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) when 'all' then true else false end);
grant select, insert, update, delete on pyfi.role to {{flow_user}};

create policy scheduler_select on pyfi.scheduler for select to {{flow_user}}
  using (case (select access.scope('LS_SCHEDULERS')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
create policy scheduler_insert on pyfi.scheduler for insert to {{flow_user}}
  with check (owner_id = (select access.mine('ADD_SCHEDULER')) and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('ADD_SCHEDULER'))));
create policy scheduler_update on pyfi.scheduler for update to {{flow_user}}
  using (case (select access.scope('UPDATE_SCHEDULER')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE_SCHEDULER')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('UPDATE_SCHEDULER'))));
create policy scheduler_delete on pyfi.scheduler for delete to {{flow_user}}
  using (case (select access.scope('DELETE_SCHEDULER')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
grant select, insert, update, delete on pyfi.scheduler to {{flow_user}};

create policy secret_select on pyfi.secret for select to {{flow_user}}
  using (case (select access.scope('READ')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
create policy secret_insert on pyfi.secret for insert to {{flow_user}}
  with check (owner_id = (select access.mine('CREATE')) and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('CREATE'))));
create policy secret_update on pyfi.secret for update to {{flow_user}}
  using (case (select access.scope('UPDATE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end and (network_id = (select n.id from pyfi.network n where n.name = 'default') or network_id = any ((select access.joined())::uuid[]) or (select access.wide('UPDATE'))));
create policy secret_delete on pyfi.secret for delete to {{flow_user}}
  using (case (select access.scope('DELETE')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end);
grant insert, update, delete on pyfi.secret to {{flow_user}};
select pg_temp.grant_columns('select', 'secret', 'but', array['ciphertext'], '{{flow_user}}');

create policy setting_select on pyfi.setting for select to {{flow_user}}
  using ((select access.me()) is not null);
create policy setting_insert on pyfi.setting for insert to {{flow_admin}}
  with check ((select access.is_admin()));
create policy setting_update on pyfi.setting for update to {{flow_admin}}
  using ((select access.is_admin()))
  with check ((select access.is_admin()));
create policy setting_delete on pyfi.setting for delete to {{flow_admin}}
  using ((select access.is_admin()));
grant select on pyfi.setting to {{flow_user}};
grant insert, update, delete on pyfi.setting to {{flow_admin}};

create policy slot_select on pyfi.slot for select to {{flow_user}}
  using (exists (select from pyfi.call c where c.id = root_id and (c.owner_id = (select access.me()) or (select access.wide('READ')))) or socket_id in (select s.id from pyfi.socket s where s.owner_id = (select access.me())) or socket_id = any ((select access.sockets('READ'))::uuid[]));
grant select on pyfi.slot to {{flow_user}};

create policy socket_select on pyfi.socket for select to {{flow_user}}
  using (case (select access.scope('LS_SOCKETS')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or processor_id = any ((select access.processors('LS_SOCKETS'))::uuid[]) when 'all' then true else false end);
create policy socket_insert on pyfi.socket for insert to {{flow_user}}
  with check (owner_id = (select access.mine('ADD_SOCKET')) and exists (select from pyfi.processor e where e.id = socket.processor_id and (e.owner_id = socket.owner_id or case (select access.scope('UPDATE_PROCESSOR')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)) and exists (select from pyfi.queue e where e.id = socket.queue_id and (e.owner_id = socket.owner_id or case (select access.scope('UPDATE_QUEUE')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)) and task_id in (select t.id from pyfi.task t where t.processor_id = socket.processor_id));
create policy socket_update on pyfi.socket for update to {{flow_user}}
  using (case (select access.scope('UPDATE_SOCKET')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or processor_id = any ((select access.processors('UPDATE_SOCKET'))::uuid[]) when 'all' then true else false end)
  with check (case (select access.scope('UPDATE_SOCKET')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or processor_id = any ((select access.processors('UPDATE_SOCKET'))::uuid[]) when 'all' then true else false end and exists (select from pyfi.processor e where e.id = socket.processor_id and (e.owner_id = socket.owner_id or case (select access.scope('UPDATE_PROCESSOR')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)) and exists (select from pyfi.queue e where e.id = socket.queue_id and (e.owner_id = socket.owner_id or case (select access.scope('UPDATE_QUEUE')) when 'own' then e.owner_id = (select access.me()) when 'network' then e.owner_id = (select access.me()) or e.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end)) and task_id in (select t.id from pyfi.task t where t.processor_id = socket.processor_id));
create policy socket_delete on pyfi.socket for delete to {{flow_user}}
  using (case (select access.scope('DELETE_SOCKET')) when 'own' then owner_id = (select access.me()) when 'network' then owner_id = (select access.me()) or processor_id = any ((select access.processors('DELETE_SOCKET'))::uuid[]) when 'all' then true else false end);
grant select, insert, update, delete on pyfi.socket to {{flow_user}};

create policy task_select on pyfi.task for select to {{flow_user}}
  using (processor_id in (select id from pyfi.processor));
create policy task_insert on pyfi.task for insert to {{flow_user}}
  with check (processor_id in (select p.id from pyfi.processor p where case (select access.scope('ADD_TASK')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end));
create policy task_update on pyfi.task for update to {{flow_user}}
  using (processor_id in (select p.id from pyfi.processor p where case (select access.scope('ADD_TASK')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end))
  with check (processor_id in (select p.id from pyfi.processor p where case (select access.scope('ADD_TASK')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end));
create policy task_delete on pyfi.task for delete to {{flow_user}}
  using (processor_id in (select p.id from pyfi.processor p where case (select access.scope('ADD_TASK')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end));
grant select, insert, update, delete on pyfi.task to {{flow_user}};

create policy throttle_select on pyfi.throttle for select to {{flow_user}}
  using (socket_id in (select id from pyfi.socket));
grant select on pyfi.throttle to {{flow_user}};

create policy user_select on pyfi."user" for select to {{flow_user}}
  using (id = (select access.me()) or id = any ((select access.people('LS_USER'))::uuid[]) or (select access.wide('LS_USER')));
grant select on pyfi."user" to {{flow_user}};

create policy user_role_select on pyfi.user_role for select to {{flow_user}}
  using (user_id = (select access.me()) or user_id = any ((select access.people('READ_PRIVILEGE'))::uuid[]) or (select access.wide('READ_PRIVILEGE')));
grant select on pyfi.user_role to {{flow_user}};

create policy version_select on pyfi.version for select to {{flow_user}}
  using (file_id in (select id from pyfi.file));
create policy version_insert on pyfi.version for insert to {{flow_user}}
  with check (file_id in (select f.id from pyfi.file f where case (select access.scope('UPDATE')) when 'own' then f.owner_id = (select access.me()) when 'network' then f.owner_id = (select access.me()) or f.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end));
grant select, insert on pyfi.version to {{flow_user}};

create policy worker_select on pyfi.worker for select to {{flow_user}}
  using (processor_id in (select p.id from pyfi.processor p where case (select access.scope('LS_WORKERS')) when 'own' then p.owner_id = (select access.me()) when 'network' then p.owner_id = (select access.me()) or p.network_id = any ((select access.joined())::uuid[]) when 'all' then true else false end));
grant select on pyfi.worker to {{flow_user}};
grant select on pyfi.call_event, pyfi.processor_detail to {{flow_user}};
drop function pg_temp.grant_columns(text, text, text, text[], text);
