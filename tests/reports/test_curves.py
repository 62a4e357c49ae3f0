"""Training curves are read as they are, and thinned by averaging."""

import numpy as np
import pytest

from dis_bench.reports.curves import MOST_POINTS, read_curve

HEAD = "step,loss,reconstruction,kl,weighted_kl,kl_0\n"


def write(folder, rows):
    (folder / "training.csv").write_text(HEAD + "".join(f"{s},{r + k},{r},{k},{k},{k}\n" for s, r, k in rows))
    return folder


def test_short_curves_come_back_unchanged(tmp_path):
    problems = []
    curve = read_curve(write(tmp_path, [(10, 600.0, 1.0), (20, 300.0, 2.0)]), problems)
    assert curve.step.tolist() == [10, 20]
    assert curve.reconstruction.tolist() == [600, 300]
    assert curve.kl.tolist() == [1, 2]
    assert problems == []


def test_long_curves_are_averaged_over_equal_blocks(tmp_path):
    curve = read_curve(write(tmp_path, [(i, 2.0 * i, 1.0) for i in range(4 * MOST_POINTS)]), [])
    assert len(curve.step) == MOST_POINTS
    assert curve.step[0] == np.mean([0, 1, 2, 3])
    assert np.allclose(curve.reconstruction, 2 * curve.step)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is missing"),
        (HEAD, "is empty"),
        ("a,b\n1,2\n", "cannot be read"),
        (HEAD + "x,1,1,1,1,1\n", "cannot be read"),
    ],
)
def test_unusable_files_are_told_of(tmp_path, content, words):
    if content is not None:
        (tmp_path / "training.csv").write_text(content)
    problems = []
    assert read_curve(tmp_path, problems) is None
    [problem] = problems
    assert words in problem
    assert "training.csv" in problem
