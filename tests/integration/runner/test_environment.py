"""Environments of real repositories: what is installed, once, and never a half one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyfi import settings
from pyfi.clock import SYSTEM
from pyfi.errors import EnvironmentBuildError, InvalidError, RepositoryError
from pyfi.runner import construction, install
from pyfi.runner.environment import Environment, Spec, build, collect, find, key
from pyfi.runner.policy import Policy
from pyfi.system.locks import FileLock
from pyfi.system.processes import Child, run, signal_process, spawn
from tests.unit.runner.conftest import Driver

if TYPE_CHECKING:
    from tests.integration.runner.conftest import Repository

MODULE = "def where(): return __file__\n"
# A build backend of the repository's own: installing it needs neither an index nor setuptools.
BACKEND = """
import zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "mine-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        wheel.write("src/mine/module.py", "mine/module.py")
        wheel.writestr("mine-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n")
        wheel.writestr("mine-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("mine-1.0.dist-info/RECORD", "")
    return name
"""
PROJECT = {
    "src/mine/module.py": MODULE,
    "backend.py": BACKEND,
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    '[project]\nname = "mine"\nversion = "1.0"\n',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where environments are kept."""
    return tmp_path / "environments"


@pytest.fixture
def spec_of(repository: Repository) -> Callable[..., Spec]:
    """Commits files and specifies their environment."""

    def make(files: dict[str, str], **options: Any) -> Spec:
        return Spec(
            repository=repository.url, commit=repository.commit(files), policy=Policy(allow_file=True), **options
        )

    return make


@pytest.fixture
def result_of(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """What a function returns in a guest of that environment."""
    drivers: list[Driver] = []

    def call(made: Environment, module: str, function: str) -> Any:
        folder = tmp_path / f"guest{len(drivers)}"
        folder.mkdir()
        driver = Driver(folder, made.python)
        driver.checkout = made.checkout
        drivers.append(driver)
        driver.start(None, function, module=module, installed=made.installed)
        return driver.result(function)

    yield call
    for driver in drivers:
        driver.close()


def modules_of(made: Environment) -> set[str]:
    """The distributions that are installed."""
    code = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
    done = run([str(made.python), "-I", "-c", code], env={"PATH": os.defpath}, timeout_seconds=60)
    return set(json.loads(done.stdout))


def test_a_plain_module_needs_nothing(spec_of: Callable[..., Spec], root: Path, result_of: Callable[..., Any]) -> None:
    spec = spec_of({"plain.py": MODULE, "pyproject.toml": "[tool.ruff]\nline-length = 100\n"})
    assert find(root, key(spec)) is None
    made = build(spec, root)
    assert (made, made.installed) == (find(root, key(spec)), False)
    assert modules_of(made) == set()
    assert result_of(made, "plain", "where") == str(made.checkout / "plain.py")
    assert oct(root.stat().st_mode & 0o777) == "0o700"


def test_a_project_is_installed_and_its_module_is_the_installed_one(
    spec_of: Callable[..., Spec], root: Path, result_of: Callable[..., Any]
) -> None:
    made = build(spec_of(PROJECT), root)
    assert made.installed and modules_of(made) == {"mine"}
    where = Path(result_of(made, "mine.module", "where"))
    assert where.is_relative_to(made.python.parent.parent) and where.name == "module.py"


def test_requirements_of_the_repository_and_of_the_processor(
    spec_of: Callable[..., Spec], root: Path, result_of: Callable[..., Any]
) -> None:
    vendored = {f"vendored/{name}": text for name, text in PROJECT.items()}
    uses = "import mine.module\ndef where(): return mine.module.where()\n"
    files = {**vendored, "uses.py": uses, "requirements.txt": "./vendored  # a path of the repository\n"}
    made = build(spec_of(files), root)
    assert not made.installed and modules_of(made) == {"mine"}
    assert result_of(made, "uses", "where").endswith("mine/module.py")
    (named, text, nothing) = (
        spec_of({**files, "requirements.txt": "", "more.txt": "./vendored\n"}, requirements="more.txt"),
        spec_of({**files, "requirements.txt": ""}, requirements="# lines\n./vendored\n"),
        spec_of({**files, "requirements.txt": ""}),
    )
    assert modules_of(build(named, root)) == modules_of(build(text, root)) == {"mine"}
    assert modules_of(build(nothing, root)) == set()


def test_packages_of_the_index_and_a_setup_py(
    spec_of: Callable[..., Spec], root: Path, result_of: Callable[..., Any]
) -> None:
    spec = spec_of(
        {
            "setup.py": "import setuptools\n"
            "setuptools.setup(name='old', py_modules=['old'], install_requires=['idna'])\n",
            "old.py": "import idna\ndef where(): return idna.encode('bücher').decode()\n",
        }
    )
    made = build(spec, root)
    assert made.installed and modules_of(made) == {"old", "idna"}
    assert result_of(made, "old", "where") == "xn--bcher-kva"


def test_pip_installs_where_there_is_no_uv(
    spec_of: Callable[..., Spec], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(construction, "find_uv", lambda: None)
    made = build(spec_of(PROJECT), root)
    assert made.installed and modules_of(made) >= {"mine", "pip"}


def test_the_key_is_what_the_environment_depends_on(spec_of: Callable[..., Spec], repository: Repository) -> None:
    spec = spec_of({"a.py": ""})
    other = spec_of({"a.py": "1"})

    def changed(**values: Any) -> str:
        return key(Spec.from_json(json.dumps(json.loads(spec.to_json()) | values)))

    assert key(spec) == changed() == changed(repository=f"git+{repository.path}/#egg=x".replace("git+", ""))
    keys = {key(spec), key(other), changed(python="3.12"), changed(requirements="x"), changed(repository="/elsewhere")}
    assert len(keys) == 5 and all(len(name) == 20 for name in keys)
    for wrong in ("", "[]", '{"repository": 1}', "3"):
        with pytest.raises(InvalidError):
            Spec.from_json(wrong)


def test_it_is_built_once(spec_of: Callable[..., Spec], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of({"a.py": MODULE})
    made = build(spec, root)
    monkeypatch.setattr(construction, "construct", lambda *_, **__: pytest.fail("built again"))
    assert build(spec, root) == made


def started(spec: Spec, root: Path, tmp_path: Path, number: int = 0) -> Child:
    """The build as a process of its own."""
    file = tmp_path / f"spec{number}.json"
    file.write_text(spec.to_json())
    env = settings.environment() | {"PYTHONPATH": str(Path(__file__).parents[3])}
    argv = [sys.executable, "-m", "pyfi.runner.build", str(file), str(root)]
    return spawn(argv, env=env, stdout=tmp_path / f"out{number}", stderr=tmp_path / f"err{number}")


def test_processes_that_race_build_it_once_and_all_have_it(
    spec_of: Callable[..., Spec], root: Path, tmp_path: Path
) -> None:
    spec = spec_of(PROJECT)
    children = [started(spec, root, tmp_path, number) for number in range(3)]
    assert [child.wait(120.0) for child in children] == [0, 0, 0], (tmp_path / "err0").read_text()
    said = {(tmp_path / f"out{number}").read_text() for number in range(3)}
    made = find(root, key(spec))
    assert made is not None and len(said) == 1
    assert json.loads(said.pop()) == {
        "key": made.key,
        "python": str(made.python),
        "checkout": str(made.checkout),
        "installed": True,
    }
    assert len([path for path in (root / made.key).iterdir() if path.is_dir()]) == 1


def test_a_build_killed_at_any_moment_leaves_nothing_that_is_used(
    spec_of: Callable[..., Spec], root: Path, tmp_path: Path
) -> None:
    spec = spec_of(PROJECT)
    before = SYSTEM.monotonic()
    assert started(spec, tmp_path / "measured", tmp_path).wait(120.0) == 0
    whole_seconds = SYSTEM.monotonic() - before
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for _ in range(6):
        child = started(spec, root, tmp_path)
        child.wait(chance.random() * whole_seconds)
        signal_process(child.identity, signal.SIGKILL)
        child.wait(10.0)
        made = find(root, key(spec))
        if made is not None:
            assert modules_of(made) == {"mine"}, f"seed {seed}"
            shutil.rmtree(root / key(spec))
    made = build(spec, root)
    assert modules_of(made) == {"mine"}
    # What the killed ones left is gone.
    assert {path.name for path in (root / made.key).iterdir()} == {"ready.json", made.checkout.parent.name}


def test_the_ready_marker_is_the_last_thing(
    spec_of: Callable[..., Spec], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of({"a.py": MODULE})
    whole = construction.construct

    def stops(*arguments: Any, **named: Any) -> bool:
        whole(*arguments, **named)
        assert find(root, key(spec)) is None and not (root / key(spec) / "ready.json").exists()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(construction, "construct", stops)
    with pytest.raises(EnvironmentBuildError, match="No space left"):
        build(spec, root)
    assert find(root, key(spec)) is None and list((root / key(spec)).iterdir()) == []


def test_a_failed_build_says_why_and_shows_the_end_of_its_log(
    spec_of: Callable[..., Spec], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud = PROJECT | {"backend.py": "for i in range(200): print('line', i)\nraise RuntimeError('the reason')\n"}
    spec = spec_of(loud)
    with pytest.raises(EnvironmentBuildError) as caught:
        build(spec, root)
    assert "cannot be built: install: " in caught.value.message and "\n" not in caught.value.message
    assert "RuntimeError: the reason" in caught.value.log_tail
    assert len(caught.value.log_tail.splitlines()) == 50
    assert "line 0\n" in (root / f"{key(spec)}.log").read_text()
    assert find(root, key(spec)) is None
    child = started(spec, root, tmp_path)
    assert child.wait(120.0) == 1
    said = json.loads((tmp_path / "out0").read_text())
    assert said["code"] == "environment_build" and "RuntimeError: the reason" in said["log_tail"]
    # The next commit mends it.
    assert build(spec_of(PROJECT), root).installed


def test_a_commit_that_is_not_there_is_the_repositorys_failure(
    spec_of: Callable[..., Spec], root: Path, tmp_path: Path
) -> None:
    known = spec_of({"a.py": ""})
    spec = Spec(repository=known.repository, commit="1234567890" * 4, policy=Policy(allow_file=True))
    with pytest.raises(RepositoryError, match="has no commit"):
        build(spec, root)
    with pytest.raises(RepositoryError, match="not a full commit"):
        build(Spec(repository=known.repository, commit="main", policy=Policy(allow_file=True)), root)
    with pytest.raises(RepositoryError, match="is a path"):
        build(Spec(repository=known.repository, commit=known.commit), root)
    assert started(spec, root, tmp_path).wait(120.0) == 1
    assert json.loads((tmp_path / "out0").read_text())["code"] == "repository"


@pytest.mark.parametrize(
    "line",
    [
        "-r /etc/passwd",
        "-r ../x",
        "--requirement=/etc/passwd",
        "-c../../x",
        "-r more.txt",
        " --constraint   /etc/passwd",
    ],
)
def test_requirements_do_not_include_files_of_the_node(spec_of: Callable[..., Spec], root: Path, line: str) -> None:
    files = {"a.py": "", "more.txt": "-r /etc/hostname"}
    with pytest.raises(EnvironmentBuildError, match="not in the repository"):
        build(spec_of(files | {"requirements.txt": f"# x\n{line}\n"}), root)
    if "more" not in line:
        with pytest.raises(EnvironmentBuildError, match="not in the repository"):
            build(spec_of(files, requirements=f"idna\n{line}"), root)


def test_a_build_sees_no_secret_of_ours(
    spec_of: Callable[..., Spec], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOW_DB", "postgresql://joe:canary@db/x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    tells = PROJECT | {"backend.py": f"import os, sys; print(dict(os.environ), file=sys.stderr)\n{BACKEND}\n1 / 0\n"}
    spec = spec_of(tells)
    with pytest.raises(EnvironmentBuildError):
        build(spec, root)
    log = (root / f"{key(spec)}.log").read_text()
    assert "PIP_FIND_LINKS" in log and "canary" not in log and "FLOW_" not in log


def test_collect_deletes_what_nobody_uses(spec_of: Callable[..., Spec], root: Path, tmp_path: Path) -> None:
    kept, unused = build(spec_of({"a.py": "1"}), root), build(spec_of({"a.py": "2"}), root)
    building = FileLock(root / f"{unused.key}.lock")
    assert building.acquire()
    assert collect(root, {kept.key}) == set()
    building.release()
    assert collect(root, {kept.key}) == {unused.key}
    assert (find(root, kept.key), find(root, unused.key)) == (kept, None)
    assert not [path for path in root.iterdir() if path.name.startswith(unused.key)]
    assert (root / ".repositories").is_dir()
    assert collect(tmp_path / "absent", set()) == set()


def test_an_environment_of_which_something_was_deleted_is_built_again(spec_of: Callable[..., Spec], root: Path) -> None:
    spec = spec_of({"a.py": "1"})
    made = build(spec, root)
    made.python.unlink()
    assert find(root, made.key) is None
    again = build(spec, root)
    assert again == find(root, made.key) and again != made
    shutil.rmtree(again.checkout)
    assert find(root, made.key) is None


def test_another_python_can_be_asked_for_and_one_that_is_not_there_is_an_error(
    spec_of: Callable[..., Spec], root: Path
) -> None:
    assert build(spec_of({"a.py": "1"}, python=sys.executable), root)
    with pytest.raises(EnvironmentBuildError, match="make the virtualenv"):
        build(spec_of({"a.py": "1"}, python="9.9"), root)


def test_uv_is_found_on_the_path_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert install.find_uv()
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert install.find_uv() == str(Path(sys.executable).parent / "uv")
    monkeypatch.setenv("PATH", "/nowhere")
    assert install.find_uv() is None
