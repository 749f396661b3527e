"""The error tree. `code` is stable; the docstring's first line is the default message.

PyfiError
├── RequestError             the caller can mend it            exit 1
│   ├── NotFoundError        ├── AlreadyExistsError
│   ├── InvalidError         ├── ConflictError
│   ├── ForbiddenError       └── InUseError
├── UnavailableError         trying again may help             exit 69
│   ├── DatabaseUnavailableError
│   ├── BrokerUnavailableError
│   └── NotConfiguredError
├── TryAgainError            nothing is wrong, not yet done     exit 75
│   └── QueueFullError
├── RepositoryError          git refused, or the guard did     exit 1
├── EnvironmentBuildError    the virtualenv could not be built exit 1
├── CallError                the user's function               exit 1
│   ├── CallFailedError
│   └── CallCancelledError
└── InvariantError           our bug                           exit 70
"""

from __future__ import annotations


class PyfiError(Exception):
    """Something went wrong in PyFI."""

    code = "error"

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        """Keep `message` (one line, names the object) and `hint` (the command that mends it)."""
        self.message = message or (type(self).__doc__ or "").partition("\n")[0]
        self.hint = hint
        super().__init__(self.message)


class RequestError(PyfiError):
    """The request cannot be carried out as it stands."""

    code = "request"


class NotFoundError(RequestError):
    """There is no such object."""

    code = "not_found"


class AlreadyExistsError(RequestError):
    """An object of that name exists already."""

    code = "already_exists"


class InvalidError(RequestError):
    """A value is not allowed."""

    code = "invalid"


class ConflictError(RequestError):
    """The object's state does not allow that."""

    code = "conflict"


class InUseError(RequestError):
    """The object is in use."""

    code = "in_use"


class ForbiddenError(RequestError):
    """You lack the right to do that."""

    code = "forbidden"


class UnavailableError(PyfiError):
    """A service does not answer."""

    code = "unavailable"


class DatabaseUnavailableError(UnavailableError):
    """The database does not answer."""

    code = "database_unavailable"


class BrokerUnavailableError(UnavailableError):
    """The message broker does not answer."""

    code = "broker_unavailable"


class NotConfiguredError(UnavailableError):
    """PyFI does not know which services to use."""

    code = "not_configured"


class TryAgainError(PyfiError):
    """It is not done yet."""

    code = "try_again"


class QueueFullError(TryAgainError):
    """The queue is full."""

    code = "queue_full"


class RepositoryError(PyfiError):
    """The repository could not be read."""

    code = "repository"


class EnvironmentBuildError(PyfiError):
    """The environment could not be built."""

    code = "environment_build"

    def __init__(self, message: str = "", *, hint: str = "", log_tail: str = "") -> None:
        """`log_tail` is the last lines of what the build printed."""
        super().__init__(message, hint=hint)
        self.log_tail = log_tail


class CallError(PyfiError):
    """The call has no result."""

    code = "call"


class CallFailedError(CallError):
    """The function failed."""

    code = "call_failed"

    def __init__(self, message: str = "", *, hint: str = "", error: dict[str, object] | None = None) -> None:
        """`error` is the ledger's record: error, type, message, traceback."""
        super().__init__(message, hint=hint)
        self.error = error or {}


class CallCancelledError(CallError):
    """The call was cancelled."""

    code = "call_cancelled"


class InvariantError(PyfiError):
    """PyFI contradicts itself; this is a bug of ours."""

    code = "internal"
