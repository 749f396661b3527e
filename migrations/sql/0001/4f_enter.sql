-- ledger.submit for a client that publishes the wake-ups itself: with the outbox row it is told the broker queue, in one plan that is kept.
create function ledger.enter(p_ids uuid[], p_socket uuid, p_args text[], p_soon boolean, p_options jsonb default null, p_uploads uuid[] default null)
  returns table (outbox bigint, address text) language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  outbox := ledger.submit(p_ids, p_socket, p_args, p_soon, p_options, p_uploads);
  if outbox is not null then select s.address into address from pyfi.socket s where s.id = p_socket; end if;
  return next;
end $$;
