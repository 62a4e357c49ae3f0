"""The bar says what a run waits for."""

from dis_bench.runners.pipeline import Job
from dis_bench.runners.progress import ProgressBar
from tests.runners.test_cell import CELL


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
