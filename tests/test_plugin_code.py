"""The version of a plug-in's code changes with its imports, and with nothing else."""

import importlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from dis_bench.plugin_code import read_file, read_module

PACKAGE = {"parts/__init__.py": "", "parts/inner.py": "x = 1"}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def version(folder, name="mine.py"):
    return read_file(folder / name).version


# The source of a plug-in, the files beside it, and the one among them that counts.
FOLLOWED = {
    "import": ("import beside", {"beside.py": "x = 1"}, "beside.py"),
    "from": ("from beside import x", {"beside.py": "x = 1"}, "beside.py"),
    "star": ("from beside import *", {"beside.py": "x = 1"}, "beside.py"),
    "relative": ("from .beside import x", {"beside.py": "x = 1"}, "beside.py"),
    "relative, no module": ("from . import beside", {"beside.py": "x = 1"}, "beside.py"),
    "in a function": ("def f():\n    import beside", {"beside.py": "x = 1"}, "beside.py"),
    "in a condition": ("if False:\n    import beside", {"beside.py": "x = 1"}, "beside.py"),
    "tried": ("try:\n    import beside\nexcept ImportError:\n    pass", {"beside.py": "x = 1"}, "beside.py"),
    "second of a list": ("import json, beside", {"beside.py": "x = 1"}, "beside.py"),
    "at two removes": ("import beside", {"beside.py": "import far", "far.py": "x = 1"}, "far.py"),
    "in a circle": ("import one", {"one.py": "import two", "two.py": "import one, mine"}, "two.py"),
    "package": ("import parts", PACKAGE, "parts/__init__.py"),
    "on the way": ("from parts.inner import x", PACKAGE, "parts/__init__.py"),
    "submodule": ("import parts.inner", PACKAGE, "parts/inner.py"),
    "submodule, renamed": ("import parts.inner as p", PACKAGE, "parts/inner.py"),
    "submodule as a name": ("from parts import inner", PACKAGE, "parts/inner.py"),
    "inside a package": (
        "import parts",
        {**PACKAGE, "parts/__init__.py": "from .inner import x"},
        "parts/inner.py",
    ),
    "star of a package": (
        "from parts import *",
        {**PACKAGE, "parts/__init__.py": "__all__ = ['inner']"},
        "parts/inner.py",
    ),
    "no __init__": ("from parts.inner import x", {"parts/inner.py": "x = 1"}, "parts/inner.py"),
    "deep": ("import a.b.c", {"a/b/c.py": "from ..d import x", "a/d.py": "x = 1"}, "a/d.py"),
    "absolute from inside": (
        "import parts.inner",
        {**PACKAGE, "parts/inner.py": "import far", "far.py": ""},
        "far.py",
    ),
    "with a syntax error": ("import beside", {"beside.py": "x = ("}, "beside.py"),
    "not UTF-8": ("import beside", {"beside.py": "# coding: latin-1\nx = 1"}, "beside.py"),
    "compiled": ("import fast", {"fast.abi3.so": "ELF"}, "fast.abi3.so"),
}


@pytest.mark.parametrize("case", FOLLOWED)
def test_what_is_imported_counts(case, tmp_path):
    statement, files, counts = FOLLOWED[case]
    write(tmp_path, {"mine.py": statement, **files, "unused.py": "x = 1"})
    before = version(tmp_path)
    assert version(tmp_path) == before
    write(tmp_path, {"unused.py": "x = 2"})
    assert version(tmp_path) == before
    write(tmp_path, {counts: files[counts] + "\n# changed"})
    changed = version(tmp_path)
    assert changed != before
    (tmp_path / counts).unlink()
    assert version(tmp_path) not in (before, changed)


@pytest.mark.parametrize(
    ("statement", "counts"),
    [("from ..base import x", "base.py"), ("from .. import base", "base.py"), ("x = 1", "__init__.py")],
)
def test_the_package_around_a_file_counts(statement, counts, tmp_path):
    files = {"pkg/__init__.py": "", "pkg/base.py": "x = 1", "pkg/models/__init__.py": ""}
    write(tmp_path, {**files, "pkg/models/mine.py": statement})
    before = version(tmp_path, "pkg/models/mine.py")
    write(tmp_path, {f"pkg/{counts}": "x = 2"})
    assert version(tmp_path, "pkg/models/mine.py") != before


def test_a_neighbour_that_appears_counts(tmp_path):
    write(tmp_path, {"mine.py": "try:\n    import fast\nexcept ImportError:\n    fast = None"})
    before = version(tmp_path)
    write(tmp_path, {"fast.py": ""})
    assert version(tmp_path) != before


def test_neither_place_nor_line_endings_nor_the_files_own_name_count(tmp_path):
    files = {"mine.py": "import beside\nfrom parts import inner\n", "beside.py": "x = 1\ny = 2\n", **PACKAGE}
    write(tmp_path / "one", files)
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere" / "deep")
    write(tmp_path / "two", {name: content.replace("\n", "\r\n") for name, content in files.items()})
    (tmp_path / "two" / "mine.py").rename(tmp_path / "two" / "yours.py")
    versions = [version(tmp_path / "one"), version(tmp_path / "elsewhere" / "deep")]
    assert {*versions, version(tmp_path / "two", "yours.py")} == {versions[0]}


def test_the_order_of_imports_counts_only_as_text(tmp_path):
    write(tmp_path, {"mine.py": "import a, b", "a.py": "x = 1", "b.py": "x = 2"})
    before = version(tmp_path)
    write(tmp_path, {"a.py": "x = 2", "b.py": "x = 1"})
    assert version(tmp_path) != before


def test_two_thousand_modules_in_a_row(tmp_path):
    write(tmp_path, {"mine.py": "import m0", **{f"m{i}.py": f"import m{i + 1}" for i in range(2000)}})
    before = version(tmp_path)
    write(tmp_path, {"m2000.py": "x = 1"})
    assert version(tmp_path) != before


def test_nothing_is_executed(tmp_path):
    write(
        tmp_path,
        {
            "mine.py": "import beside",
            "beside.py": "import parts\nraise SystemExit",
            "parts/__init__.py": "1/0",
        },
    )
    assert len(version(tmp_path)) == 16


# Code found on sys.path.


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    folder = tmp_path / "on path"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = {*sys.modules}
    yield folder
    for name in {*sys.modules} - before:
        del sys.modules[name]


def read_again(read, *args):
    """Read as a new process would, with empty caches."""
    importlib.invalidate_caches()
    sys.modules["dis_bench.plugin_code.reading"]._read_once.cache_clear()
    return read(*args).version


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("lone", "lone.py"),
        ("lone", "base.py"),
        ("pkg", "pkg/__init__.py"),
        ("pkg.models", "pkg/__init__.py"),
        ("pkg.models", "pkg/models.py"),
        ("pkg.models", "pkg/base.py"),
        ("pkg.models", "pkg/sub/deep.py"),
        ("space.models", "space/models.py"),
        ("space.models", "space/base.py"),
    ],
)
def test_a_module_counts_with_its_package_and_what_it_imports(name, changed, on_path):
    files = {
        "lone.py": "import base",
        "base.py": "",
        "pkg/__init__.py": "",
        "pkg/models.py": "from pkg.base import y\nfrom .sub import deep",
        "pkg/base.py": "",
        "pkg/sub/__init__.py": "",
        "pkg/sub/deep.py": "",
        "space/models.py": "from . import base",
        "space/base.py": "",
    }
    write(on_path, files)
    before = read_again(read_module, name)
    assert read_again(read_module, name) == before
    write(on_path, {changed: files[changed] + "\nx = 2"})
    assert read_again(read_module, name) != before
    assert not {"lone", "pkg", "space", "base"} & {*sys.modules}


def test_a_file_follows_modules_on_the_path(on_path, tmp_path):
    write(tmp_path, {"mine.py": "from shared.base import x"})
    write(on_path, {"shared/__init__.py": "", "shared/base.py": "x = 1"})
    before = read_again(read_file, tmp_path / "mine.py")
    write(on_path, {"shared/base.py": "x = 2"})
    assert read_again(read_file, tmp_path / "mine.py") != before


def install(folder, name, files, record=True, version="1.0"):
    """Install a package into a folder as an installer does."""
    write(folder, {**files, f"{name}-{version}.dist-info/METADATA": f"Name: {name}\nVersion: {version}\n"})
    if record:
        lines = [f"{file},sha256=x,1" for file in files]
        write(folder, {f"{name}-{version}.dist-info/RECORD": "\n".join(lines)})


def test_an_installed_package_is_its_version(on_path, tmp_path):
    install(on_path, "their-package", {"theirs/__init__.py": "", "theirs/models.py": "import torch"})
    code = read_module("theirs.models")
    assert (code.version, code.unwatched) == ("their-package 1.0", ())
    write(tmp_path, {"mine.py": "import theirs.models, json"})
    code = read_file(tmp_path / "mine.py")
    assert code.packages == {"their-package": "1.0"}
    write(on_path, {"theirs/models.py": "import numpy"})
    assert read_file(tmp_path / "mine.py").version == code.version


def test_an_editable_install_is_its_code(on_path):
    # Its list of files contains a .pth file, and the code is elsewhere on the path.
    write(on_path, {"theirs/__init__.py": "x = 1"})
    metadata = {"their_package-1.0.dist-info/METADATA": "Name: their-package\nVersion: 1.0\n"}
    write(
        on_path, {**metadata, "their_package-1.0.dist-info/RECORD": "__editable__.their_package-1.0.pth,,\n"}
    )
    before = read_again(read_module, "theirs")
    write(on_path, {"theirs/__init__.py": "x = 2"})
    assert read_again(read_module, "theirs") != before


def test_a_source_tree_with_its_egg_info_is_its_code(on_path):
    write(on_path, {"theirs/__init__.py": "", "theirs.egg-info/PKG-INFO": "Name: theirs\nVersion: 1.0\n"})
    write(on_path, {"theirs.egg-info/top_level.txt": "theirs\n"})
    assert len(read_module("theirs").version) == 16


def test_packages_that_are_imported_directly_are_listed(tmp_path):
    write(tmp_path, {"mine.py": "import sklearn.svm, torch", "beside.py": "import scipy"})
    assert [*read_file(tmp_path / "mine.py").packages] == ["scikit-learn", "torch"]


# What cannot be followed.


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("import importlib\nimportlib.import_module(name)", "line 2: importlib.import_module()"),
        ("from importlib import import_module as load\nload(name)", "line 2: importlib.import_module()"),
        ("__import__(name)", "line 1: __import__()"),
        ("exec(open(path).read())", "line 1: exec()"),
        ("def f():\n    return eval('1')", "line 2: eval()"),
        ("import numpy as np\nx = np.load('x.npy')", "line 2: numpy.load()"),
        ("from torch import load\nload('x.pt')", "line 2: torch.load()"),
        ("with open('x.json') as file:\n    pass", "line 1: open()"),
        ("from pathlib import Path\nPath(__file__).with_name('x').read_text()", "line 2: read_text()"),
        ("import pandas as pd\npd.read_csv('x.csv')", "line 2: pandas.read_csv()"),
        ("import ctypes\nctypes.CDLL('x.so')", "line 2: ctypes.CDLL()"),
        ("import sys\nsys.path.insert(0, '/x')\ndef f():\n    import far_away", "line 2: sys.path.insert()"),
    ],
)
def test_what_cannot_be_followed_is_named(code, named, tmp_path):
    write(tmp_path, {"mine.py": "import beside", "beside.py": code})
    assert f"beside.py, {named}" in read_file(tmp_path / "mine.py").unwatched


@pytest.mark.parametrize(
    "code",
    [
        "import json, torch, numpy.linalg\nfrom sklearn import svm",
        "def f(networks):\n    networks.eval()\n    networks.load_state_dict({})",
        "with open('log.txt', 'w') as file, open('more.txt', mode='a') as more:\n    pass",
        "import sys\nsys.path.insert(0, '/x')\nimport json",
        "import beside",
    ],
)
def test_nothing_else_is_named(code, tmp_path):
    write(tmp_path, {"mine.py": code, "beside.py": "x = 1"})
    assert read_file(tmp_path / "mine.py").unwatched == ()


def test_compiled_and_broken_neighbours_are_named(tmp_path):
    write(tmp_path, {"mine.py": "import fast, broken", "fast.abi3.so": "ELF", "broken.py": "x = ("})
    named = read_file(tmp_path / "mine.py").unwatched
    assert named == ("broken.py, its imports cannot be read", "fast.abi3.so, its imports cannot be read")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    write(tmp_path, {"mine.py": "import beside", "beside.py": "x = 1"})
    (tmp_path / "beside.py").chmod(0)
    assert read_file(tmp_path / "mine.py").unwatched == ("beside.py, cannot be read: Permission denied",)


def test_our_own_plugins_need_nothing(tmp_path):
    assert read_file(Path(__file__).parent / "tiny.py").unwatched == ()
