"""Progress bars are drawn on terminals and in notebooks only."""

import io
import sys
from types import ModuleType, SimpleNamespace

import pytest

from dis_bench.bars import SilentBar, bar, in_notebook


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def open_terminal(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def start_kernel(monkeypatch):
    """Simulate Jupyter: IPython runs a kernel, and no stream is a terminal."""
    module = ModuleType("IPython")
    module.get_ipython = lambda: SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)


def test_a_terminal_shows_it(monkeypatch):
    terminal = open_terminal(monkeypatch)
    assert list(bar(range(3), "counting", delay=0)) == [0, 1, 2]
    assert "counting" in terminal.getvalue()
    assert not in_notebook()


def test_a_pipe_does_not(capsys):
    with bar(total=3, delay=0) as shown:
        shown.update()
    assert capsys.readouterr().err == ""
    assert shown.disable


@pytest.mark.parametrize("disabled", ["1", "true"])
def test_nor_does_anything_where_the_environment_says_so(monkeypatch, disabled):
    terminal = open_terminal(monkeypatch)
    monkeypatch.setenv("TQDM_DISABLE", disabled)
    assert list(bar("ab", delay=0)) == ["a", "b"]
    assert terminal.getvalue() == ""


@pytest.mark.filterwarnings("error")
def test_a_notebook_without_widgets_shows_text(monkeypatch, capsys):
    import tqdm.notebook

    start_kernel(monkeypatch)
    monkeypatch.setattr(tqdm.notebook, "IProgress", None)
    assert list(bar("ab", "letters", total=2, delay=0)) == ["a", "b"]
    out, err = capsys.readouterr()
    assert "letters" in out
    assert err == ""


def test_a_notebook_with_widgets_shows_them(monkeypatch):
    import tqdm.notebook

    start_kernel(monkeypatch)

    class Widget:
        def __init__(self, iterable, desc, total, **options):
            self.options = options

    monkeypatch.setattr(tqdm.notebook, "IProgress", object())
    monkeypatch.setattr(tqdm.notebook, "tqdm", Widget)
    assert bar("ab", dynamic_ncols=True).options["disable"] is False


@pytest.mark.parametrize("broken", ["no tqdm", "no stderr", "no class of bar"])
def test_work_goes_on_without_a_bar(monkeypatch, capsys, broken):
    open_terminal(monkeypatch)
    if broken == "no tqdm":
        monkeypatch.setitem(sys.modules, "tqdm", None)
    elif broken == "no stderr":
        monkeypatch.setattr(sys, "stderr", None)
    else:
        monkeypatch.setattr("tqdm.tqdm", lambda *_, **__: 1 / 0)
    assert isinstance(bar(), SilentBar)
    with bar("abc", "letters", total=3, unit="letter") as letters:
        assert list(letters) == ["a", "b", "c"]
        letters.update(2)
        letters.set_postfix_str("x")
        letters.set_description_str("y")
        letters.write("a line")
    assert capsys.readouterr().out == "a line\n"
