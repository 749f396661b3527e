"""The Postgres roles of one installation. They are cluster-wide, so all carry the installation's prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyfi.errors import InvalidError

PREFIX = re.compile(r"[a-z][a-z0-9_]{0,19}\Z")
GROUPS = ("flow_user", "flow_node", "flow_worker", "flow_admin")


@dataclass(frozen=True, slots=True)
class Roles:
    """Names by prefix.

    owner: owns the tables, cannot log in. definer: owns the functions that pass row-level security, and nothing else.
    maker: may create roles, reached through one function. flow_*: groups that logins belong to.

    >>> Roles("pyfi").user("joe")
    'pyfi.joe'
    """

    prefix: str

    def __post_init__(self) -> None:
        """Refuse a prefix that would need quoting or leave no room for names."""
        if not PREFIX.match(self.prefix):
            raise InvalidError(
                f"the role prefix {self.prefix!r} is not 1 to 20 of a-z, 0-9 and _, beginning with a letter"
            )

    @property
    def owner(self) -> str:
        """Owns schemas and tables."""
        return f"{self.prefix}_owner"

    @property
    def definer(self) -> str:
        """Owns the security definer functions."""
        return f"{self.prefix}_definer"

    @property
    def maker(self) -> str:
        """Owns the one function that makes logins."""
        return f"{self.prefix}_maker"

    def group(self, name: str) -> str:
        """One of GROUPS."""
        return f"{self.prefix}_{name}"

    def user(self, name: str) -> str:
        """The login of a user."""
        return f"{self.prefix}.{name}"

    def placeholders(self) -> dict[str, str]:
        """What `{{...}}` stands for in the migrations' SQL, quoted where it is an identifier."""
        names = {name: self.group(name) for name in GROUPS}
        names |= {"owner": self.owner, "definer": self.definer, "maker": self.maker, "prefix": self.prefix}
        return names


def filled(sql: str, roles: Roles) -> str:
    """`sql` with its placeholders replaced."""
    for key, name in roles.placeholders().items():
        sql = sql.replace("{{" + key + "}}", name)
    return sql
