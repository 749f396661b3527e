"""A worker without Celery: `python tiny_worker.py CONFIG.json`. The processor's module says how it behaves.

Each start appends its pid to `starts` in its folder. It marks token 7 as started, and has a guest in a session of its
own that has a child there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from pyfi.settings import write_private
from pyfi.system.processes import identify


def main() -> int:
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(config["mark"]).parent
    with (folder / "starts").open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    module = config["module"]
    if module == "crashes":
        print(json.dumps({"message": "worker ended", "reason": "no such luck"}), file=sys.stderr)
        return 1
    if module == "cannot_be_loaded":
        print(json.dumps({"action": "load_failed", "message": "cannot_be_loaded: No module named x"}), file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, signal.SIG_IGN if module == "stubborn" else lambda *_: sys.exit(0))
    Path(config["mark"]).write_bytes((7).to_bytes(8, "little"))
    guest = subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session=True, stdin=subprocess.DEVNULL)
    identity = identify(guest.pid)
    assert identity is not None
    write_private(folder / "guest.json", identity.to_json())
    try:
        while True:
            signal.pause()
    finally:
        os.killpg(guest.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
