"""What is sealed opens with its key, for its row, unchanged; with anything else not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyfi.errors import ForbiddenError, InvalidError
from pyfi.runner.frames import OK, RAISED, Done, Loaded, LoadFailed, Log
from pyfi.runner.keyring import Keyring, read_keys
from pyfi.runner.masks import Mask
from pyfi.runner.sealing import PublicKey, new_key, seal, unseal

VALUE = "k4nary \u00e9\n".encode()


def test_there_and_back() -> None:
    key = new_key()
    public = PublicKey.from_text(key.public.text)
    sealed = seal(VALUE, public, "row")
    assert unseal(sealed, key, "row") == VALUE and VALUE not in sealed
    assert seal(VALUE, public, "row") != sealed
    assert "k4nary" not in repr(key) and key.raw.hex() not in repr(key)


def test_nothing_else_opens_it() -> None:
    key = new_key()
    sealed = seal(VALUE, key.public, "row")
    attempts = [(sealed, new_key(), "row"), (sealed, key, "other"), (sealed[:-1], key, "row"), (b"", key, "row")]
    attempts += [
        (sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], key, "row") for at in range(0, len(sealed), 7)
    ]
    for changed, with_key, row in attempts:
        with pytest.raises(InvalidError):
            unseal(changed, with_key, row)


def test_the_key_ring_is_its_users(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "home")
    assert keyring.keys() == {}
    first, second = keyring.make(), keyring.make()
    assert list(keyring.keys()) == [first.public.id, second.public.id]
    assert keyring.path.stat().st_mode & 0o777 == 0o600
    sealed = seal(VALUE, first.public, "row")
    assert keyring.open(sealed, first.public.id, "row", "name") == VALUE.decode()
    with pytest.raises(ForbiddenError, match="has no key"):
        Keyring(tmp_path / "other").open(sealed, first.public.id, "row", "name")
    other = Keyring(tmp_path / "other")
    other.add(read_keys(keyring.text()))
    assert other.keys() == keyring.keys()
    keyring.path.chmod(0o640)
    with pytest.raises(ForbiddenError, match="others than its user"):
        keyring.keys()


@pytest.mark.parametrize("text", ["", "[]", '{"keys": [1]}', '{"keys": ["x"]}', '{"keys": ["AAAA"]}', "{}"])
def test_what_is_no_key_ring(text: str) -> None:
    with pytest.raises(InvalidError):
        read_keys(text)


def test_masks_know_lines_and_escapes() -> None:
    mask = Mask(['a"long\u00e9\nvalue', "abc", ""])
    assert mask and not Mask(["abc"])
    assert mask.text('x a"long\u00e9 y value abc') == "x *** y *** abc"
    assert mask.document(b'{"message": "a\\"long\\u00e9\\nvalue"}') == b'{"message": "***"}'
    assert mask.document('{"m": "a\\"long\u00e9"}'.encode()) == b'{"m": "***"}'


def test_what_a_guest_shows_is_masked_but_its_result() -> None:
    mask = Mask(["k4nary"])
    assert mask.frame(Log(1, 0.0, 1, "is k4nary")) == Log(1, 0.0, 1, "is ***")
    assert mask.frame(LoadFailed("E", "k4nary", "at k4nary")) == LoadFailed("E", "***", "at ***")
    assert mask.frame(Done(1, RAISED, 0.0, b'"k4nary"', b"")) == Done(1, RAISED, 0.0, b'"***"', b"")
    result = Done(1, OK, 0.0, b'"k4nary"', b"")
    assert mask.frame(result) == result
    assert mask.frame(Loaded({})) == Loaded({})
