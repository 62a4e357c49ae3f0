"""The walls between modules that import-linter does not see: faces, and circles through them."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import dis_bench

ROOT = Path(dis_bench.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}
FACES = [name for name, path in MODULES.items() if path.name == "__init__.py"]


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return the modules that a module imports, also inside functions and for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively, in line {node.lineno}"
            names = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {whole if whole in MODULES else str(node.module) for whole in names.values()}
    return frozenset(found & MODULES.keys())


def test_modules_form_no_circle():
    order = TopologicalSorter({name: imports_of(name) - {name} for name in MODULES}).static_order()
    assert set(order) == set(MODULES)  # a circle is a CycleError, which names it


def test_no_module_imports_the_face_of_its_own_package():
    backwards = [(name, face) for name in MODULES for face in imports_of(name) if name.startswith(f"{face}.")]
    assert backwards == []


def test_faces_hold_names_only():
    for face in set(FACES) - {"dis_bench"}:  # whose names are imported when they are first used
        _, *statements = ast.parse(MODULES[face].read_text(encoding="utf-8")).body
        for statement in statements:
            is_list = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
            assert is_list or isinstance(statement, ast.ImportFrom), f"{face}: {ast.unparse(statement)}"


def test_public_names_are_those_that_can_be_imported():
    assert all(hasattr(dis_bench, name) for name in dis_bench.__all__)
    assert set(dis_bench._API) == set(dis_bench.__all__) - {"__version__"}
