"""From a repository's URL to the files of exactly one commit.

A branch or tag is resolved once, when a processor is written; from then on only the commit counts, whatever becomes of
the branch. What arrives in the folder are files: no hooks, no submodules, no filters, no links that leave it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from pyfi.errors import RepositoryError
from pyfi.runner import signature
from pyfi.runner.address import checked_address
from pyfi.runner.credential import opened as credential_of
from pyfi.runner.git import Limits, failure, git
from pyfi.runner.guard import CanonicalUrl, check_ref, check_url, is_commit
from pyfi.runner.policy import Policy, admitted
from pyfi.system.locks import FileLock

__all__ = ["CanonicalUrl", "Limits", "check_ref", "check_url", "checkout", "is_commit", "resolve"]

_PROTOCOL = "2"
_LINK, _SUBMODULE = b"120000", b"160000"
_LISTING_LIMIT_BYTES = 64 << 20


def resolve(url: str, ref: str = "", *, policy: Policy, secret: str = "", limits: Limits | None = None) -> str:
    """The commit that a branch, a tag (in this order) or, when `ref` is empty, the repository's HEAD is now.

    A full commit is returned as it is, unseen: whether it is there, `checkout` finds out. Args: secret: a password,
    `user:password` or a private key of ssh that the repository asks for.

    Raises: RepositoryError: the URL is refused, the repository cannot be read, or it has no such branch or tag.
    """
    source, limits = admitted(url, policy), limits or Limits()
    if ref and is_commit(check_ref(ref).lower()):
        return ref.lower()
    wanted = ("HEAD",) if not ref else (ref,) if ref.startswith("refs/") else (f"refs/heads/{ref}", f"refs/tags/{ref}")
    asked = ["ls-remote", "--", source.url, *(f"{name}*" for name in wanted)]
    with credential_of(secret, policy.known_hosts) as credential:
        address = checked_address(source, policy)
        listed = git(asked, source=source, limits=limits, address=address, credential=credential)
    found = {}
    for line in listed.stdout.decode(errors="replace").splitlines():
        commit, _, name = line.partition("\t")
        found[name] = commit
    for name in wanted:
        # An annotated tag is an object of its own; `^{}` is the commit that it names.
        commit = found.get(f"{name}^{{}}") or found.get(name, "")
        if is_commit(commit):
            return commit
    if not ref:
        raise RepositoryError(f"{source.canonical} has no commit yet", hint="git commit, then git push")
    raise RepositoryError(
        f"{source.canonical} has neither a branch nor a tag {ref!r}", hint="a commit is given by all of its 40 digits"
    )


def checkout(
    url: str,
    commit: str,
    into: Path,
    *,
    policy: Policy,
    secret: str = "",
    cache: Path | None = None,
    limits: Limits | None = None,
) -> None:
    """Put the files of `commit` into the new folder `into`: complete, or not at all.

    Args: cache: a folder where what was fetched is kept for the next commit; None: beside `into`, and removed.
    secret: see `resolve`; what was fetched with it is not kept.

    Raises: RepositoryError: it cannot be fetched, is not there, is larger than `limits`, or is not signed by one of
        the policy's signers.
    """
    source, limits = admitted(url, policy), limits or Limits()
    if not is_commit(commit):
        raise RepositoryError(f"{commit[:60]!r} is not a full commit")
    into.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".checkout-", dir=into.parent) as beside, contextlib.ExitStack() as held:
        kept = Path(beside) if secret or cache is None else cache
        kept.mkdir(parents=True, exist_ok=True, mode=0o700)
        mirror = kept / hashlib.sha256(source.canonical.encode()).hexdigest()[:20]
        held.enter_context(FileLock(kept / f"{mirror.name}.lock"))
        try:
            _fetch(source, commit, mirror, limits, policy, secret)
            if policy.signers:
                signature.verify(source, commit, mirror, limits, policy.signers)
            tree = _write_tree(source, commit, mirror, Path(beside), limits)
        except RepositoryError:
            # Whatever was wrong with it must not be met again.
            shutil.rmtree(mirror, ignore_errors=True)
            raise
        tree.rename(into)


def _fetch(source: CanonicalUrl, commit: str, mirror: Path, limits: Limits, policy: Policy, secret: str) -> None:
    """Have `commit` in the bare repository `mirror`."""
    at = [f"--git-dir={mirror}", "-c", f"protocol.version={_PROTOCOL}"]
    if not (mirror / "HEAD").exists():
        git(["init", "--quiet", "--bare", "--template=", "--", str(mirror)], source=source, limits=limits)
    for abandoned in (mirror / "objects" / "pack").glob("tmp_*"):
        abandoned.unlink(missing_ok=True)
    if _has(source, commit, mirror, limits):
        return
    fetch = [*at, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
    with credential_of(secret, policy.known_hosts) as credential:
        address = checked_address(source, policy)
        exactly = git(
            [*fetch, "--depth=1", "--", source.url, commit],
            source=source,
            limits=limits,
            address=address,
            credential=credential,
            fails=True,
        )
        if exactly.returncode != 0:
            if b"not our ref" not in exactly.stderr and b"unadvertised object" not in exactly.stderr:
                raise failure(exactly, source, limits)
            # Some servers only give what a branch or tag leads to.
            git(
                [*fetch, "--", source.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"],
                source=source,
                limits=limits,
                address=address,
                credential=credential,
            )
    if not _has(source, commit, mirror, limits):
        raise RepositoryError(
            f"{source.canonical} has no commit {commit}", hint="it was never pushed, or the server has dropped it"
        )


def _has(source: CanonicalUrl, commit: str, mirror: Path, limits: Limits) -> bool:
    asked = ["cat-file", "-e", f"{commit}^{{tree}}"]
    return git([f"--git-dir={mirror}", *asked], source=source, limits=limits, fails=True).returncode == 0


def _write_tree(source: CanonicalUrl, commit: str, mirror: Path, beside: Path, limits: Limits) -> Path:
    listed = git(
        [f"--git-dir={mirror}", "ls-tree", "-r", "-l", "-z", "--full-tree", commit],
        source=source,
        limits=limits,
        output_limit_bytes=_LISTING_LIMIT_BYTES,
    )
    entries = [entry.split(None, 4) for entry in listed.stdout.split(b"\0") if entry]
    size = sum(int(entry[3]) for entry in entries if entry[0] != _SUBMODULE)
    if listed.truncated or len(entries) > limits.files or size > limits.tree_bytes:
        raise RepositoryError(
            f"{source.canonical} at {commit[:12]} has {len(entries)} files of {size} bytes, "
            f"the limits are {limits.files} and {limits.tree_bytes}"
        )
    tree = beside / "tree"
    tree.mkdir(mode=0o700)
    at = [f"--git-dir={mirror}", f"--work-tree={tree}", "-c", "core.bare=false"]
    index = {"GIT_INDEX_FILE": str(beside / "index")}
    git([*at, "read-tree", commit], source=source, limits=limits, environment=index)
    git([*at, "checkout-index", "--all", "--force", "--quiet"], source=source, limits=limits, environment=index)
    _make_links(tree, [os.fsdecode(entry[4]) for entry in entries if entry[0] == _LINK])
    return tree


def _make_links(tree: Path, names: list[str]) -> None:
    """Make those links that stay inside; the others remain the text files that git wrote in their place.

    All files are there before the first link is: nothing is ever written through one.
    """
    root = os.path.realpath(tree)
    texts = {name: (tree / name).read_bytes() for name in names}
    for name, text in texts.items():
        if text and not text.startswith(b"/") and b"\0" not in text:
            (tree / name).unlink()
            (tree / name).symlink_to(os.fsdecode(text))
    # One link may lead through another: look at all again until none leaves.
    while leaving := [name for name in names if (tree / name).is_symlink() and not _is_inside(tree / name, root)]:
        for name in leaving:
            (tree / name).unlink()
            (tree / name).write_bytes(texts[name])


def _is_inside(link: Path, root: str) -> bool:
    return os.path.realpath(link).startswith(root + os.sep)
