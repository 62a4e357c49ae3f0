"""Imports of plug-in files: a file finds the modules beside it, as it would as a script.

Each plug-in file has a package of its own, whose name spells the file's path. The file and what it imports
from beside itself live in that package: two folders with a ``common.py`` do not get each other's, nobody else
sees either, and a worker process can import the same modules again from their names alone.

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

# In the order in which Python looks for them.
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
        folders: those of its own submodules; None for a module that is no package.
    """

    file: Path | None
    folders: tuple[Path, ...] | None = None


def find_in(folders: Iterable[Path], name: str) -> Found | None:
    """Find a module by its last name in some folders, in Python's own order."""
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
    """Return the folder that holds a file's outermost package; the file's own if it is in none."""
    folder = file.parent
    while os.path.isfile(folder / "__init__.py") and folder.name.isidentifier():
        folder = folder.parent
    return folder


def find_neighbour(name: str, plugin: Path, importer: Path) -> Path | None:
    """Return the folder beside a plug-in file from which a top-level module is imported.

    Args:
        name: the first part of an absolute import.
        plugin: the plug-in file.
        importer: the file with the import statement: the plug-in, or a neighbour of it.

    Returns:
        The plug-in's folder or its root; None where the module comes from ``sys.path``.
    """
    if name in sys.stdlib_module_names or name == "dis_bench":
        return None
    beside = find_in([plugin.parent], name)
    # A plug-in file called torch.py hides torch from nobody, least of all from itself.
    if beside is not None and beside.file not in (None, plugin, importer):
        return plugin.parent
    if _is_installed(name, plugin):
        return None
    # As for any import, a folder without __init__.py comes last: it may hold anything.
    return next((one for one in (plugin.parent, find_root(plugin)) if find_in([one], name)), None)


def _is_installed(name: str, plugin: Path) -> bool:
    """Whether ``sys.path`` has a module of this name that is neither a bare folder nor the plug-in file."""
    try:
        spec = importlib.util.find_spec(name)
    except ImportError:
        return False
    except ValueError:  # it was made by hand, and has no spec
        return True
    return spec is not None and spec.origin not in (None, str(plugin))


def import_file(plugin: Path) -> ModuleType:
    """Import a plug-in file inside its own package, once.

    Args:
        plugin: an absolute path.
    """
    importlib.invalidate_caches()  # files may be younger than the last look into their folder
    try:
        return importlib.import_module(_module_name(plugin))
    except BaseException:
        forget_file(plugin)  # what did work may be what its author mends
        raise


def forget_file(plugin: Path) -> None:
    """Forget an imported plug-in file and its neighbours, so that the next import reads them again."""
    package = _package_name(plugin)
    for name in [*sys.modules]:
        if name.partition(".")[0] == package:
            del sys.modules[name]


def plain_names(text: str) -> str:
    """Return a message of Python's with the neighbours under the names that their author knows."""
    words = text.split(PREFIX)
    return words[0] + "".join(word.lstrip("0123456789abcdef").removeprefix(".") for word in words[1:])


def _package_name(plugin: Path) -> str:
    return PREFIX + os.fsencode(plugin).hex()


def _package_in(plugin: Path, folder: Path) -> str:
    """Return the name of the package whose modules are in a folder under the plug-in's root."""
    return ".".join([_package_name(plugin), *folder.relative_to(find_root(plugin)).parts])


def _module_name(plugin: Path) -> str:
    """Return the name under which a plug-in file is imported: in its package, as its neighbours see it."""
    by_import = find_in([plugin.parent], plugin.stem) == Found(plugin)
    stem = plugin.stem if plugin.stem.isidentifier() and by_import else "__plugin__"
    return f"{_package_in(plugin, plugin.parent)}.{stem}"


class _Finder(importlib.abc.MetaPathFinder):
    """Finds plug-in files and their neighbours by the names of the packages made for them."""

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
    """Loads a module whose import statements look beside its plug-in file first."""

    def get_code(self, fullname: str) -> Any:
        """Compile the source: kept bytecode may be older by less than its time stamp tells."""
        return self.source_to_code(self.get_data(self.path), self.path)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module with an ``__import__`` of its own."""
        package = module.__name__.partition(".")[0]
        plugin = Path(os.fsdecode(bytes.fromhex(package.removeprefix(PREFIX))))
        importer = _importing(plugin, Path(self.path))
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": importer}
        super().exec_module(module)


def _importing(plugin: Path, importer: Path) -> Callable[..., Any]:
    """Make the ``__import__`` of one file: Python's own, but for names that are found beside the plug-in."""

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


sys.meta_path.insert(0, _Finder())  # Python's own would find the same files, without our loader
