"""Docstrings begin with a sentence of one line: an imperative for a function, plain prose for the rest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dis_bench"
LONGEST_OF_FUNCTIONS = 80
LONGEST_OF_OTHERS = 88  # modules, and classes
NOT_IMPERATIVE = {"A", "An", "How", "The", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why"}

# Files and folders that are still to be rewritten, by their path in the package: a shrinking list.
ROOMS_LEFT = (
    "*.py",
    "cli",
    "datasets",
    "models",
    "networks",
    "nn",
    "records",
    "reports",
    "runners",
)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def is_left(path: Path) -> bool:
    """Return whether a file is on the list of those that are still to be rewritten."""
    relative = path.relative_to(PACKAGE)
    top = relative.parts[0]
    return (len(relative.parts) == 1 and "*.py" in ROOMS_LEFT) or bool(
        {top, relative.as_posix()} & set(ROOMS_LEFT)
    )


def find_docstrings(source: str) -> Iterator[tuple[str, Documented, str]]:
    """Yield the name, the node and the docstring of everything in a module that has one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield getattr(node, "name", "the module"), node, text


def find_faults(source: str) -> list[str]:
    """List what is wrong with the first lines of a module's docstrings."""
    faults = []
    for name, node, text in find_docstrings(source):
        first, _, rest = text.partition("\n")
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        longest = LONGEST_OF_FUNCTIONS if is_function else LONGEST_OF_OTHERS
        if is_function and first.split()[0] in NOT_IMPERATIVE:
            faults.append(f"{name} does not begin with a verb: {first}")
        if len(first) > longest:
            faults.append(f"{name} has a first line of {len(first)} characters, more than {longest}: {first}")
        if not first.endswith(".") and not (isinstance(node, ast.Module) and first.endswith("?")):
            faults.append(f"{name} does not end its first line with a period: {first}")
        if rest and not rest.startswith("\n"):
            faults.append(f"{name} has no blank line after the first: {first}")
    return faults


FILES = sorted(path for path in PACKAGE.rglob("*.py") if not is_left(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_docstrings_begin_with_a_sentence(path):
    assert find_faults(path.read_text("utf-8")) == []


def test_rooms_that_are_left_exist():
    for room in ROOMS_LEFT:
        assert list(PACKAGE.glob(room)) or room == "networks", f"take '{room}' off ROOMS_LEFT: it is gone"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('def f():\n    """What it does."""', "does not begin with a verb"),
        ('def f():\n    """The result."""', "does not begin with a verb"),
        (f'def f():\n    """Return {"x" * 80}."""', "more than 80"),
        (f'class C:\n    """A {"x" * 90}."""', "more than 88"),
        ('def f():\n    """Return it"""', "with a period"),
        ('def f():\n    """Return it.\n    And more."""', "no blank line"),
        ('class C:\n    def f(self):\n        """Whether it is."""', "f does not begin"),
    ],
)
def test_faults_are_found(source, fault):
    (found,) = find_faults(source)
    assert fault in found


def test_sentences_that_are_as_they_should_be():
    function = 'class C:\n    """The noun."""\n\n    def f(self):\n        """Return it."""'
    assert find_faults('"""Can it be a question?"""\n\n' + function) == []
