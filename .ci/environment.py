"""Make `.venv` ready: `make` runs this before each target. Quick and offline when nothing changed.

Runs on any Python >= 3.11 without a third package. Only `.venv` is written; one process at a time (a lock on this
very file, so that two `make` at once do not disturb each other). uv installs, since it is ten times as fast; where it
cannot (a package index that only pip is configured for), pip does.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "pyfi-stamp.json"
WHAT = ".[embedded,dev]"
# Settings of the caller's shell that would send an installation elsewhere.
FOREIGN = frozenset(
    ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX"]
    + [f"PIP_{name}" for name in ("USER", "TARGET", "PREFIX", "ROOT", "REQUIRE_VIRTUALENV")]
    + [f"UV_{name}" for name in ("PYTHON", "SYSTEM_PYTHON", "BREAK_SYSTEM_PACKAGES", "TARGET", "PREFIX")]
)


def wanted() -> dict[str, str]:
    """What the stamp says when nothing is to be done: another place or another pyproject.toml is another venv."""
    return {"root": str(ROOT), "project": hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()}


def stamped() -> dict[str, str]:
    """What the last complete installation wrote, {} when there was none."""
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def works() -> bool:
    """The venv's Python starts and finds its pip: not so when its base was removed or upgraded."""
    if not PYTHON.exists():
        return False
    if Path(sys.prefix) == VENV:
        return importlib.util.find_spec("pip") is not None
    return subprocess.run([PYTHON, "-c", "import pip"], env=clean(), capture_output=True, check=False).returncode == 0


def clean() -> dict[str, str]:
    """The environment for the installers: proxies, certificates and indexes stay, what names another target goes."""
    return {key: value for key, value in os.environ.items() if key not in FOREIGN}


def say(words: str) -> None:
    """To stderr: stdout belongs to the target that follows."""
    print(f"venv: {words}", file=sys.stderr, flush=True)


def create() -> None:
    """An empty venv in place of whatever is there."""
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            f"venv: {sys.executable} cannot make a virtual environment: its ensurepip is missing.\n"
            f"hint: on Debian or Ubuntu: apt install python{version}-venv; "
            "or name another Python 3.11 or newer: make PYTHON=/path/to/python3"
        )
    # Started from inside the old venv, its base makes the new one.
    base = getattr(sys, "_base_executable", None) or sys.executable
    if subprocess.run([base, "-m", "venv", "--clear", VENV], env=clean(), check=False).returncode:
        sys.exit("venv: python -m venv failed, see above")


def run(*argv: str | Path, quiet: bool = False) -> bool:
    """Run an installer in the checkout; True when it succeeded. Its words are shown only when it failed."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            argv, cwd=ROOT, env=clean(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
        if done.returncode and not quiet:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
    return done.returncode == 0


def install() -> bool:
    """The project, editable, with its extras. A cache is used where the user keeps one, and never begun."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pip_cache = [] if "PIP_CACHE_DIR" in os.environ or (caches / "pip").is_dir() else ["--no-cache-dir"]
    uv_cache = [] if "UV_CACHE_DIR" in os.environ or (caches / "uv").is_dir() else ["--no-cache"]
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *pip_cache]
    uv = [VENV / "bin" / "uv", "pip", "install", "--quiet", *uv_cache, "--python", PYTHON]
    if (uv[0].exists() or run(*pip, "uv", quiet=True)) and run(*uv, "--editable", WHAT, quiet=True):
        return True
    return run(*pip, "--editable", WHAT)


def main() -> None:
    """Ready, or exit 1 with the reason."""
    if stamped() == wanted() and works():
        return
    with Path(__file__).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before, want = stamped(), wanted()
        if before == want and works():
            return
        if before.get("root", str(ROOT)) != str(ROOT) or not works():
            say("creating .venv")
            create()
            before = {}
        say("installing the project with its development tools")
        if install():
            STAMP.write_text(json.dumps(want), encoding="utf-8")
        elif before:
            say("could not update (offline?); going on with what is installed")
        else:
            sys.exit("venv: the installation failed, see above\nhint: the first run needs a package index")


if __name__ == "__main__":
    main()
