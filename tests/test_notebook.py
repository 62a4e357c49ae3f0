"""The notebook in docs/ runs from start to end, as a kernel would run it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"

# Cells are compiled one by one, and registered under names of their own, as IPython does. The last line of
# a cell is shown as HTML if it can be.
KERNEL = """
import ast, json, linecache, sys
for number, source in enumerate(json.load(sys.stdin)):
    name = f"/tmp/ipykernel_1/{number}.py"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    tree, space = ast.parse(source), sys.modules["__main__"].__dict__
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), space)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), name, "eval"), space)
        shown = getattr(value, "_repr_html_", lambda: None)()
        print(f"cell {number} shows", type(value).__name__, len(shown or repr(value)), flush=True)
"""


def read_cells():
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_notebook_runs_from_start_to_end(tmp_path):
    command = [sys.executable, "-c", KERNEL]
    options = {"input": json.dumps(read_cells()), "capture_output": True, "text": True, "cwd": tmp_path}
    done = subprocess.run(command, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("shows TrainedModel") == 2
    assert "results/report/index.html: 4 cells: moments, myvae, pca" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"results", "my-model"}


def test_its_outputs_are_those_of_a_whole_run():
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in codes] == [*range(1, len(codes) + 1)]
    outputs = [output for cell in codes for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    pages = [
        "".join(output["data"]["text/html"]) for output in outputs if "text/html" in output.get("data", {})
    ]
    assert sum(page.count('type="range"') for page in pages) == 8  # four sliders, before and after the export
    assert not re.search(r"/(root|home|work|tmp)/", NOTEBOOK.read_text("utf-8"))
