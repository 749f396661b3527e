"""Which pyfi error a Postgres error is: the one table of it."""

from __future__ import annotations

from pyfi import errors

# PF... are raised by our own SQL functions, the others by Postgres.
BY_CODE: dict[str, type[errors.PyfiError]] = {
    "PF403": errors.ForbiddenError,
    "PF404": errors.NotFoundError,
    "PF409": errors.ConflictError,
    "PF410": errors.AlreadyExistsError,
    "PF422": errors.InvalidError,
    "PF429": errors.QueueFullError,
    "42501": errors.ForbiddenError,
    "23505": errors.AlreadyExistsError,
    "23503": errors.InUseError,
    "23514": errors.InvalidError,
    "23502": errors.InvalidError,
    "22P02": errors.InvalidError,
    "22003": errors.InvalidError,
    "55P03": errors.ConflictError,
    "40001": errors.TryAgainError,
    "40P01": errors.TryAgainError,
}
CONNECTION_CLASSES = ("08", "57", "53")
LOGIN_REFUSED = ("28P01", "28000")
NOT_OURS = ("3D000", "3F000", "42P01", "42883")


def database_unavailable(reason: str) -> errors.DatabaseUnavailableError:
    """The database does not answer; `reason` must hold no password."""
    return errors.DatabaseUnavailableError(
        f"the database does not answer: {reason}",
        hint="flow up starts an embedded one; flow config shows the URL in use",
    )


def error_for(code: str, message: str, *, constraint: str = "", hint: str = "") -> errors.PyfiError:
    """The error for an SQLSTATE ('' when there was no answer), in one line.

    >>> error_for("PF404", "there is no such socket").code
    'not_found'
    """
    first = message.strip().partition("\n")[0]
    # libpq gives no code for what fails while it connects.
    no_role = not code and 'FATAL:  role "' in first
    if "password authentication failed" in first or no_role or code in LOGIN_REFUSED:
        return errors.ForbiddenError(
            f"the database refuses the login: {first}", hint="flow config shows the login in use"
        )
    if code in NOT_OURS or (not code and first.endswith("does not exist")):
        return errors.UnavailableError(f"the database is not PyFI's yet: {first}", hint="flow db init")
    if not code or code[:2] in CONNECTION_CLASSES:
        return database_unavailable(first)
    if code == "23514" and constraint:
        first = f"{constraint.removesuffix('_check').replace('_', ' ')}: the value is not allowed"
    return BY_CODE.get(code, errors.InvariantError)(first, hint=hint)
