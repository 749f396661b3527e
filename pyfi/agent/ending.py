"""How a worker ended: what it held, why it ended, and when its key may start again."""

from __future__ import annotations

import json
import os
from typing import Any

from pyfi import logs
from pyfi.agent.folders import WorkerFolder
from pyfi.agent.state import WorkerState, read_past, write_past
from pyfi.core.backoff import AWAY, LOADING, NEVER, Backoff
from pyfi.core.model import Past
from pyfi.system.processes import ProcessIdentity, identify, is_alive, kill_session, signal_text

NOT_LOADED = 3  # exit codes of a worker
UNAVAILABLE = 69
_TAIL_BYTES = 1 << 16
_LONGEST_CAUSE = 500


def end_sessions(folder: WorkerFolder, state: WorkerState) -> bool:
    """Kill all that the worker and its guest started, grandchildren too. False: something of it does not end."""
    own = identify(os.getpid())
    # The numbers of another boot or pid namespace name strangers here.
    sessions = [
        session
        for session in (state.identity, _guest(folder))
        if session and own and (session.boot_id, session.pid_namespace) == (own.boot_id, own.pid_namespace)
    ]
    for session in sessions:
        kill_session(session)
    return not any(is_alive(session) for session in sessions)


def _guest(folder: WorkerFolder) -> ProcessIdentity | None:
    try:
        return ProcessIdentity.from_json(folder.guest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def started_token(folder: WorkerFolder) -> int:
    """The last claim token whose function was started; 0: none."""
    try:
        return int.from_bytes(folder.mark.read_bytes()[:8], "little")
    except OSError:
        return 0


def cause_of(folder: WorkerFolder, code: int | None) -> str:
    """For people, one line: how it ended and what it said last."""
    if code is not None and code < 0:
        return signal_text(-code)
    said = _last_words(folder)
    if code == NOT_LOADED and said:
        return said
    how = "it ended while no agent watched" if code is None else f"exit {code}"
    return f"{how}: {said}" if said and code != 0 else how


def _last_words(folder: WorkerFolder) -> str:
    line = _last_line(folder)
    try:
        told = json.loads(line)
        text = str(told.get("reason") or told.get("message") or "")
    except (ValueError, AttributeError):
        text = line
    return logs.printable(logs.masked(" ".join(text.split())))[:_LONGEST_CAUSE]


def _last_line(folder: WorkerFolder) -> str:
    try:
        with folder.log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def was_not_loaded(folder: WorkerFolder, code: int | None) -> bool:
    """Whether the module could not be loaded; an adopted worker's code is lost, its last line is not."""
    if code is not None:
        return code == NOT_LOADED
    try:
        told: Any = json.loads(_last_line(folder))
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("action") == "load_failed"


def remember(folder: WorkerFolder, state: WorkerState, code: int | None, cause: str, now: float, own: Backoff) -> Past:
    """Note an end that nobody asked for; returns the record. own: the curve for plain crashes."""
    before = read_past(folder.past)
    is_hopeless = was_not_loaded(folder, code)
    backoff = LOADING if is_hopeless else AWAY if code == UNAVAILABLE else own
    past = Past(
        key=state.key,
        worker_id=state.id,
        deployment_id=state.deployment_id,
        ordinal=state.ordinal,
        generation=state.generation,
        revision=state.revision,
        crashes=backoff.after(
            before.crashes if before and before.revision == state.revision else NEVER,
            lived_seconds=state.lived_seconds(now),
            now=now,
            cause=cause,
            has_served=started_token(folder) > 0,
            is_hopeless=is_hopeless,
        ),
    )
    write_past(folder.past, past)
    return past
