"""Processors: their code is pinned to a commit when it is written; then what is asked of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pyfi.clock import SYSTEM, Clock
from pyfi.control import consent, find, secrets, verbs
from pyfi.control.desired import Given
from pyfi.core import rights
from pyfi.core.names import DEFAULT_NETWORK
from pyfi.db.rows import Row, Rows, opened
from pyfi.db.session import Database
from pyfi.errors import InvalidError, TryAgainError
from pyfi.runner import guard, repository
from pyfi.runner.policy import KEYS, Policy, admitted
from pyfi.settings import default_home

HEAD = "HEAD"
# What each word of `flow proc` asks for.
REQUESTS = {
    "start": "running",
    "restart": "running",
    "resume": "running",
    "pause": "paused",
    "stop": "stopped",
    "remove": "removed",
}
RIGHTS = {word: f"{word.upper()}_PROCESSOR" for word in ("start", "resume", "pause", "stop", "lock", "unlock")}
RIGHTS |= {"restart": "START_PROCESSOR", "remove": "STOP_PROCESSOR"}
LOCKS = {"lock": True, "unlock": False}
REACHED = {"running": ("running",), "paused": ("paused",), "stopped": ("stopped",), "removed": ("removed",)}


def policy_of(database: Database) -> Policy:
    """What the administrator lets be fetched."""
    with opened(database) as rows:
        return Policy.of({key: value for key in KEYS if (value := rows.setting(key)) is not None})


def pinned(
    database: Database,
    gitrepo: str,
    *,
    branch: str | None,
    commit: str | None,
    git_secret: str | None = None,
    network: str | None = None,
) -> dict[str, str]:
    """The checked URL, the commit that the branch is now (or the given one), and the branch that updates follow.

    Without a branch the repository's default one is followed (HEAD), unless a commit is given: that is where it stays.
    Args: git_secret: the secret that the repository asks for; needed here unless a whole commit is given.

    Raises: RepositoryError. NotFoundError, ForbiddenError: there is no such secret, or no key here that opens it.
    """
    policy = policy_of(database)
    url = admitted(gitrepo, policy).url
    ref = commit or ("" if branch in (None, HEAD) else branch) or ""
    secret = ""
    if git_secret and not guard.is_commit(ref.lower()):
        with opened(database) as rows:
            secret = secrets.value_of(rows, default_home(), git_secret, network=network)
    resolved = repository.resolve(url, ref, policy=policy, secret=secret)
    followed = branch or (None if commit else HEAD)
    return {"gitrepo": url, "commit": resolved} | ({"branch": followed} if followed else {})


def add(database: Database, given: Given) -> Row:
    """Make a processor; with `task` also its default socket, on the queue `queue` or one of the processor's name.

    Raises: RepositoryError, AlreadyExistsError, InvalidError.
    """
    with opened(database) as rows:
        rows.require("ADD_PROCESSOR")
    pin = pinned(
        database,
        given["gitrepo"],
        branch=given.get("branch"),
        commit=given.get("commit"),
        git_secret=given.get("git_secret"),
        network=given.get("network"),
    )
    with opened(database) as rows:
        row = verbs.add_to(rows, "processor", dict(given) | pin)
        if task := given.get("task"):
            _default_socket(rows, row, task, given.get("queue"))
        return row


def _default_socket(rows: Rows, processor: Row, task: str, queue: str | None) -> None:
    name = f"{processor['name']}.{task}"[:63]
    verbs.add_to(rows, "socket", {"name": name, "processor": processor, "queue": queue, "task": task})


def update(
    database: Database, given: Given, *, name: str | None = None, id_: str | None = None, network: str | None = None
) -> Row:
    """Change a processor; its branch is resolved anew, so that this is also how new code is taken up.

    Raises: NotFoundError, ForbiddenError, RepositoryError, InvalidError.
    """
    with opened(database) as rows:
        takes = _takes(given)
        row = find.wanted(rows, "processor", name=name, id_=id_, network=network, rights=takes)
        # What is computed from what it was needs the sight of it.
        for right in (each for each in takes if each.startswith("EDIT")):
            rows.require(right)
    given = dict(given) | _variables(row, given)
    branch = given.get("branch") or row["branch"]
    commit = given.get("commit")
    stays = commit is None and branch is None and given.get("gitrepo") is None
    repo, secret = given.get("gitrepo") or row["gitrepo"], given.get("git_secret") or row["git_secret"]
    pin = {}
    if not stays:
        pin = pinned(database, repo, branch=branch, commit=commit, git_secret=secret, network=row["network"])
    return verbs.update(database, "processor", dict(given) | pin, id_=str(row["id"]))


def _takes(given: Given) -> list[str]:
    """The rights that writing this takes, if all of it differs."""
    written = {key: value for key, value in given.items() if value not in (None, (), [], {})}
    if "unset_env" in written:
        written["environment"] = written.pop("unset_env")
    return rights.to_change_processor(written, {}) or ["EDIT_PROCESSOR_CODE"]


def _variables(row: Row, given: Given) -> dict[str, Any]:
    """The variables after an update: those it had, those that are set, without those that are to go."""
    changed, gone = given.get("environment") or {}, set(given.get("unset_env") or ())
    if not changed and not gone:
        return {}
    return {"environment": {name: value for name, value in row["environment"].items() if name not in gone} | changed}


def ensure(database: Database, given: Given) -> Row:
    """Find or make a processor by name; git is asked only when repository, branch or commit differ from the row's.

    Raises: InvalidError: there is none of that name, and no repository or module to make it from. RepositoryError.
    """
    network = given.get("network") or DEFAULT_NETWORK
    with opened(database) as rows:
        found = rows.find("processor", name=given["name"], network=network, mine=True)
    if not found:
        missing = [key for key in ("gitrepo", "module") if not given.get(key)]
        if missing:
            raise InvalidError(f"there is no processor {given['name']}, and no {' and '.join(missing)} to make it from")
        return add(database, given)
    values = dict(given)
    if _code_differs(found[0], given):
        repo = given.get("gitrepo") or found[0]["gitrepo"]
        branch = given.get("branch") or found[0]["branch"]
        secret = given.get("git_secret") or found[0]["git_secret"]
        commit = given.get("commit")
        values |= pinned(database, repo, branch=branch, commit=commit, git_secret=secret, network=network)
    else:
        values = {key: value for key, value in values.items() if key not in {"gitrepo", "commit"}}
    return verbs.update(database, "processor", values, id_=str(found[0]["id"]))


def _code_differs(row: Row, given: Given) -> bool:
    repo = given.get("gitrepo")
    if repo is not None and guard.check_url(repo, allow_file=True).url != row["gitrepo"]:
        return True
    return any(given.get(key) is not None and given[key] != row[key] for key in ("branch", "commit"))


def request(
    database: Database, word: str, *, name: str | None = None, id_: str | None = None, network: str | None = None
) -> Row:
    """start, stop, restart, remove, pause or resume: the agents do it, this only asks. lock, unlock: done at once.

    Raises: NotFoundError.
    """
    with opened(database) as rows:
        row = find.wanted(rows, "processor", name=name, id_=id_, network=network, rights=[RIGHTS[word]])
        consent.ask(rows, word, "processor", row["name"])
        if word in LOCKS:
            return rows.change("processor", row["id"], {"locked": LOCKS[word]}, right=RIGHTS[word])
        asked = REQUESTS[word]
        if word == "restart" or (word == "start" and row["status"] == "failed"):
            rows.restart(row["id"], asked)
        else:
            rows.change("processor", row["id"], {"requested_status": asked}, right=RIGHTS[word])
        return rows.find("processor", id=row["id"])[0]


def wait_reached(database: Database, row: Row, *, timeout_seconds: float, clock: Clock = SYSTEM) -> Row:
    """Until the processor is as it was asked to be.

    Raises: TryAgainError: not within the time; it says what the processor is instead.
    """
    wanted = REACHED[row["requested_status"]]
    deadline = clock.monotonic() + timeout_seconds
    while True:
        now = _observed(database, row["id"])
        never_ran = now["status"] == "ready" and not now["workers"] and wanted[0] in {"stopped", "removed"}
        if never_ran or (now["status"] in wanted and _is_new(now, row)):
            return now
        if clock.monotonic() >= deadline:
            raise TryAgainError(
                f"processor {row['name']} is {now['status']}, not {wanted[0]} yet: {now['reason'] or 'no reason'}",
                hint="flow ls processors; flow ls workers",
            )
        clock.sleep(0.2)


def _observed(database: Database, id_: UUID) -> dict[str, Any]:
    with opened(database) as rows:
        row = rows.find("processor", id=id_)[0]
        row["workers"] = rows.find("worker", processor_id=id_)
        row["deployments"] = rows.find("deployment", processor_id=id_)
        return row


def _is_new(now: Row, asked: Row) -> bool:
    """Every deployment has seen the generation that was asked for."""
    return all(each["observed_generation"] >= asked["generation"] for each in now["deployments"])
