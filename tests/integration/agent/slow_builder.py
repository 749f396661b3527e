"""A builder that never ends: `python slow_builder.py SPEC.json ROOT`. It writes its pid into ROOT/builder."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

(Path(sys.argv[2]) / "builder").write_text(str(os.getpid()), encoding="ascii")
signal.pause()
