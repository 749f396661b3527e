"""`USER`: who is logged in."""

from __future__ import annotations

from pyfi.client.connection import connection
from pyfi.control import listing
from pyfi.db.rows import Row
from pyfi.errors import ForbiddenError


class CurrentUser:
    """The user that objects are made as. Asks the database when it is looked at, not before."""

    def row(self) -> Row:
        """login (the Postgres role), name, admin."""
        return listing.who_am_i(connection().database)

    @property
    def name(self) -> str | None:
        """The user's name; None: the login is no user of PyFI."""
        name: str | None = self.row()["name"]
        return name

    def __repr__(self) -> str:
        """For people."""
        return f"<User {self.name}>"

    __str__ = __repr__


USER = CurrentUser()


def checked_user(user: object) -> None:
    """Objects are always made as who is logged in: another `user` is an error, not a wish.

    Raises: ForbiddenError.
    """
    if user is None or isinstance(user, CurrentUser):
        return
    name = getattr(user, "name", user)
    if name != USER.name:
        raise ForbiddenError(f"you are {USER.name}, not {name}", hint="log in as that user to make objects of his")
