"""The error tree."""

from __future__ import annotations

import pickle

import pytest

from pyfi import errors


def test_message_is_the_docstrings_first_line_unless_given() -> None:
    assert errors.NotFoundError().message == "There is no such object."
    assert str(errors.NotFoundError("there is no queue q1")) == "there is no queue q1"


def test_hint_and_record_stay_with_the_error() -> None:
    error = errors.CallFailedError("it raised", hint="flow call logs 1", error={"type": "ValueError"})
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.message, copied.hint, copied.error) == ("it raised", "flow call logs 1", {"type": "ValueError"})
    assert errors.CallFailedError().error == {}


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (errors.InUseError, (errors.RequestError,)),
        (errors.NotConfiguredError, (errors.UnavailableError,)),
        (errors.CallCancelledError, (errors.CallError,)),
    ],
)
def test_retry_is_by_kind(error: type[errors.PyfiError], kinds: tuple[type[errors.PyfiError], ...]) -> None:
    raised = error("x")
    assert isinstance(raised, kinds)
    assert isinstance(raised, errors.UnavailableError) == (errors.UnavailableError in kinds)
