"""`python -m pyfi.db.generated --write`: the migration's SQL that follows from the lists of rights and of policies."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy.dialects import postgresql

from pyfi.core import rights
from pyfi.db import policies
from pyfi.db.policies import Table
from pyfi.db.tables import Processor

FOLDER = Path(__file__).parents[2] / "migrations" / "sql" / "0001"
WORDS, POLICIES = "2b_words.sql", "6a_policies.sql"
HEAD = "-- Generated: python -m pyfi.db.generated --write. Do not edit.\n"


def statements(name: str, table: Table) -> Iterator[str]:
    """A table's grants and policies, a statement each."""
    writer = "{{" + table.group + "}}"
    quoted = f'pyfi."{name}"' if name == "user" else f"pyfi.{name}"
    yield f"create policy {name}_select on {quoted} for select to {{{{flow_user}}}}\n  using ({table.select});"
    if table.insert:
        yield f"create policy {name}_insert on {quoted} for insert to {writer}\n  with check ({table.insert});"
    if table.update:
        both = table.update if not table.check or table.check == "true" else f"{table.update} and {table.check}"
        yield f"create policy {name}_update on {quoted} for update to {writer}"
        yield f"  using ({table.update})\n  with check ({both});"
    if table.delete:
        yield f"create policy {name}_delete on {quoted} for delete to {writer}\n  using ({table.delete});"
    verbs = {"select": table.select, "insert": table.insert, "update": table.update, "delete": table.delete}
    granted = [verb for verb, allowed in verbs.items() if allowed]
    some = {"select": table.hidden, "insert": table.unwritten or table.insert_columns, "update": table.unwritten}
    whole = [verb for verb in granted if not some.get(verb)]
    for group in dict.fromkeys(("flow_user", table.group)):
        mine = [verb for verb in whole if (verb == "select") == (group == "flow_user") or table.group == "flow_user"]
        if mine and table.select != "false":
            yield f"grant {', '.join(mine)} on {quoted} to {{{{{group}}}}};"
    for verb in granted:
        if some.get(verb):
            which = "only" if verb == "insert" and table.insert_columns else "but"
            listed = ", ".join(f"'{column}'" for column in some[verb])
            yield f"select pg_temp.grant_columns('{verb}', '{name}', '{which}', array[{listed}], '{writer}');"


GRANT_COLUMNS = """
create function pg_temp.grant_columns(p_verb text, p_table text, p_which text, p_columns text[], p_group text)
  returns void language plpgsql as $$
declare v_columns text;
begin
  select string_agg(format('%I', column_name), ', ' order by ordinal_position) into v_columns
    from information_schema.columns
    where table_schema = 'pyfi' and table_name = p_table and (column_name = any (p_columns)) = (p_which = 'only');
  execute format('grant %s (%s) on pyfi.%I to %s', p_verb, v_columns, p_table, p_group);
end $$;
"""


def policies_sql() -> str:
    """The whole file of policies."""
    parts = [
        statement for name, table in sorted(policies.TABLES.items()) for statement in (*statements(name, table), "")
    ]
    views = f"grant select on {', '.join(f'pyfi.{view}' for view in policies.VIEWS)} to {{{{flow_user}}}};\n"
    return (
        HEAD
        + GRANT_COLUMNS
        + "\n"
        + "\n".join(parts)
        + views
        + "drop function pg_temp.grant_columns(text, text, text, text[], text);\n"
    )


def _case(name: str, lists: Mapping[str, tuple[str, ...]]) -> str:
    lines = "\n".join(f"    when '{key}' then '{{{','.join(values)}}}'::text[]" for key, values in lists.items())
    return (
        f"create function access.{name}(p_right text) returns text[] language plpgsql immutable"
        f" set search_path = pg_catalog, pg_temp as $$\nbegin\n  return case p_right\n{lines}\n  end;\nend $$;\n"
    )


def _words_of(name: str, lists: Mapping[str, tuple[str, ...]]) -> str:
    """Without SET, so that it is inlined: the look-up is one operator on a constant."""
    lines = ",\n".join(f'    "{key}": {json.dumps(values)}' for key, values in lists.items())
    return (
        f"create function access.{name}(p_right text) returns jsonb language sql immutable as $$\n"
        f"  select '{{\n{lines}}}'::pg_catalog.jsonb operator(pg_catalog.->) p_right\n$$;\n"
    )


def _list(name: str, values: tuple[str, ...]) -> str:
    return (
        f"create function access.{name}() returns text[] language sql immutable"
        " set search_path = pg_catalog, pg_temp as $$\n"
        f"  select '{{{','.join(values)}}}'::text[]\n$$;\n"
    )


def _detail() -> str:
    columns = Processor.__table__.c
    names = rights.CODE_COLUMNS + rights.CONFIG_COLUMNS
    types = ", ".join(f"{name} {columns[name].type.compile(dialect=postgresql.dialect())}" for name in names)  # type: ignore[no-untyped-call] # SQLAlchemy's
    shown = [f"case when v_code then p.{name} end" for name in rights.CODE_COLUMNS]
    shown += [f"case when v_config then p.{name} end" for name in rights.CONFIG_COLUMNS]
    return DETAIL.format(types=types, shown=",\n      ".join(shown))


DETAIL = """create function access.processor_detail(p_id uuid) returns table ({types})
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare p pyfi.processor; v_code boolean; v_config boolean;
begin
  select x.* into p from pyfi.processor x where x.id = p_id;
  v_code := access.may('VIEW_PROCESSOR_CODE', p.owner_id, p.network_id);
  v_config := access.may('VIEW_PROCESSOR_CONFIG', p.owner_id, p.network_id);
  return query select {shown}
    where p.id is not null;
end $$;
"""


# The definer passes the policies: what they would say of each line is asked once, of the call.
LINES = """create function ledger.lines(p_call uuid, p_after bigint)
  returns table (id bigint, attempt smallint, stream smallint, at timestamptz, text text)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set jit = off as $$
begin
  if exists (select from pyfi.call c where c.id = p_call and ({call}))
      or exists (select from (select p_call) c (call_id) where {public}) then
    return query select l.id, l.attempt, l.stream, l.at, l.text from pyfi.log l
      where l.call_id = p_call and l.id > p_after order by l.id;
  end if;
end $$;
"""


def words_sql() -> str:
    """The rights' relations as functions."""
    asked = (*rights.RIGHTS, *rights.ANY_OF)
    carriers = {right: rights.carriers(right) for right in asked}
    words = {right: rights.words(right) if right in rights.RIGHTS else () for right in asked}
    through = {
        right: tuple(dict.fromkeys(word for each in carriers[right] for word in rights.words(each))) for right in asked
    }
    return "\n".join((
        HEAD,
        "-- Every right that can be given.",
        _list("rights", rights.RIGHTS),
        "-- Columns of a processor that need a right of their own.",
        _list("code_columns", rights.CODE_COLUMNS),
        _list("config_columns", rights.CONFIG_COLUMNS),
        "-- Columns of a processor that agents and triggers write.",
        _list("observed_columns", rights.OBSERVED_COLUMNS),
        "-- The words that mean a right when they are granted or revoked.",
        _case("words", words),
        "-- The specific rights that bring it along.",
        _case("carriers", carriers),
        "-- All words that give it, if none is revoked.",
        _words_of("through", through),
        "-- What of a processor needs a right of its own; null where the asker lacks it.",
        _detail(),
        "-- The lines of a call after a line, as the policies of pyfi.call and pyfi.log let them be seen.",
        LINES.format(call=policies.TABLES["call"].select, public=policies.PUBLIC_LOG),
    ))  # fmt: skip


def files() -> dict[str, str]:
    """Name of each generated file and what it must hold."""
    return {WORDS: words_sql(), POLICIES: policies_sql()}


def stale() -> list[str]:
    """Generated files that the declaration has left behind."""
    return [name for name, text in files().items() if (FOLDER / name).read_text(encoding="utf-8") != text]


def main(arguments: list[str]) -> int:
    """Write them, or tell which are not fresh."""
    if arguments == ["--write"]:
        for name, text in files().items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        return 0
    for name in stale():
        print(f"{name} is not what the declaration says: python -m pyfi.db.generated --write", file=sys.stderr)  # noqa: T201
    return 1 if stale() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
