"""What a processor's secrets are, asked for and opened when something starts that needs them."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from pyfi.agent.records import Placed
from pyfi.agent.registry import Registry
from pyfi.core.variables import secret_of
from pyfi.errors import InvariantError, NotFoundError
from pyfi.runner.construction import NO_KEYS, Keys
from pyfi.runner.keyring import Keyring


class Secrets:
    """Opens them with this machine's key ring; keeps none."""

    def __init__(self, registry: Registry, keyring: Keyring) -> None:
        """`registry`: gives them sealed, and only those of this node's deployments."""
        self._registry, self._keyring = registry, keyring

    def variables(self, placed: Placed) -> dict[str, str]:
        """The variables whose values are secrets.

        Raises: NotFoundError: one is not there. ForbiddenError: this machine has not the key. InvalidError.
            UnavailableError.
        """
        named = {name: wanted for name, value in placed.variables.items() if (wanted := secret_of(value)) is not None}
        found = self._opened(placed, set(named.values()))
        return {name: found[wanted] for name, wanted in named.items()}

    def keys(self, placed: Placed) -> Keys:
        """What its repository and its index ask for.

        Raises: see `variables`.
        """
        names = {name for name in (placed.git_secret, placed.index_secret) if name}
        if not names:
            return NO_KEYS
        found = self._opened(placed, names)
        return Keys(git=found.get(placed.git_secret or "", ""), index=found.get(placed.index_secret or "", ""))

    def _opened(self, placed: Placed, names: set[str]) -> dict[str, str]:
        if not names:
            return {}
        sealed = self._registry.secrets(placed.deployment.id)
        for name in sorted(names - sealed.keys()):
            raise NotFoundError(
                f"processor {placed.deployment.processor}: its owner has no secret {name}",
                hint=f"flow secret set -n {name}",
            )
        return {name: self._value(name, sealed[name]) for name in names}

    def _value(self, name: str, told: Mapping[str, str]) -> str:
        try:
            sealed = base64.b64decode(told["sealed"])
            return self._keyring.open(sealed, told["key_id"], told["id"], name)
        except (KeyError, TypeError) as error:
            raise InvariantError(f"agent.secrets gave something unexpected: {type(error).__name__}") from None
