"""A policy in Polar: rules `allow(user, verb, object)`, by the oso library where it installs (the extra `oso`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyfi.errors import InvalidError, NotConfiguredError

if TYPE_CHECKING:
    from pyfi.control.consent import Question


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, as rules see him."""

    name: str
    admin: bool


@dataclass(frozen=True, slots=True)
class Object:
    """What it is about. fields: see consent.Question. hour, weekday (Monday is 0): of now, UTC."""

    kind: str
    name: str
    fields: Mapping[str, Any]
    hour: int
    weekday: int


class Polar:
    """Loaded rules."""

    def __init__(self, text: str) -> None:
        """Raises: InvalidError: the rules do not load. NotConfiguredError: oso is not installed."""
        try:
            from oso import Oso, OsoError
        except ImportError:
            raise NotConfiguredError(
                "this installation has a policy in Polar, and oso is not installed here: nothing is allowed",
                hint="pip install 'pyfi[oso]' (CPython 3.11 and 3.12, not on arm64)",
            ) from None
        self._oso: Any = Oso()
        self._error: type[Exception] = OsoError
        self._oso.register_class(User)
        self._oso.register_class(Object)
        try:
            self._oso.load_str(text)
        except OsoError as error:
            raise InvalidError(f"the policy does not load: {str(error).strip().splitlines()[0]}") from None

    def allows(self, question: Question) -> bool:
        """Whether a rule `allow(user, verb, object)` holds; a rule that fails allows nothing."""
        about = Object(question.kind, question.name, dict(question.fields), question.at.hour, question.at.weekday())
        try:
            return bool(self._oso.is_allowed(User(question.user, question.admin), question.verb, about))
        except self._error:
            return False
