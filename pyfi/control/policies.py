"""Setting the installation's policy: an administrator's right, kept where nobody else writes."""

from __future__ import annotations

from contextlib import closing

from pyfi.control.consent import SETTING
from pyfi.control.login import open_database
from pyfi.control.polar import Polar
from pyfi.db.rows import opened
from pyfi.errors import ForbiddenError
from pyfi.settings import Settings


def text(settings: Settings) -> str | None:
    """The policy that is in force."""
    with closing(open_database(settings)) as database, opened(database) as rows:
        return rows.setting(SETTING)


def put(settings: Settings, rules: str | None) -> None:
    """Put rules into force that load; None: take them out.

    Raises: InvalidError: they do not load. NotConfiguredError: oso is not installed. ForbiddenError: no administrator.
    """
    with closing(open_database(settings)) as database, opened(database) as rows:
        if not rows.me()["admin"]:
            raise ForbiddenError("only an administrator sets the policy", hint="flow whoami tells who you are")
        if rules is None:
            rows.drop_setting(SETTING)
        else:
            Polar(rules)
            rows.put_setting(SETTING, rules)
