"""Finding the user's module: whatever its name, and only where the processor says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyfi.runner.frames import Loaded, LoadFailed

if TYPE_CHECKING:
    from tests.unit.runner.conftest import Driver


@pytest.mark.parametrize(
    "module",
    [
        *("guest", "link", "guest_log", "guest_values", "_pyfi_guest_log", "frames", "runner"),
        *("json", "queue", "logging", "socket", "struct", "types", "traceback", "asyncio", "faulthandler"),
        *("pyfi.processors.sample", "pyfi.runner.guest", "email.json", "json.json", "json.decoder", "a.b.c.d"),
    ],
)
def test_a_users_module_may_have_any_name(guest: Driver, module: str) -> None:
    guest.write({module: "import sys\ndef f(): return [__name__, __file__]\nasync def g(): return 1\n"})
    loaded = guest.start(None, "f", "g", module=module)
    assert loaded == Loaded({0: None, 1: None})
    assert guest.result("f") == [module, str(guest.checkout / (module.replace(".", "/") + ".py"))]
    assert guest.result("f")[0] == module


def test_siblings_and_packages_import_each_other(guest: Driver) -> None:
    guest.write(
        {
            "pkg.__init__": "from pkg.inner import VALUE\n",
            "pkg.inner": "VALUE = 5\n",
            "helper": "def g(): return 7\n",
            "pkg.top": "import helper\nfrom . import VALUE\ndef f(): return [VALUE, helper.g()]\n",
        }
    )
    guest.start(None, "f", module="pkg.top")
    assert guest.result("f") == [5, 7]


@pytest.mark.parametrize("modulepath", ["src", "src/pkg/mod.py", "src/"])
def test_the_module_path_says_where_the_name_starts(guest: Driver, modulepath: str) -> None:
    guest.write({"src.pkg.mod": "from pkg import other\ndef f(): return other.X\n", "src.pkg.other": "X = 1\n"})
    assert guest.start(None, "f", module="pkg.mod", modulepath=modulepath) == Loaded({0: None})
    assert guest.result("f") == 1


def test_a_file_may_be_loaded_under_another_name(guest: Driver) -> None:
    guest.write({"scripts.do": "import beside\ndef f(): return [__name__, beside.X]\n", "scripts.beside": "X = 2\n"})
    guest.start(None, "f", module="worker", modulepath="scripts/do.py")
    assert guest.result("f") == ["worker", 2]


def failed(guest: Driver, module: str, **options: object) -> LoadFailed:
    answer = guest.start(None, "f", module=module, **options)
    assert isinstance(answer, LoadFailed)
    assert guest.until_eof() == "exit 3"
    return answer


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        ("absent", {}, "the repository has no module 'absent'"),
        ("here.absent", {}, "the repository has no module 'here.absent'"),
        ("os", {}, "the repository has no module 'os'"),
        ("os.path", {}, "the repository has no module 'os'"),
        ("pytest", {}, "the repository has no module 'pytest'"),
        ("../here", {}, "'../here' is not the name of a module"),
        ("", {}, "'' is not the name of a module"),
        ("here", {"modulepath": ".."}, "the module path '..' leaves the repository"),
        ("here", {"modulepath": "/etc"}, "the module path '/etc' leaves the repository"),
        ("here", {"modulepath": "nowhere"}, "the repository has no folder or Python file 'nowhere'"),
        ("secret", {"modulepath": "link.py"}, "the module path 'link.py' leaves the repository"),
        ("link", {}, "the module 'link' is a link that leaves the repository"),
        ("linked.secret", {}, "the module 'linked' is a link that leaves the repository"),
        ("pkg.out", {}, "the module 'pkg.out' is outside of the repository"),
    ],
)
def test_only_what_is_in_the_checkout(
    guest: Driver, tmp_path: Path, module: str, options: dict[str, str], message: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("def f(): return 'secret'\n")
    guest.write({"here": "def f(): pass\n", "pkg.__init__": ""})
    (guest.checkout / "link.py").symlink_to(outside / "secret.py")
    (guest.checkout / "linked").symlink_to(outside)
    (guest.checkout / "pkg" / "out.py").symlink_to(outside / "secret.py")
    answer = failed(guest, module, **options)
    assert (answer.type, answer.message) == ("_pyfi_guest_module.MissingError", message)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("1 / 0\n", "ZeroDivisionError"),
        ("import absent_package\n", "ModuleNotFoundError"),
        ("def f(:\n", "SyntaxError"),
        ("import sys; sys.exit('bye')\n", "SystemExit"),
    ],
)
def test_an_import_that_fails_says_where(guest: Driver, source: str, kind: str) -> None:
    guest.write({"user": "print('begins')\n" + source if kind != "SyntaxError" else source})
    answer = failed(guest, "user")
    assert answer.type == kind
    assert "user.py" in answer.traceback or kind == "SystemExit"
    assert "guest" not in answer.traceback.replace(str(guest.checkout), "") and "importlib" not in answer.traceback
    assert kind == "SyntaxError" or [log.text for log in guest.logs] == ["begins"]


def test_an_import_that_ends_the_process_is_an_end(guest: Driver) -> None:
    guest.write({"user": "import os; os._exit(7)\n"})
    with pytest.raises(EOFError):
        guest.start(None, "f")
    guest.link.kill()
    assert guest.link.exit_text() == "exit 7"
