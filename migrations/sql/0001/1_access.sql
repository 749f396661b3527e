-- Who is asking. Definer functions see session_user's role or, inside the API's transaction, the role that was set.

-- Without SET, so that it is inlined; every name in it is qualified.
-- Text, as the columns that it is compared with: a name would be compared without their index.
create function access.acting() returns text language sql stable as $$
  select case when pg_catalog.current_setting('role') operator(pg_catalog.=) 'none' then session_user::pg_catalog.text
    else pg_catalog.current_setting('role') end
$$;

-- plpgsql keeps the plan; these are asked in every statement. A variable, since the expression would be computed for each row; and
-- `select into`, since `return (select ...)` takes twice as long.
create function access.me() returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_login text := access.acting(); v_id uuid;
begin
  select u.id into v_id from pyfi."user" u where u.login = v_login and u.active;
  return v_id;
end $$;

create function access.is_admin() returns boolean language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_login text := access.acting(); v_admin boolean;
begin
  select u.admin into v_admin from pyfi."user" u where u.login = v_login and u.active;
  return coalesce(v_admin, false);
end $$;

create function access.require_admin(p_verb text) returns void language plpgsql stable
  set search_path = pg_catalog, pg_temp as $$
begin
  if not access.is_admin() then
    raise exception using errcode = 'PF403', message = format('%s needs an administrator', p_verb),
      hint = 'flow whoami tells who you are';
  end if;
end $$;

-- Runs as the one role that may create roles; only the definer may call it. The verifier is SCRAM's: no clear password comes here.
create function access.make_role(p_login text, p_group text, p_verifier text, p_until timestamptz default 'infinity') returns void language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  if p_login not like '{{prefix}}.%' and p_login not like '{{prefix}}:%' or octet_length(p_login) > 63 then
    raise exception using errcode = 'PF422', message = format('the login %L is not one of this installation''s, or longer than 63 bytes', p_login);
  end if;
  if p_verifier !~ '^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' then
    raise exception using errcode = 'PF422', message = 'a login is made from a SCRAM verifier only';
  end if;
  if p_group not in ('{{prefix}}_flow_user', '{{prefix}}_flow_node', '{{prefix}}_flow_worker', '{{prefix}}_flow_admin') then
    raise exception using errcode = 'PF422', message = format('%L is no group of this installation', p_group);
  end if;
  if exists (select from pg_catalog.pg_roles where rolname = p_login) then
    execute format('alter role %I login password %L valid until %L', p_login, p_verifier, p_until);
  else
    execute format('create role %I login nosuperuser nocreatedb nocreaterole nobypassrls password %L valid until %L', p_login, p_verifier, p_until);
  end if;
  execute format('grant %I to %I', p_group, p_login);
end $$;

-- Ends a login: nobody logs in with it any more, and its sessions end. Runs as the maker of roles; only the definer may call it.
create function access.close_login(p_login text) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if p_login not like '{{prefix}}.%' then
    raise exception using errcode = 'PF422', message = format('the login %L is no user''s of this installation', p_login);
  end if;
  execute format('alter role %I nologin', p_login);
  perform pg_terminate_backend(a.pid) from pg_stat_activity a where a.usename = p_login and a.pid <> pg_backend_pid();
end $$;

create function access.create_user(p_name text, p_email text, p_verifier text, p_admin boolean, p_roles text[] default '{}') returns uuid
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_id uuid; v_login text := '{{prefix}}.' || p_name; v_role text; v_privilege record;
begin
  perform access.require_wide('ADD_USER');
  if p_admin then perform access.require_admin('making an administrator'); end if;
  perform access.make_role(v_login, '{{prefix}}_flow_user', p_verifier);
  if p_admin then perform access.make_role(v_login, '{{prefix}}_flow_admin', p_verifier); end if;
  insert into pyfi."user" (name, login, email, admin) values (p_name, v_login, p_email, p_admin) returning id into v_id;
  foreach v_role in array p_roles loop
    for v_privilege in select p."right", p.scope from pyfi.privilege p where p.role_id = (access.role_named(v_role)).id loop
      perform access.require_held(v_privilege."right", v_privilege.scope);
    end loop;
    insert into pyfi.user_role (user_id, role_id) values (v_id, (access.role_named(v_role)).id) on conflict do nothing;
  end loop;
  return v_id;
exception when unique_violation then
  raise exception using errcode = 'PF410', message = format('there is a user %s already', p_name);
end $$;

-- A user's own password, or by an administrator anybody's: who could change another's would have all that the other has.
create function access.renew_password(p_name text, p_verifier text) returns void language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_user pyfi."user" := access.user_named(p_name);
begin
  if v_user.id is distinct from access.me() then perform access.require_admin(format('changing the password of %s', p_name)); end if;
  perform access.make_role(v_user.login, '{{prefix}}_flow_user', p_verifier);
  if not v_user.active then perform access.close_login(v_user.login); end if;
  perform access.record('password', 'user', v_user.id, v_user.name, v_user.id, null, null);
end $$;

-- Who left: his login is refused and his sessions end; his rows, calls and history stay. p_active undoes it; he needs a new password then.
create function access.activate_user(p_name text, p_active boolean) returns void language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_user pyfi."user" := access.user_named(p_name);
begin
  perform access.require_over(case when p_active then 'UPDATE_USER' else 'DELETE_USER' end, v_user);
  if not p_active and v_user.admin and (select count(*) from pyfi."user" u where u.admin and u.active) < 2 then
    raise exception using errcode = 'PF409', message = format('%s is the last administrator', p_name);
  end if;
  update pyfi."user" set active = p_active where id = v_user.id;
  if not p_active then perform access.close_login(v_user.login); end if;
end $$;

-- E-mail, and whether he is an administrator, which administrators decide. Null: as it was.
create function access.change_user(p_name text, p_email text, p_admin boolean) returns void language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_user pyfi."user" := access.user_named(p_name);
begin
  if p_email is null and p_admin is null then return; end if;
  if p_email is not null and v_user.id is distinct from access.me() then perform access.require_over('UPDATE_USER', v_user); end if;
  if p_admin is distinct from v_user.admin and p_admin is not null then
    perform access.require_admin('making or unmaking administrators');
    if not p_admin and (select count(*) from pyfi."user" u where u.admin and u.active) < 2 then
      raise exception using errcode = 'PF409', message = format('%s is the last administrator', p_name);
    end if;
    perform access.change_group(v_user.login, p_admin);
  end if;
  update pyfi."user" set email = coalesce(p_email, email), admin = coalesce(p_admin, admin) where id = v_user.id;
end $$;

-- Into the administrators' group or out of it. Runs as the maker of roles; only the definer may call it.
create function access.change_group(p_login text, p_admin boolean) returns void language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  if p_login not like '{{prefix}}.%' then
    raise exception using errcode = 'PF422', message = format('the login %L is no user''s of this installation', p_login);
  end if;
  execute format(case when p_admin then 'grant %I to %I' else 'revoke %I from %I' end, '{{prefix}}_flow_admin', p_login);
end $$;

-- A node and the two logins of its processes. A second enrolment of the same node gives it new passwords.
create function access.enroll_node(p_name text, p_hostname text, p_network text, p_node_verifier text, p_worker_verifier text)
  returns jsonb language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node; v_network uuid; v_owner uuid;
  v_login text := '{{prefix}}:node:' || access.node_place(p_network, p_name);
  v_worker text := '{{prefix}}:worker:' || access.node_place(p_network, p_name);
begin
  select id, owner_id into v_network, v_owner from pyfi.network where name = p_network;
  perform access.require('START_AGENT', v_owner, v_network, format('network %s', p_network));
  if v_network is null then
    raise exception using errcode = 'PF404', message = format('there is no network %L', p_network), hint = 'flow ls networks';
  end if;
  select n.* into v_node from pyfi.node n where n.network_id = v_network and n.name = p_name;
  if v_node.owner_id <> access.me() then
    perform access.require('UPDATE_NODE', v_node.owner_id, v_network, format('node %s', p_name));
  end if;
  perform access.make_role(v_login, '{{prefix}}_flow_node', p_node_verifier);
  perform access.make_role(v_worker, '{{prefix}}_flow_worker', p_worker_verifier);
  insert into pyfi.node (name, hostname, network_id, owner_id, login, worker_login)
    values (p_name, p_hostname, v_network, access.me(), v_login, v_worker)
    on conflict (network_id, name) do update set hostname = excluded.hostname, login = excluded.login,
      worker_login = excluded.worker_login, updated = now()
    returning * into v_node;
  return jsonb_build_object('node_id', v_node.id, 'login', v_login, 'worker_login', v_worker);
end $$;

-- The node whose agent is logged in, and the node whose workers are.
create function access.node() returns uuid language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare v_login text := access.acting(); v_id uuid;
begin
  select n.id into v_id from pyfi.node n where n.login = v_login;
  return v_id;
end $$;
