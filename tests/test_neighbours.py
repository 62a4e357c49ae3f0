"""A plug-in file imports the modules beside it, and no other code sees them."""

import multiprocessing
import pickle
import subprocess
import sys

import pytest

from dis_bench import registry
from dis_bench.errors import InputError


@pytest.fixture
def write(tmp_path):
    """Return a function that writes files by path and content, and returns the folder."""

    def write(files, folder=tmp_path):
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return folder

    return write


def load(file, name="f"):
    return registry.find("metrics", f"{file}:{name}").load()


PLUGIN = "def f(codes, factors):\n    return value\n"


@pytest.mark.parametrize(
    ("statement", "files"),
    [
        ("import beside; value = beside.x", {"beside.py": "x = 7"}),
        ("from beside import x as value", {"beside.py": "x = 7"}),
        ("from beside import *; value = x", {"beside.py": "x = 7"}),
        ("from .beside import x as value", {"beside.py": "x = 7"}),
        ("from . import beside; value = beside.x", {"beside.py": "x = 7"}),
        ("import parts.inner; value = parts.inner.x", {"parts/__init__.py": "", "parts/inner.py": "x = 7"}),
        (
            "import parts.inner as inner; value = inner.x",
            {"parts/__init__.py": "", "parts/inner.py": "x = 7"},
        ),
        ("from parts.inner import x as value", {"parts/__init__.py": "", "parts/inner.py": "x = 7"}),
        (
            "from parts import x as value",
            {"parts/__init__.py": "from .inner import x", "parts/inner.py": "x = 7"},
        ),
        ("from parts import inner; value = inner.x", {"parts/inner.py": "x = 7"}),
        ("import beside; value = beside.x", {"beside.py": "from other import x", "other.py": "x = 7"}),
        (
            "import parts.inner; value = parts.inner.x",
            {"parts/inner.py": "from other import x", "other.py": "x = 7"},
        ),
        (
            "import one; x = 3; value = one.get()",
            {"one.py": "import two\ndef get(): return two.x", "two.py": "import one\nx = 7"},
        ),
        ("import mine_2; value = 7", {"mine_2.py": "import mine"}),
        ("value = 7\ndef f(codes, factors):\n    import beside\n    return beside.x", {"beside.py": "x = 7"}),
        ("from ..above import x as value", {"__init__.py": "", "sub/__init__.py": "", "above.py": "x = 7"}),
        (
            "from above import x as value",
            {"__init__.py": "", "sub/__init__.py": "", "sub/above.py": "x = 7", "above.py": "x = 8"},
        ),
        ("from .. import x as value", {"pkg/__init__.py": "x = 7", "pkg/sub/__init__.py": ""}),
        (
            "from pkg.other import x as value",
            {"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/other.py": "x = 7"},
        ),
    ],
)
def test_import_statements_find_what_is_beside(statement, files, write):
    inside = next(
        (f"{name.removesuffix('__init__.py')}" for name in files if name.endswith("sub/__init__.py")), ""
    )
    folder = write({**files, f"{inside}mine.py": f"{statement}\n{'' if 'def f(' in statement else PLUGIN}"})
    before = {*sys.modules}
    assert load(folder / inside / "mine.py")(None, None) == 7
    assert {name for name in {*sys.modules} - before if not name.startswith("dis_bench_plugin_")} == set()


def test_equally_named_neighbours_do_not_mix_even_when_one_folder_is_on_the_path(
    write, tmp_path, monkeypatch
):
    for number in ("1", "2"):
        content = {"common.py": f"x = {number}", "parts/inner.py": f"y = {number}"}
        lazy = (
            "import common\ndef f(codes, factors):\n    from parts.inner import y\n    return common.x, y\n"
        )
        write({**content, "mine.py": lazy}, tmp_path / number)
    monkeypatch.syspath_prepend(tmp_path / "1")
    one, two = (load(tmp_path / number / "mine.py") for number in ("1", "2"))
    assert one(None, None) == (1, 1)
    assert two(None, None) == (2, 2)
    assert one(None, None) == (1, 1)


def test_the_standard_library_and_what_is_installed_stay_what_they_are(write):
    neighbours = dict.fromkeys(("json.py", "random.py", "dis_bench.py"), "raise RuntimeError('shadowed')")
    code = "import json, random, torch, dis_bench.errors\n" + PLUGIN.replace(
        "value", "json.dumps(random.choice([1]))"
    )
    # A folder without __init__.py may hold anything, and a file does not hide its namesake.
    folder = write({**neighbours, "numpy/weights.txt": "", "torch.py": code})
    assert load(folder / "torch.py")(None, None) == "1"


def test_a_neighbour_hides_an_installed_package_from_its_own_folder_only(write):
    folder = write({"scipy.py": "x = 7", "mine.py": "import scipy; value = scipy.x\n" + PLUGIN})
    assert load(folder / "mine.py")(None, None) == 7
    import scipy.linalg

    assert scipy.linalg.norm([3.0, 4.0]) == 5.0


def _value_of(pickled):
    return pickle.loads(pickled).value  # noqa: S301 - our own bytes


def test_what_a_neighbour_defines_travels_to_a_new_process(write):
    files = {"beside.py": "import other\nclass Thing:\n    value = other.x\n", "other.py": "x = 7"}
    folder = write(
        {**files, "mine.py": "from beside import Thing\ndef f(codes, factors):\n    return Thing()\n"}
    )
    thing = load(folder / "mine.py")(None, None)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_value_of, [pickle.dumps(thing)]) == 7


@pytest.mark.parametrize("name", ["my-model.py", "my.model.py", "class.py", "ünï cöde.py"])
def test_a_file_may_have_any_name(name, write):
    folder = write({"beside.py": "x = 7", name: "from beside import x as value\n" + PLUGIN})
    assert load(folder / name)(None, None) == 7


def test_compiled_functions_see_neighbours(write):
    files = {"beside.py": "from numba import njit\n@njit\ndef g(x):\n    return abs(x)\n"}
    code = "from numba import njit\nfrom beside import g\n@njit\ndef h(x):\n    return g(x) + len((1, 2))\n"
    folder = write({**files, "mine.py": f"{code}def f(codes, factors):\n    return h(-5)\n"})
    assert load(folder / "mine.py")(None, None) == 7


def test_a_neighbour_that_changed_is_imported_again(write):
    folder = write({"beside.py": "x = 6", "mine.py": "from beside import x as value\n" + PLUGIN})
    assert load(folder / "mine.py")(None, None) == 6
    write({"beside.py": "x = 7"})
    with registry.keeping_code():
        assert load(folder / "mine.py")(None, None) == 6
    assert load(folder / "mine.py")(None, None) == 7


@pytest.mark.parametrize("mistake", ["x = (", "raise ValueError('no')", "import no_such_module"])
def test_a_neighbour_that_was_mended_works(mistake, write):
    folder = write({"beside.py": mistake, "mine.py": "from beside import x as value\n" + PLUGIN})
    with pytest.raises(InputError, match="cannot be imported"):
        load(folder / "mine.py")
    write({"beside.py": "x = 7"})
    assert load(folder / "mine.py")(None, None) == 7


def test_mistakes_are_told_by_the_names_that_their_author_knows(write):
    folder = write({"parts/__init__.py": "", "mine.py": "import parts.missing"})
    with pytest.raises(InputError, match=r"ModuleNotFoundError: No module named 'parts\.missing'"):
        load(folder / "mine.py")


def test_an_encoder_imports_its_neighbours_from_another_folder(write, tmp_path):
    write({"project/nets.py": "STRIDE = 400"})
    code = "from nets import STRIDE\ndef encode(images):\n    return images.flatten(1).float()[:, ::STRIDE]\n"
    write({"project/mine.py": code})
    words = ["score", "--encoder", "project/mine.py:encode", "--rows", "300", "--allow-small", "--no-anchors"]
    command = [sys.executable, "-m", "dis_bench", *words, "--metrics", "mig"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
