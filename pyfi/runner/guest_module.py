"""Finds the user's module in its checkout and its functions in the module. Standard library only.

The module may have any name, also one of ours or of the standard library: it is looked for in its own folders first,
whatever is imported already under that name.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

INJECTED = ("plugs", "output", "call")


class MissingError(ImportError):
    """The module is not where the processor says."""


def load_module(*, checkout: str, modulepath: str | None, module: str, installed: bool) -> ModuleType:
    """Import `module` from the checkout or, if it was installed, from the virtualenv's own packages.

    Args: modulepath: the folder below the checkout that the module's name starts from, or the module's file.

    Raises:
        MissingError: it is not there, or outside of these.
        BaseException: whatever importing the module raises, SystemExit included.
    """
    root = os.path.realpath(checkout)
    if not all(part.isidentifier() for part in module.split(".")):
        raise MissingError(f"{module!r} is not the name of a module")
    folder, file = _within(root, modulepath) if modulepath else (root, None)
    if file is not None and (above := _folder_above(file, module)) is not None:
        folder, file = above, None
    site = _site_packages() if installed else []
    # As `python script.py` would have it; installed packages come before what they were built from.
    sys.path[:] = [*sys.path, folder] if installed else [folder, *sys.path]
    if file is not None:
        return _run_file(module, file)
    search = [*site, folder] if installed else [folder]
    _forget_strangers(module.partition(".")[0], search)
    return _import_from(module, search, [*site, root])


def _site_packages() -> list[str]:
    prefix = os.path.realpath(sys.prefix)
    found = [
        os.path.realpath(path) for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")
    ]
    return [path for path in found if _is_below(path, [prefix])]


def _within(root: str, modulepath: str) -> tuple[str, str | None]:
    path = os.path.realpath(os.path.join(root, modulepath))
    if os.path.isabs(modulepath) or not _is_below(path, [root]):
        raise MissingError(f"the module path {modulepath!r} leaves the repository")
    if os.path.isdir(path):
        return path, None
    if os.path.isfile(path) and path.endswith(".py"):
        return os.path.dirname(path), path
    raise MissingError(f"the repository has no folder or Python file {modulepath!r}")


def _folder_above(file: str, module: str) -> str | None:
    """Where `module`'s name starts from, when the file's path ends with it."""
    for ending in (".py", os.sep + "__init__.py"):
        tail = os.sep + module.replace(".", os.sep) + ending
        if file.endswith(tail):
            return file[: -len(tail)]
    return None


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)


def _run_file(name: str, file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise MissingError(f"{file} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _forget_strangers(top: str, search: list[str]) -> None:
    """Drop what is imported as `top` when the user has a module of that name; who imported it keeps it."""
    if importlib.machinery.PathFinder.find_spec(top, search) is not None:
        for name in [name for name in sys.modules if name == top or name.startswith(top + ".")]:
            del sys.modules[name]


def _import_from(module: str, search: list[str], allowed: list[str]) -> ModuleType:
    """Import each package on the way, the first one only from `search`."""
    top, _, rest = module.partition(".")
    spec = importlib.machinery.PathFinder.find_spec(top, search)
    if spec is None:
        raise MissingError(f"the repository has no module {top!r}")
    if not all(_is_below(os.path.realpath(place), allowed) for place in _places(spec)):
        raise MissingError(f"the module {top!r} is a link that leaves the repository")
    package = importlib.util.module_from_spec(spec)
    sys.modules[top] = package
    if spec.loader is not None:
        spec.loader.exec_module(package)
    name = top
    for part in rest.split(".") if rest else ():
        above, name = name, f"{name}.{part}"
        found = importlib.util.find_spec(name) if hasattr(sys.modules[above], "__path__") else None
        if found is None:
            raise MissingError(f"the repository has no module {name!r}")
        if not all(_is_below(os.path.realpath(place), allowed) for place in _places(found)):
            raise MissingError(f"the module {name!r} is outside of the repository")
        importlib.import_module(name)
    return sys.modules[module]


def _places(spec: importlib.machinery.ModuleSpec) -> list[str]:
    if spec.origin and spec.has_location:
        return [spec.origin]
    return list(spec.submodule_search_locations or [])


class Function:
    """A user's function and what must be known to call it quickly.

    `fewest` to `most` positional arguments need no look at the signature; `injected` are the names of ours that it
    declares, each with the count of positional arguments from which on the caller fills it.
    """

    __slots__ = ("call", "fewest", "injected", "most", "name", "signature")

    def __init__(self, call: Callable[..., Any]) -> None:
        """Inspect it, once."""
        self.call = call
        self.name = getattr(call, "__name__", type(call).__name__)
        self.injected: tuple[tuple[str, int], ...] = ()
        self.fewest, self.most = 0, sys.maxsize
        try:
            self.signature: inspect.Signature | None = inspect.signature(call)
        except (TypeError, ValueError):
            # Some functions written in C do not tell; they check for themselves.
            self.signature = None
            return
        parameters = list(self.signature.parameters.values())
        positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        self.injected = tuple(
            (each.name, positional.index(each) if each in positional else sys.maxsize)
            for each in parameters
            if each.name in INJECTED and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        )
        ours = {name for name, _ in self.injected}
        needed = [each for each in parameters if each.default is each.empty and each.name not in ours]
        self.fewest = sum(each in positional for each in needed)
        if not any(each.kind is each.VAR_POSITIONAL for each in parameters):
            self.most = len(positional)
        begins = min((position for _, position in self.injected), default=sys.maxsize)
        if begins < self.fewest or any(each.kind is each.KEYWORD_ONLY for each in needed):
            # Not to be judged by counting: ask the signature each time.
            self.fewest, self.most = 1, 0

    def check(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Raises: TypeError: the function cannot be called so."""
        if self.signature is not None:
            self.signature.bind(*args, **kwargs)


def find_function(module: ModuleType, name: str) -> Function:
    """The function of that name.

    Raises: LookupError: the module has none, and which it has.
    """
    found = getattr(module, name, None) if name.isidentifier() and not name.startswith("__") else None
    if found is None or not callable(found):
        near = difflib.get_close_matches(name, [each for each in vars(module) if callable(getattr(module, each))])
        raise LookupError(
            f"module {module.__name__} has no function {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        )
    return Function(found)
