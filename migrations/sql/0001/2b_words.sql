-- Generated: python -m pyfi.db.generated --write. Do not edit.

-- Every right that can be given.
create function access.rights() returns text[] language sql immutable set search_path = pg_catalog, pg_temp as $$
  select '{ALL,CREATE,READ,UPDATE,DELETE,DB_DROP,DB_INIT,START_AGENT,RUN_TASK,CANCEL_TASK,START_PROCESSOR,STOP_PROCESSOR,PAUSE_PROCESSOR,RESUME_PROCESSOR,LOCK_PROCESSOR,UNLOCK_PROCESSOR,VIEW_PROCESSOR,VIEW_PROCESSOR_CONFIG,VIEW_PROCESSOR_CODE,EDIT_PROCESSOR_CONFIG,EDIT_PROCESSOR_CODE,LS_PROCESSORS,LS_USERS,LS_USER,LS_PLUGS,LS_SOCKETS,LS_QUEUES,LS_AGENTS,LS_NODES,LS_SCHEDULERS,LS_WORKERS,ADD_PROCESSOR,ADD_AGENT,ADD_NODE,ADD_PLUG,ADD_PRIVILEGE,ADD_QUEUE,ADD_ROLE,ADD_SCHEDULER,ADD_SOCKET,ADD_USER,UPDATE_PROCESSOR,UPDATE_AGENT,UPDATE_NODE,UPDATE_PLUG,UPDATE_PRIVILEGE,UPDATE_QUEUE,UPDATE_ROLE,UPDATE_SCHEDULER,UPDATE_SOCKET,UPDATE_USER,DELETE_PROCESSOR,DELETE_AGENT,DELETE_NODE,DELETE_PLUG,DELETE_PRIVILEGE,DELETE_QUEUE,DELETE_ROLE,DELETE_SCHEDULER,DELETE_SOCKET,DELETE_USER,READ_PROCESSOR,READ_AGENT,READ_NODE,READ_PLUG,READ_PRIVILEGE,READ_QUEUE,READ_ROLE,READ_SCHEDULER,READ_SOCKET,READ_USER,READ_LOG}'::text[]
$$;

-- Columns of a processor that need a right of their own.
create function access.code_columns() returns text[] language sql immutable set search_path = pg_catalog, pg_temp as $$
  select '{gitrepo,branch,commit,modulepath,requirements,index_url,index_secret,git_secret,hashes_only}'::text[]
$$;

create function access.config_columns() returns text[] language sql immutable set search_path = pg_catalog, pg_temp as $$
  select '{hostname,concurrency,retries,time_limit_seconds,soft_time_limit_seconds,drain_seconds,backoff_seconds,backoff_factor,backoff_max_seconds,retry_on,no_retry_on,max_losses,environment,sandbox,online}'::text[]
$$;

-- Columns of a processor that agents and triggers write.
create function access.observed_columns() returns text[] language sql immutable set search_path = pg_catalog, pg_temp as $$
  select '{generation,status,reason,status_since,crashed,held_since,held_reason}'::text[]
$$;

-- The words that mean a right when they are granted or revoked.
create function access.words(p_right text) returns text[] language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return case p_right
    when 'ALL' then '{ALL}'::text[]
    when 'CREATE' then '{CREATE,ALL}'::text[]
    when 'READ' then '{READ,ALL}'::text[]
    when 'UPDATE' then '{UPDATE,ALL}'::text[]
    when 'DELETE' then '{DELETE,ALL}'::text[]
    when 'DB_DROP' then '{DB_DROP,ALL}'::text[]
    when 'DB_INIT' then '{DB_INIT,ALL}'::text[]
    when 'START_AGENT' then '{START_AGENT,ALL}'::text[]
    when 'RUN_TASK' then '{RUN_TASK,ALL}'::text[]
    when 'CANCEL_TASK' then '{CANCEL_TASK,ALL}'::text[]
    when 'START_PROCESSOR' then '{START_PROCESSOR,UPDATE,ALL}'::text[]
    when 'STOP_PROCESSOR' then '{STOP_PROCESSOR,UPDATE,ALL}'::text[]
    when 'PAUSE_PROCESSOR' then '{PAUSE_PROCESSOR,UPDATE,ALL}'::text[]
    when 'RESUME_PROCESSOR' then '{RESUME_PROCESSOR,UPDATE,ALL}'::text[]
    when 'LOCK_PROCESSOR' then '{LOCK_PROCESSOR,UPDATE,ALL}'::text[]
    when 'UNLOCK_PROCESSOR' then '{UNLOCK_PROCESSOR,UPDATE,ALL}'::text[]
    when 'VIEW_PROCESSOR' then '{VIEW_PROCESSOR,READ,ALL}'::text[]
    when 'VIEW_PROCESSOR_CONFIG' then '{VIEW_PROCESSOR_CONFIG,READ,ALL}'::text[]
    when 'VIEW_PROCESSOR_CODE' then '{VIEW_PROCESSOR_CODE,READ,ALL}'::text[]
    when 'EDIT_PROCESSOR_CONFIG' then '{EDIT_PROCESSOR_CONFIG,UPDATE,ALL}'::text[]
    when 'EDIT_PROCESSOR_CODE' then '{EDIT_PROCESSOR_CODE,UPDATE,ALL}'::text[]
    when 'LS_PROCESSORS' then '{LS_PROCESSORS,READ,ALL}'::text[]
    when 'LS_USERS' then '{LS_USERS,READ,ALL}'::text[]
    when 'LS_USER' then '{LS_USER,READ,ALL}'::text[]
    when 'LS_PLUGS' then '{LS_PLUGS,READ,ALL}'::text[]
    when 'LS_SOCKETS' then '{LS_SOCKETS,READ,ALL}'::text[]
    when 'LS_QUEUES' then '{LS_QUEUES,READ,ALL}'::text[]
    when 'LS_AGENTS' then '{LS_AGENTS,READ,ALL}'::text[]
    when 'LS_NODES' then '{LS_NODES,READ,ALL}'::text[]
    when 'LS_SCHEDULERS' then '{LS_SCHEDULERS,READ,ALL}'::text[]
    when 'LS_WORKERS' then '{LS_WORKERS,READ,ALL}'::text[]
    when 'ADD_PROCESSOR' then '{ADD_PROCESSOR,CREATE,ALL}'::text[]
    when 'ADD_AGENT' then '{ADD_AGENT,CREATE,ALL}'::text[]
    when 'ADD_NODE' then '{ADD_NODE,CREATE,ALL}'::text[]
    when 'ADD_PLUG' then '{ADD_PLUG,CREATE,ALL}'::text[]
    when 'ADD_PRIVILEGE' then '{ADD_PRIVILEGE,CREATE,ALL}'::text[]
    when 'ADD_QUEUE' then '{ADD_QUEUE,CREATE,ALL}'::text[]
    when 'ADD_ROLE' then '{ADD_ROLE,CREATE,ALL}'::text[]
    when 'ADD_SCHEDULER' then '{ADD_SCHEDULER,CREATE,ALL}'::text[]
    when 'ADD_SOCKET' then '{ADD_SOCKET,CREATE,ALL}'::text[]
    when 'ADD_USER' then '{ADD_USER,CREATE,ALL}'::text[]
    when 'UPDATE_PROCESSOR' then '{UPDATE_PROCESSOR,UPDATE,ALL}'::text[]
    when 'UPDATE_AGENT' then '{UPDATE_AGENT,UPDATE,ALL}'::text[]
    when 'UPDATE_NODE' then '{UPDATE_NODE,UPDATE,ALL}'::text[]
    when 'UPDATE_PLUG' then '{UPDATE_PLUG,UPDATE,ALL}'::text[]
    when 'UPDATE_PRIVILEGE' then '{UPDATE_PRIVILEGE,UPDATE,ALL}'::text[]
    when 'UPDATE_QUEUE' then '{UPDATE_QUEUE,UPDATE,ALL}'::text[]
    when 'UPDATE_ROLE' then '{UPDATE_ROLE,UPDATE,ALL}'::text[]
    when 'UPDATE_SCHEDULER' then '{UPDATE_SCHEDULER,UPDATE,ALL}'::text[]
    when 'UPDATE_SOCKET' then '{UPDATE_SOCKET,UPDATE,ALL}'::text[]
    when 'UPDATE_USER' then '{UPDATE_USER,UPDATE,ALL}'::text[]
    when 'DELETE_PROCESSOR' then '{DELETE_PROCESSOR,DELETE,ALL}'::text[]
    when 'DELETE_AGENT' then '{DELETE_AGENT,DELETE,ALL}'::text[]
    when 'DELETE_NODE' then '{DELETE_NODE,DELETE,ALL}'::text[]
    when 'DELETE_PLUG' then '{DELETE_PLUG,DELETE,ALL}'::text[]
    when 'DELETE_PRIVILEGE' then '{DELETE_PRIVILEGE,DELETE,ALL}'::text[]
    when 'DELETE_QUEUE' then '{DELETE_QUEUE,DELETE,ALL}'::text[]
    when 'DELETE_ROLE' then '{DELETE_ROLE,DELETE,ALL}'::text[]
    when 'DELETE_SCHEDULER' then '{DELETE_SCHEDULER,DELETE,ALL}'::text[]
    when 'DELETE_SOCKET' then '{DELETE_SOCKET,DELETE,ALL}'::text[]
    when 'DELETE_USER' then '{DELETE_USER,DELETE,ALL}'::text[]
    when 'READ_PROCESSOR' then '{READ_PROCESSOR,READ,ALL}'::text[]
    when 'READ_AGENT' then '{READ_AGENT,READ,ALL}'::text[]
    when 'READ_NODE' then '{READ_NODE,READ,ALL}'::text[]
    when 'READ_PLUG' then '{READ_PLUG,READ,ALL}'::text[]
    when 'READ_PRIVILEGE' then '{READ_PRIVILEGE,READ,ALL}'::text[]
    when 'READ_QUEUE' then '{READ_QUEUE,READ,ALL}'::text[]
    when 'READ_ROLE' then '{READ_ROLE,READ,ALL}'::text[]
    when 'READ_SCHEDULER' then '{READ_SCHEDULER,READ,ALL}'::text[]
    when 'READ_SOCKET' then '{READ_SOCKET,READ,ALL}'::text[]
    when 'READ_USER' then '{READ_USER,READ,ALL}'::text[]
    when 'READ_LOG' then '{READ_LOG,READ,ALL}'::text[]
    when 'CHANGE_PROCESSOR' then '{}'::text[]
    when 'ADD_TASK' then '{}'::text[]
    when 'ADD_DEPLOYMENT' then '{}'::text[]
  end;
end $$;

-- The specific rights that bring it along.
create function access.carriers(p_right text) returns text[] language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return case p_right
    when 'ALL' then '{ALL}'::text[]
    when 'CREATE' then '{CREATE}'::text[]
    when 'READ' then '{READ}'::text[]
    when 'UPDATE' then '{UPDATE}'::text[]
    when 'DELETE' then '{DELETE}'::text[]
    when 'DB_DROP' then '{DB_DROP}'::text[]
    when 'DB_INIT' then '{DB_INIT}'::text[]
    when 'START_AGENT' then '{START_AGENT}'::text[]
    when 'RUN_TASK' then '{RUN_TASK}'::text[]
    when 'CANCEL_TASK' then '{CANCEL_TASK}'::text[]
    when 'START_PROCESSOR' then '{START_PROCESSOR}'::text[]
    when 'STOP_PROCESSOR' then '{STOP_PROCESSOR}'::text[]
    when 'PAUSE_PROCESSOR' then '{PAUSE_PROCESSOR}'::text[]
    when 'RESUME_PROCESSOR' then '{RESUME_PROCESSOR}'::text[]
    when 'LOCK_PROCESSOR' then '{LOCK_PROCESSOR}'::text[]
    when 'UNLOCK_PROCESSOR' then '{UNLOCK_PROCESSOR}'::text[]
    when 'VIEW_PROCESSOR' then '{START_PROCESSOR,STOP_PROCESSOR,PAUSE_PROCESSOR,RESUME_PROCESSOR,LOCK_PROCESSOR,UNLOCK_PROCESSOR,VIEW_PROCESSOR,VIEW_PROCESSOR_CONFIG,VIEW_PROCESSOR_CODE,EDIT_PROCESSOR_CONFIG,EDIT_PROCESSOR_CODE,UPDATE_PROCESSOR,DELETE_PROCESSOR,READ_PROCESSOR}'::text[]
    when 'VIEW_PROCESSOR_CONFIG' then '{VIEW_PROCESSOR_CONFIG,EDIT_PROCESSOR_CONFIG,UPDATE_PROCESSOR}'::text[]
    when 'VIEW_PROCESSOR_CODE' then '{VIEW_PROCESSOR_CODE,EDIT_PROCESSOR_CODE,UPDATE_PROCESSOR}'::text[]
    when 'EDIT_PROCESSOR_CONFIG' then '{EDIT_PROCESSOR_CONFIG,UPDATE_PROCESSOR}'::text[]
    when 'EDIT_PROCESSOR_CODE' then '{EDIT_PROCESSOR_CODE,UPDATE_PROCESSOR}'::text[]
    when 'LS_PROCESSORS' then '{RUN_TASK,CANCEL_TASK,START_PROCESSOR,STOP_PROCESSOR,PAUSE_PROCESSOR,RESUME_PROCESSOR,LOCK_PROCESSOR,UNLOCK_PROCESSOR,VIEW_PROCESSOR,VIEW_PROCESSOR_CONFIG,VIEW_PROCESSOR_CODE,EDIT_PROCESSOR_CONFIG,EDIT_PROCESSOR_CODE,LS_PROCESSORS,LS_PLUGS,LS_SOCKETS,LS_WORKERS,UPDATE_PROCESSOR,UPDATE_PLUG,UPDATE_SOCKET,DELETE_PROCESSOR,DELETE_PLUG,DELETE_SOCKET,READ_PROCESSOR,READ_PLUG,READ_SOCKET}'::text[]
    when 'LS_USERS' then '{LS_USERS}'::text[]
    when 'LS_USER' then '{LS_USERS,LS_USER,UPDATE_USER,DELETE_USER,READ_USER}'::text[]
    when 'LS_PLUGS' then '{LS_PLUGS,UPDATE_PLUG,DELETE_PLUG,READ_PLUG}'::text[]
    when 'LS_SOCKETS' then '{RUN_TASK,CANCEL_TASK,LS_PLUGS,LS_SOCKETS,UPDATE_PLUG,UPDATE_SOCKET,DELETE_PLUG,DELETE_SOCKET,READ_PLUG,READ_SOCKET}'::text[]
    when 'LS_QUEUES' then '{RUN_TASK,CANCEL_TASK,LS_PLUGS,LS_SOCKETS,LS_QUEUES,UPDATE_PLUG,UPDATE_QUEUE,UPDATE_SOCKET,DELETE_PLUG,DELETE_QUEUE,DELETE_SOCKET,READ_PLUG,READ_QUEUE,READ_SOCKET}'::text[]
    when 'LS_AGENTS' then '{LS_AGENTS,UPDATE_AGENT,DELETE_AGENT,READ_AGENT}'::text[]
    when 'LS_NODES' then '{LS_AGENTS,LS_NODES,UPDATE_AGENT,UPDATE_NODE,DELETE_AGENT,DELETE_NODE,READ_AGENT,READ_NODE}'::text[]
    when 'LS_SCHEDULERS' then '{LS_SCHEDULERS,UPDATE_SCHEDULER,DELETE_SCHEDULER,READ_SCHEDULER}'::text[]
    when 'LS_WORKERS' then '{LS_WORKERS}'::text[]
    when 'ADD_PROCESSOR' then '{ADD_PROCESSOR}'::text[]
    when 'ADD_AGENT' then '{ADD_AGENT}'::text[]
    when 'ADD_NODE' then '{ADD_NODE}'::text[]
    when 'ADD_PLUG' then '{ADD_PLUG}'::text[]
    when 'ADD_PRIVILEGE' then '{ADD_PRIVILEGE}'::text[]
    when 'ADD_QUEUE' then '{ADD_QUEUE}'::text[]
    when 'ADD_ROLE' then '{ADD_ROLE}'::text[]
    when 'ADD_SCHEDULER' then '{ADD_SCHEDULER}'::text[]
    when 'ADD_SOCKET' then '{ADD_SOCKET}'::text[]
    when 'ADD_USER' then '{ADD_USER}'::text[]
    when 'UPDATE_PROCESSOR' then '{UPDATE_PROCESSOR}'::text[]
    when 'UPDATE_AGENT' then '{UPDATE_AGENT}'::text[]
    when 'UPDATE_NODE' then '{UPDATE_NODE}'::text[]
    when 'UPDATE_PLUG' then '{UPDATE_PLUG}'::text[]
    when 'UPDATE_PRIVILEGE' then '{UPDATE_PRIVILEGE}'::text[]
    when 'UPDATE_QUEUE' then '{UPDATE_QUEUE}'::text[]
    when 'UPDATE_ROLE' then '{UPDATE_ROLE}'::text[]
    when 'UPDATE_SCHEDULER' then '{UPDATE_SCHEDULER}'::text[]
    when 'UPDATE_SOCKET' then '{UPDATE_SOCKET}'::text[]
    when 'UPDATE_USER' then '{UPDATE_USER}'::text[]
    when 'DELETE_PROCESSOR' then '{DELETE_PROCESSOR}'::text[]
    when 'DELETE_AGENT' then '{DELETE_AGENT}'::text[]
    when 'DELETE_NODE' then '{DELETE_NODE}'::text[]
    when 'DELETE_PLUG' then '{DELETE_PLUG}'::text[]
    when 'DELETE_PRIVILEGE' then '{DELETE_PRIVILEGE}'::text[]
    when 'DELETE_QUEUE' then '{DELETE_QUEUE}'::text[]
    when 'DELETE_ROLE' then '{DELETE_ROLE}'::text[]
    when 'DELETE_SCHEDULER' then '{DELETE_SCHEDULER}'::text[]
    when 'DELETE_SOCKET' then '{DELETE_SOCKET}'::text[]
    when 'DELETE_USER' then '{DELETE_USER}'::text[]
    when 'READ_PROCESSOR' then '{UPDATE_PROCESSOR,DELETE_PROCESSOR,READ_PROCESSOR}'::text[]
    when 'READ_AGENT' then '{UPDATE_AGENT,DELETE_AGENT,READ_AGENT}'::text[]
    when 'READ_NODE' then '{UPDATE_NODE,DELETE_NODE,READ_NODE}'::text[]
    when 'READ_PLUG' then '{UPDATE_PLUG,DELETE_PLUG,READ_PLUG}'::text[]
    when 'READ_PRIVILEGE' then '{UPDATE_PRIVILEGE,DELETE_PRIVILEGE,READ_PRIVILEGE}'::text[]
    when 'READ_QUEUE' then '{UPDATE_QUEUE,DELETE_QUEUE,READ_QUEUE}'::text[]
    when 'READ_ROLE' then '{UPDATE_ROLE,DELETE_ROLE,READ_ROLE}'::text[]
    when 'READ_SCHEDULER' then '{UPDATE_SCHEDULER,DELETE_SCHEDULER,READ_SCHEDULER}'::text[]
    when 'READ_SOCKET' then '{UPDATE_SOCKET,DELETE_SOCKET,READ_SOCKET}'::text[]
    when 'READ_USER' then '{UPDATE_USER,DELETE_USER,READ_USER}'::text[]
    when 'READ_LOG' then '{READ_LOG}'::text[]
    when 'CHANGE_PROCESSOR' then '{START_PROCESSOR,STOP_PROCESSOR,PAUSE_PROCESSOR,RESUME_PROCESSOR,LOCK_PROCESSOR,UNLOCK_PROCESSOR,EDIT_PROCESSOR_CONFIG,EDIT_PROCESSOR_CODE,UPDATE_PROCESSOR}'::text[]
    when 'ADD_TASK' then '{ADD_PROCESSOR,ADD_SOCKET,UPDATE_PROCESSOR,UPDATE_SOCKET}'::text[]
    when 'ADD_DEPLOYMENT' then '{EDIT_PROCESSOR_CONFIG,ADD_PROCESSOR,UPDATE_PROCESSOR}'::text[]
  end;
end $$;

-- All words that give it, if none is revoked.
create function access.through(p_right text) returns jsonb language sql immutable as $$
  select '{
    "ALL": ["ALL"],
    "CREATE": ["CREATE", "ALL"],
    "READ": ["READ", "ALL"],
    "UPDATE": ["UPDATE", "ALL"],
    "DELETE": ["DELETE", "ALL"],
    "DB_DROP": ["DB_DROP", "ALL"],
    "DB_INIT": ["DB_INIT", "ALL"],
    "START_AGENT": ["START_AGENT", "ALL"],
    "RUN_TASK": ["RUN_TASK", "ALL"],
    "CANCEL_TASK": ["CANCEL_TASK", "ALL"],
    "START_PROCESSOR": ["START_PROCESSOR", "UPDATE", "ALL"],
    "STOP_PROCESSOR": ["STOP_PROCESSOR", "UPDATE", "ALL"],
    "PAUSE_PROCESSOR": ["PAUSE_PROCESSOR", "UPDATE", "ALL"],
    "RESUME_PROCESSOR": ["RESUME_PROCESSOR", "UPDATE", "ALL"],
    "LOCK_PROCESSOR": ["LOCK_PROCESSOR", "UPDATE", "ALL"],
    "UNLOCK_PROCESSOR": ["UNLOCK_PROCESSOR", "UPDATE", "ALL"],
    "VIEW_PROCESSOR": ["START_PROCESSOR", "UPDATE", "ALL", "STOP_PROCESSOR", "PAUSE_PROCESSOR", "RESUME_PROCESSOR", "LOCK_PROCESSOR", "UNLOCK_PROCESSOR", "VIEW_PROCESSOR", "READ", "VIEW_PROCESSOR_CONFIG", "VIEW_PROCESSOR_CODE", "EDIT_PROCESSOR_CONFIG", "EDIT_PROCESSOR_CODE", "UPDATE_PROCESSOR", "DELETE_PROCESSOR", "DELETE", "READ_PROCESSOR"],
    "VIEW_PROCESSOR_CONFIG": ["VIEW_PROCESSOR_CONFIG", "READ", "ALL", "EDIT_PROCESSOR_CONFIG", "UPDATE", "UPDATE_PROCESSOR"],
    "VIEW_PROCESSOR_CODE": ["VIEW_PROCESSOR_CODE", "READ", "ALL", "EDIT_PROCESSOR_CODE", "UPDATE", "UPDATE_PROCESSOR"],
    "EDIT_PROCESSOR_CONFIG": ["EDIT_PROCESSOR_CONFIG", "UPDATE", "ALL", "UPDATE_PROCESSOR"],
    "EDIT_PROCESSOR_CODE": ["EDIT_PROCESSOR_CODE", "UPDATE", "ALL", "UPDATE_PROCESSOR"],
    "LS_PROCESSORS": ["RUN_TASK", "ALL", "CANCEL_TASK", "START_PROCESSOR", "UPDATE", "STOP_PROCESSOR", "PAUSE_PROCESSOR", "RESUME_PROCESSOR", "LOCK_PROCESSOR", "UNLOCK_PROCESSOR", "VIEW_PROCESSOR", "READ", "VIEW_PROCESSOR_CONFIG", "VIEW_PROCESSOR_CODE", "EDIT_PROCESSOR_CONFIG", "EDIT_PROCESSOR_CODE", "LS_PROCESSORS", "LS_PLUGS", "LS_SOCKETS", "LS_WORKERS", "UPDATE_PROCESSOR", "UPDATE_PLUG", "UPDATE_SOCKET", "DELETE_PROCESSOR", "DELETE", "DELETE_PLUG", "DELETE_SOCKET", "READ_PROCESSOR", "READ_PLUG", "READ_SOCKET"],
    "LS_USERS": ["LS_USERS", "READ", "ALL"],
    "LS_USER": ["LS_USERS", "READ", "ALL", "LS_USER", "UPDATE_USER", "UPDATE", "DELETE_USER", "DELETE", "READ_USER"],
    "LS_PLUGS": ["LS_PLUGS", "READ", "ALL", "UPDATE_PLUG", "UPDATE", "DELETE_PLUG", "DELETE", "READ_PLUG"],
    "LS_SOCKETS": ["RUN_TASK", "ALL", "CANCEL_TASK", "LS_PLUGS", "READ", "LS_SOCKETS", "UPDATE_PLUG", "UPDATE", "UPDATE_SOCKET", "DELETE_PLUG", "DELETE", "DELETE_SOCKET", "READ_PLUG", "READ_SOCKET"],
    "LS_QUEUES": ["RUN_TASK", "ALL", "CANCEL_TASK", "LS_PLUGS", "READ", "LS_SOCKETS", "LS_QUEUES", "UPDATE_PLUG", "UPDATE", "UPDATE_QUEUE", "UPDATE_SOCKET", "DELETE_PLUG", "DELETE", "DELETE_QUEUE", "DELETE_SOCKET", "READ_PLUG", "READ_QUEUE", "READ_SOCKET"],
    "LS_AGENTS": ["LS_AGENTS", "READ", "ALL", "UPDATE_AGENT", "UPDATE", "DELETE_AGENT", "DELETE", "READ_AGENT"],
    "LS_NODES": ["LS_AGENTS", "READ", "ALL", "LS_NODES", "UPDATE_AGENT", "UPDATE", "UPDATE_NODE", "DELETE_AGENT", "DELETE", "DELETE_NODE", "READ_AGENT", "READ_NODE"],
    "LS_SCHEDULERS": ["LS_SCHEDULERS", "READ", "ALL", "UPDATE_SCHEDULER", "UPDATE", "DELETE_SCHEDULER", "DELETE", "READ_SCHEDULER"],
    "LS_WORKERS": ["LS_WORKERS", "READ", "ALL"],
    "ADD_PROCESSOR": ["ADD_PROCESSOR", "CREATE", "ALL"],
    "ADD_AGENT": ["ADD_AGENT", "CREATE", "ALL"],
    "ADD_NODE": ["ADD_NODE", "CREATE", "ALL"],
    "ADD_PLUG": ["ADD_PLUG", "CREATE", "ALL"],
    "ADD_PRIVILEGE": ["ADD_PRIVILEGE", "CREATE", "ALL"],
    "ADD_QUEUE": ["ADD_QUEUE", "CREATE", "ALL"],
    "ADD_ROLE": ["ADD_ROLE", "CREATE", "ALL"],
    "ADD_SCHEDULER": ["ADD_SCHEDULER", "CREATE", "ALL"],
    "ADD_SOCKET": ["ADD_SOCKET", "CREATE", "ALL"],
    "ADD_USER": ["ADD_USER", "CREATE", "ALL"],
    "UPDATE_PROCESSOR": ["UPDATE_PROCESSOR", "UPDATE", "ALL"],
    "UPDATE_AGENT": ["UPDATE_AGENT", "UPDATE", "ALL"],
    "UPDATE_NODE": ["UPDATE_NODE", "UPDATE", "ALL"],
    "UPDATE_PLUG": ["UPDATE_PLUG", "UPDATE", "ALL"],
    "UPDATE_PRIVILEGE": ["UPDATE_PRIVILEGE", "UPDATE", "ALL"],
    "UPDATE_QUEUE": ["UPDATE_QUEUE", "UPDATE", "ALL"],
    "UPDATE_ROLE": ["UPDATE_ROLE", "UPDATE", "ALL"],
    "UPDATE_SCHEDULER": ["UPDATE_SCHEDULER", "UPDATE", "ALL"],
    "UPDATE_SOCKET": ["UPDATE_SOCKET", "UPDATE", "ALL"],
    "UPDATE_USER": ["UPDATE_USER", "UPDATE", "ALL"],
    "DELETE_PROCESSOR": ["DELETE_PROCESSOR", "DELETE", "ALL"],
    "DELETE_AGENT": ["DELETE_AGENT", "DELETE", "ALL"],
    "DELETE_NODE": ["DELETE_NODE", "DELETE", "ALL"],
    "DELETE_PLUG": ["DELETE_PLUG", "DELETE", "ALL"],
    "DELETE_PRIVILEGE": ["DELETE_PRIVILEGE", "DELETE", "ALL"],
    "DELETE_QUEUE": ["DELETE_QUEUE", "DELETE", "ALL"],
    "DELETE_ROLE": ["DELETE_ROLE", "DELETE", "ALL"],
    "DELETE_SCHEDULER": ["DELETE_SCHEDULER", "DELETE", "ALL"],
    "DELETE_SOCKET": ["DELETE_SOCKET", "DELETE", "ALL"],
    "DELETE_USER": ["DELETE_USER", "DELETE", "ALL"],
    "READ_PROCESSOR": ["UPDATE_PROCESSOR", "UPDATE", "ALL", "DELETE_PROCESSOR", "DELETE", "READ_PROCESSOR", "READ"],
    "READ_AGENT": ["UPDATE_AGENT", "UPDATE", "ALL", "DELETE_AGENT", "DELETE", "READ_AGENT", "READ"],
    "READ_NODE": ["UPDATE_NODE", "UPDATE", "ALL", "DELETE_NODE", "DELETE", "READ_NODE", "READ"],
    "READ_PLUG": ["UPDATE_PLUG", "UPDATE", "ALL", "DELETE_PLUG", "DELETE", "READ_PLUG", "READ"],
    "READ_PRIVILEGE": ["UPDATE_PRIVILEGE", "UPDATE", "ALL", "DELETE_PRIVILEGE", "DELETE", "READ_PRIVILEGE", "READ"],
    "READ_QUEUE": ["UPDATE_QUEUE", "UPDATE", "ALL", "DELETE_QUEUE", "DELETE", "READ_QUEUE", "READ"],
    "READ_ROLE": ["UPDATE_ROLE", "UPDATE", "ALL", "DELETE_ROLE", "DELETE", "READ_ROLE", "READ"],
    "READ_SCHEDULER": ["UPDATE_SCHEDULER", "UPDATE", "ALL", "DELETE_SCHEDULER", "DELETE", "READ_SCHEDULER", "READ"],
    "READ_SOCKET": ["UPDATE_SOCKET", "UPDATE", "ALL", "DELETE_SOCKET", "DELETE", "READ_SOCKET", "READ"],
    "READ_USER": ["UPDATE_USER", "UPDATE", "ALL", "DELETE_USER", "DELETE", "READ_USER", "READ"],
    "READ_LOG": ["READ_LOG", "READ", "ALL"],
    "CHANGE_PROCESSOR": ["START_PROCESSOR", "UPDATE", "ALL", "STOP_PROCESSOR", "PAUSE_PROCESSOR", "RESUME_PROCESSOR", "LOCK_PROCESSOR", "UNLOCK_PROCESSOR", "EDIT_PROCESSOR_CONFIG", "EDIT_PROCESSOR_CODE", "UPDATE_PROCESSOR"],
    "ADD_TASK": ["ADD_PROCESSOR", "CREATE", "ALL", "ADD_SOCKET", "UPDATE_PROCESSOR", "UPDATE", "UPDATE_SOCKET"],
    "ADD_DEPLOYMENT": ["EDIT_PROCESSOR_CONFIG", "UPDATE", "ALL", "ADD_PROCESSOR", "CREATE", "UPDATE_PROCESSOR"]}'::pg_catalog.jsonb operator(pg_catalog.->) p_right
$$;

-- What of a processor needs a right of its own; null where the asker lacks it.
create function access.processor_detail(p_id uuid) returns table (gitrepo TEXT, branch TEXT, commit TEXT, modulepath TEXT, requirements TEXT, index_url TEXT, index_secret TEXT, git_secret TEXT, hashes_only BOOLEAN, hostname TEXT, concurrency INTEGER, retries INTEGER, time_limit_seconds DOUBLE PRECISION, soft_time_limit_seconds DOUBLE PRECISION, drain_seconds DOUBLE PRECISION, backoff_seconds DOUBLE PRECISION, backoff_factor DOUBLE PRECISION, backoff_max_seconds DOUBLE PRECISION, retry_on TEXT[], no_retry_on TEXT[], max_losses INTEGER, environment JSONB, sandbox SMALLINT, online BOOLEAN)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare p pyfi.processor; v_code boolean; v_config boolean;
begin
  select x.* into p from pyfi.processor x where x.id = p_id;
  v_code := access.may('VIEW_PROCESSOR_CODE', p.owner_id, p.network_id);
  v_config := access.may('VIEW_PROCESSOR_CONFIG', p.owner_id, p.network_id);
  return query select case when v_code then p.gitrepo end,
      case when v_code then p.branch end,
      case when v_code then p.commit end,
      case when v_code then p.modulepath end,
      case when v_code then p.requirements end,
      case when v_code then p.index_url end,
      case when v_code then p.index_secret end,
      case when v_code then p.git_secret end,
      case when v_code then p.hashes_only end,
      case when v_config then p.hostname end,
      case when v_config then p.concurrency end,
      case when v_config then p.retries end,
      case when v_config then p.time_limit_seconds end,
      case when v_config then p.soft_time_limit_seconds end,
      case when v_config then p.drain_seconds end,
      case when v_config then p.backoff_seconds end,
      case when v_config then p.backoff_factor end,
      case when v_config then p.backoff_max_seconds end,
      case when v_config then p.retry_on end,
      case when v_config then p.no_retry_on end,
      case when v_config then p.max_losses end,
      case when v_config then p.environment end,
      case when v_config then p.sandbox end,
      case when v_config then p.online end
    where p.id is not null;
end $$;

-- The lines of a call after a line, as the policies of pyfi.call and pyfi.log let them be seen.
create function ledger.lines(p_call uuid, p_after bigint)
  returns table (id bigint, attempt smallint, stream smallint, at timestamptz, text text)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set jit = off as $$
begin
  if exists (select from pyfi.call c where c.id = p_call and (owner_id = (select access.me()) or socket_owner_id <> owner_id and socket_owner_id = (select access.me()) or (select access.scope('READ') in ('network', 'all')) and (socket_id = any ((select access.sockets('READ'))::uuid[]) or (select access.wide('READ')))))
      or exists (select from (select p_call) c (call_id) where case when (select access.scope('READ_LOG')) in ('network', 'all') then access.reads_log(call_id) else false end) then
    return query select l.id, l.attempt, l.stream, l.at, l.text from pyfi.log l
      where l.call_id = p_call and l.id > p_after order by l.id;
  end if;
end $$;
