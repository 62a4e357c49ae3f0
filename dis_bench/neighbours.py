"""Imports of plug-in files, which find the modules beside them as a script would.

Each plug-in file gets a package of its own, whose name encodes the file's path. The file and the modules that
it imports from its folder live in that package. Two folders that both contain a ``common.py`` therefore do
not get each other's, no other code sees either, and a worker process can import the same modules again by
name.

A module beside the file takes precedence over an installed one, but not over the standard library. Only
import statements find it; ``importlib.import_module("name")`` searches ``sys.path`` alone.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

PREFIX = "dis_bench_plugin_"  # followed by a path in hexadecimal digits

# In the order in which Python searches for them.
_SUFFIXES = (
    *importlib.machinery.EXTENSION_SUFFIXES,
    *importlib.machinery.SOURCE_SUFFIXES,
    *importlib.machinery.BYTECODE_SUFFIXES,
)


@dataclass(frozen=True)
class Found:
    """A module on disk.

    Attributes:
        file: its source, bytecode or compiled extension; None for a package without ``__init__``.
        folders: the folders of its submodules; None for a module that is not a package.
    """

    file: Path | None
    folders: tuple[Path, ...] | None = None


def find_in(folders: Iterable[Path], name: str) -> Found | None:
    """Find a module by the last part of its name in folders, in Python's own order."""
    portions = []
    for folder in folders:
        package = folder / name
        for stem, inside in ((package / "__init__", (package,)), (package, None)):
            for suffix in _SUFFIXES:
                file = stem.with_name(stem.name + suffix)
                if os.path.isfile(file):
                    return Found(file, inside)
        if os.path.isdir(package):
            portions.append(package)
    return Found(None, tuple(portions)) if portions else None


def find_root(file: Path) -> Path:
    """Return the folder above a file's outermost package, else the file's folder."""
    folder = file.parent
    while os.path.isfile(folder / "__init__.py") and folder.name.isidentifier():
        folder = folder.parent
    return folder


def find_neighbour(name: str, plugin: Path, importer: Path) -> Path | None:
    """Return the plug-in's folder from which a top-level module is imported.

    Args:
        name: the first part of an absolute import.
        plugin: the plug-in file.
        importer: the file with the import statement: the plug-in, or one of its neighbours.

    Returns:
        The folder of the plug-in file, or its root; None if the module comes from ``sys.path``.
    """
    if name in sys.stdlib_module_names or name == "dis_bench":
        return None
    beside = find_in([plugin.parent], name)
    # A plug-in file called torch.py hides torch from no one, least of all from itself.
    if beside is not None and beside.file not in (None, plugin, importer):
        return plugin.parent
    if _is_installed(name, plugin):
        return None
    # As in any import, a folder without __init__.py comes last: it may hold anything.
    return next((one for one in (plugin.parent, find_root(plugin)) if find_in([one], name)), None)


def _is_installed(name: str, plugin: Path) -> bool:
    """Return True if ``sys.path`` has a module that is no bare folder nor the plug-in."""
    try:
        spec = importlib.util.find_spec(name)
    except ImportError:
        return False
    except ValueError:  # a module created by hand, without a spec
        return True
    return spec is not None and spec.origin not in (None, str(plugin))


def import_file(plugin: Path) -> ModuleType:
    """Import a plug-in file inside its own package, once.

    Args:
        plugin: an absolute path.
    """
    importlib.invalidate_caches()  # files may be newer than the cached listing of their folder
    try:
        return importlib.import_module(_module_name(plugin))
    except BaseException:
        forget_file(plugin)  # the modules that did import may be edited, too, before the next try
        raise


def forget_file(plugin: Path) -> None:
    """Forget an imported plug-in file and its neighbours, so that they are read again."""
    package = name_package(plugin)
    for name in [*sys.modules]:
        if name.partition(".")[0] == package:
            del sys.modules[name]


def plain_names(text: str) -> str:
    """Return a message from Python with our package names reduced to the author's own."""
    words = text.split(PREFIX)
    return words[0] + "".join(word.lstrip("0123456789abcdef").removeprefix(".") for word in words[1:])


def name_package(plugin: Path) -> str:
    """Return the name of the package in which a plug-in file and its neighbours live."""
    return PREFIX + os.fsencode(plugin).hex()


def _package_in(plugin: Path, folder: Path) -> str:
    """Return the name of the package for a folder under the plug-in's root."""
    return ".".join([name_package(plugin), *folder.relative_to(find_root(plugin)).parts])


def _module_name(plugin: Path) -> str:
    """Return the name under which a plug-in file is imported inside its package."""
    by_import = find_in([plugin.parent], plugin.stem) == Found(plugin)
    stem = plugin.stem if plugin.stem.isidentifier() and by_import else "__plugin__"
    return f"{_package_in(plugin, plugin.parent)}.{stem}"


class _Finder(importlib.abc.MetaPathFinder):
    """A finder of plug-in files and their neighbours, by the packages made for them."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if not fullname.startswith(PREFIX):
            return None
        package, _, rest = fullname.partition(".")
        plugin = Path(os.fsdecode(bytes.fromhex(package.removeprefix(PREFIX))))
        if not rest:
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(find_root(plugin))]
            return spec
        if fullname == _module_name(plugin):
            loader = _Loader(fullname, str(plugin))
            return importlib.util.spec_from_file_location(fullname, plugin, loader=loader)
        found = importlib.machinery.PathFinder.find_spec(fullname, path)
        if found is not None and isinstance(found.loader, importlib.machinery.SourceFileLoader):
            found.loader = _Loader(fullname, found.loader.path)
        return found


class _Loader(importlib.machinery.SourceFileLoader):
    """A loader of modules that look for imports beside their plug-in file first."""

    def get_code(self, fullname: str) -> Any:
        """Compile the source; bytecode can be stale by less than a time stamp shows."""
        return self.source_to_code(self.get_data(self.path), self.path)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module with an ``__import__`` of its own."""
        package = module.__name__.partition(".")[0]
        plugin = Path(os.fsdecode(bytes.fromhex(package.removeprefix(PREFIX))))
        importer = _importing(plugin, Path(self.path))
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": importer}
        super().exec_module(module)


def _importing(plugin: Path, importer: Path) -> Callable[..., Any]:
    """Make an ``__import__`` that prefers modules beside the plug-in, for one file."""

    @cache
    def package_of(name: str) -> str | None:
        folder = find_neighbour(name, plugin, importer)
        return None if folder is None else _package_in(plugin, folder)

    def import_(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        first = name.partition(".")[0]
        package = None if level else package_of(first)
        if package is None:
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{package}.{name}", globals, locals, fromlist or ("__name__",))
        return module if fromlist else sys.modules[f"{package}.{first}"]

    return import_


sys.meta_path.insert(0, _Finder())  # before Python's own, which would skip our loader
