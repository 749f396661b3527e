"""Whether a commit is signed by somebody the administrator named."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pyfi.errors import RepositoryError
from pyfi.runner import inherit
from pyfi.runner.git import Limits, git
from pyfi.runner.guard import CanonicalUrl
from pyfi.runner.policy import is_gpg
from pyfi.system.processes import run

_GPG = ("gpg", "--batch", "--quiet", "--no-autostart")


def verify(source: CanonicalUrl, commit: str, mirror: Path, limits: Limits, signers: str) -> None:
    """Look at the signature of `commit` in the bare repository `mirror`. A tag's signature counts for nothing.

    Raises: RepositoryError: there is none, it is wrong or of a key that is not among `signers`; or the program that
        verifies it is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="pyfi-signers-") as folder:
        place = Path(folder)
        if is_gpg(signers):
            # A signature of another kind than the signers' is nobody's who was named.
            settings, environment = ["gpg.ssh.program=/bin/false"], _gpg_home(place, signers)
        else:
            allowed = place / "allowed_signers"
            allowed.write_text(signers + "\n", encoding="utf-8")
            settings = [f"gpg.ssh.allowedSignersFile={allowed}", "gpg.program=/bin/false"]
            environment = {}
        settings.append("gpg.x509.program=/bin/false")
        configured = [part for setting in settings for part in ("-c", setting)]
        verified = git(
            [f"--git-dir={mirror}", *configured, "verify-commit", "--raw", commit],
            source=source,
            limits=limits,
            environment=environment,
            fails=True,
        )
        said = verified.stderr.decode(errors="replace")
    if verified.returncode != 0 or (is_gpg(signers) and "\n[GNUPG:] VALIDSIG " not in f"\n{said}"):
        raise RepositoryError(
            f"{source.canonical}: commit {commit[:12]} is not signed by one of the allowed signers",
            hint="git commit -S signs; the administrator names signers: flow setting set commit_signers",
        )


def _gpg_home(place: Path, signers: str) -> dict[str, str]:
    """A key ring of its own with nothing but the signers in it."""
    home = place / "gpg"
    home.mkdir(mode=0o700)
    environment = inherit.for_git() | {"GNUPGHOME": str(home), "LC_ALL": "C", "HOME": str(place), "PATH": os.defpath}
    try:
        imported = run([*_GPG, "--import"], env=environment, stdin_bytes=signers.encode(), timeout_seconds=60)
    except FileNotFoundError:
        raise RepositoryError(
            "gpg is not installed on this node", hint="apt install gpg, or name keys of ssh"
        ) from None
    if imported.returncode != 0:
        raise RepositoryError("the keys in commit_signers cannot be read by gpg")
    return {"GNUPGHOME": str(home)}
