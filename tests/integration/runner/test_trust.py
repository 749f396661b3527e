"""Private repositories, signed commits, addresses that move: with real git, ssh-keygen and gpg."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyfi.errors import RepositoryError
from pyfi.runner import address as addresses
from pyfi.runner import credential
from pyfi.runner.policy import Policy
from pyfi.runner.repository import checkout, resolve
from pyfi.system.processes import run
from tests.integration.runner.https_git import Server, serving

if TYPE_CHECKING:
    from tests.integration.runner.conftest import Repository

PATHS = Policy(allow_file=True)
HOST = "git.pyfi.invalid"
INSIDE = Policy(private_hosts=(HOST,))


@pytest.fixture
def server(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves the repositories of this test; only our own resolver knows the host's name, git's knows none."""
    repository.commit({"a.py": "1"})
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    real = socket.getaddrinfo

    def resolver(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == HOST else host, port, *rest, **more)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolver)
    with serving(tmp_path, tmp_path, HOST) as told:
        monkeypatch.setenv("GIT_SSL_CAINFO", str(told.ca))
        yield told


def url_of(server: Server) -> str:
    return f"https://{HOST}:{server.port}/repository/.git"


def test_git_goes_to_the_address_that_was_checked(server: Server, repository: Repository, tmp_path: Path) -> None:
    """Nobody but our own look-up knows that name: git uses what it found, and asks nobody again."""
    commit = repository.git("rev-parse", "HEAD")
    assert resolve(url_of(server), "main", policy=INSIDE) == commit
    checkout(url_of(server), commit, tmp_path / "into", policy=INSIDE)
    assert (tmp_path / "into" / "a.py").read_text() == "1"
    with pytest.raises(RepositoryError, match="not a public one"):
        resolve(url_of(server), "main", policy=Policy())


def test_a_private_repository_opens_with_its_secret(
    server: Server, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right one opens it, a wrong one does not; none is ever asked of a terminal, and nothing of it stays."""
    server.login = "joe:canary:x"
    commit = repository.git("rev-parse", "HEAD")
    kept = tmp_path / "memory"
    kept.mkdir()
    monkeypatch.setattr(credential, "_MEMORY", kept)
    for secret in ("", "joe:wrong", "canary"):
        with pytest.raises(RepositoryError) as caught:
            resolve(url_of(server), "main", policy=INSIDE, secret=secret)
        assert "canary" not in caught.value.message and "--git-secret" in caught.value.hint
    assert resolve(url_of(server), "main", policy=INSIDE, secret="joe:canary:x\n") == commit
    cache = tmp_path / "cache"
    checkout(url_of(server), commit, tmp_path / "into", policy=INSIDE, secret="joe:canary:x", cache=cache)
    assert (tmp_path / "into" / "a.py").exists()
    assert not cache.exists(), "what a secret opened is not kept where others would find it"
    assert list(kept.iterdir()) == []
    server.login = "git:token"
    assert resolve(url_of(server), "main", policy=INSIDE, secret="token") == commit


def test_a_redirect_is_not_followed(server: Server) -> None:
    """Neither to another host nor to the inside."""
    server.redirect = "https://169.254.169.254"
    with pytest.raises(RepositoryError) as caught:
        resolve(url_of(server), "main", policy=INSIDE)
    assert len(server.seen) == 1 and "returned error: 302" in caught.value.message
    assert "has moved" in caught.value.hint


def test_an_ssh_key_is_a_file_that_is_gone_afterwards(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of ssh a program that writes down what it is given and serves the repository."""
    commit = repository.commit({"a.py": "1"})
    told = tmp_path / "told"
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >>{told}\n'
        'for word; do [ "$last" = -i ] && cat "$word" >>' + str(told) + '; last="$word"; done\n'
        f"exec git upload-pack {repository.path}\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    kept = tmp_path / "memory"
    kept.mkdir()
    monkeypatch.setattr(credential, "_MEMORY", kept)
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----"
    policy = Policy(private_hosts=("127.0.0.1",))
    assert resolve("git@127.0.0.1:a/b.git", "main", policy=policy, secret=key) == commit
    words = told.read_text()
    assert key + "\n" in words, "the key as it was given, with the newline that ssh needs"
    for option in ("-F/dev/null", "-oBatchMode=yes", "-oIdentitiesOnly=yes", "-oIdentityAgent=none"):
        assert option in words.splitlines()
    assert "-oHostName=127.0.0.1" in words and list(kept.iterdir()) == []


def test_only_the_keys_of_hosts_that_were_named(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real ssh says how it would ask: strictly, and by the file of the administrator's lines, or as new."""
    commit = repository.commit({"a.py": "1"})
    ssh = shutil.which("ssh")
    assert ssh
    told, program = tmp_path / "told", tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh\n{ssh} -G "$@" >{told}\ncat "$(sed -n 's/^userknownhostsfile \\([^ ]*\\).*/\\1/p' {told})" """
        f">>{told} 2>/dev/null\nexec git upload-pack {repository.path}\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    line = "127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLE"
    for known, mode in ((line, "true"), ("", "accept-new")):
        for secret in ("", "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----"):
            policy = Policy(private_hosts=("127.0.0.1",), known_hosts=known)
            assert resolve("git@127.0.0.1:a/b.git", "main", policy=policy, secret=secret) == commit
            words = told.read_text()
            assert f"stricthostkeychecking {mode}\n" in words, known
            assert (line in words, "globalknownhostsfile /dev/null" in words) == (bool(known), bool(known))


def keygen(folder: Path, name: str) -> str:
    """A key of ssh; gives the line for a file of signers."""
    key = folder / name
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
    assert run(words, env={"PATH": os.environ["PATH"]}, timeout_seconds=30).returncode == 0
    return f"{name}@example.org {' '.join(key.with_suffix('.pub').read_text().split()[:2])}"


def signed(repository: Repository, key: Path, text: str) -> str:
    repository.write(a__py=text)
    repository.git("add", "-A")
    repository.git("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}", "commit", "-q", "-S", "-m", "signed")
    return repository.git("rev-parse", "HEAD")


def test_only_commits_of_the_signers(repository: Repository, tmp_path: Path) -> None:
    """Unsigned, of another key, changed after it was signed, or another's signature put on it: refused."""
    joe, eve = keygen(tmp_path, "joe"), keygen(tmp_path, "eve")
    good = signed(repository, tmp_path / "joe", "1")
    other = signed(repository, tmp_path / "eve", "2")
    unsigned = repository.commit({"a.py": "3"})
    # The signature of `good` on other files.
    text = repository.git("cat-file", "commit", good)
    tree = repository.git("rev-parse", f"{unsigned}^{{tree}}")
    forged_text = text.replace(text.split()[1], tree, 1) + "\n"
    forged = repository.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=forged_text.encode())
    repository.git("branch", "forged", forged)
    policy = Policy(allow_file=True, signers=joe)
    checkout(repository.url, good, tmp_path / "good", policy=policy)
    assert (tmp_path / "good" / "a.py").read_text() == "1"
    for number, commit in enumerate((other, unsigned, forged)):
        with pytest.raises(RepositoryError, match="not signed by one of the allowed signers"):
            checkout(repository.url, commit, tmp_path / f"bad{number}", policy=policy, cache=tmp_path / "cache")
        assert not (tmp_path / f"bad{number}").exists()
    checkout(repository.url, other, tmp_path / "both", policy=Policy(allow_file=True, signers=f"{joe}\n{eve}"))
    checkout(repository.url, forged, tmp_path / "unasked", policy=PATHS)


def test_signatures_of_gpg(repository: Repository, tmp_path: Path) -> None:
    """The same with public keys of gpg; a signature of ssh does not count then, nor the other way round."""
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    home = Path(os.path.realpath(tmp_path)) / "g"
    home.mkdir(mode=0o700)
    env = {"PATH": os.environ["PATH"], "GNUPGHOME": str(home), "HOME": str(home)}

    def gpg(*words: str) -> str:
        done = run(["gpg", "--batch", "--quiet", "--passphrase", "", *words], env=env, timeout_seconds=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    for name in ("joe", "eve"):
        gpg("--quick-generate-key", f"{name}@example.org", "ed25519", "sign", "never")
    joes = gpg("--armor", "--export", "joe@example.org")
    commits = {}
    for name in ("joe", "eve"):
        repository.write(a__py=name)
        repository.git("add", "-A")
        program = tmp_path / "signs"
        program.write_text(f'#!/bin/sh\nGNUPGHOME={home} exec gpg --batch "$@"\n')
        program.chmod(0o700)
        words = ["-c", f"gpg.program={program}", "-c", f"user.signingkey={name}@example.org"]
        repository.git(*words, "commit", "-q", "-S", "-m", "signed")
        commits[name] = repository.git("rev-parse", "HEAD")
    run(["gpgconf", "--kill", "all"], env=env, timeout_seconds=30)
    line = keygen(tmp_path, "ssh")
    by_ssh = signed(repository, tmp_path / "ssh", "4")
    policy = Policy(allow_file=True, signers=joes)
    checkout(repository.url, commits["joe"], tmp_path / "good", policy=policy)
    for number, commit in enumerate((commits["eve"], by_ssh)):
        with pytest.raises(RepositoryError, match="not signed by one of the allowed signers"):
            checkout(repository.url, commit, tmp_path / f"bad{number}", policy=policy)
    with pytest.raises(RepositoryError, match="not signed"):
        checkout(repository.url, commits["joe"], tmp_path / "bad", policy=Policy(allow_file=True, signers=line))


def test_large_files_stay_pointers(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filters that would fetch them, or do anything else on checkout, are nobody's: none is configured."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    proof = tmp_path / "proof"
    program = tmp_path / "bin" / "git-lfs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {proof}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    lfsconfig = '[lfs]\n\turl = https://169.254.169.254/\n[filter "lfs"]\n\tsmudge = touch x\n'
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    commit = repository.commit({"a.bin": pointer, ".gitattributes": attributes, ".lfsconfig": lfsconfig})
    checkout(repository.url, commit, tmp_path / "into", policy=PATHS)
    assert (tmp_path / "into" / "a.bin").read_text() == pointer and not proof.exists()
