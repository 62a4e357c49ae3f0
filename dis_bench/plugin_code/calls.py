"""Calls that import code or read files without an import statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_IMPORTING = {
    "__import__",
    "ctypes.CDLL",
    "ctypes.cdll.LoadLibrary",
    "eval",
    "exec",
    "importlib.__import__",
    "importlib.import_module",
    "importlib.machinery.SourceFileLoader",
    "importlib.util.spec_from_file_location",
    "runpy.run_module",
    "runpy.run_path",
    "sys.path.append",
    "sys.path.extend",
    "sys.path.insert",
    "torch.hub.load",
    "torch.ops.load_library",
    "torch.utils.cpp_extension.load",
}
_READING = {
    "h5py.File",
    "importlib.resources.files",
    "joblib.load",
    "numpy.load",
    "open",
    "pkgutil.get_data",
    "torch.jit.load",
    "torch.load",
}
# Methods and functions that read a file, on any object or module.
_READING_METHODS = re.compile(
    r"\.(open|open_text|open_binary|read_text|read_bytes|loadtxt|genfromtxt|fromfile|memmap|imread|load_file"
    r"|loadmat|read_(csv|excel|feather|hdf|json|parquet|pickle|table))$"
)


def list_dynamic_calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the name and line of each call that imports dynamically or reads a file."""
    aliases = dict(_aliases(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _dotted(node.func, aliases)
            if name in _IMPORTING:
                yield name, node.lineno
            elif (name in _READING or _READING_METHODS.search(name)) and not _only_writes(node):
                yield name.lstrip("."), node.lineno


def _aliases(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (name in this file, original name) for every import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _dotted(node: ast.expr, aliases: dict[str, str]) -> str:
    """Return ``numpy.load`` for ``np.load``, and ``.open`` for an expression's method."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id).removeprefix("builtins.")
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, aliases)}.{node.attr}".removeprefix("builtins.")
    return ""


def _only_writes(call: ast.Call) -> bool:
    """Return True if a call opens a file in a mode such as ``"w"``, which cannot read."""
    values = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    modes = [one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return any(re.fullmatch(r"[wax][bt]?", mode) for mode in modes)
