-- The tables. The schema is the meta-model's (pyfi); docs/reference/model.md explains the columns.

CREATE TABLE pyfi."user" (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  login TEXT NOT NULL,
  email TEXT,
  admin BOOLEAN DEFAULT false NOT NULL,
  active BOOLEAN DEFAULT true NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT user_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT user_name_key UNIQUE (name),
  CONSTRAINT user_login_key UNIQUE (login)
);

CREATE TABLE pyfi.setting (
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT setting_pk PRIMARY KEY (key)
);

CREATE TABLE pyfi.call (
  id UUID NOT NULL,
  root_id UUID NOT NULL,
  parent_id UUID,
  plug_id UUID,
  replay_of UUID,
  slot INTEGER,
  frame TEXT,
  socket_id UUID,
  name TEXT NOT NULL,
  owner_id UUID NOT NULL,
  socket_owner_id UUID NOT NULL,
  state TEXT DEFAULT 'queued' NOT NULL,
  hops INTEGER DEFAULT 0 NOT NULL,
  attempt SMALLINT DEFAULT 0 NOT NULL,
  failures SMALLINT DEFAULT 0 NOT NULL,
  losses SMALLINT DEFAULT 0 NOT NULL,
  wakes SMALLINT DEFAULT 0 NOT NULL,
  priority SMALLINT DEFAULT 0 NOT NULL,
  limited BOOLEAN,
  claim BIGINT,
  worker_id UUID,
  commit TEXT,
  lease_until TIMESTAMP WITH TIME ZONE,
  not_before TIMESTAMP WITH TIME ZONE,
  expires TIMESTAMP WITH TIME ZONE,
  deadline TIMESTAMP WITH TIME ZONE,
  key TEXT,
  args JSON,
  args_payload UUID,
  result JSON,
  result_payload UUID,
  error JSON,
  output JSON,
  plugs TEXT[],
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  woken TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  claimed TIMESTAMP WITH TIME ZONE,
  started TIMESTAMP WITH TIME ZONE,
  finished TIMESTAMP WITH TIME ZONE,
  seconds REAL,
  CONSTRAINT call_pk PRIMARY KEY (id),
  CONSTRAINT call_state_check CHECK (state in ('queued', 'claimed', 'running', 'parked', 'done', 'failed', 'cancelled')),
  CONSTRAINT call_frame_check CHECK (frame in ('pipeline', 'parallel')),
  CONSTRAINT call_socket_id_check CHECK ((socket_id is null) = (frame is not null)),
  CONSTRAINT call_args_check CHECK (num_nonnulls(args, args_payload) = 1),
  CONSTRAINT call_priority_check CHECK (priority between -10 and 10)
)
 WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX call_held_idx ON pyfi.call (worker_id) WHERE state in ('claimed', 'running');

CREATE INDEX call_root_idx ON pyfi.call (root_id) WHERE parent_id is not null;

CREATE INDEX call_member_idx ON pyfi.call (parent_id, slot) WHERE slot is not null;

CREATE INDEX call_queued_idx ON pyfi.call (socket_id, (not_before is null), priority DESC, created) WHERE state = 'queued';

CREATE INDEX call_limited_idx ON pyfi.call (socket_id) WHERE limited and state in ('claimed', 'running');

CREATE INDEX call_created_idx ON pyfi.call (created, id);

CREATE INDEX call_replay_idx ON pyfi.call (replay_of) WHERE replay_of is not null;

CREATE INDEX call_trouble_idx ON pyfi.call (state, created, id) WHERE state in ('failed', 'parked');

CREATE INDEX call_expires_idx ON pyfi.call (expires) WHERE state = 'queued' and expires is not null;

CREATE TABLE pyfi.audit (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  number BIGINT,
  at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  login TEXT NOT NULL,
  user_id UUID,
  program TEXT NOT NULL,
  client TEXT NOT NULL,
  verb TEXT NOT NULL,
  kind TEXT NOT NULL,
  row_id UUID,
  name TEXT NOT NULL,
  owner_id UUID,
  before JSONB,
  after JSONB,
  hash BYTEA,
  CONSTRAINT audit_pk PRIMARY KEY (id),
  CONSTRAINT audit_number_key UNIQUE (number)
);

CREATE INDEX audit_row_id_idx ON pyfi.audit (row_id);

CREATE INDEX audit_at_idx ON pyfi.audit (at);

CREATE TABLE pyfi.audit_head (
  single BOOLEAN NOT NULL,
  number BIGINT NOT NULL,
  hash BYTEA NOT NULL,
  CONSTRAINT audit_head_pk PRIMARY KEY (single),
  CONSTRAINT audit_head_single_check CHECK (single)
);

CREATE TABLE pyfi.frame (
  call_id UUID NOT NULL,
  need INTEGER NOT NULL,
  have INTEGER DEFAULT 0 NOT NULL,
  step INTEGER DEFAULT 0 NOT NULL,
  keeps_errors BOOLEAN NOT NULL,
  early UUID[] DEFAULT '{}' NOT NULL,
  CONSTRAINT frame_pk PRIMARY KEY (call_id),
  CONSTRAINT frame_call_id_fk FOREIGN KEY(call_id) REFERENCES pyfi.call (id) ON DELETE CASCADE
);

CREATE TABLE pyfi.junction (
  root_id UUID NOT NULL,
  socket_id UUID NOT NULL,
  CONSTRAINT junction_pk PRIMARY KEY (root_id, socket_id),
  CONSTRAINT junction_root_id_fk FOREIGN KEY(root_id) REFERENCES pyfi.call (id) ON DELETE CASCADE
);

CREATE TABLE pyfi.slot (
  root_id UUID NOT NULL,
  socket_id UUID NOT NULL,
  argument TEXT NOT NULL,
  round BIGINT NOT NULL,
  source_id UUID NOT NULL,
  plug_id UUID NOT NULL,
  seq BIGINT NOT NULL,
  value TEXT,
  payload UUID,
  tail TEXT,
  CONSTRAINT slot_pk PRIMARY KEY (root_id, socket_id, argument, round),
  CONSTRAINT slot_root_id_socket_id_source_id_plug_id_seq_key UNIQUE (root_id, socket_id, source_id, plug_id, seq),
  CONSTRAINT slot_root_id_fk FOREIGN KEY(root_id) REFERENCES pyfi.call (id) ON DELETE CASCADE
);

CREATE TABLE pyfi.outbox (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  address TEXT NOT NULL,
  ids UUID[] NOT NULL,
  due TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT outbox_pk PRIMARY KEY (id)
);

CREATE INDEX outbox_due_idx ON pyfi.outbox (due);

CREATE TABLE pyfi.event (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  call_id UUID NOT NULL,
  name TEXT NOT NULL,
  note TEXT DEFAULT '' NOT NULL,
  attempt SMALLINT DEFAULT 0 NOT NULL,
  at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  CONSTRAINT event_pk PRIMARY KEY (id)
);

CREATE INDEX event_call_id_idx ON pyfi.event (call_id);

CREATE TABLE pyfi.counter (
  name TEXT NOT NULL,
  value BIGINT DEFAULT 0 NOT NULL,
  CONSTRAINT counter_pk PRIMARY KEY (name)
);

CREATE TABLE pyfi.retention (
  key TEXT NOT NULL,
  looked_to TIMESTAMP WITH TIME ZONE DEFAULT '-infinity' NOT NULL,
  created_before TIMESTAMP WITH TIME ZONE,
  next TIMESTAMP WITH TIME ZONE DEFAULT '-infinity' NOT NULL,
  deleted BIGINT DEFAULT 0 NOT NULL,
  CONSTRAINT retention_pk PRIMARY KEY (key)
);

CREATE TABLE pyfi.role (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT role_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT role_name_key UNIQUE (name),
  CONSTRAINT role_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id)
);

CREATE INDEX role_owner_id_idx ON pyfi.role (owner_id);

CREATE TABLE pyfi.login (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  user_id UUID DEFAULT access.me() NOT NULL,
  program TEXT,
  address TEXT DEFAULT host(inet_client_addr()),
  at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT login_pk PRIMARY KEY (id),
  CONSTRAINT login_program_check CHECK (length(program) <= 200),
  CONSTRAINT login_user_id_fk FOREIGN KEY(user_id) REFERENCES pyfi."user" (id) ON DELETE CASCADE
);

CREATE INDEX login_user_id_idx ON pyfi.login (user_id);

CREATE TABLE pyfi.network (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  description TEXT,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT network_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT network_name_key UNIQUE (name),
  CONSTRAINT network_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id)
);

CREATE INDEX network_owner_id_idx ON pyfi.network (owner_id);

CREATE TABLE pyfi.member (
  network_id UUID NOT NULL,
  user_id UUID NOT NULL,
  added_by UUID DEFAULT access.me() NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT member_pk PRIMARY KEY (network_id, user_id),
  CONSTRAINT member_network_id_fk FOREIGN KEY(network_id) REFERENCES pyfi.network (id) ON DELETE CASCADE,
  CONSTRAINT member_user_id_fk FOREIGN KEY(user_id) REFERENCES pyfi."user" (id) ON DELETE CASCADE,
  CONSTRAINT member_added_by_fk FOREIGN KEY(added_by) REFERENCES pyfi."user" (id)
);

CREATE INDEX member_user_id_idx ON pyfi.member (user_id);

CREATE INDEX member_added_by_idx ON pyfi.member (added_by);

CREATE TABLE pyfi.log (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  call_id UUID NOT NULL,
  attempt SMALLINT NOT NULL,
  claim BIGINT,
  number INTEGER,
  stream SMALLINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  text TEXT NOT NULL,
  CONSTRAINT log_pk PRIMARY KEY (id),
  CONSTRAINT log_call_id_fk FOREIGN KEY(call_id) REFERENCES pyfi.call (id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX log_call_id_idx ON pyfi.log (call_id, claim, number);

CREATE TABLE pyfi.user_role (
  user_id UUID NOT NULL,
  role_id UUID NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT user_role_pk PRIMARY KEY (user_id, role_id),
  CONSTRAINT user_role_user_id_fk FOREIGN KEY(user_id) REFERENCES pyfi."user" (id) ON DELETE CASCADE,
  CONSTRAINT user_role_role_id_fk FOREIGN KEY(role_id) REFERENCES pyfi.role (id) ON DELETE CASCADE
);

CREATE INDEX user_role_role_id_idx ON pyfi.user_role (role_id);

CREATE TABLE pyfi.privilege (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  user_id UUID,
  role_id UUID,
  "right" TEXT NOT NULL,
  scope TEXT DEFAULT 'own' NOT NULL,
  revoked BOOLEAN DEFAULT false NOT NULL,
  granted_by UUID DEFAULT access.me() NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT privilege_pk PRIMARY KEY (id),
  CONSTRAINT privilege_holder_check CHECK ((user_id is null) <> (role_id is null)),
  CONSTRAINT privilege_scope_check CHECK (scope in ('own', 'network', 'all')),
  CONSTRAINT privilege_user_id_fk FOREIGN KEY(user_id) REFERENCES pyfi."user" (id) ON DELETE CASCADE,
  CONSTRAINT privilege_role_id_fk FOREIGN KEY(role_id) REFERENCES pyfi.role (id) ON DELETE CASCADE,
  CONSTRAINT privilege_granted_by_fk FOREIGN KEY(granted_by) REFERENCES pyfi."user" (id)
);

CREATE UNIQUE INDEX privilege_user_key ON pyfi.privilege (user_id, "right") WHERE user_id is not null;

CREATE INDEX privilege_granted_by_idx ON pyfi.privilege (granted_by);

CREATE UNIQUE INDEX privilege_role_key ON pyfi.privilege (role_id, "right") WHERE role_id is not null;

CREATE TABLE pyfi.secret (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  network_id UUID NOT NULL,
  key_id TEXT NOT NULL,
  ciphertext BYTEA NOT NULL,
  changed TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT secret_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT secret_network_id_owner_id_name_key UNIQUE (network_id, owner_id, name),
  CONSTRAINT secret_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT secret_network_id_fk FOREIGN KEY(network_id) REFERENCES pyfi.network (id)
);

CREATE INDEX secret_network_id_idx ON pyfi.secret (network_id);

CREATE INDEX secret_owner_id_idx ON pyfi.secret (owner_id);

CREATE TABLE pyfi.queue (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  network_id UUID NOT NULL,
  type TEXT DEFAULT 'direct' NOT NULL,
  durable BOOLEAN DEFAULT true NOT NULL,
  max_length INTEGER,
  max_length_bytes BIGINT,
  message_ttl BIGINT,
  expires BIGINT,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT queue_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT queue_network_id_owner_id_name_key UNIQUE (network_id, owner_id, name),
  CONSTRAINT queue_type_check CHECK (type in ('direct', 'topic', 'fanout')),
  CONSTRAINT queue_max_length_check CHECK (max_length > 0),
  CONSTRAINT queue_max_length_bytes_check CHECK (max_length_bytes > 0),
  CONSTRAINT queue_message_ttl_check CHECK (message_ttl > 0),
  CONSTRAINT queue_expires_check CHECK (expires > 0),
  CONSTRAINT queue_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT queue_network_id_fk FOREIGN KEY(network_id) REFERENCES pyfi.network (id)
);

CREATE INDEX queue_network_id_idx ON pyfi.queue (network_id);

CREATE INDEX queue_owner_id_idx ON pyfi.queue (owner_id);

CREATE TABLE pyfi.processor (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  network_id UUID NOT NULL,
  gitrepo TEXT NOT NULL,
  branch TEXT,
  commit TEXT NOT NULL,
  module TEXT NOT NULL,
  modulepath TEXT,
  requirements TEXT,
  hostname TEXT,
  concurrency INTEGER,
  retries INTEGER DEFAULT 0 NOT NULL,
  backoff_seconds DOUBLE PRECISION DEFAULT 1 NOT NULL,
  backoff_factor DOUBLE PRECISION DEFAULT 2 NOT NULL,
  backoff_max_seconds DOUBLE PRECISION DEFAULT 300 NOT NULL,
  retry_on TEXT[] DEFAULT '{}' NOT NULL,
  no_retry_on TEXT[] DEFAULT '{}' NOT NULL,
  max_losses INTEGER,
  time_limit_seconds DOUBLE PRECISION,
  soft_time_limit_seconds DOUBLE PRECISION,
  drain_seconds DOUBLE PRECISION DEFAULT 30 NOT NULL,
  description TEXT,
  environment JSONB DEFAULT '{}' NOT NULL,
  index_url TEXT,
  index_secret TEXT,
  git_secret TEXT,
  hashes_only BOOLEAN DEFAULT false NOT NULL,
  sandbox SMALLINT DEFAULT 0 NOT NULL,
  online BOOLEAN DEFAULT false NOT NULL,
  locked BOOLEAN DEFAULT false NOT NULL,
  public_logs BOOLEAN DEFAULT false NOT NULL,
  requested_status TEXT DEFAULT 'running' NOT NULL,
  restart_token INTEGER DEFAULT 0 NOT NULL,
  generation INTEGER DEFAULT 1 NOT NULL,
  status TEXT DEFAULT 'ready' NOT NULL,
  reason TEXT DEFAULT 'no agent has taken it yet' NOT NULL,
  status_since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  crashed UUID[] DEFAULT '{}' NOT NULL,
  held_since TIMESTAMP WITH TIME ZONE,
  held_reason TEXT,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT processor_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT processor_network_id_owner_id_name_key UNIQUE (network_id, owner_id, name),
  CONSTRAINT processor_requested_status_check CHECK (requested_status in ('running', 'paused', 'stopped', 'removed')),
  CONSTRAINT processor_status_check CHECK (status in ('ready', 'starting', 'running', 'paused', 'stopping', 'stopped', 'updating', 'failed', 'removed')),
  CONSTRAINT processor_concurrency_check CHECK (concurrency between 1 and 4096),
  CONSTRAINT processor_retries_check CHECK (retries between 0 and 100),
  CONSTRAINT processor_backoff_seconds_check CHECK (backoff_seconds between 0 and 31536000),
  CONSTRAINT processor_backoff_factor_check CHECK (backoff_factor between 1 and 100),
  CONSTRAINT processor_backoff_max_seconds_check CHECK (backoff_max_seconds between 0 and 31536000),
  CONSTRAINT processor_max_losses_check CHECK (max_losses between 1 and 10000),
  CONSTRAINT processor_time_limit_seconds_check CHECK (time_limit_seconds > 0),
  CONSTRAINT processor_soft_time_limit_seconds_check CHECK (soft_time_limit_seconds > 0 and (time_limit_seconds is null or soft_time_limit_seconds < time_limit_seconds)),
  CONSTRAINT processor_drain_seconds_check CHECK (drain_seconds >= 0),
  CONSTRAINT processor_gitrepo_check CHECK (gitrepo !~* '^https?://[^/]*@' and gitrepo !~ '^[^/]*//[^/@]*:[^/]*@'),
  CONSTRAINT processor_index_url_check CHECK (index_url !~ '@'),
  CONSTRAINT processor_environment_check CHECK (jsonb_typeof(environment) = 'object'),
  CONSTRAINT processor_sandbox_check CHECK (sandbox between 0 and 2),
  CONSTRAINT processor_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT processor_network_id_fk FOREIGN KEY(network_id) REFERENCES pyfi.network (id)
);

CREATE INDEX processor_network_id_idx ON pyfi.processor (network_id);

CREATE INDEX processor_owner_id_idx ON pyfi.processor (owner_id);

CREATE TABLE pyfi.file (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  network_id UUID NOT NULL,
  path TEXT DEFAULT '' NOT NULL,
  type TEXT NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT file_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT file_network_id_owner_id_path_name_key UNIQUE (network_id, owner_id, path, name),
  CONSTRAINT file_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT file_network_id_fk FOREIGN KEY(network_id) REFERENCES pyfi.network (id)
);

CREATE INDEX file_network_id_idx ON pyfi.file (network_id);

CREATE INDEX file_owner_id_idx ON pyfi.file (owner_id);

CREATE TABLE pyfi.scheduler (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  network_id UUID NOT NULL,
  strategy TEXT DEFAULT 'BALANCED' NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT scheduler_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT scheduler_network_id_owner_id_name_key UNIQUE (network_id, owner_id, name),
  CONSTRAINT scheduler_strategy_check CHECK (strategy in ('BALANCED', 'EFFICIENT')),
  CONSTRAINT scheduler_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT scheduler_network_id_fk FOREIGN KEY(network_id) REFERENCES pyfi.network (id)
);

CREATE INDEX scheduler_owner_id_idx ON pyfi.scheduler (owner_id);

CREATE INDEX scheduler_network_id_idx ON pyfi.scheduler (network_id);

CREATE TABLE pyfi.task (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  processor_id UUID NOT NULL,
  name TEXT NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT task_pk PRIMARY KEY (id),
  CONSTRAINT task_processor_id_name_key UNIQUE (processor_id, name),
  CONSTRAINT task_name_check CHECK (name ~ '^[A-Za-z_][A-Za-z0-9_]{0,62}$'),
  CONSTRAINT task_processor_id_fk FOREIGN KEY(processor_id) REFERENCES pyfi.processor (id) ON DELETE CASCADE
);

CREATE TABLE pyfi.version (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  file_id UUID NOT NULL,
  number INTEGER NOT NULL,
  content TEXT NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT version_pk PRIMARY KEY (id),
  CONSTRAINT version_file_id_number_key UNIQUE (file_id, number),
  CONSTRAINT version_file_id_fk FOREIGN KEY(file_id) REFERENCES pyfi.file (id) ON DELETE CASCADE
);

CREATE TABLE pyfi.flow (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  network_id UUID NOT NULL,
  file_id UUID,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT flow_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT flow_network_id_owner_id_name_key UNIQUE (network_id, owner_id, name),
  CONSTRAINT flow_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT flow_network_id_fk FOREIGN KEY(network_id) REFERENCES pyfi.network (id),
  CONSTRAINT flow_file_id_fk FOREIGN KEY(file_id) REFERENCES pyfi.file (id) ON DELETE SET NULL
);

CREATE INDEX flow_owner_id_idx ON pyfi.flow (owner_id);

CREATE INDEX flow_network_id_idx ON pyfi.flow (network_id);

CREATE INDEX flow_file_id_idx ON pyfi.flow (file_id);

CREATE TABLE pyfi.node (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  network_id UUID NOT NULL,
  hostname TEXT NOT NULL,
  scheduler_id UUID,
  login TEXT,
  worker_login TEXT,
  cpus INTEGER,
  status TEXT DEFAULT 'unknown' NOT NULL,
  lease_until TIMESTAMP WITH TIME ZONE,
  facts JSONB DEFAULT '{}' NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT node_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT node_network_id_name_key UNIQUE (network_id, name),
  CONSTRAINT node_cpus_check CHECK (cpus is null or cpus between 0 and 4096),
  CONSTRAINT node_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT node_network_id_fk FOREIGN KEY(network_id) REFERENCES pyfi.network (id),
  CONSTRAINT node_scheduler_id_fk FOREIGN KEY(scheduler_id) REFERENCES pyfi.scheduler (id) ON DELETE SET NULL,
  CONSTRAINT node_login_key UNIQUE (login),
  CONSTRAINT node_worker_login_key UNIQUE (worker_login)
);

CREATE INDEX node_network_id_idx ON pyfi.node (network_id);

CREATE INDEX node_scheduler_id_idx ON pyfi.node (scheduler_id);

CREATE INDEX node_owner_id_idx ON pyfi.node (owner_id);

CREATE TABLE pyfi.deployment (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  processor_id UUID NOT NULL,
  node_id UUID NOT NULL,
  cpus INTEGER NOT NULL,
  origin TEXT DEFAULT 'user' NOT NULL,
  status TEXT DEFAULT 'ready' NOT NULL,
  reason TEXT DEFAULT '' NOT NULL,
  status_since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  observed_generation INTEGER DEFAULT 0 NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT deployment_pk PRIMARY KEY (id),
  CONSTRAINT deployment_processor_id_node_id_key UNIQUE (processor_id, node_id),
  CONSTRAINT deployment_cpus_check CHECK (cpus between 1 and 4096),
  CONSTRAINT deployment_origin_check CHECK (origin in ('placed', 'user')),
  CONSTRAINT deployment_processor_id_fk FOREIGN KEY(processor_id) REFERENCES pyfi.processor (id) ON DELETE CASCADE,
  CONSTRAINT deployment_node_id_fk FOREIGN KEY(node_id) REFERENCES pyfi.node (id) ON DELETE CASCADE
);

CREATE INDEX deployment_node_id_idx ON pyfi.deployment (node_id);

CREATE TABLE pyfi.argument (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  task_id UUID NOT NULL,
  name TEXT NOT NULL,
  position INTEGER NOT NULL,
  kind TEXT NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT argument_pk PRIMARY KEY (id),
  CONSTRAINT argument_task_id_name_key UNIQUE (task_id, name),
  CONSTRAINT argument_position_check CHECK (position >= 0),
  CONSTRAINT argument_task_id_fk FOREIGN KEY(task_id) REFERENCES pyfi.task (id) ON DELETE CASCADE
);

CREATE TABLE pyfi.socket (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  processor_id UUID NOT NULL,
  task_id UUID NOT NULL,
  queue_id UUID NOT NULL,
  concurrency INTEGER,
  rate DOUBLE PRECISION,
  burst INTEGER,
  description TEXT,
  address TEXT DEFAULT '' NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT socket_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT socket_processor_id_name_key UNIQUE (processor_id, name),
  CONSTRAINT socket_address_key UNIQUE (address),
  CONSTRAINT socket_concurrency_check CHECK (concurrency between 1 and 4096),
  CONSTRAINT socket_rate_check CHECK (rate > 0 and rate <= 1000000),
  CONSTRAINT socket_burst_check CHECK (burst between 1 and 1000000),
  CONSTRAINT socket_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT socket_processor_id_fk FOREIGN KEY(processor_id) REFERENCES pyfi.processor (id) ON DELETE CASCADE,
  CONSTRAINT socket_task_id_fk FOREIGN KEY(task_id) REFERENCES pyfi.task (id),
  CONSTRAINT socket_queue_id_fk FOREIGN KEY(queue_id) REFERENCES pyfi.queue (id)
);

CREATE INDEX socket_queue_id_idx ON pyfi.socket (queue_id);

CREATE INDEX socket_owner_id_idx ON pyfi.socket (owner_id);

CREATE INDEX socket_task_id_idx ON pyfi.socket (task_id);

CREATE TABLE pyfi.throttle (
  socket_id UUID NOT NULL,
  waits_in UUID[] DEFAULT '{}' NOT NULL,
  feeds UUID[] DEFAULT '{}' NOT NULL,
  tokens DOUBLE PRECISION DEFAULT 0 NOT NULL,
  filled TIMESTAMP WITH TIME ZONE DEFAULT '-infinity' NOT NULL,
  owed BIGINT DEFAULT 0 NOT NULL,
  woken TIMESTAMP WITH TIME ZONE DEFAULT '-infinity' NOT NULL,
  CONSTRAINT throttle_pk PRIMARY KEY (socket_id),
  CONSTRAINT throttle_socket_id_fk FOREIGN KEY(socket_id) REFERENCES pyfi.socket (id) ON DELETE CASCADE
);

CREATE TABLE pyfi.backlog (
  queue_id UUID NOT NULL,
  sockets UUID[] DEFAULT '{}' NOT NULL,
  feeders UUID[] DEFAULT '{}' NOT NULL,
  length BIGINT DEFAULT 0 NOT NULL,
  bytes BIGINT DEFAULT 0 NOT NULL,
  counted TIMESTAMP WITH TIME ZONE DEFAULT '-infinity' NOT NULL,
  awaited BOOLEAN DEFAULT false NOT NULL,
  CONSTRAINT backlog_pk PRIMARY KEY (queue_id),
  CONSTRAINT backlog_queue_id_fk FOREIGN KEY(queue_id) REFERENCES pyfi.queue (id) ON DELETE CASCADE
);

CREATE TABLE pyfi.agent (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  network_id UUID NOT NULL,
  node_id UUID NOT NULL,
  epoch INTEGER DEFAULT 0 NOT NULL,
  pid INTEGER,
  port INTEGER,
  status TEXT DEFAULT 'unknown' NOT NULL,
  seen TIMESTAMP WITH TIME ZONE,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT agent_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT agent_node_id_key UNIQUE (node_id),
  CONSTRAINT agent_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT agent_network_id_fk FOREIGN KEY(network_id) REFERENCES pyfi.network (id),
  CONSTRAINT agent_node_id_fk FOREIGN KEY(node_id) REFERENCES pyfi.node (id) ON DELETE CASCADE
);

CREATE INDEX agent_owner_id_idx ON pyfi.agent (owner_id);

CREATE INDEX agent_network_id_idx ON pyfi.agent (network_id);

CREATE TABLE pyfi.plug (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  source_id UUID NOT NULL,
  target_id UUID NOT NULL,
  queue_id UUID NOT NULL,
  type TEXT DEFAULT 'RESULT' NOT NULL,
  argument TEXT,
  description TEXT,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT plug_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT plug_source_id_name_key UNIQUE (source_id, name),
  CONSTRAINT plug_type_check CHECK (type in ('RESULT', 'ERROR')),
  CONSTRAINT plug_argument_check CHECK (argument ~ '^[A-Za-z_][A-Za-z0-9_]{0,62}$'),
  CONSTRAINT plug_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT plug_source_id_fk FOREIGN KEY(source_id) REFERENCES pyfi.socket (id) ON DELETE CASCADE,
  CONSTRAINT plug_target_id_fk FOREIGN KEY(target_id) REFERENCES pyfi.socket (id),
  CONSTRAINT plug_queue_id_fk FOREIGN KEY(queue_id) REFERENCES pyfi.queue (id)
);

CREATE INDEX plug_target_id_idx ON pyfi.plug (target_id);

CREATE INDEX plug_queue_id_idx ON pyfi.plug (queue_id);

CREATE INDEX plug_owner_id_idx ON pyfi.plug (owner_id);

CREATE TABLE pyfi.worker (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  key TEXT NOT NULL,
  node_id UUID NOT NULL,
  deployment_id UUID,
  processor_id UUID NOT NULL,
  ordinal INTEGER NOT NULL,
  pid INTEGER,
  status TEXT DEFAULT 'starting' NOT NULL,
  reason TEXT DEFAULT '' NOT NULL,
  generation INTEGER DEFAULT 0 NOT NULL,
  restarts INTEGER DEFAULT 0 NOT NULL,
  last_exit TEXT,
  next_try TIMESTAMP WITH TIME ZONE,
  sockets UUID[] DEFAULT '{}' NOT NULL,
  commit TEXT,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT worker_pk PRIMARY KEY (id),
  CONSTRAINT worker_node_id_key_key UNIQUE (node_id, key),
  CONSTRAINT worker_status_check CHECK (status in ('starting', 'running', 'draining', 'exited', 'backoff', 'failed', 'lost')),
  CONSTRAINT worker_node_id_fk FOREIGN KEY(node_id) REFERENCES pyfi.node (id) ON DELETE CASCADE,
  CONSTRAINT worker_deployment_id_fk FOREIGN KEY(deployment_id) REFERENCES pyfi.deployment (id) ON DELETE SET NULL,
  CONSTRAINT worker_processor_id_fk FOREIGN KEY(processor_id) REFERENCES pyfi.processor (id) ON DELETE CASCADE
);

CREATE INDEX worker_deployment_id_idx ON pyfi.worker (deployment_id);

CREATE INDEX worker_processor_id_idx ON pyfi.worker (processor_id);

CREATE TABLE pyfi.gate (
  id UUID DEFAULT gen_random_uuid() NOT NULL,
  name TEXT NOT NULL,
  owner_id UUID DEFAULT access.me() NOT NULL,
  plug_id UUID NOT NULL,
  open BOOLEAN DEFAULT true NOT NULL,
  created TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  CONSTRAINT gate_pk PRIMARY KEY (id),
  CONSTRAINT user_name_check CHECK (name ~ '^[A-Za-z0-9._][A-Za-z0-9._-]{0,62}$' and name not in ('.', '..')),
  CONSTRAINT gate_plug_id_key UNIQUE (plug_id),
  CONSTRAINT gate_owner_id_fk FOREIGN KEY(owner_id) REFERENCES pyfi."user" (id),
  CONSTRAINT gate_plug_id_fk FOREIGN KEY(plug_id) REFERENCES pyfi.plug (id) ON DELETE CASCADE
);

CREATE INDEX gate_owner_id_idx ON pyfi.gate (owner_id);
