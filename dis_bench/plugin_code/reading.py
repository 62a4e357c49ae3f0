"""Read the code behind a plug-in: follow its imports, file by file."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dis_bench.neighbours import Found, find_in, find_neighbour, find_root
from dis_bench.plugin_code.calls import list_dynamic_calls
from dis_bench.plugin_code.code import Code, stamp_file
from dis_bench.plugin_code.search import find_owner, search_path


def read_file(plugin: Path) -> Code:
    """Read the code behind a plug-in file.

    Args:
        plugin: an absolute path.
    """
    reading = _Reading(plugin)
    reading.read(reading.plugin_module())
    return reading.finish()


def read_module(name: str) -> Code:
    """Read the code behind a plug-in in an importable module."""
    reading = _Reading(None)
    reading.follow(None, name)
    if not reading.hashes and reading.packages:
        [(package, version)] = reading.packages.items()
        return Code(f"{package} {version}")
    if not reading.hashes:
        reading.unwatched[name, ""] = f"module {name}"
    return reading.finish()


@dataclass(frozen=True)
class _Module:
    """One of the user's own modules or packages.

    Attributes:
        label: its name in the hash, independent of the location of the folder.
        found: its file and folders.
        packages: the enclosing packages, outermost first.
        is_beside: True if it is imported as a neighbour of the plug-in file.
    """

    label: str
    found: Found
    packages: tuple[_Module, ...]
    is_beside: bool


class _Reading:
    """A traversal of a plug-in's code that collects hashes, packages and blind spots.

    Args:
        plugin: the plug-in file; None if the plug-in is in an importable module.
    """

    def __init__(self, plugin: Path | None) -> None:
        self.plugin = plugin
        self.hashes: dict[str, str] = {}
        self.packages: dict[str, str] = {}
        self.unwatched: dict[tuple[str, str], str] = {}
        self._files: dict[str, Path] = {}
        self._modules: dict[str, Path] = {}
        self._stamps: dict[Path, Any] = {}
        self._to_follow: list[tuple[_Module, ast.Module]] = []
        self._is_complete = True  # True if every import of the current file was found

    def finish(self) -> Code:
        """Follow all imports and return the result."""
        while self._to_follow:
            self._follow_all(*self._to_follow.pop())
        text = json.dumps(self.hashes, sort_keys=True)
        version = hashlib.sha256(text.encode()).hexdigest()[:16]
        unwatched = tuple(dict.fromkeys(self.unwatched[key] for key in sorted(self.unwatched)))
        packages = dict(sorted(self.packages.items()))
        return Code(version, packages, unwatched, self._files, self._modules, self._stamps)

    def plugin_module(self) -> _Module:
        """Return the plug-in file as a module; its own name is not hashed."""
        assert self.plugin is not None
        packages = self._packages_of(self.plugin.parent)
        for package in packages:
            self.read(package)
        return _Module("", Found(self.plugin), packages, is_beside=True)

    def read(self, module: _Module) -> None:
        """Hash a module once, and queue its imports to be followed."""
        file = module.found.file
        if file is None or module.label in self.hashes:
            return
        if module.is_beside:
            self._stamps[file] = stamp_file(file)
        try:
            content = file.read_bytes() if module.is_beside else _read_once(file)
        except OSError as error:
            self.hashes[module.label] = "unreadable"
            self._name(file, f"cannot be read: {error.strerror}")
            return
        is_source = file.suffix == ".py"
        if is_source:
            content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self.hashes[module.label] = hashlib.sha256(content).hexdigest()
        self._note_place(module, file)
        tree = _parse(content) if is_source else None
        if tree is None:
            self._name(file, "its imports cannot be read")
        else:
            self._to_follow.append((module, tree))

    def _note_place(self, module: _Module, file: Path) -> None:
        """Note where a copy of a module would have to be, to be imported as this one is."""
        if module.is_beside:
            assert self.plugin is not None
            self._files[file.relative_to(find_root(self.plugin)).as_posix()] = file
        else:
            *packages, name = module.label.removeprefix("path:").split(".")
            inside = [name] if module.found.folders is not None else []
            self._modules["/".join([*packages, *inside, file.name])] = file

    def follow(self, importer: _Module | None, name: str) -> _Module | None:
        """Read the modules that ``import name`` loads, and return the last.

        Returns None if the last one is not the user's own.
        """
        first, *rest = name.split(".")
        module = self._find_top(importer, first)
        return None if module is None else self._follow_inside(module, rest)

    def _follow_all(self, module: _Module, tree: ast.Module) -> None:
        file, self._is_complete = module.found.file, True
        assert file is not None
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.follow(module, alias.name)
            elif isinstance(node, ast.ImportFrom):
                self._follow_from(module, node)
        for call, line in list_dynamic_calls(tree):
            if not (call.startswith("sys.path.") and self._is_complete):
                self._name(file, f"line {line}: {call}()", key=call)

    def _follow_from(self, module: _Module, node: ast.ImportFrom) -> None:
        if node.level == 0:
            base = self.follow(module, node.module or "")
        else:
            chain = (*module.packages, *([module] if module.found.folders is not None else []))
            if node.level > len(chain):
                return
            base = self._follow_inside(
                chain[-node.level], (node.module or "").split(".") if node.module else []
            )
        if base is None:
            return
        for alias in node.names:
            for name in _all_names(base) if alias.name == "*" else [alias.name]:
                self._follow_inside(base, [name])

    def _follow_inside(self, module: _Module, names: Iterable[str]) -> _Module | None:
        self.read(module)
        for name in names:
            inside = self._find_inside(module, name)
            if inside is None:
                return None
            module = inside
            self.read(module)
        return module

    def _find_top(self, importer: _Module | None, name: str) -> _Module | None:
        if name in sys.stdlib_module_names or name in ("dis_bench", ""):
            return None
        if importer is not None and importer.is_beside:
            assert self.plugin is not None
            assert importer.found.file is not None
            self._look_into(self.plugin.parent)
            folder = find_neighbour(name, self.plugin, importer.found.file)
            if folder is not None:
                found = find_in([folder], name)
                assert found is not None
                return self._beside(found, self._packages_of(folder))
        return self._find_on_path(name)

    def _find_on_path(self, name: str) -> _Module | None:
        found = search_path(name)
        if found is None:
            self._is_complete = False
            return None
        place = found.folders[0] if found.folders else found.file
        if place is None:  # built in
            return None
        owner = find_owner(place.parent, name)
        if owner is not None:
            self.packages[owner[0]] = owner[1]
            return None
        return _Module(f"path:{name}", found, (), is_beside=False)

    def _find_inside(self, package: _Module, name: str) -> _Module | None:
        folders = package.found.folders or ()
        found = find_in(folders, name)
        if found is None or name == "__init__":
            return None
        packages = (*package.packages, package)
        if package.is_beside:
            for folder in folders:
                self._look_into(folder)
            return self._beside(found, packages)
        return _Module(f"{package.label}.{name}", found, packages, is_beside=False)

    def _beside(self, found: Found, packages: tuple[_Module, ...]) -> _Module:
        assert self.plugin is not None
        place = found.file or (found.folders or ())[0]
        is_plugin = place == self.plugin
        label = "" if is_plugin else Path(os.path.relpath(place, self.plugin.parent)).as_posix()
        return _Module(label, found, packages, is_beside=True)

    def _packages_of(self, folder: Path) -> tuple[_Module, ...]:
        """Return the packages from the plug-in's root down to a folder, outermost first."""
        assert self.plugin is not None
        root = find_root(self.plugin)
        packages = [self._beside(Found(None, (root,)), ())]
        for part in folder.relative_to(root).parts:
            inside = self._find_inside(packages[-1], part)
            assert inside is not None
            packages.append(inside)
        return tuple(packages)

    def _look_into(self, folder: Path) -> None:
        self._stamps[folder] = stamp_file(folder)

    def _name(self, file: Path, what: str, key: str = "") -> None:
        name = file.name
        if self.plugin is not None and find_root(self.plugin) in file.parents:
            name = Path(os.path.relpath(file, self.plugin.parent)).as_posix()
        self.unwatched.setdefault((name, key), f"{name}, {what}")


@cache
def _read_once(file: Path) -> bytes:
    """Read a module's file once, as the process imports it once, ignoring later edits."""
    return file.read_bytes()


def _parse(source: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _all_names(package: _Module) -> list[str]:
    """List the strings in ``__all__``, some of which may be submodules."""
    file = package.found.file
    tree = _parse(file.read_bytes()) if file is not None and file.suffix == ".py" else None
    names = []
    for node in tree.body if tree is not None else ():
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            names += [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
    return [name for name in names if isinstance(name, str)]
