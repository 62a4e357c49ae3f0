"""Plug-ins: datasets, networks, models and metrics, found by name.

Wherever a name is expected, it can take one of these forms:

- ``betavae``: an entry point in the group ``dis_bench.models`` (or ``.datasets``, ``.networks``,
  ``.metrics``) of any installed package; our own are declared in the same way, in setup.cfg;
- ``my_package.models:MyVAE``: an attribute of an importable module;
- ``path/to/file.py:MyVAE``: an attribute of a file;
- ``folder:PATH``, for datasets: an installed one that declares ``takes_path``, and its path.

Nothing is imported before it is needed: listing the names does not import torch.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from dis_bench import extraction, neighbours, plugin_code
from dis_bench.errors import InputError, blaming, describe, shown, unknown
from dis_bench.paths import check_path
from dis_bench.plugin_code import Code
from dis_bench.requirements import lacks
from dis_bench.version import __version__

KINDS = ("datasets", "networks", "models", "metrics")


@dataclass(frozen=True)
class Plugin:
    """A plug-in that was found, but not necessarily imported yet.

    Attributes:
        kind: one of :data:`KINDS`.
        name: the name that users type and tables show.
        target: ``module:attribute`` or ``path/file.py:attribute``.
        origin: its source, for display: ``dis-bench 0.1.0``, or the file's path.
        argument: PATH, if the user named it as ``name:PATH``.
    """

    kind: str
    name: str
    target: str
    origin: str
    _loaded: list[Any] = field(default_factory=list, compare=False, repr=False)
    argument: str | None = None

    def load(self) -> Any:
        """Import the plug-in, once, and return its class or function."""
        if not self._loaded:
            self._loaded.append(import_target(name_one(self.kind), self.target))
        return self._loaded[0]

    @property
    def code(self) -> Code:
        """The code behind the plug-in; its version changes when the code does.

        For dis-bench's own plug-ins and installed packages, the version is the package's.
        """
        path = self.target.rpartition(":")[0]
        if self.is_ours:
            return Code(f"dis-bench {__version__}")
        return _read_file(Path(path)) if self.is_file else _read_module(path)

    @property
    def version(self) -> str:
        """Version of the plug-in's code: its package's version, or the hash of its files."""
        return self.code.version

    @property
    def is_ours(self) -> bool:
        """True if the plug-in is part of dis-bench."""
        return not self.is_file and self.target.startswith("dis_bench.")

    @property
    def is_file(self) -> bool:
        """True if the plug-in was given as ``path/file.py:attribute``."""
        return self.target.rpartition(":")[0].endswith(".py")


def plugins(kind: str) -> dict[str, Plugin]:
    """Return all installed plug-ins of one kind, by name.

    Args:
        kind: one of :data:`KINDS`.

    Raises:
        InputError: two different plug-ins claim the same name; the message names both.
    """
    found, clashes = _read_plugins(kind)
    for error in clashes.values():
        raise error
    return found


@cache
def known(kind: str) -> dict[str, Plugin]:
    """Return the installed plug-ins of one kind whose names no two packages claim.

    They are read once per process, for readers of records, to whom names that clash do not matter.
    """
    return _read_known(kind)


def installed(kind: str, name: str) -> Plugin | None:
    """Return the installed plug-in of this name, or None; for names read from data.

    Unlike :func:`find`, this never treats a name as a file or a module: the name of a metric in a record must
    not decide which code runs. A name that two packages claim counts as none.
    """
    return _read_known(kind).get(name)


def _read_known(kind: str) -> dict[str, Plugin]:
    found, clashes = _read_plugins(kind)
    return {name: plugin for name, plugin in found.items() if name not in clashes}


def _read_plugins(kind: str) -> tuple[dict[str, Plugin], dict[str, InputError]]:
    """Read the installed plug-ins of one kind, and errors for the names that clash."""
    assert kind in KINDS, kind
    found: dict[str, Plugin] = {}
    clashes: dict[str, InputError] = {}
    origins: dict[int, str] = {}  # by package: each look at its name parses its metadata
    for entry in importlib.metadata.entry_points(group=f"dis_bench.{kind}"):
        if id(entry.dist) not in origins:
            origins[id(entry.dist)] = _describe_package(entry.dist)
        plugin = Plugin(kind, entry.name, entry.value, origins[id(entry.dist)])
        other = found.setdefault(entry.name, plugin)
        if other.target != plugin.target:
            clashes.setdefault(entry.name, clash(kind, entry.name, other, plugin))
    return dict(sorted(found.items())), clashes


def _describe_package(package: importlib.metadata.Distribution | None) -> str:
    return f"{package.name} {package.version}" if package else "unknown package"


def find(kind: str, name: Any) -> Plugin:
    """Find the plug-in that a user named, or gave as a class or function.

    Only for names that a user gave. A file that has changed since it was imported is imported again, except
    inside :func:`keeping_code`.

    Args:
        kind: one of :data:`KINDS`.
        name: an installed name, ``name:PATH``, ``module:attribute`` or ``path/file.py:attribute``; or a class
            or function, which worker processes import from its module, or from the source of a notebook or
            script.

    Raises:
        InputError: there is no such plug-in, its file or attribute is missing, it cannot be imported, or an
            installed plug-in already has its name.
    """
    there = plugins(kind)
    if not isinstance(name, str):
        name = _find_target(kind, name)
    if ":" not in name:
        if name.endswith(".py"):
            raise InputError(f"'{name}' is a file; name an object in it as well: {name}:Name.")
        if name not in there:
            raise unknown(name_one(kind), name, there)
        return there[name]

    scheme, _, place = name.partition(":")
    if scheme in there and getattr(there[scheme].load(), "takes_path", False):
        return dataclasses.replace(there[scheme], argument=place)
    path, _, attribute = name.rpartition(":")
    is_file = path.endswith(".py")
    check_path(f"the path of a {name_one(kind)}", path)
    target = f"{Path(path).resolve()}:{attribute}" if is_file else name
    for plugin in there.values():
        if plugin.target == target:
            return plugin
    if is_file and not _keeps_code.get():
        _forget_changed(Path(target.rpartition(":")[0]))
    loaded = import_target(name_one(kind), target)
    if is_file:
        _read_file(Path(target.rpartition(":")[0]))  # now, since it may be edited while the process runs
    with blaming(f"{name_one(kind)} '{name}' has no readable name"):
        own_name = str(getattr(loaded, "name", None) or getattr(loaded, "__name__", attribute))
    if ":" in own_name:  # which separates a name from what is before it, in records and tables
        raise InputError(
            f"{name_one(kind)} '{name}' must have a name without ':', but its name is {shown(own_name)}."
        )
    plugin = Plugin(kind, own_name, target, path if is_file else f"module {path}", [loaded])
    if plugin.name in there:
        raise clash(kind, plugin.name, there[plugin.name], plugin)
    return plugin


def _find_target(kind: str, given: Any) -> str:
    """Return the target of a class or function: in its module, file or extract.

    Raises:
        InputError: it is neither, or no other process could import it.
    """
    own = inspect.unwrap(given) if callable(given) else given
    name = getattr(own, "__qualname__", None)
    if not isinstance(name, str):
        raise InputError(f"a {name_one(kind)} must be a class or a function, but {shown(given)} was given.")
    module = sys.modules.get(own.__module__)
    if own.__module__ == extraction.MAIN or module is None:
        return f"{extraction.extract(given)}:{name}"
    if getattr(module, name, None) is not given:
        raise InputError(
            f"'{own.__module__}.{name}' must be defined at the top of its module, so that worker processes "
            "can import it."
        )
    file = getattr(module, "__file__", None) or ""
    is_alone = "." not in own.__module__ and not hasattr(module, "__path__") and file.endswith(".py")
    return f"{file}:{name}" if is_alone else f"{own.__module__}:{name}"


def read_source(plugin: Plugin) -> str:
    """Return the source of the file behind a plug-in, to keep it with results.

    Returns:
        Its text; empty for a plug-in of an installed package, or a file that cannot be read.
    """
    path, _, name = plugin.target.rpartition(":")
    try:
        if plugin.is_file:
            return Path(path).read_text(encoding="utf-8")
        return inspect.getsource(inspect.unwrap(getattr(sys.modules[path], name)))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return ""


@contextmanager
def keeping_code() -> Iterator[None]:
    """Keep using the imported plug-in files within a block, even if they are edited."""
    token = _keeps_code.set(True)
    try:
        yield
    finally:
        _keeps_code.reset(token)


_keeps_code: ContextVar[bool] = ContextVar("keeps_code", default=False)
_codes: dict[Path, Code] = {}  # of the plug-in files, as imported


def _read_file(path: Path) -> Code:
    if path not in _codes:
        _codes[path] = plugin_code.read_file(path)
    return _codes[path]


_read_module = cache(plugin_code.read_module)


def _forget_changed(path: Path) -> None:
    """Forget a plug-in file if its code was edited, but not for a new file beside it."""
    if path not in _codes or _codes[path].is_current():
        return
    before = _codes.pop(path)
    if not path.is_file() or _read_file(path).version != before.version:
        neighbours.forget_file(path)


def import_target(kind: str, target: str) -> Any:
    """Import the object that a target names.

    Args:
        kind: the word for it in errors: ``model``, ``encoder``, ...
        target: ``module:attribute`` or ``path/file.py:attribute``.

    Raises:
        InputError: there is no such file, it cannot be imported, or it has no such attribute.
    """
    path, _, attribute = target.rpartition(":")
    check_path(f"the path of a {kind}", path)
    what = f"{kind} '{target}'"
    is_file = path.endswith(".py")
    if is_file and not Path(path).is_file():
        raise InputError(f"{what} cannot be loaded: there is no file '{path}'.")
    try:
        module = neighbours.import_file(Path(path).resolve()) if is_file else importlib.import_module(path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever third-party code raises, the message says whose it is
        message = lacks(error) or neighbours.plain_names(describe(error))
        raise InputError(f"{what} cannot be imported: {message.rstrip('.')}.") from error
    with blaming(f"{what} cannot be looked up"):
        is_there = hasattr(module, attribute)
    if not is_there:
        callables = [name for name, value in vars(module).items() if callable(value)]
        public = [name for name in callables if not name.startswith("_")]
        if is_file:
            neighbours.forget_file(Path(path).resolve())
        raise unknown(f"attribute of '{path}'", attribute, public)
    return getattr(module, attribute)


def name_one(kind: str) -> str:
    """Return the word for one plug-in of a kind, such as ``model``."""
    return kind.removesuffix("s")


def clash(kind: str, name: str, one: Plugin, other: Plugin) -> InputError:
    """Return the error for two plug-ins with the same name; it says which they are."""
    return InputError(
        f"two {kind} are called '{name}': '{one.target}' ({one.origin}) and '{other.target}' "
        f"({other.origin}); rename one, or uninstall its package."
    )
