"""Plug-ins: datasets, models and metrics, found by name.

A plug-in is named in one of three ways, wherever a name is asked for:

- ``betavae``: an entry point in the group ``dis_bench.models`` (or ``.datasets``, ``.metrics``) of any
  installed package; ours are declared in the same way, in setup.cfg;
- ``my_package.models:MyVAE``: an attribute of an importable module;
- ``path/to/file.py:MyVAE``: an attribute of a file.

Nothing is imported before it is asked for: looking at the names costs no torch.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import importlib.metadata
import importlib.util
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dis_bench.errors import InputError, unknown

KINDS = ("datasets", "models", "metrics")


@dataclass(frozen=True)
class Plugin:
    """A plug-in that was found, not yet imported.

    Attributes:
        kind: one of :data:`KINDS`.
        name: what users type and what tables show.
        target: ``module:attribute`` or ``path/file.py:attribute``.
        origin: where it comes from, for people: ``dis-bench 0.1.0``, or the file's path.
    """

    kind: str
    name: str
    target: str
    origin: str
    _loaded: list[Any] = field(default_factory=list, compare=False, repr=False)

    def load(self) -> Any:
        """Import the plug-in (once) and return the class or function that it names."""
        if not self._loaded:
            self._loaded.append(import_target(_one(self.kind), self.target))
        return self._loaded[0]

    @property
    def version(self) -> str:
        """What changes when the plug-in's code does: an installed package's version, else the file's hash."""
        path = self.target.rpartition(":")[0]
        if not self.is_file and self.origin.startswith("module "):
            spec = importlib.util.find_spec(path)
            path = spec.origin if spec and spec.origin else ""
        if path.endswith(".py"):
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
        return self.origin

    @property
    def is_file(self) -> bool:
        """Whether it was named by ``path/file.py:attribute``."""
        return self.target.rpartition(":")[0].endswith(".py")


def plugins(kind: str) -> dict[str, Plugin]:
    """All installed plug-ins of one kind, by name.

    Raises:
        InputError: two different plug-ins claim the same name; both are named.
    """
    assert kind in KINDS, kind
    found: dict[str, Plugin] = {}
    for entry in importlib.metadata.entry_points(group=f"dis_bench.{kind}"):
        dist = entry.dist
        origin = f"{dist.name} {dist.version}" if dist else "unknown package"
        plugin = Plugin(kind, entry.name, entry.value, origin)
        other = found.setdefault(entry.name, plugin)
        if other.target != plugin.target:
            raise clash(kind, entry.name, other, plugin)
    return dict(sorted(found.items()))


def find(kind: str, name: str) -> Plugin:
    """The plug-in that ``name`` means: an installed name, ``module:attribute`` or ``path/file.py:attribute``.

    Raises:
        InputError: there is none; its file or attribute is missing; its name is taken by another.
    """
    installed = plugins(kind)
    if ":" not in name:
        if name.endswith(".py"):
            raise InputError(f"'{name}' names a file; name what is in it as well: {name}:Name.")
        if name not in installed:
            raise unknown(_one(kind), name, installed)
        return installed[name]

    path, _, attribute = name.rpartition(":")
    is_file = path.endswith(".py")
    target = f"{Path(path).resolve()}:{attribute}" if is_file else name
    for plugin in installed.values():
        if plugin.target == target:
            return plugin
    loaded = import_target(_one(kind), target)
    own_name = getattr(loaded, "name", None) or getattr(loaded, "__name__", attribute)
    plugin = Plugin(kind, str(own_name), target, path if is_file else f"module {path}", [loaded])
    if plugin.name in installed:
        raise clash(kind, plugin.name, installed[plugin.name], plugin)
    return plugin


def import_target(kind: str, target: str) -> Any:
    """What ``module:attribute`` or ``path/file.py:attribute`` names.

    Args:
        kind: for the error: ``model``, ``encoder``, ...
        target: as above.

    Raises:
        InputError: there is no such file, it cannot be imported, or it has no such attribute.
    """
    path, _, attribute = target.rpartition(":")
    what = f"{kind} '{target}'"
    try:
        module = _import_file(Path(path)) if path.endswith(".py") else importlib.import_module(path)
    except FileNotFoundError:
        raise InputError(f"{what} cannot be loaded: there is no file '{path}'.") from None
    except (Exception, SystemExit) as error:  # whatever a stranger's module does, the user learns whose it is
        raise InputError(
            f"{what} cannot be imported: {type(error).__name__}: {str(error).rstrip('.')}."
        ) from error
    if not hasattr(module, attribute):
        callables = [name for name, value in vars(module).items() if callable(value)]
        public = [name for name in callables if not name.startswith("_")]
        raise unknown(f"attribute of '{path}'", attribute, public)
    return getattr(module, attribute)


def _import_file(path: Path) -> Any:
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError(path)
    return importlib.import_module(_FILE_PREFIX + os.fsencode(path).hex())


class _FileFinder(importlib.abc.MetaPathFinder):
    """Imports a plug-in file by a module name that spells its path.

    So two files of one name do not replace each other, and what a file defines can be sent to worker
    processes, which import it again from its name alone.
    """

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if not fullname.startswith(_FILE_PREFIX):
            return None
        file = os.fsdecode(bytes.fromhex(fullname.removeprefix(_FILE_PREFIX)))
        return importlib.util.spec_from_file_location(fullname, file)


_FILE_PREFIX = "dis_bench_plugin_"
sys.meta_path.append(_FileFinder())


def _one(kind: str) -> str:
    return kind.removesuffix("s")


def clash(kind: str, name: str, one: Plugin, other: Plugin) -> InputError:
    """The error for two plug-ins of one name: says which they are."""
    return InputError(
        f"two {kind} are called '{name}': '{one.target}' ({one.origin}) and '{other.target}' "
        f"({other.origin}); rename one, or uninstall its package."
    )
