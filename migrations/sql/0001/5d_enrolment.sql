-- A machine becomes a node without an administrator's login: with a login that works for one call of one function, and for a while.

-- What stands behind `prefix:node:`, `prefix:worker:` and `prefix:join:`. Nodes of two networks may have one name, and no name begins with a slash.
create function access.node_place(p_network text, p_name text) returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when octet_length('{{prefix}}:worker:' || p.place) > 63 then '/' || substr(encode(sha256(convert_to(p.place, 'UTF8')), 'hex'), 1, 24) else p.place end
  from (select case when p_network = 'default' then '' else p_network || '/' end || p_name) p (place)
$$;

-- Makes the node, and the login that may join as it until then; a former token of the node is no more.
create function access.offer_node(p_name text, p_network text, p_verifier text, p_seconds int) returns text
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_network uuid; v_owner uuid; v_node pyfi.node; v_login text := '{{prefix}}:join:' || access.node_place(p_network, p_name);
begin
  select id, owner_id into v_network, v_owner from pyfi.network where name = p_network;
  perform access.require('START_AGENT', v_owner, v_network, format('network %s', p_network));
  if v_network is null then
    raise exception using errcode = 'PF404', message = format('there is no network %L', p_network), hint = 'flow ls networks';
  end if;
  if p_seconds not between 1 and 604800 then
    raise exception using errcode = 'PF422', message = 'a token is good for one second to seven days';
  end if;
  select n.* into v_node from pyfi.node n where n.network_id = v_network and n.name = p_name;
  if v_node.owner_id <> access.me() then
    perform access.require('UPDATE_NODE', v_node.owner_id, v_network, format('node %s', p_name));
  end if;
  insert into pyfi.node (name, hostname, network_id, owner_id) values (p_name, p_name, v_network, access.me()) on conflict (network_id, name) do nothing;
  perform access.make_role(v_login, '{{prefix}}_flow_worker', p_verifier, now() + make_interval(secs => p_seconds));
  return v_login;
end $$;

-- Called once, by that login: the node's row is locked, so of two at once the second finds it used.
create function access.join_node(p_hostname text, p_node_verifier text, p_worker_verifier text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_me name := access.acting(); v_node pyfi.node; v_network text; v_place text := substr(v_me, octet_length('{{prefix}}:join:') + 1);
begin
  if v_me not like '{{prefix}}:join:%' then
    raise exception using errcode = 'PF403', message = 'this login is no token''s', hint = 'flow node enroll makes one';
  end if;
  select n.* into v_node from pyfi.node n join pyfi.network w on w.id = n.network_id where access.node_place(w.name, n.name) = v_place for update of n;
  if v_node.id is null or not exists (select from pg_catalog.pg_roles r where r.rolname = v_me and r.rolvaliduntil > clock_timestamp()) then
    raise exception using errcode = 'PF403', message = 'this token was used, revoked or is over', hint = 'flow node enroll makes another one';
  end if;
  perform access.make_role(v_me, '{{prefix}}_flow_worker', p_worker_verifier, '-infinity');
  perform access.make_role('{{prefix}}:node:' || v_place, '{{prefix}}_flow_node', p_node_verifier);
  perform access.make_role('{{prefix}}:worker:' || v_place, '{{prefix}}_flow_worker', p_worker_verifier);
  update pyfi.node set hostname = p_hostname, login = '{{prefix}}:node:' || v_place, worker_login = '{{prefix}}:worker:' || v_place where id = v_node.id;
  select name into v_network from pyfi.network where id = v_node.network_id;
  return jsonb_build_object('name', v_node.name, 'network', v_network, 'login', '{{prefix}}:node:' || v_place, 'worker_login', '{{prefix}}:worker:' || v_place);
end $$;

-- The node's logins are nobody's any more, in running sessions too; an open token is over.
create function access.revoke_node(p_name text, p_network text) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node; v_login text; v_place text := access.node_place(p_network, p_name);
  -- Well formed, and of no password.
  v_nothing constant text := 'SCRAM-SHA-256$4096:' || repeat('A', 22) || '==$' || repeat('A', 43) || '=:' || repeat('A', 43) || '=';
begin
  select n.* into v_node from pyfi.node n join pyfi.network w on w.id = n.network_id where w.name = p_network and n.name = p_name for update of n;
  perform access.require('UPDATE_NODE', v_node.owner_id, v_node.network_id, format('node %s', p_name));
  if v_node.id is null then
    raise exception using errcode = 'PF404', message = format('there is no node %L', p_name), hint = 'flow ls nodes';
  end if;
  update pyfi.node set login = null, worker_login = null, status = 'stopped', lease_until = now() where id = v_node.id;
  foreach v_login in array array['node', 'worker', 'join'] loop
    if exists (select from pg_catalog.pg_roles where rolname = '{{prefix}}:' || v_login || ':' || v_place) then
      perform access.make_role('{{prefix}}:' || v_login || ':' || v_place,
        case v_login when 'node' then '{{prefix}}_flow_node' else '{{prefix}}_flow_worker' end, v_nothing, '-infinity');
    end if;
  end loop;
end $$;
