"""Classes and functions of a script or notebook become modules of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The cells of a notebook, compiled and registered as an IPython kernel does.
NOTEBOOK = """
import linecache, sys
CELLS = sys.stdin.read().split("# ---\\n")
for number, cell in enumerate(CELLS):
    name = f"/tmp/ipykernel_1/{number}.py"
    linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)
    exec(compile(cell, name, "exec"), sys.modules["__main__"].__dict__)
"""

MINE = """
import math
import numpy as np
from math import pi as PI
from dis_bench.errors import InputError as Wrong
WEIGHT = [2.0, -1]
def halve(x):
    return x / 2
other = halve
# ---
class Base:
    name = "base"
# ---
def decorate(function):
    return function

class Mine(Base):
    "Not used: WEIGHTS, unused."
    power: "Unknown" = PI
    @decorate
    def f(self, x: np.ndarray = WEIGHT):
        return other(math.exp(len(x))), [Wrong for PI in x]
# ---
from dis_bench.extraction import extract
first = extract(Mine)
"""


def run(cells, cwd):
    """Run the cells of a notebook in a process of their own; return what they print."""
    options = {"capture_output": True, "text": True, "cwd": cwd, "env": {"PYTHONPATH": str(ROOT), "PATH": ""}}
    return subprocess.run([sys.executable, "-c", NOTEBOOK], input=cells, **options)


def test_a_class_is_written_with_all_that_it_uses(tmp_path):
    done = run(f"{MINE}print(first.read_text(), end='')\n# ---\nassert extract(Mine) == first\n", tmp_path)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    for line in (
        *("import math as math", "import numpy as np", "from dis_bench.errors import InputError as Wrong"),
        *(
            "WEIGHT = [2.0, -1]",
            "PI = 3.141592653589793",
            "other = halve",
            "class Base:",
            "class Mine(Base):",
        ),
        *("def decorate(function):", "    @decorate"),
    ):
        assert line in text.splitlines()
    assert text.index("class Base") < text.index("class Mine")
    namespace = {}
    exec(compile(text, "extracted", "exec"), namespace)
    assert namespace["Mine"]().f([1, 2])[0] == pytest.approx(namespace["math"].exp(2) / 2)


def test_the_same_source_has_the_same_text_in_another_process(tmp_path):
    both = [run(f"{MINE}print(first.read_text(), first.parent.name)", tmp_path).stdout for _ in range(2)]
    assert both[0] == both[1] != ""


def test_functions_called_as_builtins_are_ones_own(tmp_path):
    cells = (
        "from numpy import sum\ndef round(x):\n    return 100 * x\n"
        "def mine(codes):\n    return round(int(sum([codes, [1]]))), len(codes), __name__\n"
        "# ---\nfrom dis_bench.extraction import extract\n"
        "namespace = {'__name__': 'elsewhere'}\nexec(extract(mine).read_text(), namespace)\n"
        "print(mine([2]), namespace['mine']([2]))"
    )
    done = run(cells, tmp_path)
    assert done.stdout == "(300, 1, '__main__') (300, 1, 'elsewhere')\n", done.stderr


def test_names_in_annotations_and_numbers_without_end_are_no_hindrance(tmp_path):
    cells = (
        "import numpy as np\nfrom numpy.typing import NDArray\n"
        "End = float('inf')\nArray = np.ndarray | list\n"
        "def mine(codes: NDArray[np.float64]) -> Array:\n    return codes < End\n"
        "# ---\nfrom dis_bench.extraction import extract\n"
        "namespace = {}\nexec(extract(mine).read_text(), namespace)\nprint(namespace['mine'](3))"
    )
    done = run(cells, tmp_path)
    assert done.stdout == "True\n", done.stderr


def test_the_latest_definition_counts(tmp_path):
    again = "# ---\nclass Base:\n    name = 'second'\n# ---\nprint(extract(Base).read_text())"
    text = run(MINE + again, tmp_path).stdout
    assert "second" in text
    assert "'base'" not in text


def test_of_two_definitions_in_one_file_the_given_one_counts(tmp_path):
    twice = """
def same(f): return f
@same
def f(): return 1
first = f
@same
def f(): return 2
class C:
    def f(self): return 'C1'
earlier = C
class C:
    def f(self): return 'C2'
# ---
from dis_bench.extraction import extract
for given in (first, f, earlier, C):
    print(extract(given).read_text())
"""
    done = run(twice, tmp_path)
    assert [word for word in ("return 1", "return 2", "'C1'", "'C2'") if done.stdout.count(word) == 1] == [
        "return 1",
        "return 2",
        "'C1'",
        "'C2'",
    ], done.stderr


def test_a_decorator_that_its_source_shows_is_no_hindrance(tmp_path):
    cells = (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(x):\n        return 2 * f(x)\n"
        "    return g\n@twice\ndef mine(x):\n    return x\n"
        "# ---\nfrom dis_bench.extraction import extract\n"
        "namespace = {}\nexec(extract(mine).read_text(), namespace)\nprint(namespace['mine'](3))"
    )
    done = run(cells, tmp_path)
    assert done.stdout == "6\n", done.stderr


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (
            "import functools\ndef C(x):\n    return x\nC = functools.lru_cache(C)",
            "'C' was wrapped after its definition",
        ),
        (
            "import functools\ndef f(x):\n    return x\nf = functools.cache(f)\ndef C():\n    return f(1)",
            "'f' was wrapped after its definition, which its source does not show: put the wrapper",
        ),
        ("class C:\n    size = 1\ngiven = C\nclass C:\n    size = 2", "'C' is defined 2 times"),
        ("big = object()\nclass C:\n    def f(self):\n        return big", "'C' uses 'big', <object object"),
        (
            "def make():\n    class C:\n        pass\n    return C\nC = make()",
            "'make.<locals>.C' must be defined",
        ),
        (
            "import functools\n@functools.singledispatch\ndef f(x):\n    return 0\n@f.register\n"
            "def _(x: int):\n    return 1\ndef C():\n    return f(1)",
            "'f' has functions for several types (singledispatch), which its source does not show",
        ),
        ("C = lambda codes, factors: 0", "'<lambda>' must be defined at the top"),
        ("exec('class C:\\n    def f(self): pass')", "the source of 'C' cannot be found: put it into a file"),
    ],
)
def test_what_has_no_source_is_refused(cell, said, tmp_path):
    cells = f"{cell}\n# ---\nfrom dis_bench.extraction import extract\nextract(globals().get('given', C))\n"
    error = run(cells, tmp_path).stderr
    assert "InputError" in error
    assert said in error


def test_a_value_of_a_library_is_imported_and_two_of_one_name_are_refused(tmp_path):
    cells = (
        "import torch\nfrom dis_bench.models.vae import FREE_BITS\nclass Net: pass\n# ---\nOld = Net\n"
        "class Net: pass\n# ---\ndef f(): return FREE_BITS\ndef g(): return Net, Old\n"
        "# ---\nfrom dis_bench.extraction import extract\nprint(extract(f).read_text())\nextract(g)"
    )
    done = run(cells, tmp_path)
    assert "from dis_bench.models.vae import FREE_BITS" in done.stdout
    assert "InputError: 'g' uses two definitions called 'Net': give each a name of its own." in done.stderr


def test_the_folder_is_removed_at_the_end(tmp_path):
    path = Path(run(f"{MINE}print(first)", tmp_path).stdout.strip())
    assert path.name == "Mine.py"
    assert not path.exists()
