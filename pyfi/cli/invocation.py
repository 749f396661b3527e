"""What one run of `flow` works with: settings and a database, read when a command first asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pyfi.db.session import Database
    from pyfi.ledger.calls import Calls
    from pyfi.settings import Settings


@dataclass
class Invocation:
    """The root options. `output` is the format of reads, `new_id` what `add --id` names."""

    debug: bool = False
    ini: str | None = None
    output: str | None = None
    new_id: str | None = None
    flags: Mapping[str, str | None] = field(default_factory=dict)
    _settings: Settings | None = None

    def settings(self, **more: str | None) -> Settings:
        """Read once. `more`: URLs that the command itself was given.

        Raises: InvalidError: an ini that cannot be read.
        """
        from pyfi import settings

        if self._settings is None:
            self._settings = settings.load(self.flags, ini=self.ini)
        given = {key: value for key, value in more.items() if value}
        return replace(self._settings, **given) if given else self._settings  # type: ignore[arg-type]

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The configured database as the login of this machine.

        Raises: NotConfiguredError.
        """
        from pyfi.control.login import open_database

        database = open_database(self.settings())
        try:
            yield database
        finally:
            database.close()

    @contextmanager
    def calls(self) -> Iterator[Calls]:
        """The ledger as the same login."""
        from pyfi.control.login import login
        from pyfi.ledger.calls import Calls

        settings = self.settings()
        calls = Calls(login(settings), settings.broker)
        try:
            yield calls
        finally:
            calls.close()


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
