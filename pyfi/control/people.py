"""Users, their roles and rights, and who shares a network."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pyfi.control import find
from pyfi.core import rights
from pyfi.core.names import checked_name
from pyfi.core.scram import verifier
from pyfi.db import people
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.session import Database
from pyfi.errors import ForbiddenError, InUseError, InvalidError, NotFoundError

LONGEST_PASSWORD = 1000


def verifier_of(password: str) -> str:
    """What the database is given instead of the password.

    Raises: InvalidError: it is empty, too long, or has characters that Postgres clients would encode in different ways.
    """
    if len(password) > LONGEST_PASSWORD:
        raise InvalidError(f"the password has {len(password)} characters, {LONGEST_PASSWORD} are allowed")
    try:
        return verifier(password, secrets.token_bytes(16))
    except ValueError as error:
        raise InvalidError(f"the password cannot be used: {error}", hint="no line breaks, no accents") from None


def add_user(
    database: Database,
    name: str,
    *,
    email: str | None = None,
    password: str,
    admin: bool = False,
    roles: Sequence[str] = (),
) -> Row:
    """A user with a login of his own, who reads his own rows and has what his roles give.

    Raises: InvalidError, AlreadyExistsError, ForbiddenError: it takes ADD_USER with scope all. NotFoundError: a role.
    """
    checked_name("user", name)
    secret = verifier_of(password)
    with opened(database) as rows:
        rows.require("ADD_USER")
        made = people.create(rows, name, email, secret, admin=admin, roles=list(roles))
        found = rows.find("user", id=made)
        return found[0] if found else {"id": made, "name": name}


def update_user(
    database: Database,
    name: str,
    *,
    email: str | None = None,
    admin: bool | None = None,
    roles: Sequence[str] = (),
    no_roles: Sequence[str] = (),
) -> Row:
    """Change a user's e-mail, his roles, or whether he is an administrator; what is not given stays.

    Raises: NotFoundError, ForbiddenError.
    """
    with opened(database) as rows:
        people.change(rows, name, email=email, admin=admin)
        for role in roles:
            people.give_role(rows, name, role)
        for role in no_roles:
            if not people.take_role(rows, name, role):
                raise NotFoundError(f"user {name} has no role {role}", hint=f"flow ls user -n {name}")
        return find.one(rows, "user", name)


def set_password(database: Database, name: str | None, password: str) -> str:
    """One's own, or by an administrator anybody's. Gives the name.

    Raises: InvalidError, NotFoundError, ForbiddenError.
    """
    secret = verifier_of(password)
    with opened(database) as rows:
        name = name or _myself(rows)
        people.renew_password(rows, name, secret)
    return name


def activate(database: Database, name: str, *, active: bool) -> None:
    """Let a user log in, or refuse his login and end his sessions; his rows and his history stay.

    Raises: NotFoundError, ForbiddenError. ConflictError: he is the last administrator.
    """
    with opened(database) as rows:
        people.activate(rows, name, active=active)


def add_privilege(
    database: Database, right: str, *, user: str | None, role: str | None, scope: str = "own", revoke: bool = False
) -> str:
    """Give a user or a role a right; with `revoke`, take it from a user whatever his roles give.

    Raises: InvalidError: there is no such right. NotFoundError, ForbiddenError.
    """
    word = rights.checked_right(right)
    rights.checked_scope(scope)
    _refuse_two_holders(user, role)
    with opened(database) as rows:
        people.grant(rows, user=user, role=role, right=word, scope=scope, revoked=revoke)
    return word


def delete_privilege(database: Database, right: str, *, user: str | None, role: str | None) -> str:
    """Forget what was given or revoked.

    Raises: NotFoundError: he has it not, or from somewhere else, which the hint names.
    """
    word = rights.checked_right(right)
    _refuse_two_holders(user, role)
    with opened(database) as rows:
        if people.forget(rows, user=user, role=role, right=word):
            return word
        where = f"user {user}" if user else f"role {role}"
        hint = f"flow ls role -n {role}"
        if user:
            found = [each for each in _effective(rows, find.one(rows, "user", user)) if each.right == word]
            hint = f"flow ls user -n {user}"
            if found:
                hint = (
                    f"he has it from {found[0].source} by {found[0].by};"
                    f" flow add privilege -u {user} -n {word} --revoke takes it from him alone"
                )
        raise NotFoundError(f"{where} was not given {word}", hint=hint)


def _refuse_two_holders(user: str | None, role: str | None) -> None:
    if (user is None) == (role is None):
        raise InvalidError("whose privilege?", hint="give -u USER or -r ROLE, one of them")


def _myself(rows: Rows) -> str:
    me = rows.me()
    if me["name"] is None:
        raise ForbiddenError(f"{me['login']} is no user of PyFI", hint="flow login")
    return str(me["name"])


def _effective(rows: Rows, user: Row) -> list[rights.Effective]:
    if not user["active"]:
        return []
    return rights.effective(people.grants_of(rows, user["id"]), admin=user["admin"])


def user(database: Database, name: str | None = None) -> dict[str, Any]:
    """A user (oneself, if none is named) with `roles`, `privileges`, `revoked` and `effective`.

    Raises: NotFoundError.
    """
    with opened(database) as rows:
        row = find.one(rows, "user", name or _myself(rows))
        given = rows.find("privilege", user_id=row["id"])
        return row | {
            "roles": people.roles_of(rows, row["id"]),
            "privileges": [each for each in given if not each["revoked"]],
            "revoked": [each for each in given if each["revoked"]],
            "effective": [asdict(each) for each in _effective(rows, row)],
        }


def role(database: Database, name: str) -> dict[str, Any]:
    """A role with `privileges` and `users`.

    Raises: NotFoundError.
    """
    with opened(database) as rows:
        row = find.one(rows, "role", name)
        given = rows.find("privilege", role_id=row["id"])
        return row | {"privileges": given, "users": people.holders_of(rows, row["id"])}


def delete_role(database: Database, name: str, *, cascade: bool = False) -> None:
    """Delete a role; with `cascade` although users have it.

    Raises: NotFoundError, ForbiddenError. InUseError: with its users.
    """
    with opened(database) as rows:
        rows.require("DELETE_ROLE")
        row = find.one(rows, "role", name)
        holders = people.holders_of(rows, row["id"])
        if holders and not cascade:
            raise InUseError(
                f"role {name} is in use by {', '.join(f'user {each}' for each in holders[:10])}",
                hint=f"flow delete role -n {name} --cascade takes it from them",
            )
        rows.delete("role", [row["id"]])


def share(database: Database, network: str, name: str, *, joins: bool) -> bool:
    """Make a user a member of a network, or no longer; False: it was so already.

    Raises: NotFoundError, ForbiddenError: it is another's network.
    """
    with opened(database) as rows:
        rows.require("UPDATE")
        return people.share(rows, network, name, joins=joins)
