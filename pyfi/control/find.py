"""Names as people type them become rows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from pyfi.core.names import DEFAULT_NETWORK
from pyfi.db.rows import Row, Rows
from pyfi.errors import ConflictError, InvalidError, NotFoundError


def plural(kind: str) -> str:
    """The word that `flow ls` takes."""
    return f"{kind}s"


def checked_id(text: str) -> UUID:
    """A UUID.

    Raises: InvalidError.
    """
    try:
        return UUID(text)
    except ValueError:
        raise InvalidError(f"{text!r} is no id", hint="an id looks like 033cf3d3-a0fa-492d-af0a-f51cf5f58d49") from None


def nearest(rows: Rows, kind: str, name: str) -> str:
    """A hint: the name that was perhaps meant, else where names are listed."""
    return close_to(name, [row["name"] for row in rows.find(kind)]) or f"flow ls {plural(kind)}"


def close_to(name: str, names: Iterable[str]) -> str:
    """A hint: the one of `names` that was perhaps meant; empty when none is near."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]}?" if close else ""


def several(rows: Rows, kind: str, name: str, *, network: str | None = None, **where: object) -> list[Row]:
    """All that the name means: one's own before others', the default network's before other networks'.

    Raises: NotFoundError: it means nothing, with the nearest name as hint.
    """
    found = rows.find(kind, name=name, **where)
    if network is not None:
        found = [row for row in found if row.get("network") == network]
    found = [row for row in found if row["mine"]] or found
    if not found:
        raise NotFoundError(f"there is no {kind} {name}", hint=nearest(rows, kind, name))
    if network is None:
        found = [row for row in found if row.get("network") == DEFAULT_NETWORK] or found
    return found


def by_id(rows: Rows, kind: str, id_: str) -> Row:
    """The row of that id.

    Raises: NotFoundError, InvalidError.
    """
    found = rows.find(kind, id=checked_id(id_))
    if not found:
        raise NotFoundError(f"there is no {kind} with id {id_}", hint=f"flow ls {plural(kind)} -o ids")
    return found[0]


def one(rows: Rows, kind: str, name: str, *, network: str | None = None, **where: object) -> Row:
    """The one row that the name means. A socket's or plug's may be written `processor/name`.

    Raises: NotFoundError. ConflictError: it means several.
    """
    if kind in {"socket", "plug"} and "/" in name:
        processor, _, name = name.partition("/")
        where = where | {"processor": processor}
    found = several(rows, kind, name, network=network, **where)
    if len(found) > 1:
        listed = ", ".join(f"{row.get('processor') or row.get('network')}/{row['name']}" for row in found)
        hint = "write processor/name" if kind in {"socket", "plug"} else "name it by --id"
        raise ConflictError(f"{kind} {name} means several: {listed}", hint=hint)
    return found[0]


def wanted(
    rows: Rows, kind: str, *, name: str | None, id_: str | None, network: str | None = None, rights: Sequence[str] = ()
) -> Row:
    """By id if there is one, else by name. rights: what the verb takes, see `lacking`.

    Raises: NotFoundError, ConflictError, InvalidError: neither was given. ForbiddenError.
    """
    if not id_ and not name:
        raise InvalidError(f"which {kind}?", hint="give -n NAME or --id ID")
    with lacking(rows, *rights):
        return by_id(rows, kind, id_) if id_ else one(rows, kind, name or "", network=network)


@contextmanager
def lacking(rows: Rows, *rights: str) -> Iterator[None]:
    """Where nothing is found: who holds a right on nothing is told so, whether or not others have such an object.

    Raises: ForbiddenError: it names the right.
    """
    try:
        yield
    except NotFoundError:
        for right in rights:
            rows.require(right)
        raise
