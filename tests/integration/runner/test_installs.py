"""What is installed: only what is named with its hash, from an index of the owner's; and what a build can find."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyfi.errors import EnvironmentBuildError
from pyfi.runner import construction
from pyfi.runner.construction import Keys
from pyfi.runner.environment import Spec, build, key
from pyfi.runner.policy import Policy
from tests.integration.runner.test_environment import PROJECT, modules_of

if TYPE_CHECKING:
    from tests.integration.runner.conftest import Repository

PATHS = Policy(allow_file=True)
WHEEL = "left_pad-1.0-py3-none-any.whl"


def wheel(folder: Path) -> bytes:
    """A package with nothing in it but a module."""
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("left_pad.py", "x = 1\n")
        file.writestr("left_pad-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: left-pad\nVersion: 1.0\n")
        file.writestr("left_pad-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("left_pad-1.0.dist-info/RECORD", "")
    return path.read_bytes()


class Index:
    """A package index that asks for a login."""

    def __init__(self, folder: Path, login: str) -> None:
        content = wheel(folder)
        self.hash = hashlib.sha256(content).hexdigest()
        self.refused = 0
        index, wanted = self, "Basic " + base64.b64encode(login.encode()).decode()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers.get("Authorization") != wanted:
                    index.refused += 1
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="index"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                page = f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode()
                body = content if self.path.startswith("/files/") else page if "left-pad" in self.path else b""
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html" if body is page else "application/octet-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 # the names that http.server calls

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's name
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/simple"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Reached without the node's proxies."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Index(tmp_path, "joe:k4nary@/x")
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def spec_of(repository: Repository) -> Callable[..., Spec]:
    """Commits files and specifies their environment."""

    def make(files: dict[str, str], **options: Any) -> Spec:
        return Spec(repository=repository.url, commit=repository.commit(files), **{"policy": PATHS, **options})

    return make


@pytest.mark.parametrize("with_uv", [True, False])
def test_a_private_index_with_its_secret(
    with_uv: bool, index: Index, spec_of: Callable[..., Spec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret opens it, is in no log, and without it the error names no secret either."""
    if not with_uv:
        monkeypatch.setattr(construction, "find_uv", lambda: None)
    root = tmp_path / "environments"
    spec = spec_of({"a.py": "", "requirements.txt": "left-pad\n"}, index_url=index.url, secrets_of="joe")
    with pytest.raises(EnvironmentBuildError) as caught:
        build(spec, root)
    assert index.refused and "k4nary" not in caught.value.log_tail
    made = build(spec, root, Keys(index="joe:k4nary@/x"))
    assert "left-pad" in {name.replace("_", "-") for name in modules_of(made)}
    everything = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert b"k4nary" not in everything


def test_strict_installs_what_is_named_with_its_hash(
    index: Index, spec_of: Callable[..., Spec], tmp_path: Path
) -> None:
    """And nothing else: neither without a hash, nor with another's, nor a package's own dependencies."""
    root, keys = tmp_path / "environments", Keys(index="joe:k4nary@/x")
    named = f"left-pad==1.0 --hash=sha256:{index.hash}\n"

    def built(requirements: str, **options: Any) -> Any:
        files = {"a.py": "", "requirements.txt": requirements}
        return build(spec_of(files, index_url=index.url, **options), root, keys)

    assert built("left-pad\n"), "without strictness it installs"
    strict = Policy(allow_file=True, strict=True)
    for requirements in ("left-pad\n", "left-pad==1.0\n", f"left-pad==1.0 --hash=sha256:{'0' * 64}\n"):
        for asked in ({"strict": True}, {"policy": strict}):
            with pytest.raises(EnvironmentBuildError):
                built(requirements, **asked)
    assert built(named, strict=True) and built(named, policy=strict)


def test_strict_installs_a_repository_without_fetching(spec_of: Callable[..., Spec], tmp_path: Path) -> None:
    """Its own code is what the commit pins; what its build would fetch is not."""
    root = tmp_path / "environments"
    assert modules_of(build(spec_of(PROJECT, strict=True), root)) == {"mine"}
    wants = {"pyproject.toml": PROJECT["pyproject.toml"] + 'dependencies = ["left-pad"]\n'}
    assert modules_of(build(spec_of(PROJECT | wants, strict=True), root)) == {"mine"}
    fetches = (
        PROJECT["pyproject.toml"].replace("requires = []", 'requires = ["hatchling"]').replace("backend-path", "#")
    )
    with pytest.raises(EnvironmentBuildError):
        build(
            spec_of(PROJECT | {"pyproject.toml": fetches.replace('"backend"', '"hatchling.build"')}, strict=True), root
        )


def test_strictness_index_signers_and_secrets_make_another_environment(spec_of: Callable[..., Spec]) -> None:
    """What was built with less asked is not taken for what asks more."""
    spec = spec_of({"a.py": ""})
    others = [
        spec_of({}, strict=True),
        spec_of({}, index_url="https://h.org/simple"),
        spec_of({}, secrets_of="joe"),
        spec_of({}, policy=Policy(allow_file=True, signers="x")),
    ]
    same = {"repository": spec.repository, "commit": spec.commit}
    keys = {key(Spec(**{name: getattr(each, name) for name in Spec.__dataclass_fields__} | same)) for each in others}
    assert len(keys | {key(spec)}) == 5
    assert key(Spec.from_json(others[3].to_json())) == key(others[3])


LOOKS = """
import json, os, sys
found = {"environ": dict(os.environ), "stdin": sys.stdin.read(), "argv": []}
for pid in ("self", str(os.getppid())):
    found["argv"].append(open(f"/proc/{pid}/cmdline").read())
    try:
        found["environ"][f"of {pid}"] = open(f"/proc/{pid}/environ").read()
    except OSError:
        pass
print(json.dumps(found), file=sys.stderr)
"""


def test_a_hostile_build_finds_no_login_of_ours(
    spec_of: Callable[..., Spec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its own process, its parent's and its standard input; what lies in files, the sandbox's tests look at."""
    for name in ("FLOW_DB", "FLOW_BROKER", "FLOW_PASSWORD", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"):
        monkeypatch.setenv(name, "k4nary")
    root = tmp_path / "environments"
    spec = spec_of(PROJECT | {"backend.py": f"{LOOKS}\n{PROJECT['backend.py']}\n1 / 0\n"})
    with pytest.raises(EnvironmentBuildError):
        build(spec, root, Keys(git="k4nary-of-git", index="k4nary:of-index"))
    log = (root / f"{key(spec)}.log").read_text()
    (line,) = {each.strip() for each in log.splitlines() if each.strip().startswith('{"environ"')}
    assert "k4nary" not in log and json.loads(line)["stdin"] == ""
