"""Docstrings begin with a sentence of one line: an imperative for a function, plain prose for the rest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "dis_bench"
LONGEST_OF_FUNCTIONS = 80
LONGEST_OF_OTHERS = 88  # modules, and classes
QUESTIONS = {"How", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why"}
ARTICLES = {"A", "An", "The"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


def is_property(function: Function) -> bool:
    """Return True for a property, which is documented like an attribute."""
    names = [ast.unparse(decorator) for decorator in function.decorator_list]
    return any(name.endswith("property") for name in names)


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
        is_function = isinstance(node, Function)
        longest = LONGEST_OF_FUNCTIONS if is_function else LONGEST_OF_OTHERS
        if isinstance(node, Function):
            refused = QUESTIONS if is_property(node) else QUESTIONS | ARTICLES
            if first.split()[0] in refused:
                faults.append(f"{name} does not begin with a verb: {first}")
        if len(first) > longest:
            faults.append(f"{name} has a first line of {len(first)} characters, more than {longest}: {first}")
        if not first.endswith(".") and not (isinstance(node, ast.Module) and first.endswith("?")):
            faults.append(f"{name} does not end its first line with a period: {first}")
        if rest and not rest.startswith("\n"):
            faults.append(f"{name} has no blank line after the first: {first}")
    return faults


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_docstrings_begin_with_a_sentence(path):
    assert find_faults(path.read_text("utf-8")) == []


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
        ('class C:\n    @property\n    def f(self):\n        """Whether it is."""', "f does not begin"),
    ],
)
def test_faults_are_found(source, fault):
    (found,) = find_faults(source)
    assert fault in found


def test_sentences_that_are_as_they_should_be():
    function = 'class C:\n    """The noun."""\n\n    def f(self):\n        """Return it."""\n\n'
    attribute = '    @property\n    def g(self):\n        """The attribute."""'
    assert find_faults('"""Can it be a question?"""\n\n' + function + attribute) == []
