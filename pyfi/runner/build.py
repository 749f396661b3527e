"""One build as a process of its own: `python -m pyfi.runner.build SPEC.json ROOT`.

Stdin: nothing, or JSON with what the repository (`git`) and the index (`index`) ask for. Exit 0: the environment is
complete, and described by one line of JSON on stdout. Exit 1: one line of JSON says why: code, message, hint, log_tail.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyfi.errors import PyfiError
from pyfi.runner.construction import NO_KEYS, Keys
from pyfi.runner.environment import Spec, build


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    spec_file, root = map(Path, arguments)
    keys = NO_KEYS
    try:
        keys = _keys(sys.stdin.read())
        made = build(Spec.from_json(spec_file.read_text(encoding="utf-8")), root, keys)
    except PyfiError as error:
        _say(
            {
                "code": error.code,
                "message": keys.masked(error.message),
                "hint": error.hint,
                "log_tail": keys.masked(getattr(error, "log_tail", "")),
            }
        )
        return 1
    _say({"key": made.key, "python": str(made.python), "checkout": str(made.checkout), "installed": made.installed})
    return 0


def _keys(told: str) -> Keys:
    if not told.strip():
        return NO_KEYS
    read = json.loads(told)
    return Keys(git=str(read.get("git", "")), index=str(read.get("index", "")))


def _say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
