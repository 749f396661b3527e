"""What may never be in a database of PyFI's, whatever the migrations say: each rule is one query over the catalogue."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from pyfi.db.migrate import MAKERS
from pyfi.db.roles import GROUPS, Roles

LEDGER = ("call", "outbox", "event", "log", "counter", "throttle", "backlog", "retention")

# Offence -> query that names the offenders. :own are our schemas, :ledger its tables, the others roles.
RULES: dict[str, str] = {
    "has no row-level security, enabled and forced": """
        select c.oid::regclass::text from pg_class c
          where c.relnamespace = 'pyfi'::regnamespace and c.relkind in ('r', 'p')
            and not (c.relrowsecurity and c.relforcerowsecurity)""",
    "has no policy": """
        select c.oid::regclass::text from pg_class c
          where c.relnamespace = 'pyfi'::regnamespace and c.relkind in ('r', 'p')
            and not exists (select from pg_policy p where p.polrelid = c.oid)""",
    "has a policy for everybody instead of a group": """
        select p.polrelid::regclass || '.' || p.polname from pg_policy p join pg_class c on c.oid = p.polrelid
          where c.relnamespace = 'pyfi'::regnamespace and 0 = any (p.polroles)""",
    "has a policy that lets rows be written which it does not check": """
        select p.polrelid::regclass || '.' || p.polname from pg_policy p join pg_class c on c.oid = p.polrelid
          where c.relnamespace = 'pyfi'::regnamespace and p.polcmd in ('a', 'w', '*') and p.polwithcheck is null""",
    "is a view that asks with its owner's rights": """
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = any (:own) and c.relkind in ('v', 'm')
            and not coalesce('security_invoker=true' = any (c.reloptions), false)""",
    "is a definer's function without a fixed search_path": """
        select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
          where n.nspname = any (:own) and p.prosecdef
            and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false)""",
    "is a definer's function that belongs to somebody else": """
        select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
          where n.nspname = any (:own) and p.prosecdef
            and p.proowner not in (to_regrole(:definer), to_regrole(:maker))""",
    "is a function that everybody may execute": """
        select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
          where n.nspname = any (:own) and exists (
            select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0)""",
    "is the maker's, who should only own what makes logins": """
        select p.oid::regprocedure::text from pg_proc p
          where p.proowner = to_regrole(:maker) and not p.proname = any (:allowed)""",
    "belongs to a role that can log in": """
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
          join pg_roles r on r.oid = c.relowner
          where n.nspname = any (:own) and (r.rolcanlogin or r.rolname <> :owner) and c.relkind in ('r', 'p', 'v', 'S')
        union all
        select n.nspname from pg_namespace n join pg_roles r on r.oid = n.nspowner
          where n.nspname = any (:own) and (r.rolcanlogin or r.rolname <> :owner)""",
    "is a relation that the definer or the maker owns": """
        select c.oid::regclass::text from pg_class c
          where c.relowner in (to_regrole(:definer), to_regrole(:maker))""",
    "may be written by a role that can log in, or by a group": """
        select c.oid::regclass || ' by ' || r.rolname || ' (' || v.verb || ')'
          from pg_class c, pg_roles r, unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) v (verb)
          where c.relnamespace = 'pyfi'::regnamespace and c.relname = any (:ledger)
            and (r.rolcanlogin and not r.rolsuper or r.rolname = any (:groups))
            and (has_table_privilege(r.oid, c.oid, v.verb)
              or v.verb in ('INSERT', 'UPDATE') and has_any_column_privilege(r.oid, c.oid, v.verb))""",
    "may be truncated, referred to or given triggers by a group": """
        select c.oid::regclass || ' by ' || g.name || ' (' || v.verb || ')'
          from pg_class c, unnest(:groups) g (name), unnest(array['TRUNCATE', 'REFERENCES', 'TRIGGER']) v (verb)
          where c.relnamespace = 'pyfi'::regnamespace and c.relkind in ('r', 'p', 'v')
            and has_table_privilege(g.name, c.oid, v.verb)""",
    "is a role with more than it needs": """
        select r.rolname from pg_roles r where starts_with(r.rolname, :prefix) and (
          r.rolsuper or r.rolcreatedb or r.rolreplication or r.rolcreaterole and r.rolname <> :maker
            or r.rolbypassrls and r.rolname <> :definer
            or r.rolcanlogin and (r.rolname = any (:groups) or r.rolname in (:owner, :definer, :maker)))""",
    "is a member of a role that no login may become": """
        select m.member::regrole::text from pg_auth_members m
          where m.roleid in (to_regrole(:owner), to_regrole(:definer), to_regrole(:maker)) and not exists (
            select from pg_roles r where r.oid = m.member and r.rolsuper)""",
    "is a schema or database where a group may create": """
        select n.nspname || ' by ' || g.name from pg_namespace n, unnest(:groups) g (name)
          where n.nspname !~ '^pg_(temp|toast)' and has_schema_privilege(g.name, n.oid, 'CREATE')
        union all
        select d.datname || ' by ' || g.name from pg_database d, unnest(:groups) g (name)
          where d.datname = current_database() and (has_database_privilege(g.name, d.oid, 'CREATE')
            or has_database_privilege(g.name, d.oid, 'TEMPORARY'))""",
    "is a foreign key without an index": """
        select c.conrelid::regclass || '.' || c.conname from pg_constraint c
          where c.contype = 'f' and c.connamespace = 'pyfi'::regnamespace and not exists (
            select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])""",
    "is a column that may hold a clear secret": """
        select a.attrelid::regclass || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
          where c.relnamespace = 'pyfi'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0
            and a.attname ~ '(^|_)(clear|password|passwd|token)$' and a.attname <> 'restart_token'""",
}


def findings(connection: Connection, roles: Roles) -> list[str]:
    """Each offender and its offence, one sentence each. `connection` is a superuser's."""
    values = {
        "ledger": list(LEDGER),
        "own": ["pyfi", "ledger", "access", "agent"],
        "owner": roles.owner,
        "definer": roles.definer,
        "maker": roles.maker,
        "allowed": list(MAKERS),
        "groups": [roles.group(name) for name in GROUPS],
        "prefix": roles.prefix,
    }
    found = []
    for offence, query in RULES.items():
        used = {key: value for key, value in values.items() if f":{key}" in query}
        found += [f"{offender} {offence}" for offender in connection.execute(text(query), used).scalars()]
    return found
