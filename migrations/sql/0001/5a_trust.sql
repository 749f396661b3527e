-- Secrets: sealed for the nodes' key, which the database does not have. What a node may ask for is what its deployments name.

create function access.secret_names(p pyfi.processor) returns text[] language sql stable set search_path = pg_catalog, pg_temp as $$
  select array_remove(array[p.git_secret, p.index_secret] || coalesce(
    (select array_agg(substr(v.value, 8)) from jsonb_each_text(p.environment) v where v.value like 'secret:%'), '{}'), null)
$$;

-- Name -> id, key and sealed value, of the owner's secrets in the processor's network.
create function agent.secrets(p_deployment uuid) returns jsonb language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp as $$
declare v_node pyfi.node := agent.required_node(); p pyfi.processor;
begin
  select x.* into p from pyfi.processor x join pyfi.deployment d on d.processor_id = x.id where d.id = p_deployment and d.node_id = v_node.id;
  if p.id is null then
    raise exception using errcode = 'PF403', message = 'that deployment is another node''s';
  end if;
  return (select coalesce(jsonb_object_agg(s.name, jsonb_build_object('id', s.id, 'key_id', s.key_id,
      'sealed', translate(encode(s.ciphertext, 'base64'), E'\n', ''))), '{}')
    from pyfi.secret s where s.owner_id = p.owner_id and s.network_id = p.network_id and s.name = any (access.secret_names(p)));
end $$;

-- A secret as it is sealed: its owner's, and an administrator's who seals it with another key.
create function access.sealed(p_id uuid) returns bytea language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare v_sealed bytea;
begin
  select s.ciphertext into v_sealed from pyfi.secret s where s.id = p_id and (s.owner_id = access.me() or access.is_admin());
  if v_sealed is null then
    raise exception using errcode = 'PF404', message = 'there is no such secret of yours', hint = 'flow secret ls';
  end if;
  return v_sealed;
end $$;

-- A new value wakes the agents: workers that run with the old one are outdated.
create trigger secret_notify after insert or delete or update of ciphertext, name on pyfi.secret
  for each row execute function access.notify_model();
