"""Check that classes and functions still are what their source defines.

What is extracted from a notebook runs in worker processes as its source says. A method that was replaced on
the class, or a default that was read from a variable which has another value now, would be another one there,
and nobody would notice. So the extract is imported once, and compared with what it was extracted from.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FunctionType, ModuleType, NoneType
from typing import Any, NamedTuple

PLAIN = (NoneType, bool, int, float, complex, str, bytes)


class Place(NamedTuple):
    """Where a definition stands.

    Attributes:
        file: its file, or the name of a notebook's cell.
        first, last: its lines, from 1; the first is that of its decorators.
    """

    file: str
    first: int
    last: int


def find_change(path: Path, given: Mapping[str, Any], places: Mapping[str, Place]) -> str | None:
    """Find a class, function or attribute that is not what its source defines.

    Args:
        path: the file with the source, which is imported.
        given: the classes and functions, by their name in the file.
        places: where the source of each was found.

    Returns:
        The first that differs, such as ``Mine.loss``; None if all are the same, or cannot be compared, since
        the file cannot be imported here.
    """
    fresh = _import(path)
    if fresh is None:
        return None
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        name = str(getattr(node, "name", ""))
        if name in given:
            found = _compare(
                name, given[name], vars(fresh)[name], there=places[name], here=find_place(node, str(path))
            )
            if found is not None:
                return found
    return None


def find_place(node: Any, file: str) -> Place:
    """Return where a definition stands, with its decorators."""
    return Place(
        file, min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]), node.end_lineno
    )


def _import(path: Path) -> ModuleType | None:
    """Import a file under a name of its own, which is forgotten afterwards."""
    name = f"dis_bench_definitions_{path.parent.name}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # where dataclasses look for it
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(module))
    except Exception:  # it may register what this process has already registered
        return None
    finally:
        sys.modules.pop(name, None)
    return module


def _compare(name: str, given: Any, fresh: Any, there: Place, here: Place) -> str | None:
    """Return the name of the first part that differs between two definitions, or None."""
    before, now = _list_parts(given), _list_parts(fresh)
    for part in {**before, **now}:
        is_in_both = part in before and part in now
        if not is_in_both or not _is_same(before[part], now[part], there, here):
            return f"{name}.{part}".rstrip(".")
    return None


def _list_parts(value: Any) -> dict[str, Any]:
    """List the attributes of a class or a declared metric; of a function, itself."""
    if not isinstance(value, type) and not dataclasses.is_dataclass(value):
        return {"": value}
    return {
        name: member
        for name, member in vars(value).items()
        if not (name.startswith("__") and name.endswith("__")) or _find_function(member) is not None
    }


def _is_same(given: Any, fresh: Any, there: Place, here: Place) -> bool:
    if isinstance(fresh, (list, dict, set)) and not fresh:  # what a class collects while it is used
        return type(given) is type(fresh)
    function, again = _find_function(given), _find_function(fresh)
    if again is None:
        with suppress(RecursionError):
            return bool(_outline(given) == _outline(fresh))
        return True
    if function is None or _list_wrappers(function) != _list_wrappers(again):
        return False
    function, again = inspect.unwrap(function), inspect.unwrap(again)
    code = again.__code__
    if code.co_filename == here.file and here.first <= code.co_firstlineno <= here.last:
        line = function.__code__.co_firstlineno - there.first
        if (function.__code__.co_filename, line) != (there.file, code.co_firstlineno - here.first):
            return False
    return bool(_outline(_list_defaults(function)) == _outline(_list_defaults(again)))


def _find_function(member: Any) -> Any:
    """Return a function, or that of a method or property, as it is wrapped; or None."""
    function = getattr(member, "__func__", getattr(member, "fget", member))
    is_function = callable(function) and isinstance(inspect.unwrap(function), FunctionType)
    return function if is_function else None


def _list_wrappers(function: Any) -> list[str]:
    """List the names of the functions that wrap another one, the outermost first."""
    names = []
    while hasattr(function, "__wrapped__"):
        names.append(getattr(getattr(function, "__code__", None), "co_name", type(function).__name__))
        function = function.__wrapped__
    return names


def _list_defaults(function: FunctionType) -> tuple[Any, Any]:
    return function.__defaults__, function.__kwdefaults__


def _outline(value: Any) -> Any:
    """Return plain values as they are in text, and of others the type."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *map(_outline, value)]
    if isinstance(value, (set, frozenset)):
        return [type(value).__name__, *sorted(str(_outline(one)) for one in value)]
    if isinstance(value, Mapping):
        return [type(value).__name__, *((_outline(key), _outline(one)) for key, one in value.items())]
    if isinstance(value, type):
        return value.__qualname__
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
        return [type(value).__name__, _outline(fields)]
    return type(value).__name__
