"""The progress bar fits every width, and is replaced by lines without a terminal."""

import io
import sys
from types import SimpleNamespace

import pytest

from dis_bench.runners.job import Job
from dis_bench.runners.training.log import Progress
from dis_bench.runners.watch import ProgressBar, describe_progress
from tests.records.test_cell import CELL

LOSSES = Progress(540, {"loss": 151.2, "reconstruction": 131.1, "kl": 20.05})
LABEL = "dsprites betavae beta=4 seed=0"
LONG = "dsprites mine alpha=0.123 gamma=1000 capacity=25 warmup=3000 eta=0.5 seed=12"


def draw(monkeypatch, width, label, what):
    """Return the last line that is drawn on a terminal of the given width."""
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    cell = SimpleNamespace(label=label, steps=1200)
    progress = ProgressBar()
    progress.start([SimpleNamespace(cell=cell, scores_only=False)] * 12, done=0)
    progress.bar.dynamic_ncols = lambda _: (width, 24)
    progress._refreshed = -1e9
    progress.watch((Cell(cell), what))
    progress.bar.refresh()
    progress.close()
    return stream.getvalue().rstrip("\n").split("\r")[-1]


def Cell(values):  # a bar counts by hashable cells
    return type("Cell", (), vars(values))()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("label", [LABEL, LONG])
@pytest.mark.parametrize("what", [LOSSES, "scoring gaussian_wasserstein_correlation_norm", "encoding"])
def test_every_width_has_a_bar_a_share_and_times(monkeypatch, width, label, what):
    line = draw(monkeypatch, width, label, what)
    assert len(line) <= width
    before, bar, after = line.split("|")
    assert "12" in before
    assert before.endswith("%")
    assert len(bar) >= (20 if width > 40 else 15)
    assert "<" in after
    assert after.count("\n") == 0


@pytest.mark.parametrize(
    ("width", "label", "what", "text"),
    [
        (200, LABEL, LOSSES, f"{LABEL}: reconstruction 131.1, KL 20.1 nats"),
        (200, LONG, LOSSES, f"{LONG}: reconstruction 131.1, KL 20.1 nats"),
        (120, LONG, "scoring mig", "dsprites mine alpha=...=3000 eta=0.5 seed=12: scoring mig"),
        (80, LABEL, LOSSES, "dsprite...4 seed=0: loss 151.2"),
        (80, "tiny vae seed=0", "scoring mig", "tiny vae seed=0: scoring mig"),
        (60, LONG, LOSSES, "loss 151.2"),
    ],
)
def test_a_narrow_terminal_shows_less(monkeypatch, width, label, what, text):
    assert draw(monkeypatch, width, label, what).split(", ", 1)[1].strip() == text


def test_nothing_is_shown_rather_than_half_a_word():
    assert describe_progress(LABEL, LOSSES, room=9) == ""
    assert describe_progress(LABEL, LOSSES, room=-20) == ""


def test_without_a_terminal_each_cell_gets_a_line(monkeypatch, capsys):
    progress = ProgressBar()
    cells = [Cell(SimpleNamespace(label=f"tiny vae seed={seed}", steps=3)) for seed in range(2)]
    progress.start([SimpleNamespace(cell=cell, scores_only=False) for cell in cells], done=0)
    for cell in cells:
        progress.watch((cell, LOSSES))
        progress.finish(cell, {"status": "done", "unscored": {}})
    progress.close()
    out, err = capsys.readouterr()
    assert out == "cell 1 of 2 done: tiny vae seed=0\ncell 2 of 2 done: tiny vae seed=1\n"
    assert err == ""


def test_waiting_for_other_runs_is_said_once_for_each_number(capsys):
    bar = ProgressBar()
    bar.start([Job(CELL)], done=0)
    for cells in (2, 2, 1, 1):
        bar.wait(cells)
    bar.close()
    assert capsys.readouterr().out.splitlines() == [
        "waiting for 2 cells that other runs are training",
        "waiting for 1 cell that other runs are training",
    ]
