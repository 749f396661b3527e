"""Users, roles and privileges: the database's functions decide; this only asks them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from pyfi.core.rights import Grant
from pyfi.db.rows import Rows

GRANTS = """
select p."right", p.scope, p.revoked, case when p.user_id is not null then 'user' else 'role ' || r.name end as source
  from pyfi.privilege p left join pyfi.role r on r.id = p.role_id
  where p.user_id = :user or p.role_id in (select m.role_id from pyfi.user_role m where m.user_id = :user)
  order by p."right", source
"""
ROLES = "select r.name from pyfi.user_role m join pyfi.role r on r.id = m.role_id where m.user_id = :user order by 1"
HOLDERS = (
    'select u.name from pyfi.user_role m join pyfi."user" u on u.id = m.user_id where m.role_id = :role order by 1'
)


def _call(rows: Rows, function: str, **values: object) -> object:
    listed = ", ".join(f":{name}" for name in values)
    return rows.session.execute(text(f"select access.{function}({listed})"), values).scalar()  # our names


def create(rows: Rows, name: str, email: str | None, verifier: str, *, admin: bool, roles: list[str]) -> UUID:
    """A user and his login."""
    found = rows.session.execute(
        text("select access.create_user(:name, :email, :verifier, :admin, cast(:roles as text[]))"),
        {"name": name, "email": email, "verifier": verifier, "admin": admin, "roles": roles},
    ).scalar_one()
    return UUID(str(found))


def renew_password(rows: Rows, name: str, verifier: str) -> None:
    """His own, or by an administrator anybody's."""
    _call(rows, "renew_password", name=name, verifier=verifier)


def activate(rows: Rows, name: str, *, active: bool) -> None:
    """Let him log in, or not any more."""
    _call(rows, "activate_user", name=name, active=active)


def change(rows: Rows, name: str, *, email: str | None, admin: bool | None) -> None:
    """What is None stays."""
    _call(rows, "change_user", name=name, email=email, admin=admin)


def grant(rows: Rows, *, user: str | None, role: str | None, right: str, scope: str, revoked: bool) -> None:
    """Give or revoke a right."""
    _call(rows, "grant_right", user=user, role=role, right=right, scope=scope, revoked=revoked)


def forget(rows: Rows, *, user: str | None, role: str | None, right: str) -> bool:
    """Delete one privilege; False: there was none."""
    return bool(_call(rows, "forget_right", user=user, role=role, right=right))


def give_role(rows: Rows, user: str, role: str) -> bool:
    """False: he had it."""
    return bool(_call(rows, "give_role", user=user, role=role))


def take_role(rows: Rows, user: str, role: str) -> bool:
    """False: he did not have it."""
    return bool(_call(rows, "take_role", user=user, role=role))


def share(rows: Rows, network: str, user: str, *, joins: bool) -> bool:
    """Into a network or out of it; False: it was so already."""
    return bool(_call(rows, "share_network", network=network, user=user, joins=joins))


def grants_of(rows: Rows, user_id: UUID) -> list[Grant]:
    """All that a user was given or that was taken from him, as far as the reader may see it."""
    found = rows.session.execute(text(GRANTS), {"user": user_id})
    return [Grant(right=row.right, scope=row.scope, source=row.source, revoked=row.revoked) for row in found]


def roles_of(rows: Rows, user_id: UUID) -> list[str]:
    """The names of a user's roles."""
    return list(rows.session.execute(text(ROLES), {"user": user_id}).scalars())


def holders_of(rows: Rows, role_id: UUID) -> list[str]:
    """The names of the users who have a role."""
    return list(rows.session.execute(text(HOLDERS), {"role": role_id}).scalars())


def note_login(rows: Rows, program: str) -> None:
    """Into the history of logins."""
    rows.session.execute(text("insert into pyfi.login (program) values (:program)"), {"program": program})
