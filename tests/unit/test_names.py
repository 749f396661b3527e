"""Names: the rule and what is derived."""

from __future__ import annotations

import pytest

from pyfi.core import names
from pyfi.errors import InvalidError

ALLOWED = ["a", "9", "_", ".x", "proc1", "pyfi.processors.sample.do_something", "GPU-node_3", "...", "x" * 63]
REFUSED = [
    *("", " ", "a b", "a\tb", "a\n", "\na", "a\x00", "\x00", "a\x1b[2J", "-x", "--", ".", "..", "x" * 64),
    *("a/b", "../a", "a\\b", "a:b", "a#b", "a@b", "a'b", 'a"b', "a;b", "a$b", "a%b", "a*b", "a,b"),
    *("größe", "процессор", "\uff41", "a\u200b", "a\u0301", "٣", "a\u202eb", "😀"),
]


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(name: str) -> None:
    assert names.checked_name("queue", name) == name


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_refused_on_one_line_that_says_the_rule(name: str) -> None:
    with pytest.raises(InvalidError) as caught:
        names.checked_name("queue", name)
    message = caught.value.message
    assert message.startswith("queue name ")
    assert names.RULE in message
    assert message.isprintable()


def test_derived_names_carry_the_network_unless_it_is_the_default() -> None:
    assert names.broker_queue("default", "q", "p", "t") == "q.p.t"
    assert names.broker_queue("lab", "q", "p", "t") == "lab:q.p.t"
    assert names.worker_key("default", "p", "n", 3) == "p@n#3"
    assert names.worker_key("lab", "p", "n", 3) == "lab:p@n#3"


def test_worker_keys_cannot_collide() -> None:
    """Since no name holds one of the joining characters."""
    for joint in ":@#":
        with pytest.raises(InvalidError):
            names.checked_name("node", f"a{joint}b")
