"""Figures look the same whatever the environment, files and the caller set."""

import hashlib
import io
import os
import subprocess
import sys

import matplotlib
import pytest

from dis_bench.cli.main import main
from dis_bench.plotting import Figure, drawing
from tests.reports.made_up import write_study

HOSTILE = {
    "text.usetex": True,
    "text.parse_math": True,
    "font.family": ["No Such Font"],
    "savefig.bbox": "tight",
    "savefig.format": "pdf",
    "savefig.dpi": 10,
    "figure.dpi": 20,
    "figure.autolayout": True,
    "axes.prop_cycle": matplotlib.cycler("color", ["red"]),
    "axes.grid": True,
    "axes.unicode_minus": False,
    "image.cmap": "jet",
    "image.origin": "lower",
    "lines.linewidth": 9.0,
    "backend": "svg",
    "interactive": True,
}
DRAW = """
import hashlib, io
from dis_bench.plotting import Figure, drawing, load_seaborn
load_seaborn()
with drawing({"axes.labelsize": 11}):
    figure = Figure()
    figure.subplots().plot([-1, 2], label="a $name$ of $5")
    figure.legend()
    file = io.BytesIO()
    figure.savefig(file, format="png")
print(hashlib.sha256(file.getvalue()).hexdigest())
"""


def draw():
    with drawing({"axes.labelsize": 11}):
        figure = Figure()
        figure.subplots().plot([-1, 2], label="a $name$ of $5")
        figure.legend()
        file = io.BytesIO()
        figure.savefig(file, format="png")
    return hashlib.sha256(file.getvalue()).hexdigest()


@pytest.mark.parametrize("name", HOSTILE)
def test_settings_of_the_caller_neither_show_nor_change(name):
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        expected = draw()
        before = dict.get(matplotlib.rcParams, "backend")
        try:
            matplotlib.rcParams[name] = HOSTILE[name]
            settings = dict(matplotlib.rcParams.copy())
            assert draw() == expected
            assert dict(matplotlib.rcParams.copy()) == settings
        finally:
            dict.__setitem__(matplotlib.rcParams, "backend", before)


def test_settings_are_back_after_a_failure():
    before = matplotlib.rcParams["axes.labelsize"]
    with pytest.raises(ZeroDivisionError), drawing({"axes.labelsize": 77}):
        raise ZeroDivisionError
    assert matplotlib.rcParams["axes.labelsize"] == before


@pytest.mark.parametrize("text", ["a $name of 5", "$x", "$$", "$\\frac{", "_hidden", "50% & #1 ~ ^"])
def test_texts_are_no_formulas(text):
    with drawing({}):
        figure = Figure()
        axes = figure.subplots()
        axes.set_title(text)
        [line] = axes.plot([1, 2], label=text)
        legend = figure.legend(handles=[line])
        figure.savefig(io.BytesIO(), format="png")
    assert [each.get_text() for each in legend.get_texts()] == [text]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "content", "environment"),
    [
        (None, b"", {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}),
        (None, b"", {"MPLBACKEND": "module://no.such.module"}),
        (None, b"", {"MPLBACKEND": "nonsense"}),
        (None, b"", {"MPLBACKEND": "TkAgg"}),
        ("matplotlibrc", b"font.family: \xff\xfe\n", {}),
        ("rc/matplotlibrc", b"font.family: \xff\xfe\n", {"MATPLOTLIBRC": "rc"}),
        ("rc/matplotlibrc", b"no colon\nno.such.key: 3\nfigure.dpi: many\n", {"MATPLOTLIBRC": "rc"}),
        ("rc/matplotlibrc", b"text.usetex: True\nbackend: Qt5Agg\nfigure.dpi: 9\n", {"MATPLOTLIBRC": "rc"}),
        ("mpl/stylelib/mine.mplstyle", b"font.family: \xff\xfe\n", {"MPLCONFIGDIR": "mpl"}),
        (None, b"", {"HOME": "/nonexistent", "MPLCONFIGDIR": "/proc/nope"}),
    ],
)
def test_neither_environment_nor_files_change_a_figure(tmp_path, file, content, environment):
    if file:
        write(tmp_path / file, content)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run(
        [sys.executable, "-c", DRAW], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == draw()


def test_the_callers_own_backend_stays(tmp_path):
    code = (
        "import dis_bench.plotting, matplotlib, os; print(matplotlib.get_backend(), os.environ['MPLBACKEND'])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": "svg"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "svg svg\n"


@pytest.mark.parametrize(
    "module",
    [
        "reports.figures.plots",
        "reports.figures.curves",
        "reports.figures.pictures",
        "reports.figures.anchor_lines",
        "reports.figures.theme",
        "reports.report",
    ],
)
def test_every_module_that_draws_can_be_imported_first(module):
    environment = {**os.environ, "MPLBACKEND": "nonsense"}
    code = f"import dis_bench.{module}"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)


def test_a_report_and_a_picture_in_a_notebook(tmp_path):
    write_study(tmp_path / "results", betas=[1, 4], seeds=[0], pictures=False)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for words in (["report"], ["data", "show", "dsprites"]):
        command = [sys.executable, "-m", "dis_bench", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["text.usetex", "savefig.bbox"])
def test_the_picture_of_a_dataset_is_the_same(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        assert main(["data", "show", "dsprites", "--out", "plain.png"]) == 0
        matplotlib.rcParams[name] = HOSTILE[name]
        assert main(["data", "show", "dsprites", "--out", "hostile.png"]) == 0
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "hostile.png").read_bytes()
