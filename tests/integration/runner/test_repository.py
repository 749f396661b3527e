"""Real repositories, honest and hostile ones: what arrives is exactly one commit's files, and nothing was run."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyfi.errors import RepositoryError
from pyfi.runner import repository as room
from pyfi.runner.policy import Policy
from pyfi.runner.repository import Limits, checkout, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.runner.conftest import Repository

PATHS = Policy(allow_file=True)
LOOPBACK = Policy(private_hosts=("127.0.0.1",))
ABSENT = "1234567890" * 4


def files(folder: Path) -> dict[str, str]:
    """Every file below, links as `-> target`."""
    return {
        str(path.relative_to(folder)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def fetched(repository: Repository, commit: str, into: Path, **options: object) -> dict[str, str]:
    checkout(repository.url, commit, into, policy=PATHS, **options)  # type: ignore[arg-type]
    return files(into)


def test_branch_tag_head_and_commit_resolve_to_commits(repository: Repository) -> None:
    first = repository.commit({"a.py": "1"})
    repository.git("tag", "light")
    repository.git("tag", "-a", "-m", "x", "heavy")
    repository.git("checkout", "-q", "-b", "feature/x")
    second = repository.commit({"a.py": "2"})
    # A tag and a branch of one name: the branch is meant.
    repository.git("branch", "both")
    repository.git("tag", "both", first)

    def resolved(ref: str = "") -> str:
        return resolve(repository.url, ref, policy=PATHS)

    assert (resolved("main"), resolved("light"), resolved("heavy")) == (first, first, first)
    assert (resolved("feature/x"), resolved(), resolved("refs/heads/main")) == (second, second, first)
    assert (resolved("both"), resolved("refs/tags/both")) == (second, first)
    assert resolved(first.upper()) == first


@pytest.mark.parametrize("ref", ["absent", "ain", "mai", "x"])
def test_a_ref_that_is_not_there_is_named(repository: Repository, ref: str) -> None:
    repository.commit()
    repository.git("branch", "feature/x")
    with pytest.raises(RepositoryError, match=f"neither a branch nor a tag '{ref}'"):
        resolve(repository.url, ref, policy=PATHS)


def test_an_empty_repository_and_none_at_all_say_so(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="has no commit yet"):
        resolve(repository.url, policy=PATHS)
    with pytest.raises(RepositoryError) as caught:
        resolve(str(tmp_path / "absent"), policy=PATHS)
    assert f"file://{tmp_path}/absent" in caught.value.message and caught.value.hint
    (tmp_path / "plain").mkdir()
    with pytest.raises(RepositoryError) as caught:
        resolve(str(tmp_path / "plain"), policy=PATHS)
    assert "git init" in caught.value.hint


def test_a_pinned_commit_stays_when_the_branch_moves(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit({"a.py": "1", "pkg/b.py": "b"})
    second = repository.commit({"a.py": "2"})
    for number, cache in enumerate((None, tmp_path / "cache", tmp_path / "cache")):
        assert fetched(repository, first, tmp_path / f"first{number}", cache=cache) == {"a.py": "1", "pkg/b.py": "b"}
        assert fetched(repository, second, tmp_path / f"second{number}", cache=cache)["a.py"] == "2"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".checkout")]


def test_a_pinned_commit_stays_after_a_forced_push(repository: Repository, tmp_path: Path) -> None:
    pinned = repository.commit({"a.py": "1"})
    repository.git("commit", "-q", "--amend", "-m", "another history")
    assert repository.git("rev-parse", "HEAD") != pinned
    cache = tmp_path / "cache"
    assert fetched(repository, pinned, tmp_path / "before", cache=cache) == {"a.py": "1"}
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "-q", "--prune=now")
    # The server has dropped it; what was fetched is still there.
    assert fetched(repository, pinned, tmp_path / "after", cache=cache) == {"a.py": "1"}
    with pytest.raises(RepositoryError, match=f"has no commit {pinned}"):
        fetched(repository, pinned, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_a_server_that_only_gives_branches_and_tags(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = repository.commit({"a.py": "1"})
    repository.commit({"a.py": "2"})
    # In the older protocol a server refuses what it did not announce.
    monkeypatch.setattr(room, "_PROTOCOL", "0")
    assert fetched(repository, old, tmp_path / "into") == {"a.py": "1"}
    with pytest.raises(RepositoryError, match=f"has no commit {ABSENT}"):
        fetched(repository, ABSENT, tmp_path / "absent")


@pytest.mark.parametrize("option", ["--upload-pack=touch {0}", "-u=touch {0}", "--output={0}"])
def test_options_in_disguise_reach_nobody(repository: Repository, tmp_path: Path, option: str) -> None:
    commit = repository.commit({"a.py": "1"})
    proof = tmp_path / "proof"
    disguised = option.format(proof)
    for attempt in (
        lambda: resolve(disguised, "main", policy=PATHS),
        lambda: resolve(repository.url, disguised, policy=PATHS),
        lambda: checkout(disguised, commit, tmp_path / "into", policy=PATHS),
        lambda: checkout(repository.url, disguised, tmp_path / "into", policy=PATHS),
        lambda: resolve(f"ext::touch {proof}", policy=PATHS),
        lambda: resolve(f"ext::sh -c touch% {proof}", policy=PATHS),
    ):
        with pytest.raises(RepositoryError):
            attempt()
    assert not proof.exists() and not (tmp_path / "into").exists()


def test_links_that_leave_arrive_as_text_and_others_as_links(repository: Repository, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    repository.write_files({"pkg/real.py": "x = 1", "a/b/c.py": "c"})
    links = {
        "inside.py": "pkg/real.py",
        "pkg/up.py": "../a/b/c.py",
        "folder": "a/b",
        "dangling": "pkg/absent",
        "absolute": str(secret),
        "out": "../secret",
        "pkg/out": "../../secret",
        "step": "a",
        "through": "step/../../secret",
        "self": "self",
        "git": ".git/config",
    }
    for name, target in links.items():
        (repository.path / name).symlink_to(target)
    commit = repository.commit()
    found = fetched(repository, commit, tmp_path / "into")
    kept = {name: found[name] == f"-> {target}" for name, target in links.items()}
    assert {name for name, is_link in kept.items() if not is_link} == {"absolute", "out", "pkg/out", "through"}
    assert found["absolute"] == str(secret) and found["through"] == links["through"]
    for path in (tmp_path / "into").rglob("*"):
        assert (path.read_text() if path.is_file() else "") != "secret"


def test_hooks_submodules_filters_and_settings_of_the_repository_do_nothing(
    repository: Repository, new_repository: Callable[[str], Repository], tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    other = new_repository("other")
    other.commit({"inner.py": "inner"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", "--", other.url, "sub")
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "post-upload-pack"):
        path = repository.path / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {proof}\n")
        path.chmod(0o700)
        repository.write_files({f"hooks/{hook}": path.read_text()})
    repository.write_files({".gitattributes": "*.py filter=evil diff=evil\n", ".gitconfig": "[core]\n\tpager=false\n"})
    commit = repository.commit({"a.py": "1"})
    proof.unlink(missing_ok=True)
    found = fetched(repository, commit, tmp_path / "into", cache=tmp_path / "cache")
    assert found["a.py"] == "1" and not proof.exists()
    assert list((tmp_path / "into" / "sub").iterdir()) == []
    assert not (tmp_path / "into" / ".git").exists()


def test_the_users_git_configuration_does_not_reach_it(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit({"a.py": "1"})
    proof = tmp_path / "proof"
    config = tmp_path / ".gitconfig"
    config.write_text(f'[url "ext::touch {proof} "]\n\tinsteadOf = file://\n[core]\n\tfsmonitor = touch {proof}\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "url.file:///nowhere/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "file://")
    monkeypatch.setenv("GIT_SSH", str(proof))
    assert resolve(repository.url, "main", policy=PATHS) == commit
    assert fetched(repository, commit, tmp_path / "into") == {"a.py": "1"}
    assert not proof.exists()


def test_egg_fragments_and_git_plus_are_tolerated(repository: Repository) -> None:
    commit = repository.commit({"a.py": "1"})
    assert resolve(f"git+{repository.url}#egg=pyfi-processor", "main", policy=PATHS) == commit
    assert resolve(str(repository.path), "main", policy=PATHS) == commit
    with pytest.raises(RepositoryError, match="is a path"):
        resolve(repository.url, "main", policy=Policy())


def test_what_is_too_large_is_refused_and_nothing_stays(repository: Repository, tmp_path: Path) -> None:
    import random

    noise = random.Random(1).randbytes(300_000).hex()
    commit = repository.commit({"a.py": "1", "big": noise, "more/b": "x"})
    cache = tmp_path / "cache"
    for limits, message in (
        (Limits(files=2), "has 3 files"),
        (Limits(tree_bytes=1000), "the limits are 100000 and 1000"),
        (Limits(fetched_bytes=1000, tree_bytes=2000), "larger than the limit of 1000 bytes"),
    ):
        with pytest.raises(RepositoryError, match=message):
            fetched(repository, commit, tmp_path / "into", cache=cache, limits=limits)
        assert not (tmp_path / "into").exists()
        assert [path.name for path in cache.iterdir() if not path.name.endswith(".lock")] == []
    assert fetched(repository, commit, tmp_path / "into", cache=cache)["big"] == noise


def test_a_host_that_is_silent_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(RepositoryError, match=r"took longer than 0\.5 s"):
            resolve(url, "main", policy=LOOPBACK, limits=Limits(seconds=0.5))


def test_a_host_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(RepositoryError, match=f"https://127.0.0.1:{port}/a: "):
        resolve(f"https://127.0.0.1:{port}/a", "main", policy=LOOPBACK)


def test_odd_names_are_only_names(repository: Repository, tmp_path: Path) -> None:
    names = {"a\nb": "1", "-rf": "2", "UP": "3", "up": "4", "é \t'\"": "5"}
    commit = repository.commit(names)
    assert fetched(repository, commit, tmp_path / "into") == names


def test_a_folder_that_is_there_is_not_touched(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({"a.py": "1"})
    into = tmp_path / "into"
    into.mkdir()
    (into / "mine").write_text("mine")
    with pytest.raises(OSError, match="not empty"):
        fetched(repository, commit, into)
    assert files(into) == {"mine": "mine"}
