"""Rights as decisions: the list, what brings what, what a user has in the end."""

from __future__ import annotations

import pytest

from pyfi.core import rights
from pyfi.core.rights import Grant
from pyfi.errors import InvalidError


def held(*grants: Grant, admin: bool = False) -> dict[str, str]:
    """Right -> scope."""
    return {each.right: each.scope for each in rights.effective(grants, admin=admin)}


def test_the_list_is_the_founding_one() -> None:
    """Each once; the fused pair of the founding list is two; READ_LOG belongs to it."""
    assert len(rights.RIGHTS) == len(set(rights.RIGHTS)) == 72
    assert {"EDIT_PROCESSOR_CODE", "LS_PROCESSORS", "READ_LOG", "ADD_PRIVILEGE", "READ_USER"} <= set(rights.RIGHTS)
    assert {name for names in rights.BRINGS.values() for name in names} <= set(rights.RIGHTS)
    assert rights.BRINGS.keys() <= set(rights.RIGHTS)


@pytest.mark.parametrize(
    ("typed", "hint"), [("ADD_PROCESOR", "did you mean ADD_PROCESSOR?"), ("FLY", "rights are ALL, CREATE"), ("", "ALL")]
)
def test_an_unknown_right_is_refused_with_the_nearest_or_the_list(typed: str, hint: str) -> None:
    """As the founding document says: what is not in the list is an error."""
    with pytest.raises(InvalidError) as refused:
        rights.checked_right(typed)
    assert hint in refused.value.hint


def test_a_new_user_reads_his_own_and_no_more() -> None:
    """Nothing that writes, nothing of others."""
    found = held()
    assert set(found.values()) == {"own"}
    assert {right for right in found if not right.startswith(("READ", "LS_", "VIEW_"))} == set()
    assert {"READ", "READ_QUEUE", "LS_SOCKETS", "VIEW_PROCESSOR_CODE", "READ_LOG"} <= found.keys()


def test_general_words_cover_the_specific() -> None:
    """ALL everything, CREATE what adds."""
    assert held(Grant(right="ALL", scope="all")) == dict.fromkeys(rights.RIGHTS, "all")
    found = held(Grant(right="CREATE"))
    assert {f"ADD_{noun}" for noun in rights.NOUNS} <= found.keys()
    assert not {"UPDATE_QUEUE", "RUN_TASK", "DB_DROP", "ALL"} & found.keys()


def test_what_cannot_be_used_unseen_brings_the_sight() -> None:
    """At the scope of the right; code stays hidden."""
    found = held(Grant(right="RUN_TASK", scope="network"))
    assert found["RUN_TASK"] == found["LS_SOCKETS"] == found["LS_PROCESSORS"] == "network"
    assert found["VIEW_PROCESSOR_CODE"] == found["READ_SOCKET"] == "own"


def test_revoked_is_gone_wherever_it_came_from() -> None:
    """From roles, from general words, from everybody; what it brought goes with it, what others bring stays."""
    role = Grant(right="ALL", scope="all", source="role boss")
    found = held(role, Grant(right="DELETE_QUEUE", revoked=True), Grant(right="READ", revoked=True))
    assert "DELETE_QUEUE" not in found
    assert "READ_LOG" not in found and "LS_SOCKETS" not in found
    assert found["UPDATE_QUEUE"] == "all"
    brought = held(Grant(right="RUN_TASK", scope="all"), Grant(right="RUN_TASK", revoked=True))
    assert "RUN_TASK" not in brought
    assert brought["LS_SOCKETS"] == "own"


def test_an_administrator_holds_everything_and_nothing_is_taken() -> None:
    """He could give it to himself again anyway."""
    assert held(Grant(right="ALL", revoked=True), admin=True) == dict.fromkeys(rights.RIGHTS, "all")


def test_the_widest_grant_wins_and_says_where_from() -> None:
    """And by which word."""
    (found,) = [
        each
        for each in rights.effective(
            [Grant(right="ADD_QUEUE"), Grant(right="CREATE", scope="network", source="role maker")]
        )
        if each.right == "ADD_QUEUE"
    ]
    assert (found.scope, found.source, found.by) == ("network", "role maker", "CREATE")


@pytest.mark.parametrize(
    ("columns", "now", "wanted"),
    [
        ({"gitrepo": "b"}, {"gitrepo": "a"}, ["EDIT_PROCESSOR_CODE"]),
        ({"gitrepo": "a"}, {"gitrepo": "a"}, []),
        ({"retries": 2, "description": "x"}, {"retries": 1}, ["EDIT_PROCESSOR_CONFIG", "UPDATE_PROCESSOR"]),
        ({"requested_status": "running"}, {"requested_status": "paused"}, ["RESUME_PROCESSOR"]),
        ({"requested_status": "running"}, {"requested_status": "stopped"}, ["START_PROCESSOR"]),
        ({"requested_status": "removed"}, {"requested_status": "running"}, ["STOP_PROCESSOR"]),
        ({"requested_status": "paused"}, {"requested_status": "running"}, ["PAUSE_PROCESSOR"]),
        ({"locked": True}, {"locked": False}, ["LOCK_PROCESSOR"]),
        ({"locked": False}, {"locked": True}, ["UNLOCK_PROCESSOR"]),
    ],
)
def test_changing_a_processor(columns: dict[str, object], now: dict[str, object], wanted: list[str]) -> None:
    """Which right depends on the column."""
    assert rights.to_change_processor(columns, now) == wanted
