-- Who may do what to whose rows. Policies ask scope, me, mine, wide, joined, processors, sockets and people once a statement; definer functions
-- ask may and require for one row. The words and what they bring along are in 2b_words.sql, generated from pyfi/core/rights.py.

create function access.rank(p_scope text) returns int language sql immutable set search_path = pg_catalog, pg_temp as $$
  select array_position(array['own', 'network', 'all'], p_scope)
$$;

-- The widest scope at which the asker holds a right; null: he does not. Most statements ask it: plpgsql keeps the plans, and one
-- function that calls no other takes half the time. min, since the wider scope comes first in the alphabet.
create function access.scope(p_right text) returns text language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_login text := access.acting(); v_id uuid; v_admin boolean; v_words jsonb := access.through(p_right); v_taken text[]; v_left text[]; v_scope text;
begin
  select u.id, u.admin into v_id, v_admin from pyfi."user" u where u.login = v_login and u.active;
  if v_id is null then return null; end if;
  if v_admin then return 'all'; end if;
  if v_words is null then
    raise exception using errcode = 'PF422', message = format('there is no right %L', p_right), hint = 'flow ls rights';
  end if;
  select min(p.scope) filter (where v_words ? p."right" and not p.revoked), array_agg(p."right") filter (where p.revoked and p.user_id = v_id)
    into v_scope, v_taken from pyfi.privilege p
    where p.user_id = v_id or p.role_id = any (array(select r.role_id from pyfi.user_role r where r.user_id = v_id));
  if v_taken is not null then
    if v_taken && access.words(p_right) then return null; end if;
    select array_agg(w) into v_left from unnest(access.carriers(p_right)) c, unnest(access.words(c)) w where not v_taken && access.words(c);
    v_words := coalesce(to_jsonb(v_left), '[]');
    select min(p.scope) into v_scope from pyfi.privilege p
      where (p.user_id = v_id or p.role_id = any (array(select r.role_id from pyfi.user_role r where r.user_id = v_id)))
        and not p.revoked and v_words ? p."right";
  end if;
  -- Everybody reads his own.
  return coalesce(v_scope, case when v_words ? 'READ' then 'own' end);
end $$;

-- The asker's id if he holds the right at any scope.
create function access.mine(p_right text) returns uuid language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  return case when access.scope(p_right) is not null then access.me() end;
end $$;

create function access.wide(p_right text) returns boolean language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  return access.scope(p_right) is not distinct from 'all';
end $$;

-- The networks that the asker owns or is a member of.
create function access.joined() returns uuid[] language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare v_me uuid := access.me();
begin
  return array(select m.network_id from pyfi.member m where m.user_id = v_me union select n.id from pyfi.network n where n.owner_id = v_me);
end $$;

create function access.networks(p_right text) returns uuid[] language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  return case when access.scope(p_right) is not distinct from 'network' then access.joined() else '{}' end;
end $$;

create function access.processors(p_right text) returns uuid[] language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_networks uuid[] := access.networks(p_right);
begin
  if v_networks = '{}' then return v_networks; end if;
  return array(select p.id from pyfi.processor p where p.network_id = any (v_networks));
end $$;

create function access.sockets(p_right text) returns uuid[] language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_processors uuid[] := access.processors(p_right);
begin
  if v_processors = '{}' then return v_processors; end if;
  return array(select s.id from pyfi.socket s where s.processor_id = any (v_processors));
end $$;

-- The people of those networks.
create function access.people(p_right text) returns uuid[] language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_networks uuid[] := access.networks(p_right);
begin
  if v_networks = '{}' then return v_networks; end if;
  return array(select m.user_id from pyfi.member m where m.network_id = any (v_networks)
    union select n.owner_id from pyfi.network n where n.id = any (v_networks));
end $$;

-- Whether the asker may do that to a row of that owner in that network.
create function access.may(p_right text, p_owner uuid, p_network uuid) returns boolean language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  return case access.scope(p_right) when 'all' then true when 'own' then p_owner is not distinct from access.me()
    when 'network' then p_owner is not distinct from access.me() or p_network = any (access.joined()) else false end;
end $$;

create function access.require(p_right text, p_owner uuid, p_network uuid, p_what text) returns void language plpgsql stable
  security definer set search_path = pg_catalog, pg_temp as $$
declare v_name text;
begin
  if access.may(p_right, p_owner, p_network) then return; end if;
  select u.name into v_name from pyfi."user" u where u.id = access.me();
  raise exception using errcode = 'PF403', message = format('%s lacks the right %s on %s', coalesce(v_name, access.acting()), p_right, p_what),
    hint = format('flow add privilege -u %s -n %s gives it; flow ls user --effective shows what you have', coalesce(v_name, 'NAME'), p_right);
end $$;

-- What needs a right over everything: users, the database.
create function access.require_wide(p_right text) returns void language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  if not access.wide(p_right) then
    perform access.require(p_right, null, null, 'everything');
  end if;
end $$;

-- Nobody gives what he does not have himself, at least as widely.
create function access.require_held(p_right text, p_scope text) returns void language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(access.rank(access.scope(p_right)), 0) < access.rank(p_scope) then
    raise exception using errcode = 'PF403', message = format('nobody gives what he has not: you lack %s with scope %s', p_right, p_scope),
      hint = 'flow ls user --effective shows what you have';
  end if;
end $$;

create function access.user_named(p_name text) returns pyfi."user" language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_user pyfi."user";
begin
  select u.* into v_user from pyfi."user" u where u.name = p_name;
  if v_user.id is null then
    raise exception using errcode = 'PF404', message = format('there is no user %s', p_name), hint = 'flow ls users';
  end if;
  return v_user;
end $$;

create function access.role_named(p_name text) returns pyfi.role language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_role pyfi.role;
begin
  select r.* into v_role from pyfi.role r where r.name = p_name;
  if v_role.id is null then
    raise exception using errcode = 'PF404', message = format('there is no role %s', p_name), hint = 'flow ls roles; flow add role makes one';
  end if;
  return v_role;
end $$;

-- Whether the asker may do that to a user: with scope all to everybody, with scope network to people of his networks.
create function access.require_over(p_right text, p_user pyfi."user") returns void language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  if p_user.admin and not access.is_admin() then perform access.require_admin(format('changing the administrator %s', p_user.name)); end if;
  if not (access.wide(p_right) or p_user.id = any (access.people(p_right))) then
    perform access.require(p_right, null, null, format('user %s', p_user.name));
  end if;
end $$;

-- Give a right to a user or to a role, or (p_revoked) take it from a user whatever his roles give. A second time changes the scope.
create function access.grant_right(p_user text, p_role text, p_right text, p_scope text, p_revoked boolean) returns uuid
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_user pyfi."user"; v_role pyfi.role; v_id uuid; v_known boolean; v_verb text;
begin
  if not p_right = any (access.rights()) then
    raise exception using errcode = 'PF422', message = format('there is no right %L', p_right), hint = 'flow ls rights';
  end if;
  if (p_user is null) = (p_role is null) or p_revoked and p_user is null then
    raise exception using errcode = 'PF422', message = 'a privilege is a user''s or a role''s; only a user''s can be revoked';
  end if;
  if p_user is not null then v_user := access.user_named(p_user); else v_role := access.role_named(p_role); end if;
  v_known := exists (select from pyfi.privilege p where p."right" = p_right and (p.user_id = v_user.id or p.role_id = v_role.id));
  v_verb := case when v_known then 'UPDATE_PRIVILEGE' else 'ADD_PRIVILEGE' end;
  if p_user is not null then
    perform access.require_over(v_verb, v_user);
    if v_user.admin then
      raise exception using errcode = 'PF409', message = format('%s is an administrator, who holds every right', p_user),
        hint = format('flow update user -n %s --no-admin makes him an ordinary user', p_user);
    end if;
  else
    perform access.require(v_verb, v_role.owner_id, null, format('role %s', p_role));
  end if;
  if not p_revoked then perform access.require_held(p_right, p_scope); end if;
  if p_user is not null then
    insert into pyfi.privilege as p (user_id, "right", scope, revoked) values (v_user.id, p_right, p_scope, p_revoked)
      on conflict (user_id, "right") where user_id is not null
      do update set scope = excluded.scope, revoked = excluded.revoked, granted_by = access.me() returning p.id into v_id;
  else
    insert into pyfi.privilege as p (role_id, "right", scope) values (v_role.id, p_right, p_scope)
      on conflict (role_id, "right") where role_id is not null
      do update set scope = excluded.scope, granted_by = access.me() returning p.id into v_id;
  end if;
  return v_id;
end $$;

-- Forget one row of privileges: a grant, or a revocation (which gives, so that one must hold it). False: there was none.
create function access.forget_right(p_user text, p_role text, p_right text) returns boolean language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_user pyfi."user"; v_role pyfi.role; v_row pyfi.privilege;
begin
  if p_user is not null then
    v_user := access.user_named(p_user);
    perform access.require_over('DELETE_PRIVILEGE', v_user);
  else
    v_role := access.role_named(p_role);
    perform access.require('DELETE_PRIVILEGE', v_role.owner_id, null, format('role %s', p_role));
  end if;
  select p.* into v_row from pyfi.privilege p where p."right" = p_right and (p.user_id = v_user.id or p.role_id = v_role.id) for update;
  -- Before it is gone: afterwards he might hold it by what it took away.
  if v_row.revoked then perform access.require_held(p_right, 'all'); end if;
  delete from pyfi.privilege p where p.id = v_row.id;
  return v_row.id is not null;
end $$;

create function access.give_role(p_user text, p_role text) returns boolean language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_user pyfi."user" := access.user_named(p_user); v_role pyfi.role := access.role_named(p_role); v_privilege record;
begin
  perform access.require_over('UPDATE_USER', v_user);
  for v_privilege in select p."right", p.scope from pyfi.privilege p where p.role_id = v_role.id loop
    perform access.require_held(v_privilege."right", v_privilege.scope);
  end loop;
  insert into pyfi.user_role (user_id, role_id) values (v_user.id, v_role.id) on conflict do nothing;
  return found;
end $$;

create function access.take_role(p_user text, p_role text) returns boolean language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_user pyfi."user" := access.user_named(p_user); v_role pyfi.role := access.role_named(p_role);
begin
  perform access.require_over('UPDATE_USER', v_user);
  delete from pyfi.user_role r where r.user_id = v_user.id and r.role_id = v_role.id;
  return found;
end $$;

-- The owner of a network shares it: members see it, may put their rows into it, and rights of scope network reach the rows in it.
create function access.share_network(p_network text, p_user text, p_joins boolean) returns boolean language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_user pyfi."user"; v_network pyfi.network;
begin
  select n.* into v_network from pyfi.network n where n.name = p_network
    and (n.name = 'default' or n.id = any (access.joined()) or access.wide('READ'));
  if v_network.id is null then
    raise exception using errcode = 'PF404', message = format('there is no network %s', p_network), hint = 'flow ls networks';
  end if;
  perform access.require('UPDATE', v_network.owner_id, null, format('network %s', p_network));
  v_user := access.user_named(p_user);
  if p_joins then
    insert into pyfi.member (network_id, user_id) values (v_network.id, v_user.id) on conflict do nothing;
  else
    delete from pyfi.member m where m.network_id = v_network.id and m.user_id = v_user.id;
    if not found then return false; end if;
    -- His code leaves the network's nodes; the policies let him start it elsewhere only.
    update pyfi.processor p set requested_status = 'stopped'
      where p.network_id = v_network.id and p.owner_id = v_user.id and p.requested_status in ('running', 'paused');
    return true;
  end if;
  return found;
end $$;

-- The queue that a processor's sockets wait in when none is named: who may add a socket to it may have it made.
create function access.socket_queue(p_processor uuid) returns uuid language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_me uuid := access.me(); v_processor pyfi.processor; v_id uuid;
begin
  select p.* into v_processor from pyfi.processor p where p.id = p_processor;
  if v_me is null or v_processor.id is null
      or v_processor.owner_id <> v_me and not access.may('UPDATE_PROCESSOR', v_processor.owner_id, v_processor.network_id) then
    raise exception using errcode = 'PF404', message = 'there is no such processor', hint = 'flow ls processors';
  end if;
  perform access.require('ADD_SOCKET', v_me, v_processor.network_id, format('processor %s', v_processor.name));
  insert into pyfi.queue (name, network_id, owner_id) values (v_processor.name, v_processor.network_id, v_processor.owner_id)
    on conflict do nothing;
  select q.id into v_id from pyfi.queue q
    where q.name = v_processor.name and q.network_id = v_processor.network_id and q.owner_id = v_processor.owner_id;
  return v_id;
end $$;

-- Whether a right reaches a call: the asker made its first call or owns its socket, or the socket is in one of his networks, or everything.
-- To run it again the socket must be reached: who made a call may have lost the right to call there since.
create function access.reaches_call(p_right text, p_owner uuid, p_socket_owner uuid, p_socket uuid) returns boolean
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare v_scope text := access.scope(p_right); v_me uuid := access.me();
begin
  return coalesce(v_scope = 'all' or v_scope is not null
      and v_me in (case when p_right = 'RUN_TASK' and p_socket is not null then p_socket_owner else p_owner end, p_socket_owner)
    or v_scope = 'network' and p_socket = any (access.sockets(p_right)), false);
end $$;

-- Of calls that the asker may see, none that his right does not reach. What he does not see is the caller's to miss.
create function access.require_calls(p_right text, p_ids uuid[]) returns void language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_me uuid := access.me(); v_id uuid;
begin
  if access.scope(p_right) is not distinct from 'all' then return; end if;
  select c.id into v_id from unnest(p_ids) u (id) join pyfi.call c on c.id = u.id
    where (v_me in (c.owner_id, c.socket_owner_id) or access.reaches_call('READ', c.owner_id, c.socket_owner_id, c.socket_id))
      and not access.reaches_call(p_right, c.owner_id, c.socket_owner_id, c.socket_id) limit 1;
  if found then perform access.require(p_right, null, null, format('call %s', v_id)); end if;
end $$;

-- A processor whose logs are public lets them be read by those whose READ_LOG reaches it.
create function access.reads_log(p_call uuid) returns boolean language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_owner uuid; v_network uuid;
begin
  select p.owner_id, p.network_id into v_owner, v_network from pyfi.call c join pyfi.socket s on s.id = c.socket_id
    join pyfi.processor p on p.id = s.processor_id where c.id = p_call and p.public_logs;
  return found and access.may('READ_LOG', v_owner, v_network);
end $$;

-- Which right a change of a processor needs depends on the columns. Our own functions are not asked for any.
create function access.guard_processor() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_what text := format('processor %s', old.name);
  v_own text[] := access.code_columns() || access.config_columns()
    || access.observed_columns() || array['requested_status', 'restart_token', 'locked', 'updated'];
begin
  -- Whom the policies let through is a user; nobody else but a superuser gets here.
  if current_user = '{{definer}}' or access.me() is null then return case when tg_op = 'DELETE' then old else new end; end if;
  if tg_op = 'UPDATE' and new.locked is distinct from old.locked then
    perform access.require(case when new.locked then 'LOCK_PROCESSOR' else 'UNLOCK_PROCESSOR' end, old.owner_id, old.network_id, v_what);
  elsif old.locked then
    raise exception using errcode = 'PF409', message = format('%s is locked', v_what),
      hint = format('flow proc unlock -n %s, for which one needs UNLOCK_PROCESSOR', old.name);
  end if;
  if tg_op = 'DELETE' then return old; end if;
  if (select coalesce(jsonb_object_agg(k, v), '{}') from jsonb_each(to_jsonb(new)) x (k, v) where k = any (access.code_columns()))
      <> (select coalesce(jsonb_object_agg(k, v), '{}') from jsonb_each(to_jsonb(old)) x (k, v) where k = any (access.code_columns())) then
    perform access.require('EDIT_PROCESSOR_CODE', old.owner_id, old.network_id, v_what);
  end if;
  if (select coalesce(jsonb_object_agg(k, v), '{}') from jsonb_each(to_jsonb(new)) x (k, v) where k = any (access.config_columns()))
      <> (select coalesce(jsonb_object_agg(k, v), '{}') from jsonb_each(to_jsonb(old)) x (k, v) where k = any (access.config_columns())) then
    perform access.require('EDIT_PROCESSOR_CONFIG', old.owner_id, old.network_id, v_what);
  end if;
  if new.requested_status <> old.requested_status then
    perform access.require(case new.requested_status when 'paused' then 'PAUSE_PROCESSOR'
        when 'running' then case old.requested_status when 'paused' then 'RESUME_PROCESSOR' else 'START_PROCESSOR' end
        else 'STOP_PROCESSOR' end, old.owner_id, old.network_id, v_what);
  end if;
  if new.restart_token <> old.restart_token then
    perform access.require('START_PROCESSOR', old.owner_id, old.network_id, v_what);
  end if;
  -- Into another network: as a new row would be put there, but with this right.
  if new.network_id <> old.network_id and not (new.network_id = any (access.joined())
      or exists (select from pyfi.network n where n.id = new.network_id and n.name = 'default')) then
    perform access.require('UPDATE_PROCESSOR', null, null, format('%s in that network', v_what));
  end if;
  if to_jsonb(new) - v_own <> to_jsonb(old) - v_own then
    perform access.require('UPDATE_PROCESSOR', old.owner_id, old.network_id, v_what);
  end if;
  return new;
end $$;

-- What a locked processor runs with does not change either.
create function access.guard_socket() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_name text;
begin
  select p.name into v_name from pyfi.processor p
    where p.id in (case when tg_op <> 'DELETE' then new.processor_id end, case when tg_op <> 'INSERT' then old.processor_id end)
      and p.locked and access.me() is not null limit 1;
  if found then
    raise exception using errcode = 'PF409', message = format('processor %s is locked', v_name),
      hint = format('flow proc unlock -n %s, for which one needs UNLOCK_PROCESSOR', v_name);
  end if;
  return case when tg_op = 'DELETE' then old else new end;
end $$;
