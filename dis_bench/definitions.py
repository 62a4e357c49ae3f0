"""Check that classes and functions still are what their source defines.

What is extracted from a notebook runs in worker processes as its source says. A method that was replaced on
the class, a base class that was defined again, or a default that was read from a variable which has another
value now, would be another one there, and nobody would notice. So the extract is executed here, and compared
with what it was extracted from.

State is no change: collections that have grown, private attributes, and whatever libraries put on a class.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import inspect
import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MappingProxyType, MethodType, NoneType
from typing import Any, NamedTuple

from dis_bench.neutral import own_streams

MAIN = "__main__"

_PLAIN = (NoneType, bool, int, float, complex, str, bytes)
_COLLECTIONS = (list, dict, set)
_WRAPPERS = (FunctionType, type(functools.lru_cache(int)))  # of functions, with __wrapped__
_LARGEST = 10_000  # elements of an array that is compared


class Place(NamedTuple):
    """The lines of a file in which a definition stands.

    Attributes:
        file: its file, or the name of a notebook's cell.
        first, last: its lines, from 1; the first is that of its decorators.
    """

    file: str
    first: int
    last: int


@dataclass(frozen=True)
class Definition:
    """A class or function of a notebook or script, and where its source was found."""

    value: Any
    place: Place


def find_change(path: Path, given: Mapping[str, Definition]) -> str | None:
    """Find a class, function or attribute that is not what its source defines.

    Args:
        path: the file with the source, which is executed.
        given: the classes and functions of that file, by name.

    Returns:
        The first that differs, such as ``Mine.loss``; None if all are the same, or cannot be compared, since
        the file cannot be executed here.
    """
    executed = _execute_twice(path)
    if executed is None:
        return None
    fresh, again = executed
    tree = ast.parse(path.read_text(encoding="utf-8"))
    places = {str(node.name): find_place(node, str(path)) for node in tree.body if hasattr(node, "name")}
    comparison = _Comparison(given, places)
    for name, one in given.items():
        found = comparison.find(name, one.value, fresh[name], again[name])
        if found is not None:
            return found
    return None


def find_place(node: Any, file: str) -> Place:
    """Return where a definition stands, with its decorators."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return Place(file, first, node.end_lineno)


@functools.lru_cache(maxsize=64)
def _execute_twice(path: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Execute a file twice, with different random numbers; None if that fails.

    What differs between the two, such as a random number or the time, cannot be compared.
    """
    code = compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True)
    spaces: list[dict[str, Any]] = []
    for seed in range(2):
        space: dict[str, Any] = {"__name__": MAIN, "__file__": str(path), "__builtins__": builtins}
        try:
            with own_streams(seed), redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(code, space)
        except (Exception, SystemExit):  # it may register what this process has already registered
            return None
        spaces.append(space)
    return spaces[0], spaces[1]


class _Comparison:
    """A comparison of what was given with what its source defines.

    Args:
        given: the definitions that were given, by name.
        places: where their source is in the executed file.
    """

    def __init__(self, given: Mapping[str, Definition], places: Mapping[str, Place]) -> None:
        self.given = given
        self.places = places

    def find(self, name: str, given: Any, fresh: Any, again: Any) -> str | None:
        """Return the name of the first part of a definition that differs, or None."""
        before, now, repeated = map(_list_parts, (given, fresh, again))
        for part in {**before, **now}:
            whole = f"{name}.{part}".rstrip(".")
            if part not in now:
                found = None if _is_of_base(given, part) or not self._matters(part, before[part]) else whole
            elif part not in before:
                found = whole if self._matters(part, now[part]) else None
            elif _is_nested(before[part]) and _is_nested(now[part]):
                found = self.find(whole, before[part], now[part], repeated.get(part))
            else:
                is_same = self._is_same(part, before[part], now[part], repeated.get(part))
                found = None if is_same else whole
            if found is not None:
                return found
        return None

    def _matters(self, part: str, value: Any) -> bool:
        """Return True for what a notebook, not a library, put on a class or removed."""
        if _has_functions(value):
            return bool(self._list_own(value))
        return isinstance(value, type) or not part.startswith("_")

    def _is_same(self, part: str, given: Any, fresh: Any, again: Any) -> bool:
        if _has_functions(fresh):
            own, now, repeated = map(self._list_own, (given, fresh, again))
            if len(own) != len(now):
                return False
            return all(self._is_same_function(*three) for three in zip(own, now, repeated, strict=True))
        if part.startswith("_") and not isinstance(fresh, type):
            return True
        return self._is_same_value(given, fresh, again)

    def _list_own(self, value: Any) -> list[FunctionType]:
        """List the functions of a method or property that stand in the notebook."""
        own = [one for one in list_functions(value) if one.__globals__.get("__name__") == MAIN]
        return [one for one in own if one.__code__.co_filename != "<string>"]  # which libraries generate

    def _is_same_function(self, given: FunctionType, fresh: FunctionType, again: FunctionType) -> bool:
        here = _locate(fresh, self.places)
        there = _locate(given, {name: one.place for name, one in self.given.items()})
        if here is not None and here != there:
            return False
        pairs = zip(_list_values(given), _list_values(fresh), _list_values(again), strict=False)
        return all(self._is_same_value(*three) for three in pairs)

    def _is_same_value(self, given: Any, fresh: Any, again: Any) -> bool:
        """Return True if a value is the same, as far as can be told."""
        try:
            if _outline(fresh) != _outline(again):  # another one each time
                return True
            if isinstance(fresh, _COLLECTIONS) and isinstance(given, type(fresh)):
                return _holds(given, fresh)
            if fresh is None and not isinstance(given, _PLAIN):  # filled since
                return True
            if _is_at_top(given) and given.__name__ in self.given:
                return unwrap(self.given[given.__name__].value) is unwrap(given)
            return bool(_outline(given) == _outline(fresh))
        except RecursionError:
            return True


def _list_parts(value: Any) -> dict[str, Any]:
    """List the attributes and bases of a class, or the fields of a declared metric."""
    if not isinstance(value, type) and not dataclasses.is_dataclass(value):
        return {"": value}
    parts = {base.__name__: base for base in value.__bases__} if isinstance(value, type) else {}
    for name, member in vars(value).items():
        if not (name.startswith("__") and name.endswith("__")) or _has_functions(member):
            parts[name] = member
    return parts


def _is_of_base(given: Any, part: str) -> bool:
    """Return True for what a base has, too: typing.Protocol copies its constructor."""
    if not isinstance(given, type) or part not in vars(given):
        return False
    return any(vars(base).get(part) is vars(given)[part] for base in given.__mro__[1:])


def _is_nested(value: Any) -> bool:
    """Return True for a class that stands in another one of the notebook."""
    return isinstance(value, type) and value.__module__ == MAIN and "." in value.__qualname__


def _is_at_top(value: Any) -> bool:
    """Return True for a class or function at the top of the notebook."""
    if not isinstance(value, (type, FunctionType)) or value.__module__ != MAIN:
        return False
    return value.__qualname__ == value.__name__


def _has_functions(member: Any) -> bool:
    return next(list_functions(member), None) is not None


def unwrap(value: Any) -> Any:
    """Return what a function or a declared metric wraps, or the value itself."""
    with suppress(ValueError):  # an object that has any attribute
        return inspect.unwrap(value) if callable(value) else value
    return value


def list_functions(member: Any) -> Iterator[FunctionType]:
    """List the functions of a method, property or partial, and those they wrap."""
    if isinstance(member, (staticmethod, classmethod, MethodType)):
        yield from list_functions(member.__func__)
    elif isinstance(member, property):
        for one in (member.fget, member.fset, member.fdel):
            yield from list_functions(one)
    elif isinstance(member, (functools.cached_property, functools.partial)):
        yield from list_functions(member.func)
    else:
        seen: set[int] = set()
        while isinstance(member, _WRAPPERS) and id(member) not in seen:
            seen.add(id(member))
            if isinstance(member, FunctionType):
                yield member
            member = getattr(member, "__wrapped__", None)


def _locate(function: FunctionType, places: Mapping[str, Place]) -> tuple[str, int] | None:
    """Return the definition that a function's code is in, and the line within it."""
    code = function.__code__
    for name, place in places.items():
        if code.co_filename == place.file and place.first <= code.co_firstlineno <= place.last:
            return name, code.co_firstlineno - place.first
    return None


def _list_values(function: FunctionType) -> list[Any]:
    """List what a function got when it was defined: defaults, variables around it."""
    cells = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty one
            cells.append(cell.cell_contents)
    return [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), *cells]


def _holds(given: Any, fresh: Any) -> bool:
    """Return True if a collection has what it began with, and perhaps more."""
    if isinstance(fresh, list):
        if all(isinstance(one, _PLAIN) for one in fresh):
            return bool(_outline(given[: len(fresh)]) == _outline(fresh))
        return {str(_outline(one)) for one in fresh} <= {str(_outline(one)) for one in given}
    if isinstance(fresh, dict):
        before = {str(_outline(key)): _outline(one) for key, one in given.items()}
        return all(before.get(str(_outline(key))) == _outline(one) for key, one in fresh.items())
    return {str(_outline(one)) for one in fresh} <= {str(_outline(one)) for one in given}


def _outline(value: Any) -> Any:
    """Return plain values as they are in text, and of others the type."""
    name = type(value).__name__
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return [name, *map(_outline, value)]
    if isinstance(value, (set, frozenset)):
        return [name, *sorted(str(_outline(one)) for one in value)]
    if isinstance(value, (dict, MappingProxyType)):
        return [name, *((_outline(key), _outline(one)) for key, one in value.items())]
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, functools.partial):
        return [name, _outline(value.func), _outline(value.args), _outline(value.keywords)]
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
        return [name, _outline(fields)]
    return [name, *_outline_array(value)]


def _outline_array(value: Any) -> list[Any]:
    """Return the elements of a small array or tensor."""
    module = type(value).__module__.partition(".")[0]
    if module in ("numpy", "torch") and hasattr(value, "tolist") and hasattr(value, "dtype"):
        with suppress(Exception):  # such as a tensor without data
            if getattr(value, "size", 0) == 1 or value.reshape(-1).shape[0] <= _LARGEST:
                return [str(value.dtype), repr(value.tolist())]
    return []
