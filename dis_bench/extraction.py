"""Extract classes and functions of a notebook or a script into a module of their own.

Worker processes import plug-ins by file, and the hash of a file is their version. A class that was typed into
a notebook has neither. So its source is collected, with that of the classes, functions, imports and plain
values that it uses, and written to a file. That is imported once, to see that it defines the same.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import functools
import hashlib
import inspect
import linecache
import math
import shutil
import symtable
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

from dis_bench.definitions import MAIN, Definition, Place, find_change, find_place, list_functions, unwrap
from dis_bench.errors import InputError, shown

FUTURE = "from __future__ import annotations"


def extract(given: Any) -> Path:
    """Write a class or function, and what it uses, to a module; return its path.

    The same source gives the same path within a process. The file is removed when the process ends.

    Args:
        given: a class or function that was defined at the top of a notebook or script.

    Raises:
        InputError: its source cannot be found or defines something else, or it uses a value without source.
    """
    name = inspect.unwrap(given).__name__
    collected = _Collection(name)
    collected.add(name, given)
    text = f"{FUTURE}\n\n" + "\n".join([*collected.imports, "", *collected.parts])
    folder = _folder() / hashlib.sha256(text.encode()).hexdigest()[:16]
    path = folder / f"{name}.py"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    change = find_change(path, collected.given)
    if change is not None:
        owner = change.partition(".")[0]
        again = f"'{name}'" if owner == name else f"'{owner}', and then '{name}',"
        raise InputError(
            f"'{change}' is not what its source defines, as it has changed since, or a value that it was "
            f"defined with: define {again} again, or put it into a file and give 'file.py:{name}'."
        )
    return path


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dis_bench_source_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder.resolve()


class _Collection:
    """The source of a class or function, with everything that it uses.

    Args:
        whose: its name, for messages.
    """

    def __init__(self, whose: str) -> None:
        self.whose = whose
        self.imports: list[str] = []
        self.parts: list[str] = []
        self.given: dict[str, Definition] = {}
        self._seen: set[str] = set()

    def add(self, name: str, value: Any) -> None:
        """Add what a global name stands for, after everything that it uses."""
        if name in self._seen:
            return
        self._seen.add(name)
        statement = _write_import(name, value) or _write_value(name, value) or _find_import(name, value)
        if statement is not None:
            self.imports.append(statement)
            return
        own = unwrap(value)
        if not isinstance(own, (type, FunctionType)):
            raise InputError(
                f"'{self.whose}' uses '{name}', {shown(value)}, which has no source to keep: define it "
                f"inside, or put '{self.whose}' into a file and give 'file.py:{self.whose}'."
            )
        if isinstance(value, FunctionType) and isinstance(vars(value).get("registry"), MappingProxyType):
            raise InputError(
                f"'{name}' has functions for several types (singledispatch), which its source does not show: "
                f"put '{self.whose}' into a file and give 'file.py:{self.whose}'."
            )
        other = self.given.get(own.__name__)
        if other is not None and unwrap(other.value) is not own:
            raise InputError(
                f"'{self.whose}' uses two definitions called '{own.__name__}': give each a name of its own."
            )
        source, place = find_source(own)
        if own is not value and not ast.parse(source).body[0].decorator_list:  # type: ignore[attr-defined]
            raise InputError(
                f"'{name}' was wrapped after its definition, which its source does not show: put the wrapper "
                f"above it with @, or put '{self.whose}' into a file and give 'file.py:{self.whose}'."
            )
        variables, needed = _find_globals(own), _list_globals(f"{FUTURE}\n{source}")
        for used in _list_globals(source):
            if used in variables and used != own.__name__:
                # names in annotations are kept if they can be, but nothing evaluates them
                with nullcontext() if used in needed else suppress(InputError):
                    self.add(used, variables[used])
        self.given[own.__name__] = Definition(value, place)
        self.parts.append(source + ("" if name == own.__name__ else f"\n{name} = {own.__name__}\n"))


def _write_import(name: str, value: Any) -> str | None:
    """Return the statement that imports a value under a name, if any does."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    module = getattr(value, "__module__", None)
    names = (getattr(value, name, None) for name in ("__qualname__", "__name__", "_name"))
    own = next((name for name in names if name), None)
    if not isinstance(module, str) or not isinstance(own, str) or module == MAIN:
        return None
    if getattr(sys.modules.get(module), own, None) is not value:
        return None
    return f"from {module} import {own} as {name}"


def _find_import(name: str, value: Any) -> str | None:
    """Return the import of a value from a module that has it by this name."""
    if getattr(value, "__module__", None) == MAIN and isinstance(value, (type, FunctionType)):
        return None
    main = sys.modules[MAIN]  # which multiprocessing gives a second name
    modules = [
        module
        for module, content in sorted(sys.modules.items(), key=lambda item: (item[0].count("."), item[0]))
        if content is not main and getattr(content, "__dict__", {}).get(name) is value
    ]
    return f"from {modules[0]} import {name}" if modules else None


def _write_value(name: str, value: Any) -> str | None:
    """Return the statement that assigns a plain value, such as a number or a list."""
    if type(value) is float and not math.isfinite(value):
        return f"{name} = float({str(value)!r})"
    try:
        same = ast.literal_eval(repr(value)) == value
    except Exception:  # any value has a repr of its own
        return None
    return f"{name} = {value!r}" if same is True else None


def find_source(given: Any) -> tuple[str, Place]:
    """Return the source of a class or function of a notebook or script, and its place.

    Only one at the top of a cell or file has a source that can stand alone.

    Raises:
        InputError: it cannot be found.
    """
    if given.__qualname__ != given.__name__ or not given.__name__.isidentifier():
        raise InputError(
            f"'{given.__qualname__}' must be defined at the top of a module, a script or a notebook, so that "
            "worker processes can import it."
        )
    for file in _list_files(given):
        lines = linecache.getlines(file)
        found = _find_definition("".join(lines), given)
        if found is not None:
            place = find_place(found, file)
            return textwrap.dedent("".join(lines[place.first - 1 : place.last])).rstrip() + "\n", place
    raise InputError(
        f"the source of '{given.__name__}' cannot be found: put it into a file and give "
        f"'file.py:{given.__name__}'."
    )


def _list_files(given: Any) -> Iterator[str]:
    """List the files that may define a class or function, the likeliest first."""
    for function in _list_functions(given):
        yield function.__code__.co_filename
    if isinstance(given, type):  # one without methods: the main script, and cells of a notebook, latest first
        yield getattr(sys.modules.get(given.__module__), "__file__", None) or ""
        files = reversed([*linecache.cache])
        yield from [file for file in files if "ipykernel" in file or file.startswith("<ipython")]


def _find_definition(source: str, given: Any) -> Any:
    """Return the definition of a class or function at the top of a source.

    Raises:
        InputError: the source defines the name several times, and nothing tells which was given.
    """
    kind = ast.ClassDef if isinstance(given, type) else ast.FunctionDef
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a cell may begin with a magic command
        return None
    found = [node for node in tree.body if isinstance(node, kind) and node.name == given.__name__]
    if len(found) < 2:
        return found[0] if found else None
    begins = _list_first_lines(given)
    for node in found:
        place = find_place(node, "")
        if any(place.first <= line <= place.last for line in begins):
            return node
    if _find_globals(given).get(given.__name__) is given:
        return found[-1]
    raise InputError(
        f"'{given.__name__}' is defined {len(found)} times, and which of them is meant cannot be told: give "
        "each a name of its own."
    )


def _list_first_lines(given: Any) -> list[int]:
    """List where the code of a function, or of a class's own methods, begins."""
    functions = map(inspect.unwrap, _list_functions(given))
    own = [
        one for one in functions if one.__qualname__ in (given.__name__, f"{given.__name__}.{one.__name__}")
    ]
    return [one.__code__.co_firstlineno for one in own]


def _list_functions(given: Any) -> Iterator[FunctionType]:
    """List a function itself, or the functions of a class: its methods and properties."""
    for member in [given] if isinstance(given, FunctionType) else vars(given).values():
        yield from list_functions(member)


def _find_globals(given: Any) -> Mapping[str, Any]:
    return given.__globals__ if isinstance(given, FunctionType) else vars(sys.modules[given.__module__])


def _list_globals(source: str) -> list[str]:
    """List the names that a definition takes from its module or from builtins.

    Which of the two, only the module can tell: a script may have a ``sum`` of its own.
    """
    tables = [symtable.symtable(source, "<source>", "exec")]
    names = set()
    for table in tables:
        tables += table.get_children()
        for symbol in table.get_symbols():
            is_taken = symbol.is_global() or (table.get_type() == "module" and not symbol.is_assigned())
            if is_taken and symbol.is_referenced():
                names.add(symbol.get_name())
    return sorted(name for name in names if not (name.startswith("__") and hasattr(builtins, name)))
